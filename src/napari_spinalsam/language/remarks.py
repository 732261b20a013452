"""What a remark names and the request leaves out: "PACS wants NRRD, save it so"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_spinalsam.language.fragments import mask
from napari_spinalsam.language.slots import places_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.fragments import Fragment


def with_remarks(
    steps: Sequence[dict[str, Any]], fragments: Sequence[Fragment]
) -> list[dict[str, Any]]:
    """Return the steps, a format or a structure filled in that was named beside them.

    Parameters
    ----------
    steps : sequence of dict
        What the requests of a sentence ask for.
    fragments : sequence of Fragment
        All that is said, with what is negated.
    """
    words = [t for part in fragments if not part.negated for t in part.tokens]
    formats = {t.values["format"] for t in words if "format" in t.values}
    names = places_of(words, "structure")
    used = {name for step in steps for name in _named(step)}
    all_of_it = any(t.concepts & mask("all") and t.text != "all" for t in words)
    filled = []
    for step in steps:
        if step["action"] == "save_labels" and len(formats) == 1:
            step = {"format": next(iter(formats)), **step}
        lacks = step["action"] == "measure" and step.get("structure") is None
        if lacks and len(names) == 1 and names[0] not in used and not all_of_it:
            step = {**step, "structure": names[0]}
        filled.append(step)
    return filled


def _named(step: dict[str, Any]) -> list[str]:
    return [*step.get("structures", ()), *filter(None, (step.get("structure"),))]
