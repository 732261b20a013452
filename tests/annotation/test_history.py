from collections.abc import Callable

import numpy as np
import pytest
from psygnal import EmitLoopError

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, Polarity, SlicePrompts
from napari_spinalsam.core.protocols import Predictor
from napari_spinalsam.core.results import VolumeMask
from tests.annotation.helpers import L3, L4, masks_for, stroke

Ask = Callable[[int, int], bool]
NAMES = ("L3", "L4", "L5-S1", "L5-L6", "T13", "sacrum")


def fill(document: Annotation, predict: Ask) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, PointPrompt(8, 8))
    predict(0, 2)
    document.accept()


def test_undo_and_redo_are_named_and_unlimited(document: Annotation) -> None:
    for level in range(150):
        document.set_window(Window(level, 100))
    assert document.history.undo_names == ("Set window",) * 150
    assert len(document.undo(1000)) == 150
    assert not document.history.can_undo
    assert document.undo() == ()
    assert len(document.redo(1000)) == 150
    assert document.state.window == Window(149, 100)
    assert not document.history.can_redo


def test_a_new_step_forgets_what_was_undone(document: Annotation) -> None:
    document.select_structure("L3")
    document.undo()
    assert document.history.can_redo
    document.select_structure("L4")
    assert not document.history.can_redo


def test_an_answer_leaves_what_can_be_redone(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 1, PointPrompt(8, 8))
    predict(0, 1)
    document.reject()
    document.add_point(0, 2, PointPrompt(8, 8))
    predict(0, 2)
    document.accept()
    state, labels = document.state, document.labels.copy()
    document.undo(2)
    assert document.live_request(0, 1) is None  # the user has rejected its mask
    undone = document.history.redo_names

    request = document.prediction_request(0, 1)
    assert document.show_prediction(masks_for(document), request)
    assert document.state.preview is not None
    assert document.history.redo_names == undone
    document.redo(2)
    assert document.state == state
    np.testing.assert_array_equal(document.labels, labels)


def test_a_late_answer_belongs_to_the_step_that_is_newest_by_then(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 1, PointPrompt(8, 8))
    request = document.prediction_request(0, 1)
    document.undo()
    document.redo()
    document.set_visible("L3", False)
    document.undo()
    assert document.show_prediction(masks_for(document), request)
    assert document.history.undo_names == ("Add positive point", "Select L3")
    assert document.history.redo_names == ("Hide L3",)
    document.undo()
    assert document.state.preview is None
    document.redo(2)
    assert document.state.preview is not None


def test_the_end_of_a_job_leaves_what_can_be_redone(
    document: Annotation, predict: Ask
) -> None:
    fill(document, predict)
    accepted = document.labels == L3
    document.undo()
    whole = VolumeMask(
        np.ones((2, 2, 2), np.bool_), (slice(2, 4),) + (slice(7, 9),) * 2, 1
    )
    document.write_masks({"L4": whole}, "Segment L4")
    present, labels = document.state, document.labels.copy()

    assert document.redo() == ("Accept L3",)
    np.testing.assert_array_equal(document.labels == L3, accepted)
    assert (document.labels == L4).any()
    assert {entry.name for entry in document.state.objects} == {"L3", "L4"}
    document.undo()
    assert document.state == present
    np.testing.assert_array_equal(document.labels, labels)
    document.undo()
    assert not document.labels.any()
    assert document.history.redo_names == ("Segment L4", "Accept L3")


def test_a_group_is_one_step(document: Annotation, predict: Ask) -> None:
    with document.group("Plan"):
        fill(document, predict)
    labels = document.labels.copy()
    assert document.history.undo_names == ("Plan",)
    document.undo()
    assert document.state.objects == ()
    assert not document.labels.any()
    document.redo()
    np.testing.assert_array_equal(document.labels, labels)


def test_a_group_that_fails_leaves_no_trace(document: Annotation, predict: Ask) -> None:
    fill(document, predict)
    document.select_structure("L4")
    document.undo()
    before, labels = document.state, document.labels.copy()
    names = document.history.undo_names, document.history.redo_names

    def plan() -> None:
        with document.group("Plan"):
            document.undo(2)
            document.set_window(Window(1, 2))
            document.redo(1)
            document.add_point(0, 2, PointPrompt(90, 90))

    with pytest.raises(InputError):
        plan()
    assert document.state is before
    np.testing.assert_array_equal(document.labels, labels)
    assert (document.history.undo_names, document.history.redo_names) == names


def test_undo_inside_of_a_group_is_undone_with_it(
    document: Annotation, predict: Ask
) -> None:
    fill(document, predict)
    before, labels = document.state, document.labels.copy()
    with document.group("Plan"):
        assert document.undo(2) == ("Accept L3", "Add positive point")
        assert document.redo() == ("Add positive point",)
        document.undo()
        document.select_structure("L4")
    assert not document.labels.any()
    assert document.history.undo_names[0] == "Plan"
    document.undo()
    assert document.state == before
    np.testing.assert_array_equal(document.labels, labels)
    document.undo(10)
    assert document.state.objects == ()
    document.redo(10)
    assert document.state.selected == "L4"
    assert not document.labels.any()


def failing_group(document: Annotation) -> None:
    with document.group("Inner"):
        document.select_structure("L4")
        document.select_structure("nothing")


