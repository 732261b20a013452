from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_spinalsam.core.anatomy import (
    REGIONS,
    STRUCTURE_NAMES,
    STRUCTURES,
    VERTEBRA_ORDER,
    Kind,
    Structure,
    action_name,
    by_label,
    label_colormap,
    listed,
    structure,
)
from napari_spinalsam.core.errors import InputError

ALL_CONES = np.eye(3).tolist()
# Linear RGB as seen without red and without green cones (Machado et al. 2009).
PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("C1", 1),
        ("C7", 7),
        ("T1", 8),
        ("T12", 19),
        ("T13", 28),
        ("L1", 20),
        ("L3", 22),
        ("L6", 25),
        ("sacrum", 26),
        ("S1", 26),
        ("coccyx", 27),
        ("C2-C3", 102),
        ("C7-T1", 107),
        ("T12-L1", 119),
        ("T12-T13", 119),
        ("T13-L1", 128),
        ("L4-L5", 123),
        ("L5-S1", 124),
        ("L5-L6", 124),
        ("L6-S1", 125),
        ("L4-S1", 123),
        ("spinal_cord", 60),
        ("spinal_canal", 61),
    ],
)
def test_labels_follow_the_convention(name: str, label: int) -> None:
    assert structure(name).label == label


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("l3", "L3"),
        (" L 3 ", "L3"),
        ("SACRUM", "sacrum"),
        ("s1", "sacrum"),
        ("L4/5", "L4-L5"),
        ("L4/L5", "L4-L5"),
        ("l4-5", "L4-L5"),
        ("L4–L5", "L4-L5"),
        ("L5-S", "L5-S1"),
        ("L5/S", "L5-S1"),
        ("L5 / S1", "L5-S1"),
        ("T12/L1", "T12-L1"),
        ("t11/12", "T11-T12"),
        ("Spinal Canal", "spinal_canal"),
        ("spinal-cord".replace("-", " "), "spinal_cord"),
    ],
)
def test_spellings_of_a_structure(said: str, name: str) -> None:
    assert structure(said).name == name


def test_actions_keep_s1_as_it_was_said() -> None:
    assert action_name("s1") == "S1"
    assert action_name("Sacrum") == "sacrum"
    assert action_name("L4/5") == "L4-L5"


@pytest.mark.parametrize(
    ("said", "near"),
    [("L7", "L6"), ("T14", "T1"), ("C1-C2", "C6-C7"), ("sacrun", "sacrum"), ("", "L6")],
)
def test_unknown_name_is_refused_with_near_ones(said: str, near: str) -> None:
    with pytest.raises(InputError, match=near) as caught:
        structure(said)
    assert repr(said) in str(caught.value)


def test_every_name_finds_itself_and_fits_a_byte() -> None:
    assert len({s.name for s in STRUCTURES}) == len(STRUCTURES)
    for known in STRUCTURES:
        assert structure(known.name) is known
        assert 0 < known.label <= 255
    assert set(STRUCTURE_NAMES) == {s.name for s in STRUCTURES} | {"S1"}


def test_vertebrae_run_from_head_to_foot_with_the_variants_in_place() -> None:
    assert VERTEBRA_ORDER[18:21] == ("T12", "T13", "L1")
    assert VERTEBRA_ORDER[-4:] == ("L5", "L6", "sacrum", "coccyx")
    assert [s.name for s in STRUCTURES[: len(VERTEBRA_ORDER)]] == list(VERTEBRA_ORDER)


def test_regions_hold_standard_anatomy_only() -> None:
    assert REGIONS["lumbar"] == ("L1", "L2", "L3", "L4", "L5")
    assert REGIONS["thoracic"][-1] == "T12"
    assert len(REGIONS["cervical"]) == 7
    assert len(REGIONS["discs"]) == 23
    assert REGIONS["discs"][-1] == "L5-S1"
    assert REGIONS["spine"][-1] == "sacrum"
    for names in REGIONS.values():
        assert not {"T13", "L6"} & {end for name in names for end in name.split("-")}
        assert all(structure(name).name == name for name in names)


