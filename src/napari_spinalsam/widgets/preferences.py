"""What the user set on the plugin's page of napari's Preferences."""

from __future__ import annotations

from napari.settings import get_plugin_settings

from napari_spinalsam.language.settings import LanguageSettings

PLUGIN = "napari-spinalsam"


def language_settings() -> LanguageSettings:
    """Return the settings of the language model as they are now.

    Raises
    ------
    InputError
        If a value cannot be used, such as an address that is none.
    """
    return LanguageSettings.of(get_plugin_settings(PLUGIN).language.model_dump())
