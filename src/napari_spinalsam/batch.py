"""Segment prompted or named structures of a volume, without a display."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_spinalsam.annotation.label_edits import check_grid, check_values
from napari_spinalsam.core.anatomy import BACKGROUND, by_label, listed
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Plane
from napari_spinalsam.core.masks import LABEL_DTYPE, writable
from napari_spinalsam.core.refinement import joined_mask
from napari_spinalsam.core.results import COUNTED, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.anatomy import Structure
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts
    from napari_spinalsam.core.protocols import Session
    from napari_spinalsam.core.results import FoundStructure, Seed, SliceKey, VolumeMask
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.io.prompt_file import PromptedObject


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """What became of one object.

    Parameters
    ----------
    structure : str
        Canonical name.
    label : int
        Value in the label volume.
    voxels : int
        Voxels written for this object.
    volume_mm3 : float or None
        Their volume; for a flat image the area in mm2; None where the size of a voxel
        is not known.
    predicted_iou : float
        The model's own estimate, 0 to 1; the mean over the object's predictions.
    slices : int
        Slices that it was predicted on; of a whole structure, the slices that hold
        it, along the axis of its first prompt.
    confidence : float or None
        How likely the name is right, 0 to 1; None where the name was given.
    """

    structure: str
    label: int
    voxels: int
    volume_mm3: float | None
    predicted_iou: float
    slices: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Labels of a volume, and how they came about.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        Labels on the canonical grid; 0 where nothing was found.
    objects : tuple of ObjectResult
        In the order of the prompts.
    encode_seconds, decode_seconds : float
        Time spent in the two parts of the model.
    remarks : tuple of str
        Sentences on what the model was not made for and saw all the same.
    pixel_mm : float or None
        The pixel size that was taken because the image does not tell it; else None.
    kept : tuple of str
        What was to be found, but was in the labels before and stays as it was.
    """

    labels: NDArray[np.uint8]
    objects: tuple[ObjectResult, ...]
    encode_seconds: float
    decode_seconds: float
    remarks: tuple[str, ...] = ()
    pixel_mm: float | None = None
    kept: tuple[str, ...] = ()


T = TypeVar("T")
Seeds = dict["SliceKey", "Seed"]
# Of the progress of joining planes.
STEPS = 100


def segment_objects(
    volume: Volume,
    objects: Sequence[PromptedObject],
    session: Session,
    window: Window,
    progress: Callable[[int, int], None] | None = None,
    start: NDArray[np.uint8] | None = None,
) -> Segmentation:
    """Segment objects on their slices, or where it is asked for as a whole.

    A vertebra on a single slice is better told from what lies around it: a network
    that can vote is asked about the neighbourhood too, and its joined answer stands
    where it fits the prompt; see `core.joined`.

    Parameters
    ----------
    volume : Volume
        The image.
    objects : sequence of PromptedObject
        Written in this order; a voxel of an earlier object is not overwritten.
        Those that are to be propagated compete for voxels first.
    session : Session
        A loaded model.
    window : Window
        Maps the intensities to what the model sees.
    progress : callable or None
        Called with the steps done and all of them, after each.
    start : ndarray of uint8, shape (z, y, x), or None
        Labels to go on from, see `io.labels.read_labels_for`. A prompted structure
        is replaced on its prompted slices, one that is propagated as a whole; all
        other voxels stay.

    Raises
    ------
    InputError
        If an object is to be propagated in a flat image, a prompt lies outside of
        the image, or `start` has another shape.
    """
    check_objects(objects, volume)
    work = _Work(volume, session, window, progress, start)
    session.set_volume(volume)
    work.find_pixel_size(objects)
    carried = [each for each in objects if each.propagate or work.sees_around(each)]
    single = sum(len(each.prompts) for each in objects if not each.propagate)
    work.total = single + STEPS * bool(carried)
    wholes = iter(work.propagate(carried))
    for each in objects:
        whole = next(wholes) if each in carried else None
        if whole is not None and each.propagate:
            work.write_whole(each.structure, whole, each.prompts[0].axis)
        else:
            work.write_slices(each, whole)
    return work.result()


