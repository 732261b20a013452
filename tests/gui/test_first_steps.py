"""The hint of the first steps at every width of the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel, QScrollArea

from napari_spinalsam.widgets.segment.rows import FirstSteps

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def test_it_is_as_high_as_its_lines_need_whatever_its_width_was_before(
    qtbot: QtBot,
) -> None:
    area = QScrollArea()
    qtbot.addWidget(area)
    hint = FirstSteps()
    hint.setVisible(True)
    area.setWidget(hint)
    area.setWidgetResizable(True)
    area.show()

    def height(width: int) -> int:
        area.resize(width, 500)
        qtbot.waitUntil(lambda: abs(hint.width() - width) < 40)
        return hint.minimumHeight()

    narrow, wide = height(300), height(600)

    assert narrow > wide > 0
    assert height(300) == narrow
    assert all(
        line.height() >= line.fontMetrics().height()
        for line in hint.findChildren(QLabel)
    )
