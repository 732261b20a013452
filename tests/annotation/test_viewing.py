import pytest

from napari_spinalsam.actions.models import ACTION_TYPES
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import HeadlessView
from napari_spinalsam.annotation.outcome import Report
from napari_spinalsam.core.errors import CancelledError, InputError
from tests.annotation.helpers import (
    FakeWindow,
    act,
)


def test_slices_and_planes_are_walked(executor: Executor) -> None:
    assert executor.view.current_slice() == (0, 3)
    assert executor.run(act("move_slice", offset=-2)).text == (
        "Slice 1 (of 0 to 5), axial."
    )
    executor.run(act("set_plane", plane="sagittal"))
    executor.run(act("go_to_slice", index=20))
    assert executor.view.current_slice() == (2, 20)
    executor.run(act("set_plane", plane="axial"))
    assert executor.view.current_slice() == (0, 1)
    with pytest.raises(InputError, match="no slice -1"):
        executor.run(act("move_slice", offset=-2))
    assert executor.view.current_slice() == (0, 1)


def test_the_window_is_set_by_name_or_numbers(executor: Executor) -> None:
    text = executor.run(act("set_window", preset="soft_tissue")).text
    assert text == "Window soft tissue: level 40, width 400."
    executor.run(act("set_window", level=300, width=1200))
    assert executor.annotation is not None
    assert executor.annotation.state.window.width == 1200


def test_measures_are_shown_and_returned(
    executor: Executor, labelled: Annotation
) -> None:
    outcome = executor.run(act("measure", metrics=["volume"], structure="L3"))
    assert outcome.text == "L3: Volume (mL) 0.81."
    outcome = executor.run(act("measure"))
    assert outcome.text == "Volumes, no reference: 2 structures."
    assert isinstance(executor.view, HeadlessView)
    assert executor.view.reports[-1] is outcome.data
    labelled.set_reference(labelled.labels)
    data = executor.run(act("measure", metrics=["dice"])).data
    assert data is not None
    assert data.as_text().splitlines() == [
        "Agreement with the reference",
        "Structure  Dice",
        "L3         1.000",
        "L4         1.000",
        "mean       1.000",
    ]


def test_the_engine_is_asked_for_device_and_parameters(executor: Executor) -> None:
    class Engine:
        def device_report(self) -> list[tuple[str, str]]:
            return [("Device", "CPU")]

        def parameter_report(self) -> list[tuple[str, str]]:
            return [("Matched", "120"), ("Missing", "0")]

    with pytest.raises(InputError, match="no model"):
        executor.run(act("check_gpu"))
    executor.engine = Engine()
    assert executor.run(act("check_gpu")).text == "Device: CPU."
    text = executor.run(act("verify_parameters")).text
    assert text == "Matched: 120, Missing: 0."


def test_help_names_every_action(executor: Executor) -> None:
    report = executor.run(act("show_help")).data
    assert isinstance(report, Report)
    assert {row[0].replace(" ", "_") for row in report.rows} == set(ACTION_TYPES)
    assert all(row[1] for row in report.rows)


def test_saving_needs_labels_and_a_dialog(
    executor: Executor, window: FakeWindow, labelled: Annotation
) -> None:
    assert executor.run(act("save_labels")).text == "Saved labels.nii.gz."
    with pytest.raises(CancelledError):
        executor.run(act("save_labels", format="nrrd"))
    labelled.undo()
    with pytest.raises(InputError, match="no labels to save"):
        executor.run(act("save_labels"))


def test_visibility_is_set_by_role(executor: Executor) -> None:
    text = executor.run(act("set_visibility", layer="labels", visible=False)).text
    assert text == "The labels layer is hidden."
    assert isinstance(executor.view, HeadlessView)
    assert executor.view.visibility == {"labels": False}
