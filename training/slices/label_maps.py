"""The numbers that public data sets give to structures, in the project's numbers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from napari_spinalsam.core.anatomy import DISC_OFFSET, structure
from training.common.losses import IGNORED

if TYPE_CHECKING:
    from collections.abc import Mapping

Source = Literal["verse", "totalsegmentator", "spider", "folder"]

# From foot to head, as SPIDER and TotalSegmentator count.
_UPWARDS = (
    *(f"L{n}" for n in range(5, 0, -1)),
    *(f"T{n}" for n in range(12, 0, -1)),
    *(f"C{n}" for n in range(7, 0, -1)),
)


def _label(name: str) -> int:
    return structure(name).label


# Files of the folder `segmentations`, and structures.
TOTAL_SEGMENTATOR_FILES: Mapping[str, str] = MappingProxyType(
    {f"vertebrae_{name}": name for name in _UPWARDS}
    | {"sacrum": "sacrum", "vertebrae_S1": "sacrum", "spinal_cord": "spinal_cord"}
)

# The task `total` of version 2.
TOTAL_SEGMENTATOR_VALUES: Mapping[int, int] = MappingProxyType(
    {27 + n: _label(name) for n, name in enumerate(_UPWARDS)}
    | {25: _label("sacrum"), 26: _label("sacrum"), 79: _label("spinal_cord")}
)

# SPIDER counts from the lowest lumbar vertebra that is seen, here taken for L5, which
# an L6 or a sacralised L5 makes wrong: single-structure masks need no names.
SPIDER_VALUES: Mapping[int, int] = MappingProxyType(
    {1 + n: _label(name) for n, name in enumerate(_UPWARDS)}
    | {101 + n: IGNORED for n in range(25)}
    | {201 + n: DISC_OFFSET + _label(name) for n, name in enumerate(_UPWARDS[:-1])}
    | {100: _label("spinal_canal")}
)
