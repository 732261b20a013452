"""What a notebook or a script imports: volumes, sessions, labels, the docked widget.

Examples
--------
>>> from napari_spinalsam import api
>>> volume = api.load_volume("ct.nii.gz")  # doctest: +SKIP
>>> session = api.load_session()  # doctest: +SKIP
>>> session.set_volume(volume)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import DirectPrediction, HeadlessView
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.annotation.storage.replay import replay as replay_with
from napari_spinalsam.batch import segment_objects
from napari_spinalsam.core.intensity import PRESETS, Window, default_window
from napari_spinalsam.core.metrics import evaluate_labels
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)
from napari_spinalsam.io.images import read_volume as load_volume
from napari_spinalsam.io.labels import read_labels as load_labels
from napari_spinalsam.io.labels import read_labels_for, write_labels
from napari_spinalsam.io.sample import read_sample
from napari_spinalsam.model.engine_info import SessionInfo

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from napari import Viewer
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.session import SegmentationSession
    from napari_spinalsam.widgets.handle import SegmentHandle

__all__ = [
    "PRESETS",
    "Annotation",
    "BoxPrompt",
    "LassoPrompt",
    "PointPrompt",
    "Polarity",
    "ScribblePrompt",
    "SlicePrompts",
    "Window",
    "annotate",
    "attach",
    "default_window",
    "evaluate_labels",
    "load_labels",
    "load_session",
    "load_volume",
    "open_annotation",
    "open_labels",
    "read_sample",
    "replay",
    "save_annotation",
    "save_labels",
    "segment_objects",
]


def load_session(
    model: str | Path = "spinalsam-tiny",
    device: str = "auto",
    adapter: str | Path | None = None,
) -> SegmentationSession:
    """Load a model; torch is imported only here.

    Parameters
    ----------
    model : str or Path
        A name of the registry or of an adapter in the user's folder, or the path of
        a model file.
    device : {"auto", "cpu", "cuda", "mps"}
        Where it shall compute.
    adapter : str or Path, optional
        The file of an adapter to put on a SAM.

    Raises
    ------
    ModelError
        If the model is not there, its file is damaged, or the adapter belongs to
        another base.
    InputError
        If the device is not available.
    """
    from napari_spinalsam.model.weights.loading import load_session as load

    return load(model, device, adapter)


def annotate(
    volume: Volume,
    session: SegmentationSession,
    window: Window | None = None,
    start: str | Path | None = None,
) -> Executor:
    """Start an annotation without a viewer, driven by actions.

    Parameters
    ----------
    volume : Volume
        The image.
    session : SegmentationSession
        The model.
    window : Window or None
        How intensities are mapped; None takes the default of the modality.
    start : str, Path or None
        A file of labels to go on from, see `open_labels`.

    Returns
    -------
    Executor
        `run` applies actions; `annotation` is the document.
    """
    annotation = Annotation(volume, window)
    if start is not None:
        open_labels(annotation, start)
    annotation.use_model(session.identity)
    session.set_volume(volume)

    def follow(change: Change) -> None:
        if change.geometry:  # voxels of another size
            session.set_volume(annotation.volume)

    annotation.changed.connect(follow)
    return Executor(
        annotation,
        HeadlessView(volume.geometry),
        DirectPrediction(annotation, session),
        SessionInfo(session),
    )


def open_labels(annotation: Annotation, path: str | Path) -> None:
    """Go on from an existing segmentation: its labels replace those of an annotation.

    One step, which undo takes back.

    Parameters
    ----------
    annotation : Annotation
        The document of an image.
    path : str or Path
        Labels of that image in the numbering of VerSe or of this program, in any
        orientation.

    Raises
    ------
    InputError
        If the file lies on another grid or in another numbering, or would change a
        locked structure; nothing has changed then.
    """
    labels = read_labels_for(annotation.volume, path)
    annotation.replace_labels(labels, "Open labels")


def replay(
    path: Path | str,
    volume: Volume,
    session: SegmentationSession,
    *,
    any_model: bool = False,
) -> NDArray[np.uint8]:
    """Make the labels of a saved annotation again, from its prompts and strokes.

    Parameters
    ----------
    path : Path or str
        A file of `save_annotation`.
    volume : Volume
        The image that it was made on.
    session : SegmentationSession
        The model that its masks were made with.
    any_model : bool
        Whether masks of another model may be predicted by this one.

    Returns
    -------
    ndarray of uint8, shape (z, y, x)
        The labels, bit for bit those of the file with the same model, device and
        version of torch.

    Raises
    ------
    InputError
        If the file cannot be opened on this image, or a mask was made by another
        model.
    """
    session.set_volume(open_annotation(path, volume).volume)
    return replay_with(path, volume, session, any_model=any_model)


def save_labels(path: Path | str, labels: NDArray[np.uint8], volume: Volume) -> None:
    """Write labels on exactly the grid of the volume's file.

    Parameters
    ----------
    path : Path or str
        Its suffix names the format: .nii.gz, .nrrd, .mha; .png or .tif for 2-D.
    labels : ndarray of uint8, shape (z, y, x)
        Labels on the canonical grid of the volume.
    volume : Volume
        The image that the labels belong to.
    """
    write_labels(path, labels, volume.grid)


def attach(viewer: Viewer) -> SegmentHandle:
    """Return the handle of a viewer's Segment dock, which is opened if need be.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer with a window.
    """
    from napari_spinalsam.widgets.handle import attach as attach_widget

    return attach_widget(viewer)