@pytest.mark.parametrize(
    ("label", "present", "name"),
    [
        (124, (), "L5-S1"),
        (124, (24, 26), "L5-S1"),
        (124, (24, 25, 26), "L5-L6"),
        (119, (19, 20), "T12-L1"),
        (119, (19, 28, 20), "T12-T13"),
        (128, (28, 20), "T13-L1"),
        (123, (23, 26), "L4-S1"),
        (123, (23, 24, 26), "L4-L5"),
        (123, (20, 21), "L4-L5"),
        (26, (), "sacrum"),
        (28, (), "T13"),
    ],
)
def test_disc_is_named_by_the_neighbours_present(
    label: int, present: tuple[int, ...], name: str
) -> None:
    found = by_label(label, present)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("label", [0, 29, 62, 101, 127, 255])
def test_values_without_a_meaning_have_no_structure(label: int) -> None:
    assert by_label(label) is None


def level(known: Structure) -> float | None:
    """Where a structure lies along the spine; None for what lies beside all of it."""
    upper = known.name.partition("-")[0]
    if upper not in VERTEBRA_ORDER:
        return None
    return VERTEBRA_ORDER.index(upper) + 0.5 * (known.kind is Kind.DISC)


def pairs_within(levels: float) -> list[tuple[Structure, Structure]]:
    """Structures of two labels that are at most so many levels apart."""
    return [
        (one, two)
        for one, two in combinations({s.label: s for s in STRUCTURES}.values(), 2)
        if (above := level(one)) is None
        or (below := level(two)) is None
        or abs(above - below) <= levels
    ]


def as_seen(color: tuple[float, ...], cones: list[list[float]]) -> np.ndarray:
    rgb = np.asarray(color[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(cones) @ linear, 0, 1)
    return np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("levels", "cones", "lightness", "least"),
    [
        (1, ALL_CONES, 1, 18),
        (1, ALL_CONES, 0.25, 15),
        (2, ALL_CONES, 0.25, 14),
        (6, ALL_CONES, 1, 14),
        (99, ALL_CONES, 1, 7),
        (1, PROTANOPIA, 1, 9),
        (1, DEUTERANOPIA, 1, 8.9),
    ],
    ids=[
        "touching",
        "touching, over any image",
        "next but one, over any image",
        "in one view",
        "anywhere",
        "protanopia",
        "deuteranopia",
    ],
)
def test_structures_differ_clearly_in_color(
    levels: float, cones: list[list[float]], lightness: float, least: float
) -> None:
    pairs = pairs_within(levels)
    one, two = (
        rgb2lab(np.array([[as_seen(pair[side].color, cones) for pair in pairs]]))
        for side in (0, 1)
    )
    difference = deltaE_ciede2000(one, two, kL=1 / lightness)[0]
    worst = int(difference.argmin())
    names = [s.name for s in pairs[worst]]
    assert difference[worst] > least, f"{names} look alike"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("L1", "L2", "L3"), "L1, L2, L3"),
        (REGIONS["spine"], "C1 to sacrum"),
        ((*REGIONS["spine"], *REGIONS["discs"]), "C1 to sacrum, C2-C3 to L5-S1"),
        (("T11", "T12", "T13", "L1", "L5", "L6", "sacrum"), "T11 to L1, L5 to sacrum"),
        (
            ("C1", "C3", "C5", "C7", "T2", "T4", "L1", "L2", "L3"),
            "C1, C3, C5, C7, T2 and 4 more",
        ),
    ],
)
def test_many_names_are_told_by_first_and_last(
    names: tuple[str, ...], told: str
) -> None:
    assert listed(names) == told


def test_colors_stand_out_from_gray_ct() -> None:
    lab = rgb2lab(np.array([[s.color[:3] for s in STRUCTURES]]))[0]
    assert np.hypot(lab[:, 1], lab[:, 2]).min() > 30
    assert lab[:, 0].min() > 40


def test_colormap_covers_every_label_and_hides_the_rest() -> None:
    colors = label_colormap()
    assert colors[None][3] == colors[0][3] == 0
    assert all(colors[s.label] == s.color for s in STRUCTURES)
