"""The language model of the Chat dock: which one, with which key, does it answer."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, LineEdit, PushButton
from pydantic import SecretStr
from qtpy.QtWidgets import QDialog, QFormLayout, QLineEdit, QWidget

from napari_spinalsam.annotation.jobs import sentence_of
from napari_spinalsam.core.errors import CancelledError, SpinalSamError
from napari_spinalsam.language.llm.client import ModelClient
from napari_spinalsam.language.llm.credentials import delete_key, store_key
from napari_spinalsam.language.llm.errors import Deadline
from napari_spinalsam.language.llm.prompt import check_connection
from napari_spinalsam.language.llm.settings import PROFILES
from napari_spinalsam.widgets.chat.transcript import PlainLabel
from napari_spinalsam.widgets.parts import add_fields, make_narrow
from napari_spinalsam.widgets.preferences import (
    change_language_settings,
    language_settings,
    stored_language_settings,
)
from napari_spinalsam.widgets.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QCloseEvent

    from napari_spinalsam.language.llm.settings import LanguageSettings

STOP_SECONDS = 3.0
CONSENT = (
    "Sent are your sentence, slice numbers, counts of prompts and the selected "
    "structure; never images, or names of files and patients."
)


class LanguageDialog(QDialog):
    """Service, address, model, consent and key; what is changed holds at once.

    The rest is on the plugin's page of napari's Preferences.

    Parameters
    ----------
    parent : QWidget
        Whose window this one belongs to.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Language model of the Chat dock")
        self.enabled = CheckBox(
            text="Ask a language model where words are not understood"
        )
        self.service = ComboBox(
            label="Service",
            choices=[(profile.title, profile.name) for profile in PROFILES.values()],
        )
        self.address, self.model = LineEdit(label="Address"), ComboBox()
        self.model.native.setEditable(True)
        for box in (self.service, self.model):
            make_narrow(box.native)
        self.consent = CheckBox(text="Allow another computer")
        # Of Qt: a field of magicgui shows its value in its repr, a password too.
        self.key = QLineEdit()
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.list = PushButton(text="List models")
        self.store, self.remove = PushButton(text="Store"), PushButton(text="Remove")
        self.test = PushButton(text="Test connection")
        self.told = PlainLabel()
        self._worker: Worker | None = None
        self._cancel = Event()
        self._lay_out()
        self._connect()
        self.show_settings()

    def show_settings(self) -> None:
        """Show the settings as they are now."""
        values = stored_language_settings()
        profile = PROFILES[values["profile"]]
        with (
            self.enabled.changed.blocked(),
            self.service.changed.blocked(),
            self.consent.changed.blocked(),
        ):
            self.enabled.value = values["enabled"]
            self.service.value = profile.name
            self.consent.value = values["allow_remote"]
        self.address.value = values["base_url"]
        usual = profile.base_url or "http://localhost:8000/v1"
        self.address.native.setPlaceholderText(usual)
        self.model.native.setEditText(values["model"])
        line = self.model.native.lineEdit()
        line.setPlaceholderText(profile.model or "id of the model")
        self.key.setEnabled(not profile.is_local)
        for made in (self.store, self.remove):
            made.enabled = not profile.is_local
        self.key.setPlaceholderText("needs none" if profile.is_local else "paste it")

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Wait for nothing any longer."""
        self.close_thread()
        super().closeEvent(event)

    def close_thread(self) -> None:
        """End the thread that asks the server, if there is one."""
        self._cancel.set()
        if self._worker is not None:
            self._worker.wait(STOP_SECONDS)

    def _lay_out(self) -> None:
        keys = _row("Key", self.store, self.remove)
        keys.native.layout().insertWidget(0, self.key, 1)
        self.key.setToolTip("Kept in the keyring of the operating system, never shown")
        model = _row("Model", self.model, self.list)
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        add_fields(form, self.enabled, self.service, self.address, model, self.consent)
        form.addRow(PlainLabel(CONSENT))
        add_fields(form, keys, self.test)
        form.addRow(self.told)
        for made in (self.list, self.store, self.remove, self.test):
            made.native.setAutoDefault(False)
        self.resize(460, 0)

    def _connect(self) -> None:
        self.enabled.changed.connect(lambda on: self._change(enabled=on))
        self.consent.changed.connect(lambda on: self._change(allow_remote=on))
        self.service.changed.connect(self._on_service)
        # `changed` tells of every letter; what is typed holds once it is complete.
        self.address.native.editingFinished.connect(
            lambda: self._change(base_url=self.address.value.strip())
        )
        self.model.native.activated.connect(self._on_model)
        self.model.native.lineEdit().editingFinished.connect(self._on_model)
        self.list.changed.connect(
            lambda: self._ask("Listing the models …", _list_models, self._on_listed)
        )
        self.test.changed.connect(
            lambda: self._ask("Asking …", check_connection, self._tell)
        )
        self.store.changed.connect(self._on_store)
        self.remove.changed.connect(self._on_remove)

    def _change(self, **values: object) -> None:
        """Keep settings, unless they cannot be used."""
        if all(stored_language_settings()[name] == v for name, v in values.items()):
            return
        try:
            change_language_settings(**values)
        except SpinalSamError as error:
            self._tell(str(error))
        else:
            self._tell("")
            self.show_settings()

    def _on_service(self, name: str) -> None:
        # Address and model of another service fit this one hardly ever.
        self.model.choices = ()
        self._change(profile=name, base_url="", model="")

    def _on_model(self) -> None:
        self._change(model=self.model.native.currentText().strip())

    def _on_store(self) -> None:
        key = SecretStr(self.key.text())
        self.key.clear()
        self._with_key("Storing the key …", partial(_store, key=key))

    def _on_remove(self) -> None:
        self._with_key("Removing the key …", _remove)

    def _on_listed(self, models: tuple[str, ...]) -> None:
        chosen = self.model.native.currentText()
        self.model.choices = models
        self.model.native.setEditText(chosen)
        self._tell(f"The server has {len(models)} models: choose one from the list.")

    def _with_key(self, doing: str, work: Callable[[str], str]) -> None:
        """Do something to the key of the host that is set; the keyring may ask."""
        self._ask(doing, lambda settings, _: work(settings.host), self._tell)

    def _ask(
        self,
        doing: str,
        work: Callable[[LanguageSettings, Deadline], Any],
        done: Callable[[Any], None],
    ) -> None:
        """Do something in a thread, with the settings of now."""
        if self._worker is not None:
            return
        try:
            settings = language_settings()
        except SpinalSamError as error:
            self._tell(str(error))
            return
        self._cancel = Event()
        deadline = Deadline(settings, self._cancel)
        self._tell(doing)
        self._worker = Worker(partial(work, settings, deadline))
        self._worker.returned.connect(done)
        self._worker.errored.connect(self._on_failed)
        self._worker.finished.connect(self._on_finished)
        self._show_busy(True)
        self._worker.start()

    def _on_failed(self, error: Exception) -> None:
        self._tell("" if isinstance(error, CancelledError) else sentence_of(error))

    def _on_finished(self) -> None:
        self._worker = None
        self._show_busy(False)

    def _show_busy(self, busy: bool) -> None:
        is_local = PROFILES[stored_language_settings()["profile"]].is_local
        for made in (self.list, self.test):
            made.enabled = not busy
        for made in (self.store, self.remove):
            made.enabled = not (busy or is_local)

    def _tell(self, sentence: str) -> None:
        self.told.setText(sentence)


def _list_models(settings: LanguageSettings, deadline: Deadline) -> tuple[str, ...]:
    return ModelClient(settings).list_models(deadline)


def _store(host: str, *, key: SecretStr) -> str:
    store_key(host, key)
    return f"The key of {host} is in the keyring."


def _remove(host: str) -> str:
    delete_key(host)
    return f"The keyring holds no key of {host} any more."


def _row(label: str, *parts: ComboBox | PushButton) -> Container[ComboBox | PushButton]:
    row: Container[ComboBox | PushButton] = Container(
        widgets=parts, layout="horizontal", labels=False, label=label
    )
    row.margins = (0, 0, 0, 0)
    return row
