"""`parse`: sentences on standard input become replies on standard output."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from napari_spinalsam.cli.arguments import add_command
from napari_spinalsam.cli.terminal import flush, show
from napari_spinalsam.core.errors import InputError, SpinalSamError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from napari_spinalsam.actions.replies import Reply
    from napari_spinalsam.cli.arguments import Commands

# Settings of the language model are read from NAPARI_SPINALSAM_LLM_MODEL and so on.
ENVIRONMENT_PREFIX = "NAPARI_SPINALSAM_LLM_"


def add_to(commands: Commands) -> None:
    """Add the command to the parser."""
    title = 'sentences, a line of JSON each ({"text": "..."}), to actions'
    parse = add_command(commands, "parse", run, title=title)
    parse.add_argument(
        "--parser",
        choices=("offline", "llm"),
        default="offline",
        help="%(default)s uses no network",
    )


def run(options: Namespace) -> None:
    """Answer each line of JSON with one line of JSON, in the same order.

    Parameters
    ----------
    options : Namespace
        parser: ``offline``, or ``llm`` for the language model that the environment
        configures.
    """
    understand = _offline() if options.parser == "offline" else _by_model()
    for line in sys.stdin.buffer:
        show(json.dumps(_answer(line, understand)))
        flush()


def _offline() -> Callable[[str], Reply]:
    from napari_spinalsam.language.parser.offline import parse_offline

    return parse_offline


def _by_model() -> Callable[[str], Reply]:
    from napari_spinalsam.language.interpreter import parse_with_model
    from napari_spinalsam.language.llm.settings import LanguageSettings

    given = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
    settings = LanguageSettings.of({**given, "enabled": True})
    return lambda text: parse_with_model(text, settings)


def _answer(line: bytes, understand: Callable[[str], Reply]) -> dict[str, object]:
    """Return the reply to a line, or the error that it is."""
    from napari_spinalsam.actions.replies import reply_to_dict

    try:
        return reply_to_dict(understand(_text_of(line)))
    except SpinalSamError as error:
        return {"kind": "error", "reason": str(error)}


def _text_of(line: bytes) -> str:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError('The line is not JSON: write {"text": "..."}.') from None
    text = entry.get("text") if isinstance(entry, dict) else None
    if not isinstance(text, str):
        raise InputError('The line has no text: write {"text": "..."}.')
    return text
