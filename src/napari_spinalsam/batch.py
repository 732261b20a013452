"""Fill an annotation with prompted or named structures, without a display."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.events import slice_box
from napari_spinalsam.annotation.jobs import anchors_of
from napari_spinalsam.annotation.label_edits import check_grid
from napari_spinalsam.core.anatomy import Plane, listed
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import writable
from napari_spinalsam.core.refinement import joined_mask
from napari_spinalsam.core.results import COUNTED, Progress, SliceMask, VolumeMask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.anatomy import Structure
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.masks import Box
    from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts
    from napari_spinalsam.core.protocols import Session
    from napari_spinalsam.core.results import FoundStructure, Seed, SliceKey
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
    annotation : Annotation
        The document with these labels, which can be saved and gone on with: prompts,
        and how the labels came about.
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
    annotation: Annotation
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
    """Segment objects of a volume; see `annotate_objects`.

    Parameters
    ----------
    volume : Volume
        The image.
    objects : sequence of PromptedObject
        Written in this order; a voxel of an earlier object is not overwritten.
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
    annotation = begin_annotation(volume, window, start)
    return annotate_objects(annotation, objects, session, progress)


def find_structures(
    volume: Volume,
    structures: Sequence[Structure],
    session: Session,
    window: Window,
    anchors: Sequence[PromptedObject] = (),
    progress: Callable[[int, int], None] | None = None,
    start: NDArray[np.uint8] | None = None,
) -> Segmentation:
    """Find vertebrae of a volume by name; see `annotate_structures`.

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
        is found again and replaced.

    Raises
    ------
    InputError
        If none of the structures is found or left to find, the anchors do not fit
        together, or `start` has another shape.
    """
    annotation = begin_annotation(volume, window, start)
    return annotate_structures(annotation, structures, session, anchors, progress)


def begin_annotation(
    volume: Volume, window: Window, start: NDArray[np.uint8] | None = None
) -> Annotation:
    """Return an annotation of a volume with labels to go on from, or with none.

    Parameters
    ----------
    volume : Volume
        The image.
    window : Window
        Maps the intensities to what the model sees.
    start : ndarray of uint8, shape (z, y, x), or None
        The labels; they are copied.

    Raises
    ------
    InputError
        If `start` has another shape, or a value that names no structure.
    """
    annotation = Annotation(volume, window)
    if start is not None:
        check_grid(start, None, volume.geometry)
        annotation.replace_labels(start, "Open labels")
    return annotation


