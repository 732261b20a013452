"""What the commands print: results on standard output, progress on standard error.

Standard output is UTF-8 whatever the locale, and standard error holds our sentences
only: what libraries write there while a command runs, in Python or in C, is left out.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import sys
import warnings
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from napari_spinalsam.core.errors import InputError, InputWarning
from napari_spinalsam.core.messages import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Buffer

PROGRAM = "napari-spinalsam"
STANDARD_ERROR = 2
# Where our sentences go while libraries are kept from standard error.
_sentences: list[TextIO] = []


def show(text: str) -> None:
    """Print a result."""
    with _output_checked():
        sys.stdout.write(f"{printable(text)}\n")


def say(sentence: str) -> None:
    """Print a sentence as one line on standard error."""
    line = " ".join(printable(sentence).split())
    with suppress(BrokenPipeError):  # the exit code tells who does not listen
        _messages().write(f"{PROGRAM}: {line}\n")
        _messages().flush()


def warn(text: str) -> None:
    """Print part of a sentence as one line on standard error."""
    say(f"{text}.")


def flush() -> None:
    """Bring what was shown to its reader."""
    with _output_checked():
        sys.stdout.flush()


def forget_output() -> None:
    """Drop what nobody reads any more, so that it is not tried again at the end."""
    with (
        suppress(OSError, ValueError),
        open(os.devnull, "w", encoding="utf-8") as nowhere,
    ):
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


@contextmanager
def own_streams() -> Iterator[dict[str, None]]:
    """Keep both streams for what we say, in UTF-8, while a command runs.

    Yields
    ------
    dict of str
        Gathers the warnings for the user, each once, in order. They are to be told
        after the work: where it fails, its one sentence stands alone.
    """
    told: dict[str, None] = {}
    with ExitStack() as stack:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # closed by who has started the program
                nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                setattr(sys, name, nowhere)
        if reconfigure := getattr(sys.stdout, "reconfigure", None):
            reconfigure(encoding="utf-8", errors="backslashreplace")
        stack.enter_context(_libraries_silenced())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", InputWarning)
        warnings.showwarning = lambda message, *_, **__: told.update(
            {str(message): None}
        )
        yield told


class _Nowhere(io.RawIOBase):
    """Takes what is written, and needs no closing: a library may keep it for good."""

    def writable(self) -> bool:
        return True

    def write(self, content: Buffer, /) -> int:
        return len(memoryview(content).cast("B"))


@contextmanager
def _libraries_silenced() -> Iterator[None]:
    """Lead what is written to standard error to nowhere, but for our sentences."""
    ours = sys.stderr
    with ExitStack() as stack:
        with suppress(OSError):  # there is none if it was closed
            kept = os.dup(STANDARD_ERROR)
            stack.callback(os.close, kept)
            if _number_of(ours) == STANDARD_ERROR:
                ours.flush()
                ours = os.fdopen(
                    os.dup(kept), "w", encoding="utf-8", errors="backslashreplace"
                )
                stack.callback(_close, ours)
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                os.dup2(nowhere.fileno(), STANDARD_ERROR)
            stack.callback(os.dup2, kept, STANDARD_ERROR)
        if not faulthandler.is_enabled() and _number_of(ours) is not None:
            faulthandler.enable(ours)  # a crash in C is the one thing that must be seen
            stack.callback(faulthandler.disable)
        stack.callback(setattr, sys, "stderr", sys.stderr)
        sink = io.BufferedWriter(_Nowhere())
        sys.stderr = io.TextIOWrapper(sink, encoding="utf-8", errors="backslashreplace")
        _sentences.append(ours)
        stack.callback(_sentences.pop)
        yield


def _close(stream: TextIO) -> None:
    with suppress(BrokenPipeError):
        stream.close()


def _number_of(stream: TextIO) -> int | None:
    """Return the number of the file behind a stream, or None where there is none."""
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _messages() -> TextIO:
    return _sentences[-1] if _sentences else sys.stderr


@contextmanager
def _output_checked() -> Iterator[None]:
    """Turn a full disk into a sentence; a reader who has gone is no fault."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        forget_output()
        raise InputError(
            f"The result cannot be written to standard output ({error.strerror}): free "
            "some space, or lead it elsewhere."
        ) from error


def show_json(result: Mapping[str, object]) -> None:
    """Print a result as one JSON object."""
    show(json.dumps(result, indent=2, allow_nan=False))


def show_table(rows: Sequence[Sequence[str]], *, figures: bool = False) -> None:
    """Print rows in aligned columns; figures stand to the right, but for the first."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    align = str.rjust if figures else str.ljust
    for first, *rest in rows:
        cells = [first.ljust(widths[0])]
        cells += [align(c, w) for c, w in zip(rest, widths[1:], strict=True)]
        show("  ".join(cells).rstrip())


@contextmanager
def progress_bar(
    title: str, unit: str = "slice"
) -> Iterator[Callable[[int, int | None], None]]:
    """Give a callback for (done, total) that draws a bar if there is a terminal."""
    with tqdm(
        desc=title,
        unit=unit,
        unit_scale=unit == "B",
        file=_messages(),
        leave=False,
        disable=not _messages().isatty(),
    ) as bar:

        def advance(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance
