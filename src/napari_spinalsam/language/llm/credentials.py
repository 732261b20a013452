"""Keys of services: from the environment or the keyring of the operating system.

A key is only ever a `SecretStr`, which shows itself masked, and belongs to one host.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import SecretStr

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import join, msg

if TYPE_CHECKING:
    from napari_spinalsam.language.llm.settings import LanguageSettings

SERVICE = "napari-spinalsam"
GENERAL_VARIABLE = "NAPARI_SPINALSAM_API_KEY"
HOST_VARIABLES = {"api.deepseek.com": "DEEPSEEK_API_KEY"}
DUMMY = SecretStr("none")


def key_for(settings: LanguageSettings) -> SecretStr:
    """Return the key to send, a dummy where the server needs none.

    The variable of the host comes first, then the general one, then the keyring. A
    profile of the user's own computer never gets a real key.

    Raises
    ------
    InputError
        If the service needs a key and there is none, or a real one would travel
        unencrypted.
    """
    if settings.service.is_local:
        return DUMMY
    key = _from_environment(settings.host) or _from_keyring(
        settings.host, is_needed=settings.service.needs_key
    )
    if key is None:
        if settings.service.needs_key:
            names = [HOST_VARIABLES.get(settings.host, ""), GENERAL_VARIABLE]
            raise InputError(
                msg(
                    "There is no key for {host}: store one in the language "
                    "settings, or set {names}.",
                    host=settings.host,
                    names=join(filter(None, names), msg(" or ")),
                )
            )
        return DUMMY
    if not (settings.is_encrypted or settings.is_on_this_computer):
        raise InputError(
            msg(
                "The key is not sent to {base_url}, where others could read it "
                "on the way: use an address with https.",
                base_url=settings.base_url,
            )
        )
    return key


def store_key(host: str, key: SecretStr) -> None:
    """Store the key of a host in the keyring, in place of the one before.

    Raises
    ------
    InputError
        If there is no keyring, or the key is no line of visible characters.
    """
    import keyring
    import keyring.errors

    if not _is_sendable(key):
        raise InputError(
            msg("This is no key: it must be one line of letters, digits and signs.")
        )
    is_stored = False
    with suppress(keyring.errors.KeyringError):
        keyring.set_password(SERVICE, host, key.get_secret_value().strip())
        is_stored = True
    if not is_stored:  # raised here, as the frames of the keyring hold the key
        raise _no_keyring()


def delete_key(host: str) -> None:
    """Remove the key of a host from the keyring, if it is there.

    Raises
    ------
    InputError
        If there is no keyring.
    """
    import keyring
    import keyring.errors

    try:
        keyring.delete_password(SERVICE, host)
    except keyring.errors.PasswordDeleteError:
        return
    except keyring.errors.KeyringError:
        raise _no_keyring() from None


def _from_environment(host: str) -> SecretStr | None:
    for name in (HOST_VARIABLES.get(host, ""), GENERAL_VARIABLE):
        key = SecretStr(os.environ.get(name, "").strip())
        if key and not _is_sendable(key):
            raise InputError(
                msg("The variable {name} holds no key: set it again.", name=name)
            )
        if key:
            return key
    return None


def _from_keyring(host: str, *, is_needed: bool) -> SecretStr | None:
    import keyring
    import keyring.errors

    try:
        key = SecretStr(keyring.get_password(SERVICE, host) or "")
    except keyring.errors.KeyringError:
        if is_needed:
            raise _no_keyring() from None
        return None
    if key and not _is_sendable(key):
        raise InputError(
            msg(
                "The keyring holds no usable key for {host}: store it again.", host=host
            )
        )
    return key or None


def _is_sendable(key: SecretStr) -> bool:
    """Tell whether a key can be part of an HTTP header."""
    return re.fullmatch(r"[!-~]+", key.get_secret_value().strip()) is not None


def _no_keyring() -> InputError:
    return InputError(
        msg(
            "This computer has no keyring that is open: set the key in the "
            "variable {name} instead.",
            name=GENERAL_VARIABLE,
        )
    )
