"""A store of slices on disk: one zarr array of images and one of labels for each scan.

Slices are read one by one in any order and by several processes, from more scans than
fit into memory; that is what zarr is for. A scan is written beside its place and moved
there when it is complete, so that a kill loses one scan at most.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zarr

from napari_spinalsam.core.errors import InputError
from training.slices.slicing import LabelledScan, SliceRow, SliceSettings, plan, render

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

INDEX = "store.json"
CASE_INDEX = "case.json"
# Slices a file; each is compressed by itself.
SHARD = 32
Part = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class StoredCase:
    """What the store knows of a scan without opening its slices.

    Parameters
    ----------
    name, patient : str
        Of the scan.
    rows : tuple of SliceRow
        Its slices.
    window : tuple of float
        Level and width.
    digest : str
        SHA-256 of slices and rows.
    """

    name: str
    patient: str
    rows: tuple[SliceRow, ...]
    window: tuple[float, float]
    digest: str


@dataclass(frozen=True, slots=True)
class SliceKey:
    """Names one slice: its scan, and its place there."""

    case: str
    row: int


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One slice, without padding.

    Parameters
    ----------
    key : SliceKey
        Which one it is.
    image : ndarray of uint8, shape (rows, cols)
        Windowed, 0..255.
    labels : ndarray of uint8, shape (rows, cols)
        Structures; 255 where nobody knows.
    row : SliceRow
        What else is known.
    """

    key: SliceKey
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    row: SliceRow


class SliceStore:
    """A complete store, to read from.

    Parameters
    ----------
    folder : Path
        Written by `prepare_slices`.

    Raises
    ------
    InputError
        If there is no complete store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.index: dict[str, Any] = json.loads((folder / INDEX).read_text("utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"{folder} holds no complete store of slices: run `python -m training "
                "prepare --source ...` to its end."
            ) from None
        self.settings = SliceSettings.model_validate(self.index["settings"])
        self.cases = {
            name: read_stored_case(folder, name) for name in self.index["cases"]
        }
        self._arrays: dict[str, tuple[Any, Any]] = {}

    @property
    def digest(self) -> str:
        """SHA-256 of all slices and of the split."""
        return str(self.index["digest"])

    @property
    def window(self) -> tuple[float, float] | None:
        """Level and width, if all scans have the same."""
        windows = {case.window for case in self.cases.values()}
        return windows.pop() if len(windows) == 1 else None

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Smallest and largest pixel of all slices, in mm."""
        sizes = [
            mm
            for case in self.cases.values()
            for row in case.rows
            for mm in (row.row_mm, row.col_mm)
        ]
        return min(sizes), max(sizes)

    def keys(self, part: Part) -> list[SliceKey]:
        """Return the slices of one part of the split, in the order of the store."""
        held: dict[str, list[int]] = self.index["test"]
        return [
            SliceKey(name, row)
            for name, case in self.cases.items()
            for row in range(len(case.rows))
            if (row in set(held.get(name, ()))) == (part == "test")
        ]

    def read(self, key: SliceKey) -> Slice:
        """Read one slice."""
        if key.case not in self._arrays:
            folder = case_folder(self.folder, key.case)
            self._arrays[key.case] = (
                zarr.open_array(folder / "images", mode="r"),
                zarr.open_array(folder / "labels", mode="r"),
            )
        row = self.cases[key.case].rows[key.row]
        image, labels = (
            np.asarray(array[key.row, : row.rows, : row.cols])
            for array in self._arrays[key.case]
        )
        return Slice(key, image, labels, row)


def case_folder(store: Path, name: str) -> Path:
    """Return where the slices of a scan lie."""
    return store / "cases" / name


def read_stored_case(store: Path, name: str) -> StoredCase:
    """Read what a store knows of a scan.

    Raises
    ------
    InputError
        If the scan is not there.
    """
    try:
        content = json.loads((case_folder(store, name) / CASE_INDEX).read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{store} has lost the scan {name}: prepare it again."
        ) from None
    return StoredCase(
        name,
        content["patient"],
        tuple(SliceRow.from_json(row) for row in content["rows"]),
        tuple(content["window"]),
        content["digest"],
    )


def stored_fingerprint(store: Path, name: str) -> str:
    """Return what a scan was made from, or nothing if it is not there."""
    file = case_folder(store, name) / CASE_INDEX
    return (
        str(json.loads(file.read_text("utf-8"))["fingerprint"])
        if file.is_file()
        else ""
    )


def write_case(
    store: Path,
    name: str,
    patient: str,
    scan: LabelledScan,
    settings: SliceSettings,
    fingerprint: str,
) -> None:
    """Write the slices of a scan, in place of what is there.

    Parameters
    ----------
    store : Path
        Folder of the store.
    name, patient : str
        Of the scan.
    scan : LabelledScan
        Image and labels.
    settings : SliceSettings
        How slices are made.
    fingerprint : str
        Of the files and settings, to know it again.
    """
    rows = plan(scan, settings)
    place = case_folder(store, name)
    unfinished = place.with_name(f".{name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    digest = hashlib.sha256()
    size = settings.size
    arrays = [
        zarr.create_array(
            store=unfinished / kind,
            shape=(max(len(rows), 1), size, size),
            chunks=(1, size, size),
            shards=(min(SHARD, max(len(rows), 1)), size, size),
            dtype="uint8",
        )
        for kind in ("images", "labels")
    ]
    for start in range(0, len(rows), SHARD):
        block = [render(scan, row, size) for row in rows[start : start + SHARD]]
        for array, slices in zip(arrays, zip(*block, strict=True), strict=True):
            stacked = np.stack(slices)
            array[start : start + len(block)] = stacked
            digest.update(stacked.tobytes())
    content: dict[str, Any] = {
        "fingerprint": fingerprint,
        "patient": patient,
        "window": [scan.window.level, scan.window.width],
        "rows": [row.as_json() for row in rows],
    }
    digest.update(json.dumps(content["rows"]).encode())
    content["digest"] = digest.hexdigest()
    (unfinished / CASE_INDEX).write_text(json.dumps(content), "utf-8")
    shutil.rmtree(place, ignore_errors=True)
    os.replace(unfinished, place)
