"""Arguments that several commands have; nothing here is slow to import."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, NoReturn

from napari_spinalsam.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

INPUT_AT_FAULT = 2
DEFAULT_MODEL = "spinalsam-tiny"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Say it and leave."""
        say(f"{message}; see {self.prog} --help.")
        raise SystemExit(INPUT_AT_FAULT)


if TYPE_CHECKING:
    # What `add_subparsers` returns; argparse has no public name for it.
    Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], None],
    *,
    title: str,
) -> Parser:
    """Add a command, or a verb of one.

    Parameters
    ----------
    commands : Commands
        What it is added to.
    name : str
        What the user types.
    run : callable
        Carries it out; it imports what takes long.
    title : str
        A line for the list of commands.
    """
    command = commands.add_parser(name, help=title)
    command.set_defaults(run=run)
    return command


def add_json(command: Parser) -> None:
    """Let the user ask for one JSON object."""
    command.add_argument("--json", action="store_true", help="print one JSON object")


def add_model(command: Parser) -> None:
    """Let the user choose the model and the device."""
    command.add_argument(
        "--model", metavar="NAME|FILE", default=DEFAULT_MODEL, help="%(default)s"
    )
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda", "mps"), default="auto"
    )


def millimetres(text: str) -> float:
    """Return a number above zero, for the type of an argument."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of mm above 0")
    return number
