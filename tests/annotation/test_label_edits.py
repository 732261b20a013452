import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.prompts import (
    PointPrompt,
    Polarity,
    SlicePrompts,
)
from tests.annotation.helpers import (
    L3,
    L4,
    OUTSIDE,
    POINT,
    Ask,
    accept_disc,
    stroke,
)


@pytest.mark.parametrize(("axis", "index"), [(0, 2), (1, 7), (2, 11)])
def test_accept_writes_the_slice_of_any_plane(
    document: Annotation, predict: Ask, axis: int, index: int
) -> None:
    document.select_structure("L3")
    document.add_point(axis, index, PointPrompt(3, 9))
    predict(axis, index)
    preview = document.state.preview
    assert preview is not None
    document.accept()
    written = np.take(document.labels, index, axis=axis) == L3
    np.testing.assert_array_equal(written, preview.mask)
    assert np.count_nonzero(document.labels) == np.count_nonzero(preview.mask)


def test_accept_replaces_the_structure_and_spares_the_others(
    document: Annotation, predict: Ask
) -> None:
    document.paint(stroke(document, (2, slice(0, 2), slice(0, 2)), L3))
    document.paint(stroke(document, (2, slice(7, 10), 8), L4))
    document.paint(stroke(document, (3, 8, 8), L3))
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    assert document.accept() == 3
    assert (document.labels[2, 7:10, 8] == L4).all()
    assert not document.labels[2, :2, :2].any()
    assert document.labels[3, 8, 8] == L3


def test_accepted_prompts_are_kept_apart_and_can_be_added_to(
    document: Annotation, predict: Ask
) -> None:
    accept_disc(document, predict)
    entry = document.state.objects[0]
    assert entry.prompts == ()
    assert [a.prompts.points for a in entry.accepted] == [(POINT,)]
    assert entry.predicted_iou == pytest.approx(0.9)
    assert document.clear_all() == 0
    document.add_point(0, 2, OUTSIDE)
    assert document.prompts_at(0, 2).points == (POINT, OUTSIDE)
    assert document.clear_points() == 2
    assert document.prompts_at(0, 2).points == (POINT,)


def test_a_point_set_after_the_preview_stays_pending(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    document.add_point(0, 2, OUTSIDE)
    document.accept()
    entry = document.state.objects[0]
    assert [a.prompts.points for a in entry.accepted] == [(POINT,)]
    assert [p.points for p in entry.prompts] == [(POINT, OUTSIDE)]


def test_removing_all_prompts_of_an_accepted_slice_keeps_its_labels(
    document: Annotation, predict: Ask
) -> None:
    accept_disc(document, predict)
    labels = document.labels.copy()
    document.set_prompts(SlicePrompts(0, 2))
    assert document.prompts_at(0, 2).is_empty
    np.testing.assert_array_equal(document.labels, labels)


def test_an_empty_mask_is_not_written(document: Annotation, predict: Ask) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    document.add_point(0, 2, PointPrompt(8, 8, Polarity.NEGATIVE))
    predict(0, 2)
    before = document.state
    with pytest.raises(InputError, match="is empty"):
        document.accept()
    assert document.state is before


def test_a_locked_structure_is_neither_written_nor_painted(
    document: Annotation, predict: Ask
) -> None:
    document.paint(stroke(document, (2, 8, 8), L4))
    document.set_locked("L4", True)
    labels = document.labels.copy()
    with pytest.raises(InputError, match=r"locked \(L4\)"):
        document.paint(stroke(document, (2, 8, 8), 0))
    with pytest.raises(InputError, match="locked"):
        document.paint(stroke(document, (2, 9, 9), L4))
    with pytest.raises(InputError, match="L4 is locked"):
        document.replace_labels(np.zeros_like(labels))
    document.select_structure("L4")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    with pytest.raises(InputError, match="L4 is locked"):
        document.accept()
    np.testing.assert_array_equal(document.labels, labels)
    document.set_locked("L4", False)
    document.accept()
    assert np.count_nonzero(document.labels) > 1


def test_a_stroke_over_a_locked_structure_paints_the_rest(document: Annotation) -> None:
    document.paint(stroke(document, (2, 8, slice(3, 6)), L4))
    document.set_locked("L4", True)
    assert document.paint(stroke(document, (2, 8, slice(0, 10)), L3)) == 3
    assert np.count_nonzero(document.labels == L3) == 7
    assert [entry.name for entry in document.state.objects] == ["L3", "L4"]


def test_a_stroke_of_an_unknown_value_is_refused(document: Annotation) -> None:
    with pytest.raises(InputError, match="77 names no structure"):
        document.paint(stroke(document, (2, 8, 8), 77))
    with pytest.raises(InputError, match="paint on the labels of this image"):
        document.paint(
            LabelDelta.between(
                np.zeros((2, 2, 2), np.uint8), np.ones((2, 2, 2), np.uint8)
            )
        )
    assert not document.labels.any()


def test_loaded_labels_name_discs_by_the_vertebra_below(document: Annotation) -> None:
    labels = np.zeros_like(document.labels)
    labels[0, 0, 0], labels[1, 0, 0] = 124, 25
    document.replace_labels(labels)
    assert {entry.name for entry in document.state.objects} == {"L6", "L5-L6"}
    document.undo()
    assert not document.labels.any()


def test_labels_cannot_be_written_from_outside(document: Annotation) -> None:
    with pytest.raises(ValueError, match="read-only"):
        document.labels[0, 0, 0] = 1
