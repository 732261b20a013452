"""Command line of the language part: score, fit, cross."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError, SpinalSamError
from napari_spinalsam.language.parser import intent
from napari_spinalsam.language.parser.offline import parse_offline
from training.language.fit_intent import fit_intent, save_intent
from training.language.score import (
    LOCKED,
    TUNED,
    Answer,
    Sentence,
    answer,
    by_action,
    by_writer,
    failures,
    read_corpus,
    summarise,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

CORPUS = Path(__file__).resolve().parent / "corpus"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m training.language`."""
    parser = argparse.ArgumentParser(
        prog="python -m training.language", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    score = commands.add_parser("score", help="measure the offline parser")
    score.add_argument(
        "--split",
        nargs="+",
        choices=(*TUNED, LOCKED),
        default=TUNED,
        help="parts of the corpus; train and dev if none is named",
    )
    score.add_argument(
        "--writer", nargs="+", metavar="NAME", help="only sentences of these writers"
    )
    score.add_argument(
        "--corpus", type=Path, metavar="FILE", help="a file beside the corpus"
    )
    score.add_argument("--failures", action="store_true", help="show what went wrong")
    score.add_argument("--actions", action="store_true", help="figures by action")
    score.set_defaults(do=_score)
    fit = commands.add_parser("fit", help="train the small intent model")
    fit.set_defaults(do=_fit)
    cross = commands.add_parser(
        "cross", help="score each writer with a model trained on the others"
    )
    cross.set_defaults(do=_cross)
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
    paths = [options.corpus] if options.corpus else _paths(options.split)
    if options.failures and any(path.stem == LOCKED for path in paths):
        raise InputError(
            "Failures on locked sentences are not shown: they measure what was not "
            "tuned on."
        )
    parts = {path.stem: by_writer(read_corpus(path)) for path in paths}
    known = {writer for writers in parts.values() for writer in writers}
    if unknown := set(options.writer or ()) - known:
        raise InputError(
            f"Nobody named {', '.join(sorted(unknown))} wrote these sentences: choose "
            f"another --split, or from {', '.join(sorted(known))}."
        )
    parse_offline("warm up")
    everything: list[Answer] = []
    for part, all_writers in parts.items():
        together: list[Answer] = []
        chosen = options.writer or all_writers
        writers = {name: all_writers[name] for name in all_writers if name in chosen}
        for writer, sentences in writers.items():
            answers = answer(sentences, parse_offline)
            print(f"\n{part}, {writer}\n{summarise(answers)}")
            if options.failures:
                print(failures(answers))
            together += answers
        if len(writers) > 1:
            print(f"\n{part}, all {len(writers)} writers\n{summarise(together)}")
        everything += together
    if len(parts) > 1 and everything:
        print(f"\nall together\n{summarise(everything)}")
    if options.actions:
        print(by_action(everything))


def _fit(_: argparse.Namespace) -> None:
    sentences = [s for path in _paths(TUNED) for s in read_corpus(path)]
    path = Path(intent.__file__).with_name(intent.MODEL_FILE)
    save_intent(fit_intent(sentences), path)
    print(f"{path}: {len(sentences)} sentences, {path.stat().st_size / 1000:.0f} kB")


def _cross(_: argparse.Namespace) -> None:
    corpora = by_writer(s for path in _paths(TUNED) for s in read_corpus(path))
    alone, together = [], []
    for name, sentences in corpora.items():
        others = [s for key, part in corpora.items() if key != name for s in part]
        model = fit_intent(others)
        alone += answer(sentences, lambda text: parse_offline(text, _no_guess))
        parse = partial(parse_offline, guess=model.guess)
        together += answer(sentences, parse)
        print(
            f"{name}: {_right(alone, sentences)} grammar alone, "
            f"{_right(together, sentences)} with the model"
        )
    print(f"\ngrammar alone\n{summarise(alone)}")
    print(f"\nwith the model\n{summarise(together)}")


def _no_guess(_: object) -> tuple[str, float]:
    return "refuse", 1.0


def _right(answers: list[Answer], sentences: list[Sentence]) -> str:
    right = sum(one.right for one in answers[-len(sentences) :])
    return f"{right} of {len(sentences)}"


def _paths(splits: Sequence[str]) -> list[Path]:
    return [CORPUS / f"{split}.jsonl" for split in splits]


if __name__ == "__main__":
    sys.exit(main())
