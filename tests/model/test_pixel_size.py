"""The size of pixels that a file does not tell, found by the bundled network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from skimage.transform import resize

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, Known
from napari_spinalsam.core.intensity import PRESETS, default_window
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    MaskPrediction,
    PointPrompt,
    SlicePrompts,
)
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.sample import read_sample
from napari_spinalsam.model import pixel_size
from napari_spinalsam.model.weights.loading import load_session

if TYPE_CHECKING:
    from napari_spinalsam.model.session import SegmentationSession

PIXEL_MM = 0.42
L3 = 22


@pytest.fixture(scope="module")
def picture() -> tuple[Volume, np.ndarray]:
    """Return an axial slice of the sample as 8 bits without a scale, and L3 in it."""
    scan, drawn = read_sample()
    labels = drawn.data
    at = int((labels == L3).sum((1, 2)).argmax())
    plane = scan.geometry.plane(0, at)
    shape = [
        round(n * mm / PIXEL_MM)
        for n, mm in zip(plane.shape, plane.spacing, strict=True)
    ]
    shown = PRESETS["bone"].apply(plane.take(scan.data))
    pixels = np.rint(255 * resize(shown, shape, order=1)).astype(np.uint8)
    mask = resize((plane.take(labels) == L3).astype(float), shape, order=1) > 0.5
    geometry = Geometry.from_spacing(
        (1, *pixels.shape), (1, 1, 1), is_2d=True, known=Known(0)
    )
    return Volume.from_geometry(pixels[None], geometry), mask


@pytest.fixture(scope="module")
def session() -> SegmentationSession:
    return load_session(device="cpu")


def box_of(mask: np.ndarray) -> SlicePrompts:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return SlicePrompts(0, 0, box=BoxPrompt(rows[0], cols[0], rows[-1], cols[-1]))


def test_the_size_of_a_picture_is_found_and_told(
    picture: tuple[Volume, np.ndarray], session: SegmentationSession
) -> None:
    volume, mask = picture
    prompts, window = box_of(mask), default_window(volume.data, "unknown")
    plane = volume.geometry.plane(0, 0)
    session.set_volume(volume)
    assert not session.is_encoded(0, 0, window)
    assert session.encode(0, 0, window) is not None
    assert session.is_encoded(0, 0, window)
    answer = session.predict(plane, prompts, window=window)
    assert answer.pixel_mm is not None
    assert 1 / 1.5 < answer.pixel_mm / PIXEL_MM < 1.5
    assert any(f"taken as {answer.pixel_mm:.2f} mm" in r for r in answer.remarks)

    known = replace(plane.geometry, known=Known.SPACING)
    taken_as_one = session.predict(known.plane(0, 0), prompts, window=window)
    assert taken_as_one.pixel_mm is None
    assert taken_as_one.remarks == ()
    assert dice(answer.masks[0], mask) > 0.85
    assert dice(answer.masks[0], mask) > dice(taken_as_one.masks[0], mask)

    # A correction goes on at the size that the mask was made at.
    corrected = session.predict(
        plane,
        prompts.with_point(PointPrompt(*map(float, np.argwhere(mask)[0]))),
        window=window,
        mask_input=answer.low_res_logits[0],
    )
    assert corrected.low_res_logits.shape[1:] == answer.low_res_logits.shape[1:]
    with pytest.raises(InputError, match="fits no size"):
        session.predict(
            plane, prompts, window=window, mask_input=np.zeros((3, 3), np.float32)
        )


def test_one_size_is_chosen_for_all_prompts_of_a_picture(
    picture: tuple[Volume, np.ndarray], session: SegmentationSession
) -> None:
    volume, mask = picture
    window = default_window(volume.data, "unknown")
    session.set_volume(replace(volume))
    prompts = [box_of(mask), SlicePrompts(0, 0, (PointPrompt(60.0, 60.0),))]
    chosen = session.choose_pixel_mm(prompts, window)
    assert chosen is not None
    plane = volume.geometry.plane(0, 0)
    for each in prompts:
        assert session.predict(plane, each, window=window).pixel_mm == chosen


def test_a_stated_size_is_not_doubted(
    picture: tuple[Volume, np.ndarray], session: SegmentationSession
) -> None:
    volume, mask = picture
    stated = replace(volume, grid=replace(volume.grid, known=Known.SPACING))
    session.set_volume(stated)
    window = default_window(volume.data, "unknown")
    assert session.choose_pixel_mm([box_of(mask)], window) is None


def test_a_size_must_show_a_spine_and_a_section_of_a_likely_extent() -> None:
    def score(pixels: int, mm: float) -> float:
        mask = np.zeros((1, 300, 300), bool)
        mask[0, 10 : 10 + pixels, 10:30] = True
        answer = MaskPrediction(
            mask, np.ones(1, np.float32), np.zeros((1, 2, 2), np.float32), None, 0.0
        )
        return pixel_size.score(0.9, answer, (mm, mm))

    assert score(150, 0.42) > score(150, 1.0) > score(0, 1.0)
    plane = Geometry.from_spacing(
        (1, 512, 512), (1, 1, 1), is_2d=True, known=Known(0)
    ).plane(0, 0)
    sizes = pixel_size.candidate_planes(plane)
    assert max(sizes) * 512 <= 700
    assert all(at.spacing == pytest.approx((mm, mm)) for mm, at in sizes.items())
