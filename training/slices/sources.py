"""Where the scans of a data set lie, whose they are, and what their labels mean."""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.io.formats import stem_of, suffix_of
from training.slices.label_maps import (
    SPIDER_VALUES,
    TOTAL_SEGMENTATOR_FILES,
    TOTAL_SEGMENTATOR_VALUES,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_spinalsam.core.volume import Modality

SOURCES: tuple[Source, ...] = get_args(Source)
READ_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
LABELS_ENDING = "_labels"
PATIENTS_FILE = "patients.csv"
LAYOUTS: Mapping[Source, str] = {
    "verse": "rawdata/**/*_ct.nii.gz and derivatives/**/*_seg-vert_msk.nii.gz",
    "totalsegmentator": "s0000/ct.nii.gz and s0000/segmentations/*.nii.gz or one file "
    "segmentations.nii.gz, ml.nii.gz or labels.nii.gz beside it",
    "spider": "images/*.mha and masks/*.mha of the same names",
    "folder": "images/ and labels/ with the same names, or NAME.nii.gz beside "
    "NAME_labels.nii.gz",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A file of labels, and what its values mean.

    Parameters
    ----------
    path : Path
        The file.
    values : mapping of int to int, or None
        Value in the file to value in the project's convention, others being nothing;
        None keeps the values as they are.
    """

    path: Path
    values: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled scan of a data set.

    Parameters
    ----------
    name : str
        In the store; unique.
    patient : str
        Whose it is; scans of one patient are never split.
    image : Path
        The scan.
    labels : tuple of LabelFile
        Its labels; the first file that says something of a voxel is right.
    modality : {"CT", "MR", "unknown"}
        Of the data set; "unknown" lets the intensities tell.
    """

    name: str
    patient: str
    image: Path
    labels: tuple[LabelFile, ...]
    modality: Modality = "unknown"


def find_cases(source: Source, path: Path) -> tuple[Case, ...]:
    """Return the labelled scans of a data set, by name.

    A scan without labels is left out, with a warning in the log.

    Parameters
    ----------
    source : {"verse", "totalsegmentator", "spider", "folder"}
        How the data set is laid out.
    path : Path
        Its folder.

    Raises
    ------
    InputError
        If the folder holds no labelled scan in this layout.
    """
    if not path.is_dir():
        raise InputError(f"There is no folder {path}: check its name.")
    found = FINDERS[source](path)
    labelled = sorted((case for case in found if case.labels), key=lambda c: c.name)
    if not labelled:
        raise InputError(
            f"{path} holds no labelled scan in the layout {source!r} "
            f"({LAYOUTS[source]}): choose its folder or another --source."
        )
    for before, case in pairwise(labelled):
        if before.name == case.name:
            raise InputError(
                f"{before.image} and {case.image} have the same name in the store, "
                f"{case.name}: rename one of them."
            )
    return tuple(labelled)


def _verse(path: Path) -> Iterator[Case]:
    for image in sorted(path.glob("**/rawdata/**/*_ct.nii.gz")):
        name = image.name.removesuffix("_ct.nii.gz")
        parts = list(image.parts)
        place = len(parts) - 1 - parts[::-1].index("rawdata")
        parts[place] = "derivatives"
        masks = Path(*parts).with_name(f"{name}_seg-vert_msk.nii.gz")
        yield Case(name, name.split("_")[0], image, _present(image, [masks]), "CT")


def _total_segmentator(path: Path) -> Iterator[Case]:
    for image in sorted(path.glob("*/ct.nii.gz")):
        folder = image.parent
        several = [
            LabelFile(file, {1: structure(name).label})
            for name, file in (
                (name, folder / "segmentations" / f"{part}.nii.gz")
                for part, name in TOTAL_SEGMENTATOR_FILES.items()
            )
            if file.is_file()
        ]
        one = [
            LabelFile(folder / f"{stem}.nii.gz", TOTAL_SEGMENTATOR_VALUES)
            for stem in ("segmentations", "ml", "labels")
            if (folder / f"{stem}.nii.gz").is_file()
        ]
        labels = tuple(several or one[:1])
        if not labels:
            logger.warning("%s has no labels of the spine and is left out", folder)
        yield Case(folder.name, folder.name, image, labels, "CT")


def _spider(path: Path) -> Iterator[Case]:
    for image in sorted(path.glob("images/*.mha")):
        name = stem_of(image)
        labels = _present(image, [path / "masks" / image.name], SPIDER_VALUES)
        yield Case(name, name.split("_")[0], image, labels, "MR")


def _folder(path: Path) -> Iterator[Case]:
    patients = _patients(path / PATIENTS_FILE)
    pairs: Iterable[tuple[Path, list[Path]]]
    if (path / "images").is_dir():
        pairs = (
            (image, _namesakes(path / "labels", stem_of(image)))
            for image in _images(path / "images")
        )
    else:
        pairs = (
            (image, _namesakes(path, stem_of(image) + LABELS_ENDING))
            for image in _images(path)
            if not stem_of(image).endswith(LABELS_ENDING)
        )
    for image, labels in pairs:
        name = stem_of(image)
        yield Case(name, patients.get(name, name), image, _present(image, labels))


FINDERS = {
    "verse": _verse,
    "totalsegmentator": _total_segmentator,
    "spider": _spider,
    "folder": _folder,
}


def _images(folder: Path) -> list[Path]:
    return [
        file for file in sorted(folder.iterdir()) if suffix_of(file) in READ_SUFFIXES
    ]


def _namesakes(folder: Path, stem: str) -> list[Path]:
    """Return the file of a stem, or nothing; with whichever suffix it has."""
    return [folder / f"{stem}{suffix}" for suffix in READ_SUFFIXES]


def _present(
    image: Path, candidates: list[Path], values: Mapping[int, int] | None = None
) -> tuple[LabelFile, ...]:
    found = [path for path in candidates if path.is_file()]
    if not found:
        logger.warning("%s has no labels and is left out", image)
    return tuple(LabelFile(path, values) for path in found[:1])


def _patients(path: Path) -> dict[str, str]:
    """Read whose scans they are from a table with the columns name and patient."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"name", "patient"} <= rows[0].keys():
        raise InputError(
            f"{path} has no columns name and patient: write one line for each scan."
        )
    return {row["name"]: row["patient"] for row in rows}
