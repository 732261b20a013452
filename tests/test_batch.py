"""An annotation is filled without a window: in order, by the rules of the window."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.headless import DirectPrediction
from napari_spinalsam.annotation.provenance import (
    MaskWritten,
    Question,
    VoxelsWritten,
    events_of,
)
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.annotation.storage.replay import replay
from napari_spinalsam.batch import (
    annotate_objects,
    annotate_structures,
    begin_annotation,
    find_structures,
    segment_objects,
)
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, SlicePlane
from napari_spinalsam.core.intensity import PRESETS, Window
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    MaskPrediction,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import FoundStructure, Progress, VolumeMask
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.prompt_file import PromptedObject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BONE = PRESETS["bone"]
NOON = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
CORNERS = [(0, 0, 1, 1), (4, 4, 6, 6)]


class FillsTheBox:
    """A session whose best mask is the box; the next candidate is everything."""

    pixel_mm = None
    identity = ModelIdentity("a" * 64, "boxes")

    def __init__(self) -> None:
        self.volume: Volume | None = None
        self.encoded: set[tuple[int, int]] = set()
        self.windows: set[Window] = set()
        self.seeds: list[Any] = []

    def set_volume(self, volume: Volume) -> None:
        self.volume = volume

    def predict(
        self, plane: SlicePlane, prompts: SlicePrompts, /, *, window: Window, **_: Any
    ) -> MaskPrediction:
        box = prompts.box
        assert box is not None
        mask = np.zeros(plane.shape, bool)
        rows = slice(round(box.row_min), round(box.row_max) + 1)
        mask[rows, round(box.col_min) : round(box.col_max) + 1] = True
        new = prompts.key not in self.encoded
        self.encoded.add(prompts.key)
        self.windows.add(window)
        return MaskPrediction(
            masks=np.stack([mask, np.ones(plane.shape, bool)]),
            predicted_iou=np.array([0.9 if new else 0.7, 0.1], np.float32),
            low_res_logits=np.zeros((2, 4, 4), np.float32),
            encode_ms=100.0 if new else None,
            decode_ms=10.0,
        )

    def propagate_all(self, objects: Any, *, window: Window) -> Iterator[Any]:
        self.seeds = list(objects)
        yield Progress("working", 0.5)
        box = (slice(1, 4), slice(2, 6), slice(3, 8))
        mask = np.ones((3, 4, 5), bool)
        yield [VolumeMask(mask, box, 0.8) for _ in self.seeds]

    def find_structures(
        self, names: Any, *, window: Window, anchors: Any
    ) -> Iterator[Any]:
        """Everything but L5 is there, each one row below the one before."""
        self.anchors = anchors
        yield Progress("locating", 1.0)
        yield Progress("joining", 0.5)
        for row, name in enumerate(name for name in names if name != "L5"):
            box = (slice(0, 6), slice(row, row + 1), slice(0, 10))
            yield FoundStructure(
                name, VolumeMask(np.ones((6, 1, 10), bool), box, 0.7), 0.6
            )


@pytest.fixture
def volume() -> Volume:
    geometry = Geometry.from_spacing((6, 8, 10), (3, 1, 0.7))
    return Volume.from_geometry(np.zeros((6, 8, 10), np.int16), geometry, "CT")


def boxed(name: str, *slices: tuple[int, int, BoxPrompt]) -> PromptedObject:
    prompts = tuple(SlicePrompts(axis, at, box=box) for axis, at, box in slices)
    return PromptedObject(structure(name), prompts)


def test_only_the_prompted_slice_is_written(volume: Volume) -> None:
    found = segment_objects(
        volume, [boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 5)))], FillsTheBox(), BONE
    )
    expected = np.zeros(volume.data.shape, np.uint8)
    expected[2, 1:5, 2:6] = 22
    assert (found.labels == expected).all()
    assert found.labels.dtype == np.uint8


def test_slices_and_axes_of_one_object_are_united(volume: Volume) -> None:
    slices = [(0, 2, BoxPrompt(1, 2, 4, 5)), (2, 3, BoxPrompt(0, 0, 5, 7))]
    (result,) = segment_objects(
        volume, [boxed("L3", *slices)], FillsTheBox(), BONE
    ).objects
    assert result.voxels == 4 * 4 + 6 * 8 - 4
    assert result.slices == 2


def test_an_earlier_object_is_not_overwritten(volume: Volume) -> None:
    lower = boxed("L4", (0, 2, BoxPrompt(2, 2, 6, 5)))
    upper = boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 5)))
    found = segment_objects(volume, [lower, upper], FillsTheBox(), BONE)
    assert (found.labels[2, 2:7, 2:6] == 23).all()
    assert [each.voxels for each in found.objects] == [20, 4]


def test_results_count_volume_trust_and_time(volume: Volume) -> None:
    box = BoxPrompt(1, 2, 4, 5)
    twice = boxed("L4-L5", (0, 2, box), (0, 2, BoxPrompt(6, 2, 7, 5)), (0, 3, box))
    found = segment_objects(volume, [twice], FillsTheBox(), BONE)
    (result,) = found.objects
    assert (result.structure, result.label, result.slices) == ("L4-L5", 123, 2)
    assert result.voxels == 16 + 8 + 16
    assert result.volume_mm3 == pytest.approx(40 * 3 * 1 * 0.7)
    assert result.predicted_iou == pytest.approx((0.9 + 0.7 + 0.9) / 3)
    assert found.encode_seconds == pytest.approx(0.2)
    assert found.decode_seconds == pytest.approx(0.03)


def test_progress_counts_predictions(volume: Volume) -> None:
    box, seen = BoxPrompt(1, 2, 4, 5), []
    segment_objects(
        volume,
        [boxed("L3", (0, 2, box), (0, 3, box)), boxed("L4", (0, 1, box))],
        FillsTheBox(),
        BONE,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_session_gets_the_volume_and_the_window(volume: Volume) -> None:
    session = FillsTheBox()
    window = Window(100, 50)
    prompted = [boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 5)))]
    segment_objects(volume, prompted, session, window)
    assert session.volume is volume
    assert session.windows == {window}


def propagated(name: str, axis: int = 0) -> PromptedObject:
    prompts = SlicePrompts(axis, 2, box=BoxPrompt(1, 2, 4, 5))
    return PromptedObject(structure(name), (prompts,), propagate=True)


def test_propagated_objects_are_written_whole_the_earlier_one_first(
    volume: Volume,
) -> None:
    objects = [propagated("L3"), propagated("L4", axis=1)]
    found = segment_objects(volume, objects, FillsTheBox(), BONE)
    assert (found.labels[1:4, 2:6, 3:8] == 22).all()
    assert np.count_nonzero(found.labels == 22) == 3 * 4 * 5
    first, second = found.objects
    assert (first.voxels, first.slices, first.predicted_iou) == (60, 3, 0.8)
    assert (second.voxels, second.slices) == (0, 4)
    assert first.confidence is None


def test_propagated_and_plain_objects_are_written_in_the_order_given(
    volume: Volume,
) -> None:
    plain = boxed("L5", (0, 2, BoxPrompt(0, 0, 7, 9)))
    found = segment_objects(volume, [plain, propagated("L3")], FillsTheBox(), BONE)
    assert (found.labels[2] == 24).all()
    assert [each.voxels for each in found.objects] == [80, 40]


def test_several_prompts_on_one_slice_are_one_seed(volume: Volume) -> None:
    session = FillsTheBox()
    here = [SlicePrompts(0, 2, box=BoxPrompt(*corners)) for corners in CORNERS]
    twice = PromptedObject(structure("L3"), tuple(here), propagate=True)
    segment_objects(volume, [twice], session, BONE)
    (seeds,) = session.seeds
    assert list(seeds) == [(0, 2)]
    assert seeds[0, 2].sum() == 4 + 9


def test_progress_of_propagation_ends_with_all_of_it(volume: Volume) -> None:
    seen: list[tuple[int, int]] = []
    segment_objects(
        volume,
        [propagated("L3"), boxed("L4", (0, 1, BoxPrompt(1, 2, 4, 5)))],
        FillsTheBox(),
        BONE,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(50, 101), (100, 101), (101, 101)]


def test_a_flat_image_has_nothing_to_follow_through() -> None:
    geometry = Geometry.from_spacing((1, 8, 10), (1, 1, 1), is_2d=True)
    flat = Volume.from_geometry(np.zeros((1, 8, 10), np.int16), geometry)
    with pytest.raises(InputError, match=r"L3 is to be propagated.*flat"):
        segment_objects(flat, [propagated("L3")], FillsTheBox(), BONE)


def test_found_structures_are_written_with_their_confidence(volume: Volume) -> None:
    wanted = [structure(name) for name in ("L4", "L5", "L3")]
    found = find_structures(volume, wanted, FillsTheBox(), BONE)
    assert (found.labels[:, 0] == 23).all()
    assert (found.labels[:, 1] == 22).all()
    assert [each.structure for each in found.objects] == ["L4", "L3"]
    assert [each.slices for each in found.objects] == [10, 10]
    assert {each.confidence for each in found.objects} == {0.6}


def test_names_counted_from_a_known_vertebra_are_no_guess(volume: Volume) -> None:
    session = FillsTheBox()
    anchor = boxed("L2", (0, 2, BoxPrompt(1, 2, 4, 5)))
    found = find_structures(volume, [structure("L3")], session, BONE, [anchor])
    assert session.anchors == {"L2": {(0, 2): anchor.prompts[0]}}
    assert found.objects[0].confidence is None


def test_progress_of_finding_never_falls(volume: Volume) -> None:
    seen: list[tuple[int, int]] = []
    find_structures(
        volume,
        [structure("L3")],
        FillsTheBox(),
        BONE,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == sorted(seen)
    assert seen[-1] == (100, 100)


def test_nothing_found_is_an_error(volume: Volume) -> None:
    with pytest.raises(InputError, match="None of L5 was found"):
        find_structures(volume, [structure("L5")], FillsTheBox(), BONE)


def test_going_on_from_labels_replaces_what_is_prompted_and_nothing_else(
    volume: Volume,
) -> None:
    start = np.zeros(volume.data.shape, np.uint8)
    start[:, 0, :] = 22
    start[2, 3, :] = 23
    before = start.copy()
    prompted = [boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 5)))]
    found = segment_objects(volume, prompted, FillsTheBox(), BONE, start=start)
    assert (start == before).all()
    expected = before.copy()
    expected[2, 0, :] = 0  # the prompted slice of L3 is told afresh
    expected[2, 1:5, 2:6] = 22
    expected[2, 3, :] = 23
    assert (found.labels == expected).all()
    assert found.objects[0].voxels == 12


def test_a_mask_without_a_free_voxel_takes_nothing_away(volume: Volume) -> None:
    start = np.full(volume.data.shape, 23, np.uint8)
    start[2, 7, 9] = 22
    prompted = [boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 5)))]
    found = segment_objects(volume, prompted, FillsTheBox(), BONE, start=start)
    assert (found.labels == start).all()


def test_going_on_with_a_whole_object_replaces_it_whole(volume: Volume) -> None:
    start = np.zeros(volume.data.shape, np.uint8)
    start[5, 7, :] = 22
    found = segment_objects(
        volume, [propagated("L3")], FillsTheBox(), BONE, start=start
    )
    assert np.count_nonzero(found.labels) == found.objects[0].voxels == 60


def test_labelled_vertebrae_are_counted_from_and_stay_as_they_are(
    volume: Volume,
) -> None:
    start = np.zeros(volume.data.shape, np.uint8)
    start[:, 6:, 4:6] = 21
    start[0, 6, 4] = 0
    start[5, 7, 0] = 61
    session = FillsTheBox()
    wanted = [structure(name) for name in ("L2", "L3")]
    found = find_structures(volume, wanted, session, BONE, start=start)
    ((name, seeds),) = session.anchors.items()
    assert (name, list(seeds)) == ("L2", [(2, 5)])
    assert (seeds[2, 5] == (start[:, :, 5] == 21)).all()
    assert [each.structure for each in found.objects] == ["L3"]
    assert found.objects[0].confidence is None
    assert ((found.labels == 21) == (start == 21)).all()
    with pytest.raises(InputError, match="hold L2 already"):
        find_structures(volume, wanted[:1], session, BONE, start=start)


@pytest.mark.parametrize("names", [("L3",), ("L2", "L3", "L4")])
def test_a_prompted_vertebra_is_found_anew_and_replaces_its_label(
    volume: Volume, names: tuple[str, ...]
) -> None:
    start = np.zeros(volume.data.shape, np.uint8)
    start[:, 6, 4:6] = 21
    start[:, 7, 4:6] = 22
    session = FillsTheBox()
    wanted = [structure(name) for name in names]
    anchor = boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 5)))
    found = find_structures(
        volume, wanted, session, BONE, anchors=[anchor], start=start
    )
    assert session.anchors["L3"] == {(0, 2): anchor.prompts[0]}
    assert [each.structure for each in found.objects] == [n for n in names if n != "L2"]
    assert found.kept == tuple(name for name in names if name == "L2")
    assert ((found.labels == 21) == (start == 21)).all()
    assert (found.labels[:, 0] == 22).all()
    assert np.count_nonzero(found.labels == 22) == 60


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (np.zeros((6, 8, 9), np.uint8), "do not lie on the grid"),
        (np.full((6, 8, 10), 99, np.uint8), "99 names no structure"),
    ],
)
def test_labels_that_do_not_fit_are_no_start(
    volume: Volume, start: np.ndarray, words: str
) -> None:
    prompted = [boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 5)))]
    with pytest.raises(InputError, match=words):
        segment_objects(volume, prompted, FillsTheBox(), BONE, start=start)


def events(annotation: Annotation) -> list[tuple[str, str, object]]:
    """Return what an annotation tells of its labels: kind, name, what it was from."""
    told: list[tuple[str, str, object]] = []
    for event in events_of(annotation.state.record):
        if isinstance(event, MaskWritten):
            origin = event.origin
            last = origin.questions[-1]
            told.append(("mask", event.structure, (last, origin.model, origin.time)))
        elif isinstance(event, VoxelsWritten):
            told.append(("voxels", event.step, event.model))
    return told


def test_prompts_and_labels_are_those_of_the_same_work_in_a_window(
    volume: Volume,
) -> None:
    boxes = {"L4": (0, 2, BoxPrompt(2, 2, 6, 5)), "L3": (0, 2, BoxPrompt(1, 2, 4, 5))}
    by_hand, session = Annotation(volume, BONE), FillsTheBox()
    by_hand.use_model(session.identity)
    by_hand.clock = lambda: NOON
    for name, (axis, index, box) in boxes.items():
        by_hand.select_structure(name)
        by_hand.set_box(axis, index, box)
        DirectPrediction(by_hand, session).request(by_hand.prediction_request(0, 2))
        by_hand.accept()

    document = begin_annotation(volume, BONE)
    document.clock = lambda: NOON
    objects = [boxed(name, slice_) for name, slice_ in boxes.items()]
    found = annotate_objects(document, objects, FillsTheBox())
    assert found.annotation is document
    assert (document.labels == by_hand.labels).all()
    assert (found.labels == document.labels).all()
    assert [e.name for e in document.state.objects] == ["L3", "L4"]
    for entry in document.state.objects:
        (accepted,) = entry.accepted
        assert accepted.prompts.box == boxes[entry.name][2]
        assert entry.prompts == ()
    question = Question(objects[0].prompts[0], 0)
    assert events(document)[0] == (
        "mask",
        "L4",
        (question, session.identity, "2026-11-22T12:00:05+00:00"),
    )
    assert [e[1] for e in events(document)] == [e[1] for e in events(by_hand)]
    assert document.undo() == ("Segment L4, L3",)
    assert not document.labels.any()
    assert not document.state.objects


class Votes(FillsTheBox):
    """It knows more than the slice: the structure is a row longer."""

    pixel_mm = 1.0

    def propagate_all(self, objects: Any, *, window: Window) -> Iterator[Any]:
        yield [
            VolumeMask(
                np.ones((3, 5, 4), bool), (slice(1, 4), slice(1, 6), slice(2, 6)), 0.8
            )
            for _ in objects
        ]


def test_a_saved_annotation_replays_to_the_labels_that_were_written(
    volume: Volume, tmp_path: Path
) -> None:
    session = Votes()
    start = np.zeros(volume.data.shape, np.uint8)
    start[:, 7, 7:] = 24
    document = begin_annotation(volume, BONE, start)
    crossing = boxed("L2", (0, 5, BoxPrompt(1, 8, 2, 9)), (2, 8, BoxPrompt(4, 1, 4, 3)))
    here = [SlicePrompts(0, 0, box=BoxPrompt(*corners)) for corners in CORNERS]
    objects = [
        boxed("L4", (0, 3, BoxPrompt(1, 2, 4, 5))),
        propagated("L3"),
        crossing,
        PromptedObject(structure("L4-L5"), tuple(here)),
    ]
    found = annotate_objects(document, objects, session)
    save_annotation(document, tmp_path / "case.spinalsam")
    opened = open_annotation(tmp_path / "case.spinalsam", volume)
    assert (opened.labels == found.labels).all()
    assert (replay(tmp_path / "case.spinalsam", volume, session) == found.labels).all()
    # The joined planes were written over the accepted slice, with the model that did.
    told = events(opened)
    assert ("voxels", "Join planes of L4", session.identity) in told
    assert ("voxels", "Propagate L3", session.identity) in told
    assert [e[1] for e in told if e[0] == "mask"] == [
        "L4",
        "L3",
        "L2",
        "L2",
        "L4-L5",
        "L4-L5",
    ]
    assert (found.labels[3, 1:6, 2:6] == 23).all()
    assert np.count_nonzero(found.labels == 22) == 2 * 5 * 4


def test_what_the_planes_tell_of_a_slice_leaves_the_others_alone(
    volume: Volume,
) -> None:
    start = np.zeros(volume.data.shape, np.uint8)
    start[5, 7, :] = 23
    prompted = [boxed("L4", (0, 2, BoxPrompt(1, 2, 4, 5)))]
    found = segment_objects(volume, prompted, Votes(), BONE, start=start)
    assert (found.labels[5, 7] == 23).all()
    assert np.count_nonzero(found.labels == 23) == 10 + 5 * 4


def test_an_object_that_comes_twice_keeps_what_was_written_first(
    volume: Volume,
) -> None:
    class Moves(FillsTheBox):
        def propagate_all(self, objects: Any, *, window: Window) -> Iterator[Any]:
            yield [
                VolumeMask(
                    np.ones((1, 2, 3), bool),
                    (slice(at, at + 1), slice(1, 3), slice(2, 5)),
                    0.8,
                )
                for at, _ in enumerate(objects, start=2)
            ]

    found = segment_objects(
        volume, [propagated("L3"), propagated("L3", axis=1)], Moves(), BONE
    )
    assert (found.labels[2:4, 1:3, 2:5] == 22).all()
    assert [each.voxels for each in found.objects] == [6, 6]


class Dots(FillsTheBox):
    """A point means the nine pixels around it."""

    def predict(
        self, plane: SlicePlane, prompts: SlicePrompts, /, *, window: Window, **_: Any
    ) -> MaskPrediction:
        at = prompts.points[0]
        box = BoxPrompt(at.row - 1, at.col - 1, at.row + 1, at.col + 1)
        return super().predict(plane, prompts.with_box(box), window=window)


def test_points_replace_the_label_that_was_there_and_do_not_correct_it(
    volume: Volume, tmp_path: Path
) -> None:
    start = np.zeros(volume.data.shape, np.uint8)
    start[2, 3, :] = 22
    document = begin_annotation(volume, BONE, start)
    prompts = SlicePrompts(0, 2, (PointPrompt(5, 5),))
    annotate_objects(document, [PromptedObject(structure("L3"), (prompts,))], Dots())
    expected = np.zeros(volume.data.shape, np.uint8)
    expected[2, 4:7, 4:7] = 22
    assert (document.labels == expected).all()
    (accepted,) = document.state.object_of("L3").accepted
    assert accepted.origin.questions == (Question(prompts, 0),)
    save_annotation(document, tmp_path / "case.spinalsam")
    assert (replay(tmp_path / "case.spinalsam", volume, Dots()) == expected).all()


def test_drawn_prompts_reach_the_model_and_the_annotation(volume: Volume) -> None:
    lasso = LassoPrompt(((1, 2), (1, 6), (5, 6), (5, 2)))
    line = ScribblePrompt(((2, 3), (4, 5)), Polarity.NEGATIVE)
    prompts = SlicePrompts(0, 2, box=lasso.box, scribbles=(line,), lasso=lasso)
    session = Votes()
    document = begin_annotation(volume, BONE)
    annotate_objects(document, [PromptedObject(structure("L4"), (prompts,))], session)
    (accepted,) = document.state.object_of("L4").accepted
    assert accepted.prompts == prompts
    # What a hand drew is not told better by the planes around.
    assert (document.labels[2, 1:6, 2:7] == 23).all()
    assert [kind for kind, *_ in events(document)] == ["mask"]


def test_prompts_of_which_nothing_can_be_written_wait(volume: Volume) -> None:
    start = np.full(volume.data.shape, 23, np.uint8)
    document = begin_annotation(volume, BONE, start)
    objects = [boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 5))), propagated("L2")]
    found = annotate_objects(document, objects, FillsTheBox())
    assert [each.voxels for each in found.objects] == [0, 0]
    for each in objects:
        entry = document.state.object_of(each.structure.name)
        assert (entry.prompts, entry.accepted) == (each.prompts, ())
    assert document.state.preview is None


def test_an_anchor_that_is_not_wanted_keeps_its_prompts(volume: Volume) -> None:
    document = begin_annotation(volume, BONE)
    anchors = [boxed(name, (0, 2, BoxPrompt(1, 2, 4, 5))) for name in ("L2", "L3")]
    wanted = [structure("L3")]
    annotate_structures(document, wanted, FillsTheBox(), anchors)
    unwanted, found = (document.state.object_of(name) for name in ("L2", "L3"))
    assert (unwanted.prompts, unwanted.accepted) == (anchors[0].prompts, ())
    assert [each.prompts for each in found.accepted] == [*anchors[1].prompts]
    assert set(np.unique(document.labels)) == {0, 22}


def test_the_hand_wins_without_a_window_too(volume: Volume) -> None:
    document = begin_annotation(volume, BONE)
    stroke = np.zeros(volume.data.shape, np.uint8)
    stroke[0, 0, 0], stroke[5, 7, 9] = 22, 24
    document.paint(LabelDelta.between(document.labels, stroke))
    document.set_locked("L5", True)
    before = document.labels.copy()
    for locked in (propagated("L5"), boxed("L5", (0, 5, BoxPrompt(1, 2, 4, 5)))):
        with pytest.raises(InputError, match="L5 is locked"):
            annotate_objects(document, [locked], FillsTheBox())
        assert (document.labels == before).all()
    annotate_objects(document, [propagated("L3")], FillsTheBox())
    assert document.labels[0, 0, 0] == 22
    assert np.count_nonzero(document.labels == 22) == 61


def test_an_error_leaves_the_annotation_as_it_was(volume: Volume) -> None:
    document = begin_annotation(volume, BONE)
    good = boxed("L4", (0, 2, BoxPrompt(2, 2, 6, 5)))
    outside = boxed("L3", (0, 2, BoxPrompt(1, 2, 4, 50)))
    with pytest.raises(InputError, match="outside"):
        annotate_objects(document, [good, outside], FillsTheBox())
    assert not document.labels.any()
    assert not document.state.objects
    assert not document.history.can_undo