def annotate_objects(
    annotation: Annotation,
    objects: Sequence[PromptedObject],
    session: Session,
    progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """Segment objects on their slices, or where it is asked for as a whole.

    Prompts are set and masks accepted as in a window, so that the annotation tells
    how its labels came about. All is one step, which undo takes back. Prompts whose
    mask has no free voxel stay as prompts that wait.

    A vertebra on a single slice is better told from what lies around it: a network
    that can vote is asked about the neighbourhood too, and its joined answer stands
    where it fits the prompt; see `core.refinement.joined_mask`.

    Parameters
    ----------
    annotation : Annotation
        The document of the image, with the labels to go on from. A prompted structure
        is replaced on its prompted slices, one that is propagated as a whole; all
        other voxels stay.
    objects : sequence of PromptedObject
        Written in this order; a voxel of an earlier object is not overwritten.
        Those that are to be propagated compete for voxels first.
    session : Session
        A loaded model.
    progress : callable or None
        Called with the steps done and all of them, after each.

    Raises
    ------
    InputError
        If an object is to be propagated in a flat image, or a prompt lies outside of
        the image.
    """
    check_objects(objects, annotation.volume)
    work = _Work(annotation, session, progress)
    work.find_pixel_size(objects)
    propagated = [each for each in objects if each.propagate or work.sees_around(each)]
    single = sum(len(each.prompts) for each in objects if not each.propagate)
    work.total = single + STEPS * bool(propagated)
    wholes = iter(work.propagate(propagated))
    with annotation.group(_step(each.structure for each in objects)):
        for each in objects:
            whole = next(wholes) if each in propagated else None
            if whole is not None and each.propagate:
                axis = each.prompts[0].axis
                work.write_whole(each.structure, whole, axis, each.prompts)
            else:
                work.write_slices(each, whole)
    return work.result()


def annotate_structures(
    annotation: Annotation,
    structures: Sequence[Structure],
    session: Session,
    anchors: Sequence[PromptedObject] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """Find vertebrae by name, walking along the spine.

    Parameters
    ----------
    annotation : Annotation
        The document of the image. What it holds stays as it is, and its vertebrae are
        known like the anchors; an anchor that is wanted is found again and replaced.
    structures : sequence of Structure
        What is wanted, written in this order.
    session : Session
        A loaded model.
    anchors : sequence of PromptedObject
        Vertebrae whose names are known. Without any, names are a guess, and each
        object has a confidence. The prompts of an anchor that is not wanted stay as
        prompts that wait.
    progress : callable or None
        Called with the steps done and all of them, after each.

    Raises
    ------
    InputError
        If none of the structures is found or left to find, or the anchors do not fit
        together.
    """
    geometry = annotation.geometry
    geometry.require_orientation("structures cannot be found by name")
    geometry.require_spacing("structures cannot be found by name")
    work = _Work(annotation, session, progress)
    wanted = work.wanted(structures, anchors)
    work.total = STEPS
    known = work.known(anchors)
    prompts = {each.structure.name: each.prompts for each in anchors}
    found = work.find(list(wanted), known)
    if not found:
        raise InputError(
            f"None of {listed(wanted)} was found in the image: prompt one vertebra "
            "with its name, and the others are counted from it."
        )
    with annotation.group(_step(wanted.values())):
        for each in found:
            work.write_whole(
                wanted[each.name],
                each.whole,
                Plane.SAGITTAL.axis,
                prompts.pop(each.name, ()),
                None if known else each.confidence,
            )
        for anchor in anchors:
            if anchor.structure.name in prompts:
                work.set_prompts(anchor.structure, anchor.prompts)
    return work.result()


def _step(structures: Iterable[Structure]) -> str:
    """Return the name of the one step that undo takes back."""
    return f"Segment {listed(dict.fromkeys(each.name for each in structures))}"


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
    """An annotation that is being filled, with figures and progress."""

    def __init__(
        self,
        annotation: Annotation,
        session: Session,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._annotation, self._session = annotation, session
        self._progress, self.total, self._done = progress, 0, 0
        self._model = session.identity
        annotation.use_model(self._model)
        session.set_volume(annotation.volume)
        # What was written by now, to which later objects of a structure are added.
        self._written = np.zeros(annotation.labels.shape, np.bool_)
        self._answers: dict[SlicePrompts, MaskPrediction] = {}
        self._results: list[ObjectResult] = []
        self._encode_ms = self._decode_ms = 0.0
        self._remarks: dict[str, None] = {}
        self._pixel_mm: float | None = None
        self._kept: tuple[str, ...] = ()

    def result(self) -> Segmentation:
        """Return what has been written."""
        return Segmentation(
            self._annotation.labels.copy(),
            tuple(self._results),
            encode_seconds=self._encode_ms / 1e3,
            decode_seconds=self._decode_ms / 1e3,
            annotation=self._annotation,
            remarks=tuple(self._remarks),
            pixel_mm=self._pixel_mm,
            kept=self._kept,
        )

    def find_pixel_size(self, objects: Sequence[PromptedObject]) -> None:
        """Choose one pixel size for all objects of an image that does not tell it."""
        if not self._annotation.geometry.spacing_known:
            prompts = [prompts for each in objects for prompts in each.prompts]
            began = perf_counter()
            self._pixel_mm = self._session.choose_pixel_mm(prompts, self._window)
            self._encode_ms += 1e3 * (perf_counter() - began)

    def sees_around(self, prompted: PromptedObject) -> bool:
        """Whether the planes around can tell more of an object than its slices."""
        geometry = self._annotation.geometry
        if self._session.pixel_mm is None or geometry.is_2d:
            return False
        if not geometry.spacing_known:
            return False  # what lies around cannot be told in millimetres
        if all(prompts.is_drawn for prompts in prompted.prompts):
            return False  # what a hand drew is not told better
        return prompted.structure.kind in COUNTED and all(
            self._predict(prompts).masks[0].any() for prompts in prompted.prompts
        )

    def propagate(self, objects: Sequence[PromptedObject]) -> list[VolumeMask]:
        """Propagate objects through the volume together."""
        if not objects:
            return []
        seeds = [self._seeds(each) for each in objects]
        steps = self._session.propagate_all(seeds, window=self._window)
        (masks,) = self._follow(steps)
        return masks

    def known(self, anchors: Sequence[PromptedObject]) -> dict[str, Seeds]:
        """Return slices of the vertebrae that were prompted or were there before."""
        labelled = anchors_of(self._annotation, (Plane.SAGITTAL.axis, None))
        seeds: dict[str, Seeds] = {name: {**at} for name, at in labelled.items()}
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
        present = set(np.unique(self._annotation.labels).tolist())
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
        prompts: Sequence[SlicePrompts],
        confidence: float | None = None,
    ) -> None:
        """Accept the masks of an object's prompts, and write the whole over them.

        Parameters
        ----------
        structure : Structure
            What it is.
        whole : VolumeMask
            Its voxels.
        axis : int
            Along which its slices are counted.
        prompts : sequence of SlicePrompts
            What it was made from; none for what was found.
        confidence : float or None
            How likely the name is right; None where it was given.
        """
        labels, label = self._annotation.labels, structure.label
        earlier = self._written & (labels == label)
        count = np.count_nonzero(earlier)
        if not writable(labels[whole.box], whole.mask, label).any():
            self.set_prompts(structure, prompts)
            self._note(
                structure, 0, whole.predicted_iou, whole.slices(axis), confidence
            )
            return
        for each in prompts:
            self._accept(structure, each, self._predict(each))
        mask = _united(whole, earlier) if count else whole
        self._write(structure, mask, f"Propagate {structure.name}")
        now = self._annotation.labels == label
        self._written |= now
        voxels = int(np.count_nonzero(now) - count)
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
            mask = prediction.masks[0]
            if whole is not None:
                mask = joined_mask(whole, prompts, mask)
            voxels += self._write_slice(prompted.structure, prompts, prediction, mask)
            trust.append(float(prediction.predicted_iou[0]))
            self._advance(1)
        slices = len({prompts.key for prompts in prompted.prompts})
        self._note(prompted.structure, voxels, float(np.mean(trust)), slices)

    def set_prompts(
        self, structure: Structure, prompts: Sequence[SlicePrompts]
    ) -> None:
        """Set prompts of a structure, one slice after the other."""
        self._annotation.select_structure(structure.name)
        for each in prompts:
            self._annotation.set_prompts(each)

    @property
    def _window(self) -> Window:
        return self._annotation.state.window

    def _write_slice(
        self,
        structure: Structure,
        prompts: SlicePrompts,
        prediction: MaskPrediction,
        mask: NDArray[np.bool_],
    ) -> int:
        """Accept a prediction, and write what is told better; return new voxels."""
        annotation, label = self._annotation, structure.label
        plane = annotation.geometry.plane(*prompts.key)
        labels = plane.take(annotation.labels)
        if not writable(labels, mask, label).any():
            self.set_prompts(structure, [prompts])
            return 0
        written = plane.take(self._written)
        earlier = written & (labels == label)
        wanted = mask | earlier
        self._accept(structure, prompts, prediction)
        labels = plane.take(annotation.labels)
        if not np.array_equal(labels == label, writable(labels, wanted, label)):
            part = SliceMask(*prompts.key, wanted, float(prediction.predicted_iou[0]))
            here = slice_box(*prompts.key)
            one = VolumeMask.of_slices([part], prompts.axis)
            self._write(structure, one, f"Join planes of {structure.name}", here)
            labels = plane.take(annotation.labels)
        now = labels == label
        written |= now
        return int(np.count_nonzero(now) - np.count_nonzero(earlier))

    def _accept(
        self, structure: Structure, prompts: SlicePrompts, prediction: MaskPrediction
    ) -> None:
        """Show the answer to prompts and accept it, if any voxel of it is free."""
        annotation = self._annotation
        self.set_prompts(structure, [prompts])
        request = annotation.prediction_request(*prompts.key)
        # What was there is replaced, not corrected.
        annotation.show_prediction(prediction, replace(request, start=None))
        labels = annotation.geometry.plane(*prompts.key).take(annotation.labels)
        if writable(labels, prediction.masks[0], structure.label).any():
            annotation.accept()
        else:
            annotation.reject()

    def _write(
        self,
        structure: Structure,
        mask: VolumeMask,
        step: str,
        within: Box | None = None,
    ) -> None:
        """Write what the model says of a structure over what was accepted of it."""
        remarks = self._annotation.write_masks(
            {structure.name: mask},
            step,
            self._model,
            within=within,
            keep_accepted=False,
        )
        self._remarks |= dict.fromkeys(remarks)

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
        """Ask the model once about prompts."""
        if prompts not in self._answers:
            plane = self._annotation.geometry.plane(*prompts.key)
            prediction = self._session.predict(plane, prompts, window=self._window)
            self._answers[prompts] = prediction
            self._encode_ms += prediction.encode_ms or 0.0
            self._decode_ms += prediction.decode_ms
            self._remarks |= dict.fromkeys(prediction.remarks)
        return self._answers[prompts]

    def _note(
        self,
        structure: Structure,
        voxels: int,
        predicted_iou: float,
        slices: int,
        confidence: float | None = None,
    ) -> None:
        geometry = self._annotation.geometry
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


def _united(whole: VolumeMask, more: NDArray[np.bool_]) -> VolumeMask:
    """Return a structure with further voxels of the volume, shape (z, y, x)."""
    mask = more.copy()
    mask[whole.box] |= whole.mask
    first, second, third = (slice(0, length) for length in mask.shape)
    return replace(whole, mask=mask, box=(first, second, third))
