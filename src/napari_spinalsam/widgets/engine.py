"""What the loaded model tells of itself, for the reports of the executor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.model.session import SegmentationSession


class SessionInfo:
    """The EngineInfo of a session; see annotation.ports.

    Parameters
    ----------
    session : SegmentationSession
        The loaded model.
    """

    def __init__(self, session: SegmentationSession) -> None:
        self._session = session

    def device_report(self) -> Sequence[tuple[str, str]]:
        """Return device, memory, driver, and what is used."""
        from napari_spinalsam.model.info import device_report

        return device_report(self._session.device)

    def parameter_report(self) -> Sequence[tuple[str, str]]:
        """Return matched, missing, unexpected and shape-mismatched weights."""
        from napari_spinalsam.model.info import parameter_report

        return parameter_report(self._session)
