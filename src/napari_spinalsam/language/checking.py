"""Whether a language model can be used as it is set: one harmless sentence is tried."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions.replies import Plan
from napari_spinalsam.language.asking import ask_model
from napari_spinalsam.language.client import ModelClient
from napari_spinalsam.language.settings import ViewerContext

if TYPE_CHECKING:
    from napari_spinalsam.language.deadline import Deadline
    from napari_spinalsam.language.settings import LanguageSettings

SENTENCE, MEANING = "undo", Plan(steps=(a.Undo(),))


def check_connection(settings: LanguageSettings, deadline: Deadline) -> str:
    """Ask the model of the settings what "undo" means, and say how that went.

    Parameters
    ----------
    settings : LanguageSettings
        Whom to ask; whether the model is switched on does not matter.
    deadline : Deadline
        How long to wait.

    Raises
    ------
    LanguageModelError, InputError, CancelledError
        If there is no valid reply; the sentence says why and what to do.
    """
    began = perf_counter()
    client = ModelClient(settings)
    reply = ask_model(client, settings, SENTENCE, ViewerContext(), deadline)
    seconds = perf_counter() - began
    if reply != MEANING:
        return (
            f"{settings.model} at {settings.host} answered in {seconds:.1f} s, but did "
            f"not understand {SENTENCE!r}: choose another model."
        )
    return (
        f"{settings.model} at {settings.host} understood {SENTENCE!r} in "
        f"{seconds:.1f} s."
    )
