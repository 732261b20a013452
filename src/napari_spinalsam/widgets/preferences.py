"""What the user set on the plugin's page of napari's Preferences."""

from __future__ import annotations

from typing import Any

from napari.settings import get_plugin_settings

from napari_spinalsam.language.settings import LanguageSettings

PLUGIN = "napari-spinalsam"


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

    Raises
    ------
    InputError
        If one cannot be used; nothing has changed then.
    """
    LanguageSettings.of({**stored_language_settings(), **values})
    page = get_plugin_settings(PLUGIN).language
    for name, value in values.items():
        setattr(page, name, value)