def find_structures(
    volume: Volume,
    structures: Sequence[Structure],
    session: Session,
    window: Window,
    anchors: Sequence[PromptedObject] = (),
    progress: Callable[[int, int], None] | None = None,
    start: NDArray[np.uint8] | None = None,
) -> Segmentation:
    """Find vertebrae by name, walking along the spine.

    Parameters
    ----------
    volume : Volume
        The image.
    structures : sequence of Structure
        What is wanted, written in this order.
    session : Session
        A loaded model.
    window : Window
        Maps the intensities to what the model sees.
    anchors : sequence of PromptedObject
        Vertebrae whose names are known. Without any, names are a guess, and each
        object has a confidence.
    progress : callable or None
        Called with the steps done and all of them, after each.
    start : ndarray of uint8, shape (z, y, x), or None
        Labels to go on from, see `io.labels.read_labels_for`. What they hold stays as
        it is, and their vertebrae are known like the anchors; an anchor that is wanted
        is found anew and replaced.

    Raises
    ------
    InputError
        If none of the structures is found or left to find, the anchors do not fit
        together, or `start` has another shape.
    """
    volume.geometry.require_orientation("structures cannot be found by name")
    volume.geometry.require_spacing("structures cannot be found by name")
    work = _Work(volume, session, window, progress, start)
    wanted = work.wanted(structures, anchors)
    session.set_volume(volume)
    work.total = STEPS
    known = work.known(anchors)
    for found in work.find(list(wanted), known):
        guessed = None if known else found.confidence
        work.write_whole(wanted[found.name], found.whole, Plane.SAGITTAL.axis, guessed)
    if not (result := work.result()).objects:
        raise InputError(
            f"None of {listed(wanted)} was found in the image: prompt one vertebra "
            "with its name, and the others are counted from it."
        )
    return result


def check_objects(objects: Sequence[PromptedObject], volume: Volume) -> None:
    """Refuse what cannot be done, before a model is loaded.

    Raises
    ------
    InputError
        If an object is to be propagated through a flat image, or through one whose
        voxel size is unknown.
    """
    for each in objects:
        if each.propagate and volume.geometry.is_2d:
            raise InputError(
                f"The object {each.structure.name} is to be propagated, but the image "
                "is flat and has no other slices: leave propagate out."
            )
        if each.propagate:
            volume.geometry.require_spacing(
                f"{each.structure.name} cannot be propagated"
            )


