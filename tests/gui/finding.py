"""A model that finds a block when a test lets it, for work that is to take a while."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.core.results import FoundStructure, Progress, VolumeMask
from napari_spinalsam.model.session import SegmentationSession
from napari_spinalsam.widgets.segment import model_row
from tests.gui.conftest import small_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

BLOCK = (slice(3, 9), slice(12, 28), slice(14, 34))
released = Event()


class FindingSession(SegmentationSession):
    """Finds the block for whatever is asked, once it is released; C1 fails."""

    def find_structures(self, names: Any, **_: Any) -> Iterator[Any]:
        yield from _wait()
        if "C1" in names:
            raise ModelError("The model has failed: load it again.")
        yield _found(names[0])


class LingeringSession(SegmentationSession):
    """Finds the block at once, and goes on until it is released."""

    def find_structures(self, names: Any, **_: Any) -> Iterator[Any]:
        yield _found(names[0])
        yield from _wait()


def serve(
    monkeypatch: pytest.MonkeyPatch, kind: type[SegmentationSession]
) -> Iterator[None]:
    """Let docks load a session of a kind; its work ends with the test."""
    released.clear()
    session = kind(small_session()._backend)
    monkeypatch.setattr(model_row, "build_session", lambda *_: session)
    yield
    released.set()


def _wait() -> Iterator[Progress]:
    while not released.wait(0.01):
        yield Progress("locating the spine", 0.5)


def _found(name: str) -> FoundStructure:
    return FoundStructure(
        name, VolumeMask(np.ones((6, 16, 20), np.bool_), BLOCK, 0.9), 0.7
    )
