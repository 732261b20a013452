"""Prompt files in the coordinates of any grid become prompts on canonical slices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import BoxPrompt, Polarity
from napari_spinalsam.core.volume import FileGrid
from napari_spinalsam.io.prompt_file import parse_prompts, read_prompts

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (10, 20, 30)
SPACING = (0.7, 1.0, 3.0)
# World direction (R, A, S) in which i, j, k grow.
ORIENTATIONS = {
    "RAS": np.eye(3),
    "LPS": np.diag([-1.0, -1, 1]),
    "PIR": np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
}


def grid_of(codes: str = "PIR", degrees: float = 8.0) -> FileGrid:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    tilt = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = tilt @ ORIENTATIONS[codes] * SPACING
    affine[:3, 3] = (12.5, -40.0, 7.25)
    return FileGrid(SHAPE, affine)


FLAT = FileGrid((8, 5), np.diag([-1.0, -1, -1, 1]))


def one(prompt: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"objects": [{"structure": "L3", "prompts": [prompt]}], **keys}


def point(*at: float, **keys: Any) -> dict[str, Any]:
    return {"at": list(at), **keys}


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_voxel_of_the_file_is_the_same_voxel_on_the_canonical_slice(
    codes: str, axis: int
) -> None:
    grid = grid_of(codes)
    at = [3, 14, 7]
    prompt = {"axis": axis, "index": at[axis], "points": [point(*at)]}
    (found,) = parse_prompts(one(prompt), grid)
    (slice_,) = found.prompts
    plane = grid.geometry.plane(*slice_.key)
    marked = np.zeros(SHAPE)
    marked[tuple(at)] = 1
    row, col = slice_.points[0].row, slice_.points[0].col
    assert plane.take(grid.to_canonical(marked))[round(row), round(col)] == 1
    assert (row, col) == pytest.approx((round(row), round(col)), abs=1e-9)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_world_coordinates_mean_the_same_as_voxels(codes: str) -> None:
    grid = grid_of(codes)
    corners = [[1, 4, 7], [6, 12, 7]]
    world = [(grid.affine @ (*c, 1))[:3].tolist() for c in corners]
    points = [point(3, 8, 7, polarity="negative")]
    in_world = [point(*(grid.affine @ (3, 8, 7, 1))[:3], polarity="negative")]
    voxel = {"axis": 2, "index": 7, "box": corners, "points": points}
    mm = {"axis": 2, "index": 7, "box": world, "points": in_world}
    (first,) = parse_prompts(one(voxel, space="voxel"), grid)[0].prompts
    (second,) = parse_prompts(one(mm, space="world"), grid)[0].prompts
    assert first.key == second.key
    assert first.box is not None
    assert second.box is not None
    assert astuple(second.box) == pytest.approx(astuple(first.box), abs=1e-9)
    assert second.points[0].row == pytest.approx(first.points[0].row)
    assert second.points[0].polarity is Polarity.NEGATIVE


def astuple(box: BoxPrompt) -> tuple[float, ...]:
    return box.row_min, box.col_min, box.row_max, box.col_max


def test_world_coordinates_within_half_a_voxel_fall_into_the_slice() -> None:
    grid = grid_of()
    near = (grid.affine @ (3, 8, 7.49, 1))[:3]
    far = (grid.affine @ (3, 8, 7.51, 1))[:3]
    prompt = {"axis": 2, "index": 7, "points": [point(*near)]}
    assert parse_prompts(one(prompt, space="world"), grid)
    prompt = {"axis": 2, "index": 7, "points": [point(*far)]}
    with pytest.raises(InputError, match="does not lie in the slice"):
        parse_prompts(one(prompt, space="world"), grid)


def test_box_corners_may_come_in_any_order_and_are_included() -> None:
    boxes = [[[1, 4, 7], [6, 12, 7]], [[6, 4, 7], [1, 12, 7]]]
    grid = grid_of("LPS", 0)
    found = [
        parse_prompts(one({"axis": 2, "index": 7, "box": box}), grid)[0].prompts[0].box
        for box in boxes
    ]
    assert found[0] == found[1]
    # LPS is canonical in rows (posterior) and columns (left): nothing is reversed.
    assert found[0] == BoxPrompt(4, 1, 12, 6)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("space", ["voxel", "world"])
def test_scribbles_and_lassos_lie_where_points_at_the_same_places_lie(
    codes: str, space: str
) -> None:
    grid = grid_of(codes)
    places = [[3, 4, 7], [6, 5, 7], [5, 12, 7]]
    if space == "world":
        places = [(grid.affine @ (*at, 1))[:3].tolist() for at in places]
    prompt = {
        "axis": 2,
        "index": 7,
        "points": [point(*at) for at in places],
        "scribbles": [
            {"path": places[:2], "polarity": "negative"},
            {"path": places},
        ],
        "lasso": places,
    }
    (found,) = parse_prompts(one(prompt, space=space), grid)[0].prompts
    drawn = [(each.row, each.col) for each in found.points]
    assert found.lasso is not None
    assert np.array(found.lasso.outline) == pytest.approx(np.array(drawn), abs=1 / 256)
    negative, positive = found.scribbles
    assert negative.path == found.lasso.outline[:2]
    assert positive.path == found.lasso.outline
    assert negative.polarity is Polarity.NEGATIVE
    assert positive.polarity is Polarity.POSITIVE


@pytest.mark.parametrize(
    "drawn",
    [{"lasso": [[1, 0], [7, 0], [7, 4]]}, {"scribbles": [{"path": [[1, 0], [7, 4]]}]}],
)
def test_something_drawn_alone_asks_for_a_mask(drawn: dict[str, Any]) -> None:
    (found,) = parse_prompts(one(drawn), FLAT)[0].prompts
    assert found.is_drawn
    assert found.asks_for_something


def test_flat_images_take_two_coordinates() -> None:
    (found,) = parse_prompts(one({"box": [[1, 0], [7, 4]], "points": []}), FLAT)
    assert found.prompts[0].key == (0, 0)
    assert found.prompts[0].box == BoxPrompt(0, 1, 4, 7)


def test_objects_and_slices_keep_their_order() -> None:
    first = {"axis": 2, "index": 7, "points": [point(3, 8, 7)]}
    second = {"axis": 0, "index": 3, "points": [point(3, 8, 7)]}
    document = {
        "objects": [
            {"structure": "S1", "prompts": [second, first], "propagate": True},
            {"structure": "L4/5", "prompts": [first]},
        ]
    }
    sacrum, disc = parse_prompts(document, grid_of())
    assert (sacrum.structure.label, disc.structure.label) == (26, 123)
    assert [p.axis for p in sacrum.prompts] == [
        grid_of().axis_to_canonical(0),
        grid_of().axis_to_canonical(2),
    ]
    assert sacrum.propagate
    assert not disc.propagate


GOOD = {"axis": 2, "index": 7, "points": [{"at": [3, 8, 7]}]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "the whole is"),
        ({}, "objects is missing"),
        ({"objects": []}, r"objects is \[\]"),
        ({"objects": [1]}, "object 1: the whole is 1"),
        (one(GOOD, space="mm"), 'space is "mm"'),
        (one(GOOD, extra=1), "extra is not known"),
        (
            one({**GOOD, "boxes": []}),
            r"object 1 \(L3\): prompts\[0\].boxes is not known",
        ),
        (one({**GOOD, "axis": "2"}), r'prompts\[0\].axis is "2"'),
        (one({**GOOD, "axis": True}), r"prompts\[0\].axis is true"),
        (one({**GOOD, "axis": 3}), r"prompts\[0\].axis is 3"),
        (one({**GOOD, "index": 7.0}), r"prompts\[0\].index is 7.0"),
        (one({**GOOD, "index": -1}), r"prompts\[0\].index is -1"),
        (one({**GOOD, "index": 30}), "index 30 is beyond axis 2"),
        (one({**GOOD, "index": None}), "lacks index"),
        (one({"points": GOOD["points"]}), "lacks axis"),
        (one({**GOOD, "points": [point(3, 8)]}), r"\(3, 8\) has 2 coordinates"),
        (one({**GOOD, "points": [point(3)]}), r"points\[0\].at is \[3\]"),
        (one({**GOOD, "points": [point(3, 8, "7")]}), r'at\[2\] is "7"'),
        (one({**GOOD, "points": [point(3, 8, np.nan)]}), r"at\[2\] is NaN"),
        (one({**GOOD, "points": [point(3, 8, 8)]}), "does not lie in the slice"),
        (one({**GOOD, "points": [point(10, 8, 7)]}), "lies outside of the image"),
        (one({**GOOD, "points": [point(3, -1, 7)]}), "lies outside of the image"),
        (one({**GOOD, "points": [point(3, 8, 7, polarity="maybe")]}), '"maybe"'),
        (one({**GOOD, "box": [[1, 2, 7]]}), "box is"),
        (one({**GOOD, "box": [[1, 2, 7], [1, 2, 7]]}), r"from \(1, 2, 7\) .* no area"),
        (one({**GOOD, "box": [[1, 2, 7], [1, 9, 7]]}), r"to \(1, 9, 7\) has no area"),
        (one({**GOOD, "box": [[1, 2, 7], [3, 20, 7]]}), "lies outside"),
        (
            one({**GOOD, "scribbles": [{"path": [[3, 8, 7]]}]}),
            r"prompts\[0\].scribbles\[0\].path is \[\[3, 8, 7\]\]",
        ),
        (
            one({**GOOD, "scribbles": [{"path": [[3, 8, 7], [3, 8, 8]]}]}),
            r"\(3, 8, 8\) does not lie in the slice",
        ),
        (
            one({**GOOD, "scribbles": [{"path": [[3, 8, 7], [3, 20, 7]]}]}),
            r"\(3, 20, 7\) lies outside",
        ),
        (one({**GOOD, "scribbles": [{"path": [[3, 8], [3, 9]]}]}), "has 2 coordinates"),
        (
            one({**GOOD, "scribbles": [{"points": []}]}),
            r"scribbles\[0\].path is missing",
        ),
        (one({**GOOD, "lasso": [[1, 2, 7], [3, 4, 7]]}), "lasso is"),
        (
            one({**GOOD, "lasso": [[1, 2, 7], [3, 4, 7], [5, 6, 6]]}),
            r"\(5, 6, 6\) does not lie in the slice",
        ),
        (
            one({**GOOD, "lasso": [[1, 2, 7], [1, 4, 7], [1, 9, 7]]}),
            r"lasso that begins at \(1, 2, 7\) has no area",
        ),
        (
            one(
                {
                    **GOOD,
                    "points": [],
                    "scribbles": [
                        {"path": [[3, 8, 7], [3, 9, 7]], "polarity": "negative"}
                    ],
                }
            ),
            "nor a lasso or a positive scribble",
        ),
        (one({**GOOD, "points": []}), "neither a box nor a positive point"),
        (
            one({**GOOD, "points": [point(3, 8, 7, polarity="negative")]}),
            "neither a box nor a positive point",
        ),
        ({"objects": [{"structure": "L9", "prompts": [GOOD]}]}, "no structure 'L9'"),
        ({"objects": [{"structure": "L3", "prompts": []}]}, r"prompts is \[\]"),
        ({"objects": [{"structure": 3, "prompts": [GOOD]}]}, "structure is 3"),
        (
            {"objects": [{"structure": "L3", "prompts": [GOOD], "propagate": 1}]},
            "propagate is 1",
        ),
    ],
)
def test_what_does_not_fit_is_named_in_one_sentence(document: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse_prompts(document, grid_of(), "p.json")
    assert str(caught.value).startswith("p.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "keys", "words"),
    [
        ({"axis": 0, "points": [point(1, 1)]}, {}, "flat, but a prompt gives axis 0"),
        ({"index": 0, "points": [point(1, 1)]}, {}, "flat, but a prompt gives index"),
        ({"points": [point(1, 1, 0)]}, {}, "has 3 coordinates"),
        ({"points": [point(8, 1)]}, {}, "lies outside"),
        ({"points": [point(1, 1)]}, {"space": "world"}, "no world coordinates"),
    ],
)
def test_prompts_of_a_volume_do_not_fit_a_flat_image(
    prompt: dict[str, Any], keys: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        parse_prompts(one(prompt, **keys), FLAT)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(one(GOOD)), encoding="utf-8-sig")
    (found,) = read_prompts(tmp_path / "p.json", grid_of())
    assert found.structure.name == "L3"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "no JSON"),
        (b"{'a': 1}", "line 1, column 2"),
        (b"\xff\xfe\x00", "no JSON text"),
        (b'{"objects": [], "objects": []}', "'objects' twice"),
        (b"[" * 100_000, "no JSON text"),
    ],
)
def test_a_file_that_is_no_json_is_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "p.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_prompts(path, grid_of())
