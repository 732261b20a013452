"""`segment`: prompts in a file to labels in a file."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

from napari_spinalsam.cli.arguments import add_command, add_json, add_model, millimetres
from napari_spinalsam.cli.terminal import (
    progress_bar,
    show,
    show_json,
    show_table,
    warn,
)
from napari_spinalsam.core.anatomy import REGIONS, listed, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.io.formats import cannot_be_written, is_picture, output_suffix

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.batch import ObjectResult, Segmentation
    from napari_spinalsam.cli.arguments import Commands
    from napari_spinalsam.core.anatomy import Structure
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.io.prompt_file import PromptedObject
    from napari_spinalsam.model.session import SegmentationSession

# A name that is right less often than this is said to be a guess.
LOW_CONFIDENCE = 0.8


def add_to(commands: Commands) -> None:
    """Add the command to the parser."""
    title = "labels from prompts or names"
    segment = add_command(commands, "segment", run, title=title)
    segment.add_argument("image", metavar="IMAGE", help="CT or MR, a volume or flat")
    segment.add_argument("--prompts", metavar="FILE", help="JSON with the prompts")
    segment.add_argument(
        "--structures",
        metavar="LIST",
        help="vertebrae to find: names with commas between, or cervical, thoracic, "
        "lumbar, spine; prompts are then the known vertebrae to count from",
    )
    segment.add_argument(
        "--start",
        metavar="LABELS",
        help="labels of the image to go on from, in the numbering of VerSe; what is "
        "prompted, and in --structures if that is given, is replaced, all else stays",
    )
    segment.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="labels: .nii.gz, .nrrd, .mha",
    )
    segment.add_argument(
        "--save-annotation",
        metavar="FILE",
        help="also save prompts, labels and how they came about as a .spinalsam file, "
        "which the window opens",
    )
    add_model(segment)
    segment.add_argument(
        "--adapter", metavar="FILE", help="trained on that model, to put on it"
    )
    segment.add_argument(
        "--window",
        metavar="PRESET|L,W",
        help="bone, soft_tissue, disc, lung, full, or level and width; "
        "bone for CT, else by percentiles",
    )
    segment.add_argument(
        "--pixel-mm",
        metavar="MM",
        type=millimetres,
        help="side of a pixel of a picture, in place of what its file says; without "
        "either it is taken from what the model sees",
    )
    add_json(segment)


def load_session(model: str, device: str, adapter: str | None) -> SegmentationSession:
    """Load a model; imports torch."""
    from napari_spinalsam.model.weights.loading import load_session

    return load_session(model, device, adapter)


def run(options: Namespace) -> None:
    """Read image and prompts, predict, write the labels and print what was done.

    Parameters
    ----------
    options : Namespace
        image, prompts, structures, start, output, save_annotation, model, adapter,
        window, pixel_mm, device, json.

    Raises
    ------
    SpinalSamError
        If an input is at fault; then no file has been written.
    """
    from napari_spinalsam.batch import (
        annotate_objects,
        annotate_structures,
        begin_annotation,
    )
    from napari_spinalsam.core.intensity import default_window, parse_window
    from napari_spinalsam.io.images import read_volume
    from napari_spinalsam.io.labels import check_place, read_labels_for, write_labels
    from napari_spinalsam.io.prompt_file import read_prompts

    began = perf_counter()
    output = Path(options.output)
    structures = parse_structures(options.structures) if options.structures else ()
    _check_options(options, output)
    volume = read_volume(options.image)
    seen = with_pixel_size(volume, options.pixel_mm) if options.pixel_mm else volume
    # A picture is written as it is stored; other formats have to state the size.
    as_stored = volume.geometry.spacing_known or is_picture(output)
    grid = volume.grid if as_stored else seen.grid
    check_place(output, grid.geometry)
    objects = read_prompts(options.prompts, seen.grid) if options.prompts else ()
    start = read_labels_for(volume, options.start) if options.start else None
    _check_input(objects, structures, volume)
    asked = None if options.window is None else parse_window(options.window)
    session = load_session(options.model, options.device, options.adapter)
    trained = session.record.window
    window = asked or default_window(volume.data, volume.modality, trained)
    loaded = perf_counter()
    annotation = begin_annotation(volume, window, start)
    if seen is not volume:
        annotation.set_grid(seen.grid, "Set pixel size")
    with progress_bar("segment") as progress:
        if structures:
            found = annotate_structures(
                annotation, structures, session, objects, progress
            )
        else:
            found = annotate_objects(annotation, objects, session, progress)
    with _annotation_saved(annotation, options.save_annotation):
        write_labels(output, found.labels, grid)
    _warn(found, structures)
    record = session.record
    told = (record.doubt, record.window_doubt(window), *found.remarks)
    remarks = dict.fromkeys(told)
    for remark in filter(None, remarks):
        warn(remark.rstrip("."))
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
                "model": session.identity.title,
                "device": session.device,
                **_shown_window(window, trained),
                **_pixel_size(seen, found, options.pixel_mm),
            }
        )
    else:
        _show(found)
        show(
            f"{output} written with {session.identity.title} on {session.device} "
            f"in {seconds['total']:.1f} s"
        )


def _check_options(options: Namespace, output: Path) -> None:
    """Refuse what can be refused before anything is read."""
    if not options.prompts and not options.structures:
        raise InputError(
            "There is nothing to segment: give a file with --prompts, names with "
            "--structures, or both."
        )
    output_suffix(output)
    if options.save_annotation:
        from napari_spinalsam.annotation.storage.files import check_name

        check_name(Path(options.save_annotation))
    read = (options.image, options.prompts, options.start)
    for path in map(Path, filter(None, read)):
        there = os.path.exists(output) and os.path.exists(path)
        if there and output.samefile(path):
            raise InputError(
                f"The output {output} would replace {path.name}, which is read: "
                "choose another name."
            )


@contextmanager
def _annotation_saved(annotation: Annotation, name: str | None) -> Iterator[None]:
    """Save an annotation, but only if what is done inside works too.

    Raises
    ------
    InputError
        If it cannot be written; then nothing inside was done.
    """
    if name is None:
        yield
        return
    from napari_spinalsam.annotation.storage.files import save_annotation

    path = Path(name).resolve()
    try:
        # A folder beside the target: on the same disk, and never half a file.
        with TemporaryDirectory(dir=path.parent, prefix=".annotation-") as folder:
            draft = Path(folder) / path.name
            save_annotation(annotation, draft)
            yield
            os.replace(draft, path)
    except OSError as error:
        raise cannot_be_written(path, error.strerror or str(error)) from error


def parse_structures(text: str) -> tuple[Structure, ...]:
    """Return the structures of a list of names with commas between, or of a region.

    Raises
    ------
    InputError
        If a name is unknown, or no structure that can be found without prompts.
    """
    from napari_spinalsam.core.results import check_findable

    words = [word for word in (part.strip() for part in text.split(",")) if word]
    names = [name for word in words for name in REGIONS.get(word.lower(), (word,))]
    found = tuple(dict.fromkeys(structure(name) for name in names))
    if not found:
        raise InputError(
            f"--structures {text!r} names nothing: give, for example, lumbar or L1,L2."
        )
    check_findable(found)
    return found


def _check_input(
    objects: Sequence[PromptedObject],
    structures: Sequence[Structure],
    volume: Volume,
) -> None:
    """Refuse what does not go together, before a model is loaded."""
    from napari_spinalsam.batch import check_objects
    from napari_spinalsam.core.results import check_counted

    if not structures:
        check_objects(objects, volume)
        return
    check_counted(each.structure for each in objects)
    if volume.geometry.is_2d:
        raise InputError(
            "The image is flat, so there is no spine to walk along: leave "
            "--structures out and prompt each structure."
        )
    volume.geometry.require_orientation("structures cannot be found by name")
    volume.geometry.require_spacing("structures cannot be found by name")


def _warn(found: Segmentation, structures: Sequence[Structure]) -> None:
    """Say in one line what is missing, was guessed or was there already."""
    names = {*found.kept, *(each.structure for each in found.objects)}
    missing = [each.name for each in structures if each.name not in names]
    guesses = [each.confidence for each in found.objects if each.confidence is not None]
    sentences = []
    if guesses and min(guesses) < LOW_CONFIDENCE:
        sentences.append(
            f"the names are a guess (confidence {min(guesses):.2f}); prompt one "
            "vertebra with its name to be sure"
        )
    if missing:
        sentences.append(f"not found: {listed(missing)}")
    if found.kept:
        sentences.append(f"there already and left as they are: {listed(found.kept)}")
    if sentences:
        warn("; ".join(sentences))


def _shown_window(window: Window, trained: Window | None) -> dict[str, object]:
    """Return the window for `--json`, where the model has one of its own."""
    if trained is None:
        return {}
    return {"window": {"level": window.level, "width": window.width}}


def _pixel_size(
    seen: Volume, found: Segmentation, asked: float | None
) -> dict[str, object]:
    """Return the pixel size that was taken, for `--json`, and where it comes from."""
    if not seen.geometry.is_2d:
        return {}
    value, source = found.pixel_mm, "estimate"
    if seen.geometry.spacing_known:
        value = math.sqrt(math.prod(seen.geometry.spacing[1:]))
        source = "option" if asked else "file"
    elif value is None:
        source = "unknown"
    return {"pixel_mm": {"value": value, "from": source}}


def with_pixel_size(volume: Volume, mm: float) -> Volume:
    """Return a picture whose pixels have a size that was stated.

    Raises
    ------
    InputError
        If the image is a volume.
    """
    import numpy as np

    from napari_spinalsam.core.geometry import Known

    if not volume.geometry.is_2d:
        raise InputError(
            f"--pixel-mm {mm:g} is for pictures, and {volume.name} is a volume: leave "
            "it out; the spacing of a volume is that of its file."
        )
    affine = volume.grid.affine.copy()
    affine[:3, :2] *= mm / np.linalg.norm(affine[:3, :2], axis=0)
    known = volume.grid.known | Known.SPACING
    return replace(volume, grid=replace(volume.grid, affine=affine, known=known))


def _as_json(result: ObjectResult) -> dict[str, object]:
    """Return the fields that there are."""
    fields = asdict(result)
    if result.confidence is None:
        del fields["confidence"]
    return fields


def _show(found: Segmentation) -> None:
    rows = [("structure", "label", "voxels", "mm3", "predicted IoU", "slices")]
    rows += [
        (
            each.structure,
            str(each.label),
            str(each.voxels),
            "-" if each.volume_mm3 is None else f"{each.volume_mm3:.0f}",
            f"{each.predicted_iou:.2f}",
            str(each.slices),
        )
        for each in found.objects
    ]
    show_table(rows, figures=True)
