import math
import warnings

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import (
    PRESETS,
    Window,
    check_image,
    default_window,
    guess_modality,
    parse_window,
    percentile_window,
)


@pytest.mark.parametrize(
    ("hu", "expected"),
    [(-32768, 0), (-450, 0), (-75, 0.25), (300, 0.5), (1050, 1), (32767, 1)],
)
def test_bone_window_follows_equation_11(hu: int, expected: float) -> None:
    mapped = PRESETS["bone"].apply(np.array([hu], dtype=np.int16))
    assert mapped.dtype == np.float32
    assert mapped[0] == pytest.approx(expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_agrees_with_the_printed_formula(preset: str) -> None:
    window = PRESETS[preset]
    hu = np.linspace(-3000, 4000, 701)
    expected = np.clip((hu - window.level + 0.5 * window.width) / window.width, 0, 1)
    np.testing.assert_allclose(window.apply(hu), expected, atol=1e-5)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", ">i2", "uint16", "int32", "uint32", "float16", "f8"]
)
def test_every_type_of_a_file_gives_the_same_picture(dtype: str) -> None:
    values = np.array([0, 40, 200], dtype=dtype)
    expected = [160 / 400, 0.5, 0.9]
    np.testing.assert_allclose(PRESETS["soft_tissue"].apply(values), expected, 1e-6)


def test_apply_leaves_its_argument_and_accepts_huge_numbers() -> None:
    data = np.array([[-1e300, 1e300], [40.0, 240.0]])
    before = data.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mapped = PRESETS["soft_tissue"].apply(data)
    np.testing.assert_array_equal(data, before)
    np.testing.assert_allclose(mapped, [[0, 1], [0.5, 1]])


def test_limits_and_back() -> None:
    assert PRESETS["bone"].limits == (-450, 1050)
    assert Window.from_limits(-450, 1050) == PRESETS["bone"]


@pytest.mark.parametrize(
    ("level", "width"),
    [(300, 0), (300, -1), (math.nan, 1), (0, math.inf), (1e300, 10), (0, 1e-300)],
)
def test_impossible_window_is_refused(level: float, width: float) -> None:
    with pytest.raises(InputError, match="window"):
        Window(level, width)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bone", (300, 1500)),
        (" Soft-Tissue ", (40, 400)),
        ("soft tissue", (40, 400)),
        ("300,1500", (300, 1500)),
        ("-600, 1500.5", (-600, 1500.5)),
    ],
)
def test_window_is_read_as_people_write_it(
    text: str, expected: tuple[float, float]
) -> None:
    assert parse_window(text) == Window(*expected)


@pytest.mark.parametrize("text", ["", "bones", "300", "1,2,3", "a,b", "300,0", "1,nan"])
def test_no_window_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(InputError, match=r"such as"):
        parse_window(text)


def test_default_window_of_ct_is_bone_and_of_mr_ignores_its_background() -> None:
    mr = np.zeros((4, 50, 50), np.int16)
    mr[:, 25:] = np.linspace(100, 600, mr[:, 25:].size).reshape(4, 25, 50)
    assert default_window(mr, "CT") == PRESETS["bone"]
    low, high = default_window(mr, "MR").limits
    assert (low, high) == pytest.approx((102.5, 597.5), abs=1)
    assert default_window(mr, "unknown") == default_window(mr, "MR")


@pytest.mark.parametrize("value", [-20, 0, 7])
def test_constant_image_still_gets_a_window(value: int) -> None:
    window = percentile_window(np.full((2, 3, 4), value))
    assert window == Window(level=value, width=1)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1024, 1500, "CT"),
        (-500, 200, "CT"),
        (-47, 833, "unknown"),
        (0, 255, "unknown"),
    ],
)
def test_only_air_proves_ct(low: int, high: int, expected: str) -> None:
    assert guess_modality(np.array([[low, high]], np.int16)) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("tptbox/ct_L3.nii.gz", "CT"),
        ("totalsegmentator/ct_slab.nii.gz", "CT"),
        ("tptbox/mr_t2.nii.gz", "unknown"),
        ("totalsegmentator/mr_slab.nii.gz", "unknown"),
    ],
)
def test_modality_of_real_scans(data_dir, file: str, expected: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    data = np.asarray(nibabel.load(data_dir / file).dataobj)
    check_image(data)
    assert guess_modality(data) == expected


@pytest.mark.parametrize(
    "shape", [(2, 2), (1, 5, 6), (5, 1, 6), (5, 6, 1), (5, 6, 3), (4, 5, 6)]
)
@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32", ">f8"])
def test_images_and_volumes_are_accepted(shape: tuple[int, ...], dtype: str) -> None:
    check_image(np.ones(shape, dtype))


def holed(value: float) -> np.ndarray:
    image = np.zeros((3, 4, 5))
    image[0, 0, :2] = value
    return image


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (holed(np.nan), "NaN or infinite at 2 of 60"),
        (holed(-np.inf), "NaN or infinite at 2 of 60"),
        (np.zeros((3, 4), complex), "complex"),
        (np.zeros((3, 4), bool), "true and false"),
        (np.full((3, 4), "a"), "convert it"),
        (np.full((3, 4), None), "convert it"),
        (np.zeros((5, 20, 30, 3), np.uint16), "colour"),
        (np.zeros((5, 6, 7, 8)), "4 axes"),
        (np.zeros((2, 5, 6, 7, 8)), "5 axes"),
        (np.zeros((1, 9)), "single line"),
        (np.zeros((9, 1, 1)), "single line"),
        (np.zeros(9), "single line"),
        (np.zeros((0, 9)), "no voxels"),
        (np.zeros(()), "single line"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(
    image: np.ndarray, words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        check_image(image)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert ": " in message
