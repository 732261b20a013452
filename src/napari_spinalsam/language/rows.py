"""Put the steps of all clauses in a row: pronouns resolved, nothing counted twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_spinalsam.core.anatomy import REGIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.clause_reading import Outcome

# Steps that may be asked for twice in a row.
_REPEATED = frozenset(
    [
        "undo",
        "redo",
        "move_slice",
        "next_image",
        "previous_image",
        "add_points",
        "add_box",
    ]
)

# "Lock it" means the structure of the step before.
_POINTING = frozenset(["set_lock", "set_structure_visibility"])


def in_a_row(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the steps, "its volume" with the structure named before, none twice.

    Parameters
    ----------
    outcomes : sequence of Outcome
        What each clause asks for, in order.
    """
    steps: list[dict[str, Any]] = []
    for outcome in outcomes:
        for step in outcome.steps:
            if outcome.its and step.get("structure", "") is None:
                step = {**step, "structure": _last_structure(steps)}
            if step["action"] in _POINTING and step["structure"] is None:
                step = {**step, "structure": _structure_before(steps)}
            if steps and _announces(steps[-1], step):
                steps.pop()
            again = steps and (
                step == steps[-1]
                or _is_result(steps[-1], step)
                or _sums_up(steps[-1], step)
            )
            if not again or step["action"] in _REPEATED:
                steps.append(step)
    steps = [step for at, step in enumerate(steps) if not _is_broken_down(steps, at)]
    return _planes_at_once(steps)


def _planes_at_once(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read "axial, sagittal and coronal" as three views, of which one would be seen."""
    for at in range(len(steps) - 2):
        planes = {step.get("plane") for step in steps[at : at + 3]}
        if all(s["action"] == "set_plane" for s in steps[at : at + 3]) and (
            len(planes) == 3
        ):
            three = {"action": "set_views", "views": "three"}
            return [*steps[:at], three, *steps[at + 3 :]]
    return steps


def _is_broken_down(steps: Sequence[dict[str, Any]], at: int) -> bool:
    """Whether "two points, one positive and one negative" counts points twice."""
    parts = steps[at + 1 : at + 3]
    if steps[at]["action"] != "add_points" or len(parts) < 2:
        return False
    signs = [part.get("polarity") for part in parts]
    total = sum(part.get("count", 0) for part in parts)
    return sorted(map(str, signs)) == ["negative", "positive"] and (
        total == steps[at]["count"] > 1
    )


def _announces(step: dict[str, Any], following: dict[str, Any]) -> bool:
    """Whether "L3 is to be annotated, select it" only announced what is selected.

    So does "abdominal window, level 60, width 360" announce its numbers.
    """
    if following["action"] == "set_window" == step["action"]:
        return "preset" in step and "level" in following
    if following["action"] != "select_structure":
        return False
    return bool(step.get("structures") == [following["structure"]])


def _is_result(step: dict[str, Any], following: dict[str, Any]) -> bool:
    """Whether "predict from the points, the mask please" names what comes of it."""
    narrower = ("generate_point_mask", "generate_box_mask")
    return step["action"] in narrower and following["action"] == "generate_mask"


def _sums_up(step: dict[str, Any], following: dict[str, Any]) -> bool:
    """Whether "compare L4 with the reference, evaluate it" asks for one thing."""
    if not step["action"] == following["action"] == "measure":
        return False
    return following.get("structure") is None and (
        step.get("metrics") == following.get("metrics")
    )


def _last_structure(steps: Sequence[dict[str, Any]]) -> str | None:
    """Return the structure of the last step, None where it is selected or many."""
    last = steps[-1] if steps else {}
    names = last.get("structures", [])
    if last.get("action") == "measure":
        return last.get("structure")
    return names[0] if len(names) == 1 and names[0] not in REGIONS else None


def _structure_before(steps: Sequence[dict[str, Any]]) -> str | None:
    """Return the one structure that the step before is about; None if there is none."""
    last = steps[-1] if steps else {}
    name = last.get("structure")
    return name if name not in REGIONS else None
