"""Command line of the language part: score."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from napari_spinalsam.core.errors import InputError, SpinalSamError
from napari_spinalsam.language.offline import parse_offline
from training.language.score import (
    LOCKED,
    answer,
    by_action,
    failures,
    read_corpus,
    summarise,
)

CORPUS = Path(__file__).resolve().parent / "corpus"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m training.language`."""
    parser = argparse.ArgumentParser(
        prog="python -m training.language", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    score = commands.add_parser("score", help="measure the offline parser")
    score.add_argument(
        "--corpus", type=Path, nargs="+", metavar="FILE", help="all but the locked one"
    )
    score.add_argument("--failures", action="store_true", help="show what went wrong")
    score.add_argument("--actions", action="store_true", help="figures by action")
    score.set_defaults(do=_score)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; bad input gives one line and exit code 2."""
    options = build_parser().parse_args(arguments)
    try:
        options.do(options)
    except SpinalSamError as error:
        print(f"training.language: {error}", file=sys.stderr)
        return 2
    return 0


def _score(options: argparse.Namespace) -> None:
    paths = options.corpus or sorted(
        path for path in CORPUS.glob("*.jsonl") if path.name not in LOCKED
    )
    if options.failures and any(path.name in LOCKED for path in paths):
        raise InputError(
            "Failures on locked sentences are not shown: they measure what was not "
            "tuned on."
        )
    parse_offline("warm up")
    together = []
    for path in paths:
        answers = answer(read_corpus(path), parse_offline)
        print(f"\n{path.name}\n{summarise(answers)}")
        if options.failures:
            print(failures(answers))
        if path.name not in LOCKED:
            together += answers
    if len(paths) > 1:
        print(f"\nall that was tuned on\n{summarise(together)}")
    if options.actions:
        print(by_action(together or answers))


if __name__ == "__main__":
    sys.exit(main())
