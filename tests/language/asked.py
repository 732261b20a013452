"""Sentences that only a model can understand, and asking it about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.language.interpreter import Interpreter
from napari_spinalsam.language.llm.client import ModelClient
from napari_spinalsam.language.llm.errors import Deadline, LanguageModelError
from napari_spinalsam.language.llm.settings import ViewerContext

if TYPE_CHECKING:
    from threading import Event

    from napari_spinalsam.language.interpreter import Understanding
    from napari_spinalsam.language.llm.response import Answer
    from napari_spinalsam.language.llm.settings import LanguageSettings

# Not in any lexicon, so that the offline parser leaves it to the model.
ODD = "Zorble the frobnicator gently"
ODD_ZH = "请弗罗布一下佐布尔"
UNDO = {"action": "undo"}
MESSAGES = [{"role": "user", "content": "add 三 points"}]
SHORT = 0.3
# A deadline may be overrun by the machine's own slowness, not by the server.
SLACK = 0.5


def understand(
    settings: LanguageSettings, text: str = ODD, cancel: Event | None = None
) -> Understanding:
    client = ModelClient(settings, retry_seconds=0)
    context = ViewerContext()
    return Interpreter(settings, client).understand(text, context, cancel=cancel)


def ask(settings: LanguageSettings, cancel: Event | None = None) -> Answer:
    client = ModelClient(settings, retry_seconds=0)
    return client.complete(MESSAGES, Deadline(settings, cancel))


def failure(settings: LanguageSettings) -> str:
    with pytest.raises(LanguageModelError) as caught:
        ask(settings)
    return str(caught.value)
