"""The Measures window: live numbers, a plot along the spine, and a file."""

from __future__ import annotations

import csv
import gc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_spinalsam.actions import models as a
from napari_spinalsam.annotation.statistics import measure, measure_report
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.metrics import SurfaceDistances
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.widgets.handle import attach
from napari_spinalsam.widgets.measures.plot import SpinePlot, along_spine
from napari_spinalsam.widgets.measures.rows import MeasureRow, means_sentence
from napari_spinalsam.widgets.napari_view import ReportWindow

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle
    from napari_spinalsam.widgets.measures.window import MeasuresWindow

L2, L3, L4, L5 = 21, 22, 23, 24


def some_labels() -> np.ndarray:
    labels = np.zeros((12, 40, 48), np.uint8)
    labels[1:4, 12:28, 14:34] = L2
    labels[5:9, 12:28, 14:34] = L3
    return labels


def choose_reference(handle: SegmentHandle, labels: np.ndarray) -> None:
    image = handle.widget.controller.layers.image
    layer = handle.viewer.add_labels(
        labels, scale=image.scale, translate=image.translate
    )
    handle.widget.controller.choose_reference(layer)


@pytest.fixture
def window(handle: SegmentHandle, qtbot: QtBot) -> MeasuresWindow:
    """Return the window of an annotation with a reference, all measured."""
    handle.annotation.replace_labels(some_labels())
    reference = np.roll(some_labels(), 2, axis=1)
    reference[10:, 5:9, 5:9] = L4
    choose_reference(handle, reference)
    opened = handle.widget.objects.open_measures()
    measured(opened, qtbot)
    return opened


def measured(window: MeasuresWindow, qtbot: QtBot) -> dict[str, MeasureRow]:
    """Return the rows by name, once all is counted and measured."""
    live = window.controller.parent().objects.live
    qtbot.waitUntil(lambda: live.is_done and window.distances.is_done)
    return {row.name: row for row in window.rows}


def check(window: MeasuresWindow, qtbot: QtBot) -> None:
    """Compare with the measures that a sentence asks for."""
    rows = measured(window, qtbot)
    wanted = measure(window.controller.annotation)
    assert set(rows) == {entry.structure for entry in wanted}
    for entry in wanted:
        row, agreement = rows[entry.structure], entry.agreement
        assert row.size == pytest.approx(entry.size)
        assert row.true_size == pytest.approx(agreement.volume_mm3[1] / 1000)
        assert row.dice == pytest.approx(agreement.dice)
        assert row.iou == pytest.approx(agreement.iou)
        assert row.msd == pytest.approx(agreement.msd_mm)
        assert row.hd95 == pytest.approx(agreement.hd95_mm)
        assert not row.pending


def test_all_measures_are_those_of_the_whole_volume(
    window: MeasuresWindow, qtbot: QtBot
) -> None:
    check(window, qtbot)
    assert [row.name for row in window.rows] == ["L2", "L3", "L4"]
    shown = [window.table.item(row, 0).text() for row in range(window.table.rowCount())]
    assert shown == ["L2", "L3", "L4", "mean"]


def test_the_mean_is_over_the_structures_of_the_reference(
    window: MeasuresWindow, handle: SegmentHandle, qtbot: QtBot
) -> None:
    more = some_labels()
    more[10:, 30:34, 5:9] = L5
    handle.annotation.replace_labels(more)
    rows = measured(window, qtbot)
    last = window.table.rowCount() - 1
    expected = sum(rows[name].dice for name in ("L2", "L3", "L4")) / 3
    assert rows["L5"].dice == 0
    assert window.table.item(last, 3).text() == f"{expected:.3f}"
    assert window.told.text() == (
        "Only in the reference, Dice 0 in the mean: L4. "
        "Not in the reference, not in the mean: L5."
    )
    report = measure_report(handle.annotation, ("dice",))
    assert report.rows[-1] == ("mean", f"{expected:.3f}")
    names = ["T10", "T11", "T12", "L1", "L2", "L3", "L4"]
    many = [MeasureRow(name, at + 17, 0.0, 9.0) for at, name in enumerate(names)]
    assert means_sentence(many).endswith("in the mean: T10 to L4.")


def test_the_reference_box_shows_the_reference_and_follows_it(
    window: MeasuresWindow, handle: SegmentHandle, qtbot: QtBot
) -> None:
    controller, box = handle.widget.controller, handle.widget.reference
    layer = controller.reference
    assert box.layer() is not None
    assert box.currentText() == layer.name
    layer.data = some_labels()
    assert measured(window, qtbot)["L3"].dice == 1
    layer.data_setitem(np.nonzero(some_labels() == L3), 0)
    layer.events.paint(value=[])
    assert measured(window, qtbot)["L3"].true_size == 0
    handle.viewer.layers.remove(layer)
    assert box.currentText() == "no reference"
    assert handle.annotation.reference is None


def test_measures_follow_strokes_and_undo(
    window: MeasuresWindow, handle: SegmentHandle, qtbot: QtBot
) -> None:
    painted = some_labels()
    painted[9:11, 3:12, 4:9] = L3
    handle.annotation.paint(LabelDelta.between(some_labels(), painted))
    check(window, qtbot)
    handle.run(a.Undo())
    check(window, qtbot)


def test_only_what_changed_is_measured_again(
    window: MeasuresWindow, handle: SegmentHandle, qtbot: QtBot
) -> None:
    before = dict(window.distances.known)
    painted = some_labels()
    painted[9:11, 3:12, 4:9] = L3
    handle.annotation.paint(LabelDelta.between(some_labels(), painted))
    rows = measured(window, qtbot)
    assert not rows["L3"].pending
    assert window.distances.known[L2] is before[L2]
    assert isinstance(window.distances.known[L3], SurfaceDistances)
    assert window.distances.known[L3] is not before[L3]


