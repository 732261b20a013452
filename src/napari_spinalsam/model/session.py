"""A loaded network and the embeddings of a volume: numpy in, numpy out.

Not safe for several threads at once; one inference thread owns it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts
from napari_spinalsam.core.refinement import (
    as_logits,
    as_points_and_box,
    corrected,
    lasso_region,
    limit_of,
    with_meant_label,
)
from napari_spinalsam.model import pixel_size
from napari_spinalsam.model.backends.base import SizingBackend, VotingBackend
from napari_spinalsam.model.volumetric.detection import find_structures, locate_spine
from napari_spinalsam.model.volumetric.propagation import propagate, propagate_all
from napari_spinalsam.model.volumetric.voting import gather_votes

if TYPE_CHECKING:
    from collections.abc import (
        Generator,
        Hashable,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.protocols import ModelIdentity
    from napari_spinalsam.core.results import (
        Direction,
        FoundStructure,
        Progress,
        Propagated,
        Seed,
        SliceKey,
        VolumeMask,
    )
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.backends.base import (
        Backend,
        ModelRecord,
        SliceEmbedding,
    )
    from napari_spinalsam.model.volumetric.detection import Limits
    from napari_spinalsam.model.volumetric.voting import Region, VoteField

CACHE_BYTES = 512 * 1024**2
# Distance of the slices that the network sees on either side of the prompted one.
NEIGHBOUR_MM = 2.5


def embedding_cache(budget: int) -> LRUCache[Hashable, SliceEmbedding]:
    """Return an empty cache that keeps embeddings up to a memory budget.

    Parameters
    ----------
    budget : int
        Bytes; the newest embedding is kept, alone, even if it is larger.
    """

    def size(embedding: SliceEmbedding) -> int:
        return min(embedding.nbytes, budget)

    return LRUCache(budget, getsizeof=size)


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """What is asked about a slice; see `SegmentationSession.predict`."""

    prompts: SlicePrompts
    window: Window
    mask_input: NDArray[np.float32] | None
    start: NDArray[np.bool_] | None


class SegmentationSession:
    """Encode slices of a volume once and answer any number of prompts on them.

    Parameters
    ----------
    backend : Backend
        The network.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._cache = embedding_cache(CACHE_BYTES)
        self._volume: Volume | None = None
        # Of a picture that does not tell it, once it was chosen for all prompts.
        self._chosen_mm: float | None = None

    @property
    def record(self) -> ModelRecord:
        """Where the network comes from."""
        return self._backend.record

    @property
    def identity(self) -> ModelIdentity:
        """Which weights and adapter it has."""
        return self.record.identity

    @property
    def device(self) -> str:
        """Torch device that computes."""
        return self._backend.device

    @property
    def volume(self) -> Volume | None:
        """The volume that slices are taken from."""
        return self._volume

    def set_volume(self, volume: Volume) -> None:
        """Take slices from this volume from now on, forgetting another's embeddings."""
        if volume is not self._volume:
            self._volume = volume
            self._chosen_mm = None
            self._cache.clear()

    def is_encoded(self, axis: int, index: int, window: Window) -> bool:
        """Whether a prompt on this slice can be answered without encoding."""
        planes = self._sizes_of(self._plane(axis, index)).values()
        return all(_key(plane, window) in self._cache for plane in planes)

    def encode(self, axis: int, index: int, window: Window) -> float | None:
        """Make sure that a slice is embedded.

        Parameters
        ----------
        axis, index : int
            Canonical array axis and position of the slice.
        window : Window
            Maps intensities to what the network sees.

        Returns
        -------
        float or None
            Milliseconds spent; None if the embedding was at hand.

        Raises
        ------
        InputError
            If there is no volume or no such slice.
        """
        planes = self._sizes_of(self._plane(axis, index)).values()
        return _sum([self._embed(plane, window)[1] for plane in planes])

    def predict(
        self,
        plane: SlicePlane,
        prompts: SlicePrompts,
        /,
        *,
        window: Window,
        mask_input: NDArray[np.float32] | None = None,
        start: NDArray[np.bool_] | None = None,
    ) -> MaskPrediction:
        """Predict candidate masks for the prompts of one structure on one slice.

        Parameters
        ----------
        plane : SlicePlane
            The slice, of the volume that was set.
        prompts : SlicePrompts
            In pixels of the slice; see `core.refinement` for scribbles and lassos.
        window : Window
            Maps intensities to what the network sees.
        mask_input : ndarray of float32, shape (h, w), or None
            One of the low-res logits of the last prediction on this very slice.
        start : ndarray of bool, shape (rows, cols), or None
            A label to correct; see `core.refinement`.

        Raises
        ------
        InputError
            If the prompts lie outside of the slice, or nothing says what is wanted.
        """
        prompts.check_inside(plane)
        begun = mask_input is not None or start is not None
        if prompts.is_empty or not (begun or prompts.asks_for_something):
            raise InputError(
                msg(
                    "There is no positive point and no box to predict from: click "
                    "inside the structure or draw a box around it."
                )
            )
        question = _Question(prompts, window, mask_input, start)
        if not self._must_find_size(plane):
            return self._answer(plane, question)
        encode_ms = _sum(
            [self._embed(at, window)[1] for at in self._sizes_of(plane).values()]
        )
        answers, scores = self._answers_by_size(plane, question)
        mm = pixel_size.best_size([scores])
        return replace(
            answers[mm],
            encode_ms=encode_ms,
            decode_ms=sum(answer.decode_ms for answer in answers.values()),
            pixel_mm=mm,
            remarks=(*answers[mm].remarks, pixel_size.remark(mm)),
        )

    def choose_pixel_mm(
        self, prompts: Sequence[SlicePrompts], window: Window
    ) -> float | None:
        """Choose one pixel size for a picture that does not tell it.

        Later predictions on the picture keep to it.

        Parameters
        ----------
        prompts : sequence of SlicePrompts
            All that will be asked.
        window : Window
            Maps intensities to what the network sees.

        Returns
        -------
        float or None
            Millimetres; None where it is known, or the network sees all sizes alike.
        """
        asked = [
            (plane, _Question(each, window, None, None))
            for each in prompts
            if self._must_find_size(plane := self._plane(*each.key))
        ]
        if not asked:
            return None
        self._chosen_mm = None
        scores = [self._answers_by_size(*each)[1] for each in asked]
        self._chosen_mm = pixel_size.best_size(scores)
        return self._chosen_mm

    def _must_find_size(self, plane: SlicePlane) -> bool:
        """Whether the pixel size matters to the network and is not known."""
        known = plane.geometry.spacing_known
        return not known and isinstance(self._backend, SizingBackend)

    def _sizes_of(self, plane: SlicePlane) -> dict[float, SlicePlane]:
        """Return a slice at the sizes that it is seen in."""
        if not self._must_find_size(plane):
            return {0.0: plane}
        if self._chosen_mm is not None:
            return {self._chosen_mm: pixel_size.plane_at(plane, self._chosen_mm)}
        return pixel_size.candidate_planes(plane)

    def _answers_by_size(
        self, plane: SlicePlane, question: _Question
    ) -> tuple[dict[float, MaskPrediction], dict[float, float]]:
        """Ask at each size that may be; return answers and how well the sizes fit."""
        backend, planes = self._backend, self._sizes_of(plane)
        if not isinstance(backend, SizingBackend):
            raise TypeError(f"{type(backend).__name__} sees all sizes alike")
        window, mask_input = question.window, question.mask_input
        certainties: dict[float, float] = {}
        for mm, at in planes.items():
            embedding, _ = self._embed(at, window)
            shape = backend.low_res_shape(embedding)
            if mask_input is None or mask_input.shape == shape:
                certainties[mm] = backend.certainty(embedding)
        if not certainties and mask_input is not None:
            raise InputError(
                msg(
                    "The mask input has the shape {shape}, which fits no size of "
                    "this slice: use the low-res logits of a prediction on it.",
                    shape=mask_input.shape,
                )
            )
        answers, scores = {}, {}
        for mm in pixel_size.sure_enough(certainties):
            answers[mm] = self._answer(planes[mm], question)
            scores[mm] = pixel_size.score(
                certainties[mm], answers[mm], planes[mm].spacing
            )
        return answers, scores

    def _answer(self, plane: SlicePlane, question: _Question) -> MaskPrediction:
        """Ask the network about a slice whose pixels have the size that they have."""
        prompts, start = question.prompts, question.start
        embedding, encode_ms = self._embed(plane, question.window)
        began = perf_counter()
        mask_input = question.mask_input
        if mask_input is None:
            mask_input = self._first_mask(embedding, plane, prompts, start)
        asked = as_points_and_box(prompts, plane.spacing)
        if start is not None:
            asked = with_meant_label(asked, start)
        masks, iou, logits = self._backend.decode(embedding, asked, mask_input)
        masks = masks & limit_of(prompts, plane)
        if start is not None:
            masks = np.stack([corrected(start, mask, prompts) for mask in masks])
        order = np.argsort(-iou, kind="stable")
        return MaskPrediction(
            masks=masks[order],
            predicted_iou=iou[order],
            low_res_logits=logits[order],
            encode_ms=encode_ms,
            decode_ms=1e3 * (perf_counter() - began),
            remarks=self._remarks(embedding, plane, question.window),
        )

    def _remarks(
        self, embedding: SliceEmbedding, plane: SlicePlane, window: Window
    ) -> tuple[str, ...]:
        """Return what the network saw otherwise than in its training."""
        record = self.record
        sentences = [record.doubt, record.window_doubt(window)]
        if record.pixel_mm is not None:
            seen = embedding.pixel_mm(plane.spacing)
            sentences.append(record.pixel_size_doubt(seen))
        return tuple(filter(None, sentences))

    def _first_mask(
        self,
        embedding: SliceEmbedding,
        plane: SlicePlane,
        prompts: SlicePrompts,
        start: NDArray[np.bool_] | None,
    ) -> NDArray[np.float32] | None:
        """Return the mask input that a label or a lasso stands for, if there is one."""
        if start is None and prompts.lasso is not None:
            start = lasso_region(prompts.lasso, plane.shape)
        if start is None:
            return None
        return self._backend.to_low_res(embedding, as_logits(start, plane.spacing))

    @property
    def pixel_mm(self) -> float | None:
        """Pixels on which the network votes without a prompt; None if it cannot."""
        backend = self._backend
        return backend.pixel_mm if isinstance(backend, VotingBackend) else None

    def gather_votes(
        self, region: Region, window: Window
    ) -> Generator[float, None, VoteField]:
        """Encode a region in all three planes; see `voting.gather_votes`.

        Raises
        ------
        InputError
            If there is no volume, or the network cannot vote.
        """
        return gather_votes(*self._voting(), region, window)

    def locate_spine(self, window: Window) -> Generator[float, None, Limits]:
        """Find the part that holds the spine; see `detection.locate_spine`."""
        return locate_spine(*self._voting(), window)

    def propagate(
        self,
        seeds: Mapping[SliceKey, Seed],
        *,
        window: Window,
        direction: Direction = "both",
        slices: int | None = None,
    ) -> Iterator[Propagated]:
        """Propagate one structure through the volume; see `propagation.propagate`."""
        return propagate(self, seeds, window=window, direction=direction, slices=slices)

    def propagate_all(
        self, objects: Sequence[Mapping[SliceKey, Seed]], *, window: Window
    ) -> Iterator[Progress | list[VolumeMask]]:
        """Propagate several structures at once; see `propagation.propagate_all`."""
        return propagate_all(self, objects, window=window)

    def find_structures(
        self,
        names: Sequence[str],
        *,
        window: Window,
        anchors: Mapping[str, Mapping[SliceKey, Seed]] | None = None,
    ) -> Iterator[Progress | FoundStructure]:
        """Find vertebrae by name; see `detection.find_structures`."""
        return find_structures(self, names, anchors=anchors or {}, window=window)

    def _voting(self) -> tuple[VotingBackend, Volume]:
        """Return what votes, and on what."""
        if self._volume is None:
            raise InputError(msg("There is no image to encode: choose one first."))
        if not isinstance(self._backend, VotingBackend):
            raise InputError(
                msg(
                    "The model {name} cannot find structures without a prompt: "
                    "choose spinalsam-tiny.",
                    name=self.identity.name,
                )
            )
        return self._backend, self._volume

    def _plane(self, axis: int, index: int) -> SlicePlane:
        if self._volume is None:
            raise InputError(msg("There is no image to predict on: choose one first."))
        return self._volume.geometry.plane(axis, index)

    def _embed(
        self, plane: SlicePlane, window: Window
    ) -> tuple[SliceEmbedding, float | None]:
        key = _key(plane, window)
        embedding = self._cache.get(key)
        if embedding is not None:
            return embedding, None
        began = perf_counter()
        stack = self._stack(plane.axis, plane.index, window)
        embedding = self._backend.encode(stack, plane.spacing)
        self._cache[key] = embedding
        return embedding, 1e3 * (perf_counter() - began)

    def _stack(self, axis: int, index: int, window: Window) -> NDArray[np.float32]:
        """Return the windowed slice between its neighbours, shape (3, rows, cols)."""
        if self._volume is None:
            raise InputError(msg("There is no image to encode: choose one first."))
        geometry = self._volume.geometry
        reach = max(1, round(NEIGHBOUR_MM / geometry.spacing[axis]))
        last = geometry.shape[axis] - 1
        return np.stack(
            [
                window.apply(geometry.plane(axis, at).take(self._volume.data))
                for at in (max(index - reach, 0), index, min(index + reach, last))
            ]
        )


def _key(plane: SlicePlane, window: Window) -> tuple[Hashable, ...]:
    """Return what an embedding is known by in the cache."""
    return plane.axis, plane.index, window, plane.spacing


def _sum(times: Iterable[float | None]) -> float | None:
    """Return the sum of the times that there are, None if there are none."""
    measured = [time for time in times if time is not None]
    return sum(measured) if measured else None