def test_groups_nest_and_fail_alone(document: Annotation) -> None:
    with document.group("Outer"):
        document.select_structure("L3")
        with pytest.raises(InputError):
            failing_group(document)
        assert document.state.selected == "L3"
        with document.group("Inner"):
            document.add_point(0, 1, PointPrompt(1, 1))
    assert document.history.undo_names == ("Outer",)
    document.undo()
    assert document.state.selected is None


def test_an_empty_group_is_no_step(document: Annotation) -> None:
    with document.group("Nothing"):
        document.set_window(document.state.window)
    assert not document.history.can_undo


def test_a_prediction_that_comes_after_its_group_joins_it(
    document: Annotation, predictor: Predictor
) -> None:
    with document.group("Plan"):
        document.select_structure("L3")
        document.add_point(0, 2, PointPrompt(8, 8))
        request = document.prediction_request(0, 2)
    answer = predictor.predict(request.plane, request.prompts, window=request.window)
    assert document.show_prediction(answer, request)
    assert document.history.undo_names == ("Plan",)
    document.undo()
    assert document.state.preview is None


def random_step(document: Annotation, predict: Ask, rng: np.random.Generator) -> None:
    axis = int(rng.integers(3))
    index = int(rng.integers(document.geometry.shape[axis]))
    rows, cols = document.geometry.plane(axis, index).shape
    row, col = float(rng.integers(rows)), float(rng.integers(cols))
    name = str(rng.choice(NAMES))
    match int(rng.integers(16)):
        case 0 | 1:
            document.select_structure(name)
        case 2:
            document.add_point(axis, index, PointPrompt(row, col))
        case 3:
            point = PointPrompt(row, col, Polarity.NEGATIVE)
            document.add_point(axis, index, point)
        case 4:
            document.set_box(axis, index, BoxPrompt(row, col, rows / 2, cols / 2))
        case 5:
            document.set_prompts(SlicePrompts(axis, index, (PointPrompt(row, col),)))
        case 6 | 7 | 8:
            with document.group("Mask"):
                document.add_point(axis, index, PointPrompt(row, col))
                predict(axis, index)
                document.accept()
        case 9:
            after = document.labels.copy()
            after[int(rng.integers(6)), 3:9, int(row) % 20 :] = (
                25 if rng.random() < 0.5 else 0
            )
            document.paint(LabelDelta.between(document.labels, after))
        case 10:
            document.set_locked(name, bool(rng.random() < 0.2))
        case 11:
            document.next_candidate()
        case 12:
            document.set_window(Window(row, cols))
        case 13:
            [document.clear_points, document.clear_boxes, document.clear_all][
                int(rng.integers(3))
            ]()
        case 14:
            document.undo(int(rng.integers(1, 4)))
            document.redo(int(rng.integers(1, 3)))
        case _:
            with document.group("Plan"):
                for _ in range(3):
                    random_step(document, predict, rng)


@pytest.mark.parametrize("seed", range(4))
def test_a_random_walk_undoes_to_nothing_and_redoes_to_the_same(
    document: Annotation, predict: Ask, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    start = document.state
    refused = 0
    for _ in range(300):
        before, labels = document.state, document.labels.copy()
        try:
            random_step(document, predict, rng)
        except InputError:
            refused += 1
            assert document.state == before
            np.testing.assert_array_equal(document.labels, labels)
    end, labels = document.state, document.labels.copy()
    assert 0 < refused < 250
    assert labels.any()
    assert document.undo(10_000)
    assert document.state == start
    assert not document.labels.any()
    document.redo(10_000)
    assert document.state == end
    np.testing.assert_array_equal(document.labels, labels)


def test_a_history_step_by_step_repeats_each_moment(
    document: Annotation, predict: Ask
) -> None:
    rng = np.random.default_rng(9)
    for _ in range(120):
        try:
            random_step(document, predict, rng)
        except InputError:
            continue
    moments = []
    while document.history.can_undo:
        moments.append((document.state, document.labels.copy()))
        document.undo()
    while document.history.can_redo:
        document.redo()
        state, labels = moments.pop()
        assert document.state == state
        np.testing.assert_array_equal(document.labels, labels)
    assert not moments


def test_whoever_is_told_of_a_step_knows_what_can_be_undone_and_redone(
    document: Annotation,
) -> None:
    told: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    history = document.history
    document.changed.connect(
        lambda _: told.append((history.undo_names, history.redo_names))
    )
    document.select_structure("L3")
    document.undo()
    document.redo()
    document.undo()
    document.select_structure("L4")
    assert told == [
        (("Select L3",), ()),
        ((), ("Select L3",)),
        (("Select L3",), ()),
        ((), ("Select L3",)),
        (("Select L4",), ()),
    ]


def test_a_listener_that_fails_leaves_the_history_whole(document: Annotation) -> None:
    def listen(_: object) -> None:
        raise RuntimeError("a view failed")

    def plan() -> None:
        with document.group("Plan"):
            for row in (1, 2, 3):
                document.paint(stroke(document, (2, row, 4), L3))
            document.changed.connect(listen)
            raise InputError("the plan failed")

    before = document.state
    with pytest.raises(EmitLoopError):
        plan()
    document.changed.disconnect(listen)
    assert document.state == before
    assert not document.labels.any()

    document.changed.connect(listen)
    for change in (
        lambda: document.select_structure("L3"),
        document.undo,
        document.redo,
    ):
        with pytest.raises(EmitLoopError):
            change()
    assert (document.history.undo_names, document.state.selected) == (
        ("Select L3",),
        "L3",
    )
