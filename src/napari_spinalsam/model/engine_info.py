"""What devices and the loaded model tell of themselves, for the executor's reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.model.session import SegmentationSession


class SessionInfo:
    """The EngineInfo of a session, or of no session yet; see annotation.ports.

    Parameters
    ----------
    session : SegmentationSession or None
        The loaded model; devices are known without one.
    """

    def __init__(self, session: SegmentationSession | None) -> None:
        self._session = session

    def device_report(self) -> Sequence[tuple[str, str]]:
        """Return device, memory, driver, and what is used."""
        from napari_spinalsam.model.diagnostics import device_report

        return device_report("auto" if self._session is None else self._session.device)

    def parameter_report(self) -> Sequence[tuple[str, str]]:
        """Return matched, missing, unexpected and shape-mismatched weights.

        Raises
        ------
        InputError
            If no model is loaded.
        """
        if self._session is None:
            raise InputError("There is no model to ask: load one first.")
        from napari_spinalsam.model.diagnostics import parameter_report

        return parameter_report(self._session)
