"""The kinds of structure that the bundled network votes for, by label."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core import anatomy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


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
# How often a structure of each kind is looked at, relative to one of bone.
SHARES = np.array([1.0, 0.4, 0.3, 0.0])


def choose(labels: ArrayLike, rng: np.random.Generator) -> int:
    """Return one of some labels, by the shares of their kinds."""
    names = np.asarray(labels)
    shares = SHARES[KINDS[names]]
    return int(rng.choice(names, p=shares / shares.sum()))
