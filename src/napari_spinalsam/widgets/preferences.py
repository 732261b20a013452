"""What the user set on the plugin's page of napari's Preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari.settings import get_plugin_settings
from pydantic import BaseModel, ConfigDict

from napari_spinalsam.core.intensity import PRESETS
from napari_spinalsam.language.llm.settings import LanguageSettings

if TYPE_CHECKING:
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.volume import Volume

PLUGIN = "napari-spinalsam"
AUTOMATIC = "automatic"


class SegmentSettings(BaseModel):
    """How the Segment dock begins.

    Parameters
    ----------
    model : str
        Name in the dock's list of models.
    window : str
        Name of the preset that a CT begins with, or ``"automatic"``.
    live : bool
        Whether every prompt is answered at once.
    propagate : {"both", "forward", "backward"}
        Which way the key goes.
    remember : bool
        Whether what is chosen in the dock is kept for the next start.
    autosave : bool
        Whether unsaved work is written to the recovery folder.
    autosave_s : float
        Longest time that a change waits for it, in seconds.
    first_steps : bool
        Whether the hint of the first steps is shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    window: str
    live: bool
    propagate: Literal["both", "forward", "backward"]
    remember: bool
    autosave: bool
    autosave_s: float
    first_steps: bool


def stored_language_settings() -> dict[str, Any]:
    """Return the settings of the language model as they were entered."""
    values: dict[str, Any] = get_plugin_settings(PLUGIN).language.model_dump(
        mode="json"
    )
    return values


def language_settings() -> LanguageSettings:
    """Return the settings of the language model as they are now.

    Raises
    ------
    InputError
        If a value cannot be used, such as an address that is none.
    """
    return LanguageSettings.of(stored_language_settings())


def change_language_settings(**values: object) -> None:
    """Keep other values, as if they had been entered in the Preferences.

    The consent to send sentences to one computer is none for another one.

    Raises
    ------
    InputError
        If one cannot be used; nothing has changed then.
    """
    stored = stored_language_settings()
    where = ("profile", "base_url")
    if any(name in values and values[name] != stored[name] for name in where):
        values = {"allow_remote": False, **values}
    LanguageSettings.of({**stored, **values})
    page = get_plugin_settings(PLUGIN).language
    for name, value in values.items():
        setattr(page, name, value)


def segment_settings() -> SegmentSettings:
    """Return the settings of the Segment dock as they are now."""
    values = get_plugin_settings(PLUGIN).segment.model_dump()
    return SegmentSettings.model_validate(values)


def remember(name: str, value: str | bool) -> None:
    """Keep a choice made in the dock for the next start, if the user wants that."""
    if segment_settings().remember:
        keep(name, value)


def keep(name: str, value: str | bool) -> None:
    """Set one of the settings of the Segment dock, which are written at once."""
    setattr(get_plugin_settings(PLUGIN).segment, name, value)


def first_window(volume: Volume) -> Window | None:
    """Return the window that a volume begins with; None for its usual one.

    The presets are in Hounsfield units, so that they hold for CT alone.
    """
    preset = segment_settings().window
    return PRESETS[preset] if volume.modality == "CT" and preset != AUTOMATIC else None
