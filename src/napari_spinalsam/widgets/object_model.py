"""The objects of an annotation as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, Qt

from napari_spinalsam.annotation.measuring import MM3_PER_ML
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.widgets.choosers import swatch

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex, QPersistentModelIndex

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.tally import Tally

    AnyIndex = QModelIndex | QPersistentModelIndex

Role = Qt.ItemDataRole


class Column(IntEnum):
    """What the columns show."""

    NAME = 0
    LOCKED = 1
    VISIBLE = 2
    SIZE = 3
    DICE = 4


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One structure of the annotation.

    Parameters
    ----------
    name : str
        Its name in actions.
    locked, visible : bool
        Its state.
    voxels : int
        How many it has.
    size : float
        Volume in mL, of a flat image the area in mm2.
    dice : float or None
        Agreement with the reference; None where there is nothing to compare.
    """

    name: str
    locked: bool
    visible: bool
    voxels: int
    size: float
    dice: float | None


def voxel_size(annotation: Annotation) -> float:
    """Return what one voxel adds: mL, of a flat image mm2."""
    geometry = annotation.geometry
    if geometry.is_2d:
        return float(np.prod(geometry.spacing[1:]))
    return float(np.prod(geometry.spacing)) / MM3_PER_ML


def size_unit(annotation: Annotation | None) -> str:
    """Return the unit of sizes: mL, of a flat image mm²."""
    return "mm²" if annotation is not None and annotation.geometry.is_2d else "mL"


def rows_of(annotation: Annotation, tally: Tally) -> tuple[ObjectRow, ...]:
    """Return a row for each object, in the order of the spine."""
    unit = voxel_size(annotation)
    rows = []
    for entry in annotation.state.objects:
        count = tally.count(entry.label)
        dice = tally.dice(entry.label) if tally.has_reference else None
        rows.append(
            ObjectRow(
                entry.name, entry.locked, entry.visible, count, count * unit, dice
            )
        )
    return tuple(rows)


class ObjectModel(QAbstractTableModel):
    """The rows of the Objects table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[ObjectRow, ...] = ()
        self.unit = "mL"

    def show(self, rows: tuple[ObjectRow, ...], unit: str) -> None:
        """Show rows in place of the present ones."""
        same = [row.name for row in rows] == [row.name for row in self.rows]
        if unit != self.unit:
            self.unit = unit
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(Column) - 1)
        if not same:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
        elif rows != self.rows:
            self.rows = rows
            last = self.index(len(rows) - 1, len(Column) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def place_of(self, name: str | None) -> int:
        """Return the row of a structure, -1 if it has none."""
        names = [row.name for row in self.rows]
        return names.index(name) if name in names else -1

    def rowCount(self, parent: AnyIndex | None = None) -> int:
        """Return the number of objects."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: AnyIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        """Return headings, units included."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        size = "Area" if self.unit == "mm²" else "Volume"
        headings = {
            Column.NAME: ("Structure", "From head to foot, then discs and canal"),
            Column.LOCKED: ("", "Lock: a locked structure keeps its voxels"),
            Column.VISIBLE: ("", "Show: a hidden structure is not drawn in the image"),
            Column.SIZE: (self.unit, f"{size} in {self.unit}"),
            Column.DICE: ("Dice", "Agreement with the reference, 0 to 1"),
        }
        text, tip = headings[Column(section)]
        if role == Role.TextAlignmentRole and section == Column.NAME:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return {Role.DisplayRole: text, Role.ToolTipRole: tip}.get(Role(role))

    def data(self, index: AnyIndex, role: int = Role.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self.rows[index.row()], Column(index.column())
        if role == Role.DisplayRole:
            return self._text(row, column)
        if role == Role.ToolTipRole:
            return self._tip(row, column)
        if role == Role.DecorationRole and column is Column.NAME:
            return swatch(structure(row.name).color)
        if role == Role.TextAlignmentRole and column >= Column.SIZE:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _text(self, row: ObjectRow, column: Column) -> str | None:
        if column is Column.NAME:
            return structure(row.name).display_name
        if column is Column.SIZE:
            return f"{row.size:.2f}"
        if column is Column.DICE:
            return "–" if row.dice is None else f"{row.dice:.3f}"
        return None

    def _tip(self, row: ObjectRow, column: Column) -> str:
        if column is Column.LOCKED:
            return f"{row.name} is locked" if row.locked else f"{row.name} can change"
        if column is Column.VISIBLE:
            return f"{row.name} is shown" if row.visible else f"{row.name} is hidden"
        return (
            f"{row.name}, label {structure(row.name).label}: {row.voxels:,} voxels, "
            f"{row.size:.3f} {self.unit}"
        )
