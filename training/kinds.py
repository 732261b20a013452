"""The kinds of structure that the bundled network votes for, by label."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from napari_spinalsam.core import anatomy


class Kind(IntEnum):
    """Place of a kind among the votes of the network; OTHER has none."""

    BONE = 0
    DISC = 1
    CANAL = 2
    OTHER = 3


_OF_ANATOMY = {
    anatomy.Kind.VERTEBRA: Kind.BONE,
    anatomy.Kind.SACRUM: Kind.BONE,
    anatomy.Kind.COCCYX: Kind.BONE,
    anatomy.Kind.DISC: Kind.DISC,
    anatomy.Kind.CANAL: Kind.CANAL,
}


def _kind_of(label: int) -> Kind:
    known = anatomy.by_label(label)
    return Kind.OTHER if known is None else _OF_ANATOMY.get(known.kind, Kind.OTHER)


# Kind of each value of a label map.
KINDS = np.array([_kind_of(label) for label in range(256)], np.uint8)
VOTED = (Kind.BONE, Kind.DISC, Kind.CANAL)
