"""Whole objects: what a propagation or a search writes, and what it never touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import DirectPrediction, HeadlessView
from napari_spinalsam.annotation.jobs import DetectionJob, PropagationJob
from napari_spinalsam.annotation.label_edits import JobStart
from napari_spinalsam.annotation.provenance import (
    VoxelsWritten,
    events_of,
)
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import (
    FoundStructure,
    Progress,
    SliceMask,
    VolumeMask,
)
from tests.annotation.conftest import DiscPredictor
from tests.annotation.helpers import L3, L4, accept_disc, act, stroke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.document import Annotation

SEED = (0, 2)


MODEL = ModelIdentity("a" * 64, "blocks", "lab", "b" * 64)


class BlockPredictor(DiscPredictor):
    """Propagates a block through slices 1 to 4, and finds blocks beside each other."""

    identity = MODEL

    def propagate(
        self, seeds: Mapping[tuple[int, int], Any], **settings: Any
    ) -> Iterator[Any]:
        self.seeds, self.settings = dict(seeds), settings
        block = np.zeros((20, 24), np.bool_)
        block[5:12, 5:12] = True
        for (axis, index), mask in seeds.items():
            yield SliceMask(axis, index, mask, 1.0)
        for index in (1, 3, 4):
            yield SliceMask(0, index, block, 0.9)
        yield Progress("joining the planes", 0.5)
        whole = np.zeros((4, 20, 24), np.bool_)
        whole[:] = block
        yield VolumeMask(whole, (slice(1, 5), slice(0, 20), slice(0, 24)), 0.9)

    def find_structures(self, names: Any, **settings: Any) -> Iterator[Any]:
        self.settings = settings
        yield Progress("looking for the spine", 0.5)
        for place, name in enumerate(names):
            box = (slice(0, 2), slice(4 * place, 4 * place + 3), slice(0, 3))
            whole = VolumeMask(np.ones((2, 3, 3), np.bool_), box, 0.8)
            yield FoundStructure(name, whole, 0.4)


@pytest.fixture
def predictor() -> BlockPredictor:
    return BlockPredictor()


@pytest.fixture
def carrier(document: Annotation, predictor: BlockPredictor) -> Executor:
    """Return an executor whose model knows whole objects, on axial slice 2."""
    view = HeadlessView(document.geometry)
    view.go_to_slice(SEED[1])
    return Executor(document, view, DirectPrediction(document, predictor))


def paint(document: Annotation, where: Any, label: int) -> None:
    document.paint(stroke(document, where, label))


def block(document: Annotation) -> NDArray[np.bool_]:
    return document.labels[1:5, 5:12, 5:12] == L3


def test_a_mask_is_propagated_through_the_volume_as_one_step(
    carrier: Executor, document: Annotation
) -> None:
    carrier.run(act("select_structure", structure="L3"))
    paint(document, (2, slice(6, 9), slice(6, 9)), L3)
    before = document.labels.copy()
    outcome = carrier.run(act("propagate"))

    assert block(document).all()
    assert outcome.text == "L3 is propagated through 4 slices."
    assert document.history.undo_names[0].startswith("Propagate")
    document.undo()
    np.testing.assert_array_equal(document.labels, before)


def test_the_saved_annotation_names_the_model_that_propagated_and_found(
    carrier: Executor, document: Annotation, tmp_path: Path
) -> None:
    carrier.run(act("select_structure", structure="L3"))
    paint(document, (2, slice(6, 9), slice(6, 9)), L3)
    carrier.run(act("propagate"))
    carrier.run(act("segment_structures", structures=["L1"]))
    save_annotation(document, tmp_path / "work.spinalsam")
    again = open_annotation(tmp_path / "work.spinalsam", document.volume)

    events = events_of(again.state.record)
    assert [each.model for each in events if isinstance(each, VoxelsWritten)] == [
        None,
        MODEL,
        MODEL,
    ]


def test_a_mask_that_waits_is_accepted_and_kept_exactly(
    carrier: Executor, document: Annotation, predictor: BlockPredictor
) -> None:
    carrier.run(act("select_structure", structure="L3"))
    document.set_box(*SEED, BoxPrompt(6, 6, 9, 9))
    carrier.run(act("generate_mask"))
    carrier.run(act("propagate", direction="forward", slices=3))

    assert document.state.preview is None
    assert list(predictor.seeds) == [SEED]
    assert predictor.seeds[SEED].sum() == 16
    assert predictor.settings["direction"] == "forward"
    assert predictor.settings["slices"] == 3


def test_other_structures_and_strokes_of_the_hand_stay(
    carrier: Executor, document: Annotation
) -> None:
    carrier.run(act("select_structure", structure="L3"))
    paint(document, (2, slice(6, 9), slice(6, 9)), L3)
    carrier.run(act("propagate"))
    paint(document, (3, 6, slice(6, 9)), L4)
    paint(document, (4, 10, 10), 0)
    paint(document, (4, 18, 18), L3)
    carrier.run(act("propagate"))

    assert (document.labels[3, 6, 6:9] == L4).all()
    assert document.labels[4, 10, 10] == 0
    assert document.labels[4, 18, 18] == L3


def test_what_was_propagated_before_is_written_anew(
    carrier: Executor, document: Annotation
) -> None:
    leak = np.zeros((6, 20, 24), np.bool_)
    leak[5, 15:, 15:] = True
    everywhere = (slice(0, 6), slice(0, 20), slice(0, 24))
    document.write_masks({"L3": VolumeMask(leak, everywhere, 0.5)}, "Propagate L3")
    carrier.run(act("select_structure", structure="L3"))
    carrier.run(act("propagate"))
    assert not (document.labels[5] == L3).any()


def test_a_job_that_is_left_early_keeps_its_slices(
    document: Annotation, predictor: BlockPredictor
) -> None:
    seed = np.zeros((20, 24), np.bool_)
    seed[6:9, 6:9] = True
    job = PropagationJob("L3", {SEED: seed}, document.state.window)
    steps = job.run(predictor)
    for _ in range(2):
        next(steps)
    document.write_masks(job.masks(), job.step)

    assert (document.labels == L3).any(axis=(1, 2)).tolist() == [
        index in (1, 2) for index in range(6)
    ]
    assert "before it was stopped" in job.outcome()


def test_a_search_that_is_left_early_says_so(
    document: Annotation, predictor: BlockPredictor
) -> None:
    job = DetectionJob(("L2", "L3"), {}, document.state.window)
    steps = job.run(predictor)
    next(steps)
    assert job.outcome() == "Nothing was found before the search was stopped."

    for _ in steps:
        pass
    assert job.outcome().startswith("Found L2, L3; the names are a guess")
    assert "stopped" not in job.outcome()


def blocks(*names: str) -> dict[str, VolumeMask]:
    """Return a block for each name, beside each other, through slices 1 to 4."""
    return {
        name: VolumeMask(
            np.ones((4, 7, 7), np.bool_),
            (slice(1, 5), slice(5, 12), slice(5 + 8 * place, 12 + 8 * place)),
            0.9,
        )
        for place, name in enumerate(names)
    }


def test_a_slice_accepted_meanwhile_stays_as_accepted(
    document: Annotation, predict: Callable[[int, int], bool]
) -> None:
    start = JobStart.of(document.state)
    accept_disc(document, predict)
    accepted = document.labels[2].copy()
    remarks = document.write_masks(blocks("L3"), "Propagate L3", MODEL, start)
    np.testing.assert_array_equal(document.labels[2], accepted)
    assert (document.labels[3, 5:12, 5:12] == L3).all()
    assert remarks == ("Kept as changed by hand meanwhile: 20 voxels of L3.",)


def test_a_slice_accepted_before_stays_too(
    document: Annotation, predict: Callable[[int, int], bool]
) -> None:
    accept_disc(document, predict)
    accepted = document.labels[2].copy()
    assert document.write_masks(blocks("L3"), "Segment L3", MODEL) == ()
    np.testing.assert_array_equal(document.labels[2], accepted)


def test_what_a_structure_had_before_is_no_obstacle_to_another(
    document: Annotation,
) -> None:
    first = blocks("L3", "L4")
    document.write_masks(first, "Segment L3 and L4", MODEL)
    swapped = {"L3": first["L4"], "L4": first["L3"]}
    document.write_masks(swapped, "Segment L3 and L4", MODEL)
    for name, whole in swapped.items():
        found = document.labels[whole.box] == structure(name).label
        np.testing.assert_array_equal(found, whole.mask)


def test_what_was_painted_erased_or_undone_meanwhile_stays(
    document: Annotation,
) -> None:
    paint(document, (3, 6, 6), L3)
    paint(document, (1, 6, 6), L3)
    start = JobStart.of(document.state)
    document.undo()
    paint(document, (2, 6, slice(4, 7)), L4)
    document.paint(stroke(document, (2, 6, 4), 0), "Edit labels")
    remarks = document.write_masks(blocks("L3"), "Propagate L3", MODEL, start)
    assert document.labels[1, 6, 6] == 0
    assert document.labels[2, 6, 4:7].tolist() == [0, L4, L4]
    assert remarks == ("Kept as changed by hand meanwhile: 3 voxels of L3.",)


@pytest.mark.parametrize(
    ("by_hand", "word"),
    [
        (lambda document: document.set_locked("L3", True), "L3 is locked"),
        (lambda document: document.delete_object("L3"), "deleted"),
        (lambda document: document.merge_objects("L3", "L5"), "merged"),
        (lambda document: document.rename_object("L5", "L4"), "L4 was renamed"),
        (lambda document: document.undo(), "deleted"),
    ],
    ids=["locked", "deleted", "merged", "name taken", "undone"],
)
def test_what_was_locked_deleted_or_merged_meanwhile_is_left(
    document: Annotation, by_hand: Callable[[Annotation], object], word: str
) -> None:
    paint(document, (2, 15, 15), 24)
    paint(document, (2, 7, 14), L3)
    start = JobStart.of(document.state)
    by_hand(document)
    name = "L4" if word == "L4 was renamed" else "L3"
    before = document.labels.copy()
    remarks = document.write_masks(blocks("L1", name), "Segment", MODEL, start)
    changed = document.labels != before
    assert set(np.unique(document.labels[changed])) == {20}  # L1, nothing else
    assert len(remarks) == 1
    assert word in remarks[0]


def test_what_was_renamed_meanwhile_is_written_under_its_new_name(
    document: Annotation,
) -> None:
    paint(document, (2, 7, 7), L3)
    start = JobStart.of(document.state)
    document.rename_object("L3", "L4")
    remarks = document.write_masks(blocks("L3"), "Propagate L3", MODEL, start)
    assert (document.labels == L4).sum() == 4 * 7 * 7
    assert not (document.labels == L3).any()
    assert remarks == ("L3 was renamed meanwhile: it is written as L4.",)


def test_the_end_of_a_job_leaves_the_mask_that_waits(
    document: Annotation, predict: Callable[[int, int], bool]
) -> None:
    document.select_structure("L3")
    document.set_box(0, 2, BoxPrompt(5, 5, 12, 12))
    predict(0, 2)
    waiting = document.state.preview
    document.write_masks(blocks("L4"), "Segment L4", MODEL)
    assert document.state.preview is waiting


def test_nothing_to_propagate_a_lock_and_a_missing_model_are_told(
    carrier: Executor, document: Annotation
) -> None:
    carrier.run(act("select_structure", structure="L3"))
    with pytest.raises(InputError, match="no mask of L3"):
        carrier.run(act("propagate"))
    paint(document, (2, 6, 6), L3)
    document.set_locked("L3", True)
    with pytest.raises(InputError, match="L3 is locked"):
        carrier.run(act("propagate"))
    document.set_locked("L3", False)
    carrier.predict = None
    with pytest.raises(InputError, match="no model"):
        carrier.run(act("propagate"))


def test_structures_are_found_from_what_is_labelled(
    carrier: Executor, document: Annotation, predictor: BlockPredictor
) -> None:
    paint(document, (2, slice(15, 18), slice(15, 18)), L4)
    outcome = carrier.run(act("segment_structures", structures=["L2", "L3"]))

    assert outcome.text == "Found L2, L3."
    assert list(predictor.settings["anchors"]) == ["L4"]
    assert (document.labels == L3).sum() == 18
    assert len(document.history.undo_names) == 2


def test_names_without_an_anchor_are_called_a_guess(carrier: Executor) -> None:
    outcome = carrier.run(act("segment_structures", structures=["lumbar"]))
    assert "a guess (confidence 0.40)" in outcome.text


def test_what_cannot_be_found_is_told_before_the_model_is_asked(
    carrier: Executor, document: Annotation
) -> None:
    with pytest.raises(InputError, match="Only vertebrae, discs and the sacrum"):
        carrier.run(act("segment_structures", structures=["spinal_canal"]))
    document.set_locked("L3", True)
    with pytest.raises(InputError, match="L3 are locked"):
        carrier.run(act("segment_structures", structures=["L3"]))
