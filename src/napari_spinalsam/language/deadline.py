"""How long an answer is waited for, by the clock, and whether it is still wanted."""

from __future__ import annotations

from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import CancelledError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.language.failures import timeout_failure

if TYPE_CHECKING:
    from napari_spinalsam.language.settings import LanguageSettings


class Deadline:
    """The end of waiting, shared by everything that one sentence needs.

    Parameters
    ----------
    settings : LanguageSettings
        With the longest wait, which begins now.
    cancel : threading.Event, optional
        Set from any thread to end the waiting.
    """

    def __init__(self, settings: LanguageSettings, cancel: Event | None = None) -> None:
        self._settings, self._cancel = settings, cancel or Event()
        self._end = monotonic() + settings.deadline_s

    @property
    def remaining(self) -> float:
        """Seconds left, 0 when it has passed."""
        return max(0.0, self._end - monotonic())

    def check(self) -> None:
        """Make sure that there is still time and interest.

        Raises
        ------
        CancelledError
            If the user cancelled.
        LanguageModelError
            If the deadline has passed.
        """
        if self._cancel.is_set():
            raise CancelledError(
                msg("The language model is not waited for any longer.")
            )
        if not self.remaining:
            raise timeout_failure(self._settings)

    def pause(self, seconds: float) -> None:
        """Let some seconds pass, fewer if the waiting ends before.

        Raises
        ------
        CancelledError, LanguageModelError
            As `check`.
        """
        self._cancel.wait(min(seconds, self.remaining))
        self.check()
