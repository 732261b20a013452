import math
import warnings
from dataclasses import astuple

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.metrics import (
    compare_masks,
    dice,
    evaluate_labels,
    iou,
    mean_metrics,
    surface_distances,
    unmatched,
    volume_mm3,
)

SPACING = (3.0, 1.0, 0.7)
TOLERANCE_MM = 1e-4


def cuboid(low, high, shape=(12, 30, 40)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def ball(centre, radius_mm, shape=(16, 40, 50), spacing=SPACING) -> np.ndarray:
    steps = zip(np.indices(shape), centre, spacing, strict=True)
    return sum(((g - c) * s) ** 2 for g, c, s in steps) <= radius_mm**2


def specks(mask: np.ndarray, share: float) -> np.ndarray:
    rng = np.random.default_rng(7)
    return mask | (rng.random(mask.shape) < share)


def by_monai(a, b, spacing) -> tuple[float, float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its import, in other packages
        torch = pytest.importorskip("torch")
        monai = pytest.importorskip("monai.metrics")
        x, y = (torch.from_numpy(np.pad(m, 1))[None, None].float() for m in (a, b))
        options = {"include_background": True, "spacing": list(spacing)}
        mean = monai.compute_average_surface_distance(x, y, symmetric=True, **options)
        hausdorff = [
            monai.compute_hausdorff_distance(x, y, percentile=p, **options)
            for p in (95, 100)
        ]
    return float(mean), float(hausdorff[0]), float(hausdorff[1])


def by_simpleitk(a, b, spacing) -> tuple[float, float, float]:
    sitk = pytest.importorskip("SimpleITK")

    def edge(mask):
        image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
        image.SetSpacing(spacing[::-1])
        return sitk.LabelContour(image, False, 0)

    def away(mask):
        distance = sitk.SignedMaurerDistanceMap(
            edge(mask), squaredDistance=False, useImageSpacing=True
        )
        return sitk.GetArrayFromImage(sitk.Abs(distance))

    pair = [
        away(there)[sitk.GetArrayFromImage(edge(here)) > 0]
        for here, there in ((a, b), (b, a))
    ]
    hd95 = max(np.percentile(side, 95) for side in pair)
    return np.concatenate(pair).mean(), hd95, max(side.max() for side in pair)


PAIRS = {
    "shifted cuboids": (
        cuboid((2, 5, 5), (8, 15, 15)),
        cuboid((4, 6, 5), (10, 16, 15)),
    ),
    "balls": (ball((8, 20, 25), 13), ball((7, 22, 27), 11)),
    "ball with specks": (ball((8, 20, 25), 13), specks(ball((8, 20, 25), 13), 1e-3)),
    "both at the border": (
        cuboid((0, 0, 0), (5, 30, 9)),
        cuboid((0, 3, 0), (6, 30, 7)),
    ),
    "far apart": (cuboid((0, 0, 0), (1, 1, 1)), cuboid((11, 29, 39), (12, 30, 40))),
    "one slice": (cuboid((4, 3, 3), (5, 9, 20)), cuboid((4, 3, 3), (5, 12, 22))),
}


@pytest.mark.parametrize("other", [by_monai, by_simpleitk])
@pytest.mark.parametrize("pair", PAIRS)
def test_distances_agree_with_other_programs(pair: str, other) -> None:
    a, b = PAIRS[pair]
    found = surface_distances(a, b, SPACING)
    expected = other(a, b, SPACING)
    np.testing.assert_allclose(
        (found.msd, found.hd95, found.hd), expected, atol=TOLERANCE_MM
    )


@pytest.mark.parametrize("other", [by_monai, by_simpleitk])
@pytest.mark.parametrize(("label", "against"), [(22, "shifted"), (20, 21)])
def test_distances_agree_on_real_labels(data_dir, other, label, against) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.load(data_dir / "verse014" / "vertebrae.nii.gz")
    labels = np.asarray(image.dataobj)
    spacing = tuple(float(s) for s in image.header.get_zooms())
    a = labels == label
    b = np.roll(a, (1, 2, 1), (0, 1, 2)) if against == "shifted" else labels == against
    found = surface_distances(a, b, spacing)
    np.testing.assert_allclose(
        (found.msd, found.hd95, found.hd), other(a, b, spacing), atol=TOLERANCE_MM
    )


def test_dice_between_real_label_sets_is_the_known_one(data_dir) -> None:
    nibabel = pytest.importorskip("nibabel")
    folder = data_dir / "totalsegmentator"
    ours, older = (
        np.asarray(nibabel.load(folder / f"{name}.nii.gz").dataobj).astype(np.uint8)
        for name in ("vertebrae", "vertebrae_v1")
    )
    assert dice(ours == 29, older == 20) == pytest.approx(0.9447, abs=1e-4)
    assert dice(ours == 27, older == 18) == pytest.approx(0.9462, abs=1e-4)


@pytest.mark.parametrize("pair", PAIRS)
def test_dice_and_iou_bound_each_other(pair: str) -> None:
    a, b = PAIRS[pair]
    overlap, ratio = dice(a, b), iou(a, b)
    assert overlap / 2 <= ratio <= overlap <= 1
    assert ratio == pytest.approx(overlap / (2 - overlap))


def test_worked_example_in_millimetres() -> None:
    a, b = cuboid((2, 5, 5), (3, 6, 6)), cuboid((4, 8, 5), (5, 9, 6))
    found = compare_masks(a, b, SPACING)
    assert (found.dice, found.iou) == (0, 0)
    assert (
        found.msd_mm == found.hd95_mm == found.hd_mm == pytest.approx(math.hypot(6, 3))
    )
    assert found.volume_mm3 == pytest.approx((2.1, 2.1))


def test_equal_masks_agree_fully() -> None:
    a, _ = PAIRS["balls"]
    found = compare_masks(a, a.copy(), SPACING)
    assert astuple(found)[:5] == (1, 1, 0, 0, 0)


def test_hd95_forgives_a_speck_that_hd_does_not() -> None:
    a = cuboid((2, 5, 5), (8, 20, 20))
    b = a.copy()
    b[11, 29, 39] = True
    found = surface_distances(a, b, SPACING)
    assert found.hd95 == 0
    assert found.hd > 15


def test_flat_masks_are_measured_in_their_plane() -> None:
    a, b = np.zeros((2, 9, 9), dtype=bool)
    a[2:5, 2:5] = True
    b[2:5, 4:7] = True
    found = compare_masks(a, b, (1.0, 0.5))
    assert found.hd_mm == pytest.approx(1.0)
    assert found.dice == pytest.approx(2 * 3 / 18)
    assert found.volume_mm3 == pytest.approx((4.5, 4.5))


def test_border_of_the_volume_counts_as_outside() -> None:
    full = np.ones((3, 4, 5), dtype=bool)
    inner = cuboid((1, 1, 1), (2, 3, 4), (3, 4, 5))
    found = surface_distances(full, inner, (1, 1, 1))
    assert found.forward.size == full.sum() - inner.sum()
    assert found.backward.min() == 1


def labelled() -> tuple[np.ndarray, np.ndarray]:
    prediction = np.zeros((6, 20, 20), dtype=np.uint8)
    reference = prediction.copy()
    prediction[1:4, 2:8, 2:8] = 20
    reference[1:4, 2:8, 3:8] = 20
    prediction[4:6, 10:15, 10:15] = 21  # extra
    reference[4:6, 1:3, 1:3] = 22  # missing
    return prediction, reference


def test_label_on_one_side_has_no_overlap_and_no_distance() -> None:
    results = evaluate_labels(*labelled(), SPACING)
    assert list(results) == [20, 21, 22]
    for label, volumes in ((21, (50 * 2.1, 0)), (22, (0, 8 * 2.1))):
        found = results[label]
        assert (found.dice, found.iou) == (0, 0)
        assert (found.msd_mm, found.hd95_mm, found.hd_mm) == (None, None, None)
        assert found.volume_mm3 == pytest.approx(volumes)


def test_labels_are_measured_as_if_alone() -> None:
    prediction, reference = labelled()
    alone = compare_masks(prediction == 20, reference == 20, SPACING)
    assert evaluate_labels(prediction, reference, SPACING)[20] == alone


def test_chosen_label_on_neither_side_is_undefined() -> None:
    results = evaluate_labels(*labelled(), SPACING, labels=[24, 20])
    assert list(results) == [20, 24]
    assert astuple(results[24]) == (None, None, None, None, None, (0.0, 0.0))


def test_a_mean_runs_over_the_structures_of_the_reference() -> None:
    results = evaluate_labels(*labelled(), SPACING)
    means = mean_metrics(results)
    # 22 was missed and counts 0; 21, which the reference lacks, does not count.
    assert means["dice"] == pytest.approx(results[20].dice / 2)
    volumes = {label: found.volume_mm3 for label, found in results.items()}
    assert unmatched(volumes) == ((22,), (21,))
    assert means["msd_mm"] == results[20].msd_mm
    assert mean_metrics({}) == dict.fromkeys(means)


def test_empty_masks_have_no_metrics() -> None:
    empty = np.zeros((3, 3), dtype=bool)
    assert dice(empty, empty) is None
    assert iou(empty, empty) is None
    assert surface_distances(empty, ~empty, (1, 1)) is None
    assert volume_mm3(empty, (1, 1)) == 0


MASK = np.ones((2, 3, 4), dtype=bool)


@pytest.mark.parametrize(
    ("a", "b", "spacing", "words"),
    [
        (MASK, MASK[:1], SPACING, "same grid"),
        (MASK, MASK, (1, 1), "3 numbers"),
        (MASK, MASK, (1, 1, 0), "above zero"),
        (MASK, MASK, (1, 1, math.nan), "above zero"),
    ],
)
def test_what_does_not_fit_is_refused(a, b, spacing, words: str) -> None:
    with pytest.raises(InputError, match=words):
        compare_masks(a, b, spacing)
    with pytest.raises(InputError, match=words):
        evaluate_labels(a.astype(np.uint8), b.astype(np.uint8), spacing)


@pytest.mark.parametrize("labels", [np.full((2, 3), 0.5), np.full((2, 3), -1)])
def test_images_are_no_labels(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match="whole numbers"):
        evaluate_labels(labels, np.zeros((2, 3), np.uint8), (1, 1))
