"""What actions on whole objects do: propagate a mask, find structures by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.annotation.carrying import FindingJob, PropagationJob
from napari_spinalsam.annotation.ports import Outcome
from napari_spinalsam.annotation.requests import selected_name
from napari_spinalsam.core.anatomy import REGIONS, listed, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.results import COUNTED, check_findable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.actions import models as a
    from napari_spinalsam.annotation.carrying import CarryJob
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.ports import Run
    from napari_spinalsam.annotation.state import SliceKey

Masks = dict[tuple[int, int], "NDArray[np.bool_]"]


def propagate(run: Run, action: a.Propagate) -> Outcome:
    """Carry the selected structure's mask through the volume.

    A mask that waits is accepted first. Accepted slices are kept as they are; what an
    earlier propagation wrote between them is written anew.
    """
    document = run.annotation
    if document.geometry.is_2d:
        raise InputError(
            "A flat image has no other slices to propagate to: open a volume."
        )
    document.geometry.require_spacing("masks cannot be propagated")
    name = selected_name(document.state)
    if document.state.object_of(name).locked:
        raise InputError(f"{name} is locked: unlock it to propagate its mask.")
    preview = document.state.preview
    if preview is not None and preview.structure == name:
        document.accept()
    seeds = _known_slices(document, name, run.view.current_slice())
    if not seeds:
        raise InputError(
            f"There is no mask of {name} to propagate: place a point or a box first."
        )
    job = PropagationJob(
        name, seeds, document.state.window, action.direction, action.slices
    )
    return _carry(run, job)


def segment_structures(run: Run, action: a.SegmentStructures) -> Outcome:
    """Find structures along the spine, from those that are labelled already."""
    document = run.annotation
    if document.geometry.is_2d:
        raise InputError(
            "Structures cannot be found in a flat image: choose one and prompt it."
        )
    document.geometry.require_orientation("structures cannot be found by name")
    document.geometry.require_spacing("structures cannot be found by name")
    names = [
        structure(name).name
        for given in action.structures
        for name in REGIONS.get(given, (given,))
    ]
    check_findable(structure(name) for name in names)
    unlocked = tuple(
        name
        for name in dict.fromkeys(names)
        if not document.state.object_of(name).locked
    )
    if not unlocked:
        raise InputError(f"{listed(names)} are locked: unlock one to segment it.")
    anchors = anchors_of(document, run.view.current_slice())
    return _carry(run, FindingJob(unlocked, anchors, document.state.window))


def cancel(run: Run, action: a.Cancel) -> Outcome:
    """Stop what runs and what waits; what is done by then is written."""
    if not run.view.cancel_work():
        return Outcome("Nothing is running that could be stopped.", ok=False)
    return Outcome("Stopped; what is done by now stays.")


def anchors_of(document: Annotation, key: SliceKey) -> dict[str, Masks]:
    """Return the known slices of what is labelled and is counted along the spine."""
    return {
        entry.name: known
        for entry in document.state.objects
        if structure(entry.name).kind in COUNTED
        if (known := _known_slices(document, entry.name, key))
    }


def _carry(run: Run, job: CarryJob) -> Outcome:
    if run.predict is None:
        raise InputError("There is no model to predict with: load one first.")
    if run.predict.at_once:
        run.predict.carry(job)
        return Outcome(job.outcome())
    ahead = run.jobs[-1].step if run.jobs else run.predict.work_ahead()
    run.jobs.append(job)
    if ahead:
        return Outcome(
            f"{job.step} waits until this has ended: {ahead}. Cancel stops both.",
            job=job,
        )
    return Outcome(f"{job.step} has begun; Cancel keeps what is done.", job=job)


def _known_slices(document: Annotation, name: str, key: SliceKey) -> Masks:
    """Return a structure's masks on the slices that are sure, the walked axis first.

    These are the accepted slices; without any, the slice shown, or else the one that
    shows most of the structure.
    """
    axis, index = key
    ours = document.labels == structure(name).label
    keys = [entry.prompts.key for entry in document.state.object_of(name).accepted]
    keys = [each for each in keys if _at(document, ours, each).any()]
    if not keys and ours.any():
        counts = ours.sum(axis=tuple(other for other in range(3) if other != axis))
        keys = [(axis, index if counts[index] else int(np.argmax(counts)))]
    keys.sort(key=lambda each: (each != key, each[0] != axis))
    return {each: _at(document, ours, each).copy() for each in keys}


def _at(
    document: Annotation, mask: NDArray[np.bool_], key: SliceKey
) -> NDArray[np.bool_]:
    return document.geometry.plane(*key).take(mask)
