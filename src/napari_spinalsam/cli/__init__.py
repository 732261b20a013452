"""The command `napari-spinalsam`: the same headless code as the window drives.

Exit code 0: done. 2: the input is at fault, and one line on standard error says what
is wrong and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam import __version__
from napari_spinalsam.cli import (
    benchmark,
    evaluate,
    info,
    models,
    parse,
    segment,
    verify,
)
from napari_spinalsam.cli.arguments import INPUT_AT_FAULT, Parser
from napari_spinalsam.cli.terminal import (
    PROGRAM,
    flush,
    forget_output,
    own_streams,
    say,
)
from napari_spinalsam.core.errors import SpinalSamError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
# Each module imports what it needs when it runs, so that --help is quick.
COMMANDS = (segment, evaluate, models, verify, benchmark, parse, info)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str or None
        Without the name of the program; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, 2 for bad input, 130 when interrupted.
    """
    try:
        with own_streams() as told:
            code = _run(arguments)
            if code == 0:
                for sentence in told:
                    say(sentence)
            return code
    except BrokenPipeError:  # who reads the output has seen enough
        forget_output()
        return 0


def _run(arguments: Sequence[str] | None) -> int:
    try:
        try:
            options = build_parser().parse_args(arguments)
            options.run(options)
        finally:
            flush()
    except SpinalSamError as error:
        say(str(error))
        return INPUT_AT_FAULT
    except KeyboardInterrupt:
        say("interrupted.")
        return INTERRUPTED
    return 0


def build_parser() -> Parser:
    """Return the parser; `run` of its result carries the command out."""
    parser = Parser(
        prog=PROGRAM, description="Segment the spine in CT and MR without a window."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