def test_a_renamed_structure_is_measured_under_its_new_name(
    window: MeasuresWindow, handle: SegmentHandle, qtbot: QtBot
) -> None:
    handle.annotation.rename_object("L3", "L5")
    check(window, qtbot)
    assert [row.name for row in window.rows] == ["L2", "L3", "L4", "L5"]


def test_without_a_reference_only_volumes_are_shown(
    window: MeasuresWindow, handle: SegmentHandle, qtbot: QtBot
) -> None:
    handle.widget.controller.choose_reference(None)
    rows = measured(window, qtbot)
    assert set(rows) == {"L2", "L3"}
    assert window.table.isColumnHidden(3)
    assert not window.table.isColumnHidden(1)
    assert "Choose reference labels" in window.told.text()


def test_nothing_is_measured_while_the_window_is_closed(
    window: MeasuresWindow, handle: SegmentHandle, qtbot: QtBot
) -> None:
    window.close()
    assert window.distances.is_done
    handle.annotation.replace_labels(np.roll(some_labels(), 1, axis=2))
    qtbot.waitUntil(lambda: handle.widget.objects.live.is_done)
    assert not window.distances.known
    assert handle.widget.objects.open_measures() is window
    check(window, qtbot)


def test_the_table_is_exported_with_units(
    window: MeasuresWindow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "out"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(path), "Tables (*.csv)")
    )
    window.export.click()
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["structure"] for row in rows] == ["L2", "L3", "L4"]
    assert float(rows[1]["volume_mL"]) == pytest.approx(window.rows[1].size)
    assert float(rows[1]["hd95_mm"]) == window.rows[1].hd95
    assert rows[2]["msd_mm"] == ""
    assert list(rows[0]) == [
        "structure",
        "label",
        "volume_mL",
        "reference_volume_mL",
        "dice",
        "iou",
        "msd_mm",
        "hd95_mm",
    ]


def test_an_export_that_fails_is_told(
    window: MeasuresWindow,
    handle: SegmentHandle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "missing" / "out.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    window.export.click()
    assert "cannot be written" in handle.widget.status.text()


def test_a_flat_image_is_measured_in_square_millimetres(
    viewer: Viewer, qtbot: QtBot
) -> None:
    geometry = Geometry.from_spacing((1, 40, 48), (1.0, 0.5, 0.4), is_2d=True)
    data = np.random.default_rng(0).normal(40, 10, (1, 40, 48)).astype(np.float32)
    flat, attributes, _ = image_layer(Volume.from_geometry(data, geometry, "CT", "2d"))
    viewer.add_image(flat, **attributes)
    handle = attach(viewer)
    handle.wait_for_model()
    labels = np.zeros((1, 40, 48), np.uint8)
    labels[0, 10:20, 10:30] = L3
    handle.annotation.replace_labels(labels)
    choose_reference(handle, np.roll(labels, 1, axis=1)[0])
    window = handle.widget.objects.open_measures()
    row = measured(window, qtbot)["L3"]
    wanted = measure(handle.annotation)[0]
    assert row.size == pytest.approx(200 * 0.2)
    assert row.msd == pytest.approx(wanted.agreement.msd_mm)
    assert window.table.horizontalHeaderItem(1).text() == "Area (mm²)"
    assert handle.widget.objects.model.unit == "mm²"


def test_levels_are_plotted_from_head_to_foot_with_discs_between() -> None:
    names = ("T12", "T13", "L1", "sacrum", "T13-L1", "L1-L2", "spinal_canal")
    rows = [MeasureRow(name, 1, 1.0) for name in names]
    plotted = [row.name for row in along_spine(rows)]
    assert plotted == ["T12", "T13", "T13-L1", "L1", "L1-L2", "sacrum"]


@pytest.mark.parametrize("count", [0, 1, 24])
def test_the_plot_draws_any_number_of_levels(qtbot: QtBot, count: int) -> None:
    names = [f"C{n}" for n in range(1, 8)] + [f"T{n}" for n in range(1, 13)]
    names += [f"L{n}" for n in range(1, 6)]
    plot = SpinePlot()
    qtbot.addWidget(plot)
    plot.resize(400, 240)
    blank = plot.grab().toImage()
    rows = [MeasureRow(name, 1, 20.0, 21.0, 0.9) for name in names[:count]]
    plot.show_rows(rows, "mL")
    assert (plot.grab().toImage() != blank) == (count > 0)


def test_to_measure_by_a_sentence_opens_the_live_window(
    handle: SegmentHandle, qtbot: QtBot
) -> None:
    handle.annotation.replace_labels(some_labels())
    report = handle.run("what is the volume of L3?")[0].data
    window = handle.widget.objects.measures_window
    assert window.isVisible()
    row = measured(window, qtbot)["L3"]
    assert report.rows == (("L3", f"{row.size:.2f}"),)
    handle.annotation.replace_labels(np.zeros_like(some_labels()))
    measured(window, qtbot)
    handle.run("undo")
    assert measured(window, qtbot)["L3"].size == pytest.approx(row.size)
    assert not report_windows()


def test_a_report_stays_until_it_is_closed(handle: SegmentHandle) -> None:
    handle.run(a.CheckGpu())
    gc.collect()
    shown = report_windows()
    assert len(shown) == 1
    shown[0].close()


def report_windows() -> list[ReportWindow]:
    return [
        window
        for window in QApplication.topLevelWidgets()
        if isinstance(window, ReportWindow) and window.isVisible()
    ]
