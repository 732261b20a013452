"""The steps of a clause: structures, numbers and words become arguments of actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_spinalsam.language.parser.lexicon import load_lexicon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_spinalsam.language.parser.frames import Fit
    from napari_spinalsam.language.parser.tokenizer import Token

Step = dict[str, Any]
_BODIES = ("vertebra", "椎体")


class UnclearError(Exception):
    """Too little was said; the key names the question of `questions` to ask back."""


def places_of(tokens: Sequence[Token], kinds: str = "structure region") -> list[str]:
    """Return the structures and regions named, each once, in order."""
    names: dict[str, None] = {}
    named = any("structure" in token.values for token in tokens)
    for token in tokens:
        if named and "region" in token.values and any(b in token.text for b in _BODIES):
            continue  # "each vertebra" of those that are named
        for kind in kinds.split():
            names.update(dict.fromkeys(token.values.get(kind, ())))
    return list(names)


def has(token: Token, names: str) -> bool:
    """Return whether a word has one of these concepts."""
    return bool(token.concepts & load_lexicon().mask(names))


_BOTH = {
    "窗宽窗位": ("width", "level"),
    "窗位窗宽": ("level", "width"),
    "window level": ("level",),
}
_TIMES = {"once": 1, "twice": 2, "thrice": 3}


def numbers_of(tokens: Sequence[Token]) -> list[tuple[int, float]]:
    """Return the places and values of the numbers in a clause."""
    found = []
    for at, token in enumerate(tokens):
        value = token.values.get("number", token.values.get("ordinal"))
        if value is None:
            value = next((n for name, n in _TIMES.items() if has(token, name)), None)
            if value is not None and has(token, "filler"):
                continue
        if value is not None:
            found.append((at, value))
    ranking = [pair for pair in found if not has(tokens[pair[0]], "filler")]
    return ranking or found


def count_of(tokens: Sequence[Token]) -> int | None:
    """Return the one whole number of a clause, None where none was said.

    Raises
    ------
    UnclearError
        If a number has a fraction or is zero, as no count has and is.
    """
    numbers = [value for _, value in numbers_of(tokens)]
    if any(value != int(value) or value < 1 for value in numbers):
        raise UnclearError("which_number")
    return int(numbers[0]) if numbers else None


def sign_of(tokens: Sequence[Token]) -> int:
    """Return +1 or -1 for the way to move through slices, 0 where it is not plain."""
    for ahead, behind in (("next", "previous"), ("forward", "back")):
        signs = {
            1 if has(token, ahead) else -1
            for token in tokens
            if has(token, ahead) != has(token, behind)
        }
        if len(signs) == 1:
            return signs.pop()
    return 0


def level_and_width(tokens: Sequence[Token]) -> tuple[float | None, float | None]:
    """Return the window level and width of a clause, None where one is missing."""
    found: dict[str, float] = {}
    waiting: list[str] = []
    loose: float | None = None
    negative = False
    for token in tokens:
        name = _window_word(token)
        if token.text in _BOTH:
            waiting += _BOTH[token.text]
        elif name and name not in (*found, *waiting):
            if loose is not None:
                found[name], loose = loose, None
            else:
                waiting.append(name)
        elif token.text == "-" or has(token, "minus"):
            negative = True
        elif "number" in token.values:
            value = -token.values["number"] if negative else token.values["number"]
            negative = False
            if waiting:
                found[waiting.pop(0)] = float(value)
            else:
                loose = float(value)
    return found.get("level"), found.get("width")


def _window_word(token: Token) -> str | None:
    if has(token, "width_word"):
        return "width"
    return "level" if has(token, "level_word") else None


_MOST_POINTS = 50


@dataclass(slots=True)
class _Points:
    """The points of one "3 negative points on L4"."""

    count: int | None = None
    polarity: str | None = None
    places: list[str] = field(default_factory=list)
    names_first: bool = False

    def steps(self, elsewhere: list[str]) -> Iterator[Step]:
        count = 1 if self.count is None else self.count
        places: list[str | None] = [*(self.places or elsewhere)]
        for place in places or [None]:
            yield {
                "action": "add_points",
                "count": count,
                "polarity": self.polarity or "positive",
                "structure": place,
            }


def add_points(fit: Fit) -> list[Step]:
    """Return a step for each "3 negative points on L4" of a clause."""
    groups = [_Points()]
    numbers = dict(numbers_of(fit.tokens))
    for at, token in enumerate(fit.tokens):
        number = numbers.get(at)
        if number is not None:
            if groups[-1].count is not None:
                groups.append(_Points())
            below_zero = at > 0 and fit.tokens[at - 1].text == "-"
            whole = number == int(number) and not below_zero
            if not whole or not 1 <= number <= _MOST_POINTS:
                raise UnclearError("how_many_points")
            groups[-1].count = int(number)
            groups[-1].names_first = bool(groups[-1].places)
        if "polarity" in token.values:
            same = groups[-1].polarity in (None, token.values["polarity"])
            if not same or (groups[-1].places and places_of(fit.tokens[at:])):
                groups.append(_Points())
            groups[-1].polarity = token.values["polarity"]
        named = places_of([token])
        if named and groups[-1].names_first:
            groups.append(_Points())  # "L3 four points, L4 two points"
        groups[-1].places += named
    if any(has(token, "vague") for token in fit.tokens) and all(
        group.count is None for group in groups
    ):
        raise UnclearError("how_many_points")
    named = places_of(fit.tokens)
    shared = named if sum(bool(group.places) for group in groups) == 1 else []
    return [step for group in groups for step in group.steps(shared)]


def add_box(fit: Fit) -> list[Step]:
    """Return a step for each structure to be boxed, or for each box to be drawn."""
    if any(has(token, "point") for token in fit.tokens):
        raise UnclearError("what_to_do")
    places = places_of(fit.tokens)
    if not places:
        return [{"action": "add_box", "structure": None}] * (count_of(fit.tokens) or 1)
    return [{"action": "add_box", "structure": place} for place in places]


LAYERS = {
    "point": "points",
    "box": "boxes",
    "reference": "reference",
    "labels": "labels",
    "image_layer": "image",
}


# What takes a number; elsewhere one only counts what is named, as in "both L1 and L2".
_WITH_NUMBERS = frozenset(
    (
        "previous_image",
        "next_image",
        "go_to_slice",
        "move_slice",
        "set_window",
        "add_points",
        "add_box",
        "propagate",
        "clear_prompts",
        "undo",
        "redo",
        "shift_names",
        "set_pixel_size",
    )
)
_INTO = frozenset(("into", "in to", "onto", "to", "到", "进", "入", "为", "成"))
_INTO_ZH = ("到", "进", "入", "为", "成")
_ONLY = ("only", "just", "只", "仅")
_NO_STEP = 20  # slices that nobody asks to move by when asking to see a slice


def build_steps(fit: Fit) -> list[Step]:
    """Return the steps that a clause asks for.

    Raises
    ------
    UnclearError
        If an argument is missing or cannot be; its text is a key of `questions`.
    """
    build = _BUILDERS.get(fit.frame.action, _plain)
    if fit.frame.action not in _WITH_NUMBERS:
        names = places_of(fit.tokens, "structure")
        if any(number not in (1, len(names)) for _, number in numbers_of(fit.tokens)):
            raise UnclearError("which_number")
    return build(fit)


def _plain(fit: Fit) -> list[Step]:
    return [{"action": fit.frame.action, **fit.frame.sets}]


def _value(fit: Fit, name: str) -> Any:
    return next((t.values[name] for t in fit.used if name in t.values), None) or next(
        (t.values[name] for t in fit.tokens if name in t.values), None
    )


def _images(fit: Fit) -> list[Step]:
    return _plain(fit) * (count_of(fit.tokens) or 1)


def _go_to_slice(fit: Fit) -> list[Step]:
    found = numbers_of(fit.tokens)
    if len({number for _, number in found}) != 1:
        raise UnclearError("which_slice")
    number_at, number = found[0]
    slice_at = next(
        (
            at
            for at, t in enumerate(fit.tokens)
            if has(t, "slice") and "number" not in t.values
        ),
        0,
    )
    ranks = "ordinal" in fit.tokens[number_at].values
    arrives = any(
        t.text.endswith(("到", "至", "to", "第", "去")) and not has(t, "back forward")
        for t in fit.tokens[:number_at]
    )
    looks = number >= _NO_STEP and any(has(t, "show") for t in fit.tokens[:number_at])
    if number_at < slice_at and not (ranks or arrives or looks):
        raise UnclearError("which_way")
    if number != int(number):
        raise UnclearError("which_slice")
    step = {"action": "go_to_slice", "index": int(number)}
    plane = _value(fit, "plane")
    return ([{"action": "set_plane", "plane": plane}] if plane else []) + [step]


def _move_slice(fit: Fit) -> list[Step]:
    if len(numbers_of(fit.tokens)) > 1:
        raise UnclearError("which_way")
    offset = sign_of(fit.tokens) * (count_of(fit.tokens) or 1)
    if offset == 0:
        raise UnclearError("which_way")
    return [{"action": "move_slice", "offset": int(offset)}]


def _set_plane(fit: Fit) -> list[Step]:
    planes = {t.values["plane"] for t in fit.tokens if "plane" in t.values}
    if len(planes) != 1:
        raise UnclearError("which_plane")
    return [{"action": "set_plane", "plane": planes.pop()}]


def _set_window(fit: Fit) -> list[Step]:
    if any("number" in token.values for token in fit.used):
        level, width = level_and_width(fit.tokens)
        if level is None or width is None or width <= 0:
            raise UnclearError("level_and_width")
        return [{"action": "set_window", "level": level, "width": width}]
    return [{"action": "set_window", "preset": _value(fit, "preset")}]


def _select(fit: Fit) -> list[Step]:
    names = places_of(fit.tokens, "structure")
    if len(names) != 1:
        raise UnclearError("one_structure")
    return [{"action": "select_structure", "structure": names[0]}]


def _segment(fit: Fit) -> list[Step]:
    """One step for the structures in a row, one for each region."""
    lists: list[list[str]] = []
    open_list = False
    single = bool(places_of(fit.tokens, "structure"))
    for token in fit.tokens:
        regions = places_of([token], "region")
        if single and regions and "vertebra" in token.text:
            continue
        names = [] if regions else places_of([token], "structure")
        if regions:
            lists += [[region] for region in regions]
            open_list = False
        elif names and open_list:
            lists[-1] += [name for name in names if name not in lists[-1]]
        elif names:
            lists.append(names)
            open_list = True
    return [{"action": "segment_structures", "structures": names} for names in lists]


def _propagate(fit: Fit) -> list[Step]:
    said = [t for t in fit.tokens if "direction" in t.values]
    # "Backwards through the next eight": "next" only counts.
    plain = [t for t in said if not has(t, "next previous")] or said
    ways = {t.values["direction"] for t in plain}
    counts = any(has(t, "it") and "number" in t.values for t in fit.used)
    if places_of(fit.tokens) or counts:
        raise UnclearError("one_thing")
    if _names_slice(fit):
        raise UnclearError("how_far")
    in_turn = _ways_in_turn(fit)
    if len(in_turn) > 1:
        return in_turn
    count = count_of(fit.tokens)
    if count is None and _one_slice(fit):
        count = 1
    way = ways.pop() if len(ways) == 1 else "both"
    return [{"action": "propagate", "direction": way, "slices": count}]


def _ways_in_turn(fit: Fit) -> list[Step]:
    """Read "forward ten slices and backward five" as two steps."""
    ways = [t.values["direction"] for t in fit.tokens if "direction" in t.values]
    counts = [int(number) for _, number in numbers_of(fit.tokens)]
    if len(ways) != len(counts) or len(set(ways)) < len(ways):
        return []
    return [
        {"action": "propagate", "direction": way, "slices": count}
        for way, count in zip(ways, counts, strict=True)
    ]


def _names_slice(fit: Fit) -> bool:
    """Whether a slice is named, as in "to slice 20", where a count is wanted."""
    said = fit.tokens
    return any(
        ("number" in token.values and at and _announces_slice(said[at - 1]))
        or ("ordinal" in token.values and any(map(_is_a_slice, said[at + 1 : at + 2])))
        for at, token in enumerate(said)
    )


def _is_a_slice(token: Token) -> bool:
    """Whether a word is "slice" in the singular, and no number or direction."""
    return has(token, "slice") and not (token.values or token.text.endswith("s"))


def _announces_slice(token: Token) -> bool:
    return _is_a_slice(token) or has(token, "name_slice")


def _one_slice(fit: Fit) -> bool:
    """Whether "the next slice" is meant, in the singular."""
    return any(has(token, "next previous") for token in fit.tokens) and any(
        has(token, "slice") and not token.text.endswith("s") for token in fit.tokens
    )


def _clear(fit: Fit) -> list[Step]:
    names: dict[str, None] = {}
    if any("number" in token.values for token in fit.tokens):
        raise UnclearError("clear_what")  # one of them cannot be told from the others
    for token in fit.tokens:
        if has(token, "point") and not has(token, "clear reset"):
            names["clear_points"] = None
        elif has(token, "box") and not has(token, "clear reset"):
            names["clear_boxes"] = None
    return [{"action": name} for name in names]


def _clear_all(fit: Fit) -> list[Step]:
    """In English "clear" comes first: "all clear" is no request."""
    verbs = [at for at, t in enumerate(fit.tokens) if has(t, "clear reset")]
    if not verbs or (fit.tokens[verbs[0]].text == "clear" and _is_last(fit, verbs[0])):
        raise UnclearError("clear_what")
    return _plain(fit)


def _is_last(fit: Fit, at: int) -> bool:
    return 0 < at == len(fit.tokens) - 1


def _history(fit: Fit) -> list[Step]:
    return [{"action": fit.frame.action, "steps": count_of(fit.tokens) or 1}]


def _measure(fit: Fit) -> list[Step]:
    metrics = dict.fromkeys(
        t.values["metric"] for t in fit.tokens if "metric" in t.values
    )
    regions = places_of(fit.tokens, "region")
    if regions and regions != ["spine"]:
        raise UnclearError("one_structure")
    if any(has(token, "unit") for token in fit.tokens):
        raise UnclearError("what_to_do")  # Hounsfield units are no measure of these
    step: Step = {"action": "measure", **fit.frame.sets}
    if metrics:
        step["metrics"] = list(metrics)
    names: list[str | None] = [*places_of(fit.tokens, "structure")]
    return [{**step, "structure": name} for name in names or [None]]


def _save(fit: Fit) -> list[Step]:
    formats = {t.values["format"] for t in fit.tokens if "format" in t.values}
    return [{"action": "save_labels", "format": f} for f in sorted(formats)] or [
        {"action": "save_labels"}
    ]


def _show(fit: Fit) -> list[Step]:
    visible = not any(has(token, "hide") for token in fit.used)
    layers: dict[str, None] = {}
    for token in fit.tokens:
        found = [layer for name, layer in LAYERS.items() if has(token, name)]
        if found and not has(token, "show hide"):
            layers[found[0]] = None
    return [
        {"action": "set_visibility", "layer": layer, "visible": visible}
        for layer in layers
    ]


def _each_structure(fit: Fit) -> list[Step]:
    """One step for each structure named; None is the one of the step before.

    A mask may be the preview, and "only L3" is about all others.
    """
    deletes = fit.frame.action == "delete_structure"
    if deletes and any(has(t, "mask") and "label" not in t.text for t in fit.tokens):
        raise UnclearError("delete_structure")
    if any(t.text.startswith(_ONLY) for t in fit.tokens):
        raise UnclearError("what_to_do")
    names: list[str | None] = [*places_of(fit.tokens, "structure")]
    return [
        {"action": fit.frame.action, "structure": name, **fit.frame.sets}
        for name in names or [None]
    ]


def _rename(fit: Fit) -> list[Step]:
    """Take the first name for the old one, in English and in Chinese."""
    names = places_of(fit.tokens, "structure")
    if len(names) != 2:
        raise UnclearError("rename_what")
    return [{"action": "rename_structure", "structure": names[0], "to": names[1]}]


def _merge(fit: Fit) -> list[Step]:
    """Let what stands behind "into" keep its name."""
    marks = [
        at
        for at, token in enumerate(fit.tokens)
        if token.text in _INTO or token.text[1:].endswith(_INTO_ZH)
    ]
    before = places_of(fit.tokens[: marks[-1]], "structure") if marks else []
    kept = places_of(fit.tokens[marks[-1] :], "structure") if marks else []
    if marks and not before and len(kept) == 2:  # 合并到 may stand first
        before, kept = kept[:1], kept[1:]
    gone = [name for name in before if name not in kept]
    if len(kept) != 1 or not gone:
        raise UnclearError("merge_what")
    return [
        {"action": "merge_structures", "structure": name, "into": kept[0]}
        for name in gone
    ]


def _shift_names(fit: Fit) -> list[Step]:
    """Down is towards the feet; a sign is meant as it is written."""
    numbers = [value for _, value in numbers_of(fit.tokens) if value]
    ways = {1 for t in fit.tokens if has(t, "feetwards")} | {
        -1 for t in fit.tokens if has(t, "headwards")
    }
    signs = [t.text for t in fit.tokens if t.text in ("+", "-") or has(t, "minus")]
    one = any(t.text == "level" and has(t, "level_noun") for t in fit.tokens)
    if not numbers and one:
        numbers = [1]
    part = places_of(fit.tokens, "region") not in ([], ["spine"])
    if part or len(numbers) != 1 or numbers[0] != int(numbers[0]) or len(signs) > 1:
        raise UnclearError("shift_names")
    if signs and not ways:
        ways = {1 if signs[0] == "+" else -1}
    elif signs or len(ways) != 1:
        raise UnclearError("shift_names")
    return [{"action": "shift_names", "levels": ways.pop() * int(numbers[0])}]


def _pixel_size(fit: Fit) -> list[Step]:
    found = numbers_of(fit.tokens)
    sizes = [value for _, value in found]
    other_unit = any(t.text == "um" for at, _ in found for t in fit.tokens[at + 1 :])
    if len(sizes) != 1 or sizes[0] <= 0 or other_unit:
        raise UnclearError("pixel_size")
    return [{"action": "set_pixel_size", "mm": float(sizes[0])}]


_BUILDERS: dict[str, Callable[[Fit], list[Step]]] = {
    "previous_image": _images,
    "next_image": _images,
    "go_to_slice": _go_to_slice,
    "move_slice": _move_slice,
    "set_plane": _set_plane,
    "set_window": _set_window,
    "select_structure": _select,
    "add_points": add_points,
    "add_box": add_box,
    "segment_structures": _segment,
    "propagate": _propagate,
    "clear_prompts": _clear,
    "clear_all": _clear_all,
    "undo": _history,
    "redo": _history,
    "measure": _measure,
    "save_labels": _save,
    "set_visibility": _show,
    "set_lock": _each_structure,
    "set_structure_visibility": _each_structure,
    "delete_structure": _each_structure,
    "rename_structure": _rename,
    "merge_structures": _merge,
    "shift_names": _shift_names,
    "set_pixel_size": _pixel_size,
}
