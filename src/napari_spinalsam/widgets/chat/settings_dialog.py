"""The language model of the Chat dock: which one, with which key, does it answer."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_spinalsam.annotation.jobs import sentence_of
from napari_spinalsam.core.errors import CancelledError, SpinalSamError
from napari_spinalsam.language.llm.client import ModelClient
from napari_spinalsam.language.llm.credentials import delete_key, store_key
from napari_spinalsam.language.llm.errors import Deadline
from napari_spinalsam.language.llm.prompt import check_connection
from napari_spinalsam.language.llm.settings import PROFILES
from napari_spinalsam.widgets.chat.transcript import PlainLabel
from napari_spinalsam.widgets.parts import make_narrow
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
        self.enabled = QCheckBox("Ask a language model where words are not understood")
        self.service = QComboBox()
        for profile in PROFILES.values():
            self.service.addItem(profile.title, profile.name)
        self.address, self.model = QLineEdit(), QComboBox()
        self.model.setEditable(True)
        for box in (self.service, self.model):
            make_narrow(box)
        self.consent = QCheckBox("Allow another computer")
        self.key = QLineEdit()
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.list = QPushButton("List models")
        self.store, self.remove = QPushButton("Store"), QPushButton("Remove")
        self.test = QPushButton("Test connection")
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
        with QSignalBlocker(self.enabled), QSignalBlocker(self.consent):
            self.enabled.setChecked(values["enabled"])
            self.consent.setChecked(values["allow_remote"])
        self.service.setCurrentIndex(self.service.findData(profile.name))
        self.address.setText(values["base_url"])
        self.address.setPlaceholderText(profile.base_url or "http://localhost:8000/v1")
        self.model.setEditText(values["model"])
        line = self.model.lineEdit()
        if line is not None:
            line.setPlaceholderText(profile.model or "id of the model")
        for part in (self.key, self.store, self.remove):
            part.setEnabled(not profile.is_local)
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
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(self.enabled)
        form.addRow("Service", self.service)
        form.addRow("Address", self.address)
        form.addRow("Model", _row(self.model, self.list))
        form.addRow(self.consent)
        form.addRow(PlainLabel(CONSENT))
        form.addRow("Key", _row(self.key, self.store, self.remove))
        form.addRow(self.test)
        form.addRow(self.told)
        self.key.setToolTip("Kept in the keyring of the operating system, never shown")
        for made in (self.list, self.store, self.remove, self.test):
            made.setAutoDefault(False)
        self.resize(460, 0)

    def _connect(self) -> None:
        self.enabled.toggled.connect(lambda on: self._change(enabled=on))
        self.consent.toggled.connect(lambda on: self._change(allow_remote=on))
        self.service.activated.connect(self._on_service)
        self.address.editingFinished.connect(
            lambda: self._change(base_url=self.address.text().strip())
        )
        self.model.activated.connect(self._on_model)
        line = self.model.lineEdit()
        if line is not None:
            line.editingFinished.connect(self._on_model)
        self.list.clicked.connect(
            lambda: self._ask("Listing the models …", _list_models, self._on_listed)
        )
        self.test.clicked.connect(
            lambda: self._ask("Asking …", check_connection, self._tell)
        )
        self.store.clicked.connect(self._on_store)
        self.remove.clicked.connect(self._on_remove)

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

    def _on_service(self) -> None:
        # Address and model of another service fit this one hardly ever.
        self.model.clear()
        self._change(profile=self.service.currentData(), base_url="", model="")

    def _on_model(self) -> None:
        self._change(model=self.model.currentText().strip())

    def _on_store(self) -> None:
        key = SecretStr(self.key.text())
        self.key.clear()
        self._with_key("Storing the key …", partial(_store, key=key))

    def _on_remove(self) -> None:
        self._with_key("Removing the key …", _remove)

    def _on_listed(self, models: tuple[str, ...]) -> None:
        chosen = self.model.currentText()
        with QSignalBlocker(self.model):
            self.model.clear()
            self.model.addItems(models)
            self.model.setEditText(chosen)
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
            made.setEnabled(not busy)
        for made in (self.store, self.remove):
            made.setEnabled(not (busy or is_local))

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


def _row(first: QWidget, *buttons: QPushButton) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(first, 1)
    for made in buttons:
        row.addWidget(made)
    return row
