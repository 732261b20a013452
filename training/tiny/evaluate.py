"""Slice Dice of a network on a labelled scan, by plane, structure and prompt kind."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi
from tqdm import tqdm

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import default_window
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    PointPrompt,
    Polarity,
    SlicePrompts,
)
from training.common.prompts import EIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.session import SegmentationSession

SMALLEST_MM2 = 120.0
PLANES = ("axial", "coronal", "sagittal")
KINDS = ("box", "click", "three clicks", "click + 1", "click + 2")


def evaluate(
    session: SegmentationSession,
    volume: Volume,
    labels: NDArray[np.uint8],
    *,
    every: int = 1,
) -> list[dict[str, Any]]:
    """Prompt every structure in every slice and compare with the labels.

    Parameters
    ----------
    session : SegmentationSession
        The network.
    volume : Volume
        The scan.
    labels : ndarray of uint8, shape (z, y, x)
        Reference in the project's convention.
    every : int
        Take each n-th slice alone.

    Returns
    -------
    list of dict
        One row a prompt: plane, slice, label, kind, dice (against the whole structure
        in the slice) and part_dice (against the parts that hold a point). Corrections
        (``"click + n"``) aim at the whole structure.
    """
    session.set_volume(volume)
    window = default_window(volume.data, volume.modality)
    rows = []
    slices = [
        (axis, name, index)
        for axis, name in enumerate(PLANES)
        for index in range(0, volume.geometry.shape[axis], every)
    ]
    for axis, plane_name, index in tqdm(
        slices, "evaluate", unit="slice", leave=False, disable=not sys.stderr.isatty()
    ):
        plane = volume.geometry.plane(axis, index)
        here = plane.take(labels)
        for label in np.unique(here[here > 0]):
            mask = here == label
            if mask.sum() * np.prod(plane.spacing) < SMALLEST_MM2:
                continue
            for kind, score, part in _scores(session, plane, mask, window):
                rows.append(
                    {
                        "plane": plane_name,
                        "slice": index,
                        "label": int(label),
                        "kind": kind,
                        "dice": round(score, 4),
                        "part_dice": round(part, 4),
                    }
                )
    return rows


def _scores(
    session: SegmentationSession,
    plane: SlicePlane,
    mask: NDArray[np.bool_],
    window: Window,
) -> list[tuple[str, float, float]]:
    parts, _ = ndi.label(mask, EIGHT)
    clicks = spread_points(mask, plane.spacing, 3)
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = BoxPrompt(rows[0], cols[0], rows[-1], cols[-1])
    empty = SlicePrompts(plane.axis, plane.index)
    scores: list[tuple[str, float, float]] = []
    found = _predict(session, plane, empty.with_box(box), window)[0]
    scores.append(("box", _overlap(found, mask), _overlap(found, mask)))
    for kind, count in (("click", 1), ("three clicks", 3)):
        prompts = empty
        for row, col in clicks[:count]:
            prompts = prompts.with_point(PointPrompt(float(row), float(col)))
        found, logits = _predict(session, plane, prompts, window)
        meant = np.isin(parts, [parts[tuple(at)] for at in clicks[:count]])
        scores.append((kind, _overlap(found, mask), _overlap(found, meant)))
        if kind == "click":
            corrected = _corrections(
                session, plane, mask, window, (prompts, found, logits)
            )
    return scores + corrected


def _corrections(
    session: SegmentationSession,
    plane: SlicePlane,
    mask: NDArray[np.bool_],
    window: Window,
    first: tuple[SlicePrompts, NDArray[np.bool_], NDArray[np.float32]],
) -> list[tuple[str, float, float]]:
    """Add two points, each in the middle of the largest error."""
    prompts, found, logits = first
    scores: list[tuple[str, float, float]] = []
    for turn in (1, 2):
        wrong, count = ndi.label(found != mask)
        if count:
            biggest = wrong == 1 + int(np.bincount(wrong.ravel())[1:].argmax())
            row, col = spread_points(biggest, plane.spacing, 1)[0]
            polarity = Polarity.POSITIVE if mask[row, col] else Polarity.NEGATIVE
            prompts = prompts.with_point(PointPrompt(float(row), float(col), polarity))
            found, logits = _predict(session, plane, prompts, window, logits)
        score = _overlap(found, mask)
        scores.append((f"click + {turn}", score, score))
    return scores


def _overlap(found: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    """Return the Dice; the mask is never empty, so there is one."""
    return dice(found, mask) or 0.0


def _predict(
    session: SegmentationSession,
    plane: SlicePlane,
    prompts: SlicePrompts,
    window: Window,
    mask_input: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    answer = session.predict(plane, prompts, window=window, mask_input=mask_input)
    return answer.masks[0], answer.low_res_logits[0]


def spread_points(
    mask: NDArray[np.bool_], spacing: tuple[float, float], count: int
) -> list[NDArray[np.intp]]:
    """Return (row, col) of pixels deep inside a mask, each far from those before it."""
    depth = ndi.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1]
    chosen = [np.array(np.unravel_index(depth.argmax(), mask.shape))]
    candidates = np.argwhere(depth >= 0.4 * depth.max())
    while len(chosen) < count:
        away = np.min(
            [np.linalg.norm((candidates - at) * spacing, axis=1) for at in chosen],
            axis=0,
        )
        chosen.append(candidates[away.argmax()])
    return chosen


def summarise(rows: list[dict[str, Any]]) -> str:
    """Return mean Dice by prompt kind and plane as a Markdown table."""
    cells: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        for plane in (row["plane"], "all"):
            cells[row["kind"], plane].append((row["dice"], row["part_dice"]))
    lines = [
        "| prompt | sagittal | coronal | axial | all | n | against the clicked part |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        means = [
            _mean(score for score, _ in cells[kind, plane])
            for plane in ("sagittal", "coronal", "axial", "all")
        ]
        every = cells[kind, "all"]
        part = _mean(score for _, score in every)
        lines.append(f"| {kind} | {' | '.join(means)} | {len(every)} | {part} |")
    return "\n".join(lines)


def _mean(values: Iterable[float]) -> str:
    listed = list(values)
    return f"{np.mean(listed):.3f}" if listed else "-"


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Write one line a prompt as CSV.

    Raises
    ------
    InputError
        If there are none.
    """
    if not rows:
        raise InputError(
            "There is nothing to write: no slice shows enough of anything."
        )
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
