"""The menus that the documentation and the dock name are there, by these names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QMainWindow, QMenu

from napari_spinalsam.widgets.segment.widget import HINT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
MENU = re.compile(r"\*((?:File|View|Layers|Plugins|Window|Help) > [^*]+)\*")


def paths_of(menu: QMenu, prefix: str) -> Iterator[str]:
    """Return the entries of a menu with the way to them, as they are read."""
    menu.aboutToShow.emit()
    for entry in menu.actions():
        path = f"{prefix} > {entry.text().replace('&', '').rstrip('.…')}"
        yield path
        submenu = entry.menu()
        if isinstance(submenu, QMenu):
            yield from paths_of(submenu, path)


def test_every_menu_that_is_named_is_there(handle: SegmentHandle) -> None:
    window = handle.widget.window()
    assert isinstance(window, QMainWindow)
    there = {
        path
        for entry in window.menuBar().actions()
        if isinstance(entry.menu(), QMenu)
        for path in paths_of(entry.menu(), entry.text().replace("&", ""))
    }
    named = {
        (page.name, " ".join(path.split()))
        for page in PAGES
        for path in MENU.findall(page.read_text("utf-8"))
    }
    pages = {page for page, _ in named}
    assert pages >= {"README.md", "window.md", "five-vertebrae.md"}
    assert not {(page, path) for page, path in named if path not in there}
    assert any(
        path in HINT for path in there if path.startswith("File > Open Sample >")
    )