class _Work:
    """Labels that are being written, with figures and progress."""

    def __init__(
        self,
        volume: Volume,
        session: Session,
        window: Window,
        progress: Callable[[int, int], None] | None,
        start: NDArray[np.uint8] | None,
    ) -> None:
        self._volume, self._session, self._window = volume, session, window
        self._progress, self.total, self._done = progress, 0, 0
        if start is not None:
            check_grid(start, None, volume.geometry)
            check_values(np.unique(start))
            self._labels = start.astype(LABEL_DTYPE)
        else:
            self._labels = np.zeros(volume.geometry.shape, LABEL_DTYPE)
        # What was there before and has not been replaced.
        self._earlier = self._labels.copy()
        self._results: list[ObjectResult] = []
        self._encode_ms = self._decode_ms = 0.0
        self._remarks: dict[str, None] = {}
        self._pixel_mm: float | None = None
        self._kept: tuple[str, ...] = ()

    def result(self) -> Segmentation:
        """Return what has been written."""
        return Segmentation(
            self._labels,
            tuple(self._results),
            encode_seconds=self._encode_ms / 1e3,
            decode_seconds=self._decode_ms / 1e3,
            remarks=tuple(self._remarks),
            pixel_mm=self._pixel_mm,
            kept=self._kept,
        )

    def find_pixel_size(self, objects: Sequence[PromptedObject]) -> None:
        """Choose one pixel size for all objects of an image that does not tell it."""
        if not self._volume.geometry.spacing_known:
            prompts = [prompts for each in objects for prompts in each.prompts]
            began = perf_counter()
            self._pixel_mm = self._session.choose_pixel_mm(prompts, self._window)
            self._encode_ms += 1e3 * (perf_counter() - began)

    def sees_around(self, prompted: PromptedObject) -> bool:
        """Whether the planes around can tell more of an object than its slices."""
        geometry = self._volume.geometry
        if self._session.pixel_mm is None or geometry.is_2d:
            return False
        if not geometry.spacing_known:
            return False  # what lies around cannot be told in millimetres
        return prompted.structure.kind in COUNTED and all(
            self._predict(prompts).masks[0].any() for prompts in prompted.prompts
        )

    def propagate(self, objects: Sequence[PromptedObject]) -> list[VolumeMask]:
        """Carry objects through the volume together."""
        if not objects:
            return []
        seeds = [self._seeds(each) for each in objects]
        steps = self._session.propagate_all(seeds, window=self._window)
        (masks,) = self._follow(steps)
        return masks

    def known(self, anchors: Sequence[PromptedObject]) -> dict[str, Seeds]:
        """Return slices of the vertebrae that were prompted or were there before."""
        seeds: dict[str, Seeds] = {}
        axis = Plane.SAGITTAL.axis
        for label in np.unique(self._earlier):
            found = by_label(int(label))
            if found is not None and found.kind in COUNTED:
                mask = self._earlier == label
                index = int(mask.sum(axis=(0, 1)).argmax())
                seeds[found.name] = {(axis, index): mask[:, :, index]}
        return seeds | {each.structure.name: self._seeds(each) for each in anchors}

    def wanted(
        self, structures: Sequence[Structure], anchors: Sequence[PromptedObject]
    ) -> dict[str, Structure]:
        """Return what is to be found: what is prompted, or was not there before.

        Raises
        ------
        InputError
            If nothing is left.
        """
        prompted = {each.structure for each in anchors}
        present = set(np.unique(self._earlier).tolist())
        kept = [s for s in structures if s.label in present and s not in prompted]
        self._kept = tuple(each.name for each in kept)
        if len(kept) == len(structures):
            raise InputError(
                f"The labels to go on from hold {listed(self._kept)} already, and what "
                "they hold stays: name other structures, or prompt one to replace it."
            )
        return {each.name: each for each in structures if each not in kept}

    def find(
        self, names: Sequence[str], known: Mapping[str, Seeds]
    ) -> list[FoundStructure]:
        """Find vertebrae along the spine."""
        steps = self._session.find_structures(names, window=self._window, anchors=known)
        return self._follow(steps)

    def write_whole(
        self,
        structure: Structure,
        whole: VolumeMask,
        axis: int,
        confidence: float | None = None,
    ) -> None:
        """Write a structure where no other has been written."""
        view = self._labels[whole.box]
        if writable(view, whole.mask, structure.label).any():
            self._make_room(self._labels, self._earlier, structure)
        voxels = self._write(view, whole.mask, structure)
        self._note(
            structure, voxels, whole.predicted_iou, whole.slices(axis), confidence
        )

    def write_slices(self, prompted: PromptedObject, whole: VolumeMask | None) -> None:
        """Predict an object on its slices and write it there.

        Parameters
        ----------
        prompted : PromptedObject
            The object.
        whole : VolumeMask or None
            What the planes around say of it, where they were asked.
        """
        voxels, trust = 0, []
        for prompts in prompted.prompts:
            prediction = self._predict(prompts)
            plane = self._volume.geometry.plane(*prompts.key)
            mask = prediction.masks[0]
            if whole is not None:
                mask = joined_mask(whole, prompts, mask)
            view = plane.take(self._labels)
            if writable(view, mask, prompted.structure.label).any():
                earlier = plane.take(self._earlier)
                self._make_room(view, earlier, prompted.structure)
            voxels += self._write(view, mask, prompted.structure)
            trust.append(float(prediction.predicted_iou[0]))
            self._advance(1)
        slices = len({prompts.key for prompts in prompted.prompts})
        self._note(prompted.structure, voxels, float(np.mean(trust)), slices)

    def _follow(self, steps: Iterator[Progress | T]) -> list[T]:
        """Follow a long step to its results, telling the progress."""
        began, before = perf_counter(), self._done
        results = []
        for step in steps:
            if not isinstance(step, Progress):
                results.append(step)
            elif (ahead := before + int(STEPS * step.done)) > self._done:
                self._advance(ahead - self._done)
        self._advance(before + STEPS - self._done)
        self._encode_ms += 1e3 * (perf_counter() - began)
        return results

    def _seeds(self, prompted: PromptedObject) -> Seeds:
        """Return the prompts of each slice; several on one become their mask."""
        seeds: Seeds = {}
        for key in dict.fromkeys(prompts.key for prompts in prompted.prompts):
            here = [prompts for prompts in prompted.prompts if prompts.key == key]
            seeds[key] = here[0]
            if len(here) > 1:
                masks = [self._predict(prompts).masks[0] for prompts in here]
                seeds[key] = np.logical_or.reduce(masks)
        return seeds

    def _predict(self, prompts: SlicePrompts) -> MaskPrediction:
        plane = self._volume.geometry.plane(*prompts.key)
        prediction = self._session.predict(plane, prompts, window=self._window)
        self._encode_ms += prediction.encode_ms or 0.0
        self._decode_ms += prediction.decode_ms
        self._remarks |= dict.fromkeys(prediction.remarks)
        return prediction

    def _make_room(
        self,
        labels: NDArray[np.uint8],
        earlier: NDArray[np.uint8],
        structure: Structure,
    ) -> None:
        """Take away what a structure had before, once; arrays or views of one shape."""
        stale = earlier == structure.label
        labels[stale] = earlier[stale] = BACKGROUND

    def _write(
        self, view: NDArray[np.uint8], mask: NDArray[np.bool_], structure: Structure
    ) -> int:
        free = mask & (view == BACKGROUND)
        view[free] = structure.label
        return int(np.count_nonzero(free))

    def _note(
        self,
        structure: Structure,
        voxels: int,
        predicted_iou: float,
        slices: int,
        confidence: float | None = None,
    ) -> None:
        geometry = self._volume.geometry
        voxel = float(np.prod(geometry.spacing)) if geometry.spacing_known else None
        self._results.append(
            ObjectResult(
                structure.name,
                structure.label,
                voxels,
                None if voxel is None else voxels * voxel,
                predicted_iou,
                slices,
                confidence,
            )
        )

    def _advance(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None and steps:
            self._progress(self._done, self.total)
