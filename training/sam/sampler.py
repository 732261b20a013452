"""Which slices a step sees: a function of the step, so that a killed run goes on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.slices.store import Slice, SliceKey, SliceStore


class SliceSampler:
    """Deals the slices of a store out to processes, in a new order each epoch.

    Parameters
    ----------
    store : SliceStore
        To read from.
    keys : sequence of SliceKey
        The slices to deal out.
    batch, accumulate : int
        Slices a pass, and passes a step, of one process.
    seed : int
        Of the orders.
    processes, rank : int
        How many processes there are, and which one this is.

    Raises
    ------
    InputError
        If there are no slices.
    """

    def __init__(
        self,
        store: SliceStore,
        keys: Sequence[SliceKey],
        *,
        batch: int,
        accumulate: int = 1,
        seed: int = 0,
        processes: int = 1,
        rank: int = 0,
    ) -> None:
        if not keys:
            raise InputError(
                f"{store.folder} has no slices to train on: prepare it with a smaller "
                "--test-share."
            )
        self._store, self._keys = store, keys
        self._batch, self._accumulate = batch, accumulate
        self._seed, self._processes, self._rank = seed, processes, rank

    @property
    def steps_per_epoch(self) -> int:
        """Steps after which every slice has been seen."""
        each = self._batch * self._accumulate * self._processes
        return math.ceil(len(self._keys) / each)

    def keys_of(self, step: int) -> list[SliceKey]:
        """Return the slices of a step of this process.

        The last step of an epoch fills up with slices of its beginning.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._keys))
        share = self._batch * self._accumulate
        start = (place * self._processes + self._rank) * share
        return [
            self._keys[order[at % len(order)]] for at in range(start, start + share)
        ]

    def draw(self, step: int) -> list[list[Slice]]:
        """Read the slices of a step of this process, pass by pass."""
        slices = [self._store.read(key) for key in self.keys_of(step)]
        starts = range(0, len(slices), self._batch)
        return [slices[start : start + self._batch] for start in starts]
