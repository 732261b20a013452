"""`segment`: prompts in a file to labels in a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from napari_spinalsam.commands.terminal import (
    progress_bar,
    show,
    show_json,
    show_table,
)
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import default_window, parse_window
from napari_spinalsam.io.formats import output_suffix
from napari_spinalsam.io.labels import write_labels
from napari_spinalsam.io.promptfile import read_prompts
from napari_spinalsam.io.volumes import read_volume
from napari_spinalsam.segmenting import check_objects, segment_objects

if TYPE_CHECKING:
    from argparse import Namespace

    from napari_spinalsam.model.session import SegmentationSession
    from napari_spinalsam.segmenting import ObjectResult, Segmentation


def load_session(model: str, device: str) -> SegmentationSession:
    """Load a model; imports torch."""
    from napari_spinalsam.model.loading import load_session

    return load_session(model, device)


def run(options: Namespace) -> None:
    """Read image and prompts, predict, write the labels and print what was done.

    Parameters
    ----------
    options : Namespace
        image, prompts, structures, output, model, window, device, json.

    Raises
    ------
    SpinalSamError
        If an input is at fault; then no file has been written.
    """
    began = perf_counter()
    output = Path(options.output)
    _check_options(options, output)
    volume = read_volume(options.image)
    objects = read_prompts(options.prompts, volume.grid)
    check_objects(objects, volume)
    window = (
        parse_window(options.window)
        if options.window
        else default_window(volume.data, volume.modality)
    )
    session = load_session(options.model, options.device)
    loaded = perf_counter()
    with progress_bar("segment") as progress:
        found = segment_objects(volume, objects, session, window, progress)
    write_labels(output, found.labels, volume.grid)
    seconds = {
        "load": loaded - began,
        "encode": found.encode_seconds,
        "decode": found.decode_seconds,
        "total": perf_counter() - began,
    }
    if options.json:
        show_json(
            {
                "output": str(output),
                "objects": [_as_json(each) for each in found.objects],
                "seconds": {key: round(value, 4) for key, value in seconds.items()},
                "model": session.record.name,
                "device": session.device,
            }
        )
    else:
        _show(found)
        show(
            f"{output} written with {session.record.name} on {session.device} "
            f"in {seconds['total']:.1f} s"
        )


def _check_options(options: Namespace, output: Path) -> None:
    """Refuse what can be refused before anything is read."""
    if options.structures:
        raise InputError(
            f"--structures {options.structures} is not available in this version: "
            "give the structures with their prompts in a file with --prompts."
        )
    if not options.prompts:
        raise InputError("There is nothing to segment: give a file with --prompts.")
    output_suffix(output)
    for path in (Path(options.image), Path(options.prompts)):
        if output.exists() and path.exists() and output.samefile(path):
            raise InputError(
                f"The output {output} would replace {path.name}, which is read: "
                "choose another name."
            )


def _as_json(result: ObjectResult) -> dict[str, object]:
    """Return the fields that there are."""
    return {key: value for key, value in asdict(result).items() if value is not None}


def _show(found: Segmentation) -> None:
    rows = [("structure", "label", "voxels", "mm3", "predicted IoU", "slices")]
    rows += [
        (
            each.structure,
            str(each.label),
            str(each.voxels),
            f"{each.volume_mm3:.0f}",
            f"{each.predicted_iou:.2f}",
            str(each.slices),
        )
        for each in found.objects
    ]
    show_table(rows, figures=True)
