"""Which slices are held back for measuring: those of whole patients, as a rule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.slices.store import StoredCase

SplitBy = Literal["patient", "slice"]
LEAK_WARNING = (
    "WARNING: this split is by slice. Slices beside those of training are measured, so "
    "figures of the test part are too good (the paper's split leaks in this way); use "
    "--split patient for figures that hold for new patients."
)


def hold_back(
    cases: Sequence[StoredCase], share: float, seed: int, by: SplitBy
) -> dict[str, list[int]]:
    """Choose the slices of the test part.

    Parameters
    ----------
    cases : sequence of StoredCase
        All scans.
    share : float
        Of patients, or of slices; 0 holds nothing back.
    seed : int
        The same one chooses the same.
    by : {"patient", "slice"}
        What is kept together.

    Returns
    -------
    dict
        For each scan with slices of the test part, their places.

    Raises
    ------
    InputError
        If there are too few patients to hold one back.
    """
    if not share:
        return {}
    rng = np.random.default_rng(seed)
    if by == "slice":
        places = [(case.name, row) for case in cases for row in range(len(case.rows))]
        chosen = rng.permutation(len(places))[: round(share * len(places))]
        held: dict[str, list[int]] = {}
        for name, row in (places[at] for at in sorted(chosen)):
            held.setdefault(name, []).append(row)
        return held
    patients = sorted({case.patient for case in cases if case.rows})
    if len(patients) < 2:
        raise InputError(
            f"The slices are those of {len(patients)} patient, and none can be held "
            "back: give scans of more patients, --test-share 0, or --split slice."
        )
    count = min(max(math.floor(share * len(patients) + 0.5), 1), len(patients) - 1)
    test = {patients[at] for at in rng.permutation(len(patients))[:count]}
    return {
        case.name: list(range(len(case.rows)))
        for case in cases
        if case.patient in test and case.rows
    }
