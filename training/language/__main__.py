"""Command line of the language part: score, fit, cross."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from napari_spinalsam.core.errors import InputError, SpinalSamError
from napari_spinalsam.language import intent
from napari_spinalsam.language.offline import parse_offline
from training.language.fit_intent import fit_intent, save_intent
from training.language.score import (
    LOCKED,
    Answer,
    Sentence,
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
    fit = commands.add_parser("fit", help="train the small intent model")
    fit.set_defaults(do=_fit)
    cross = commands.add_parser(
        "cross", help="score each file with a model trained on the others"
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
    paths = options.corpus or _open_files()
    if options.failures and any(path.name in LOCKED for path in paths):
        raise InputError(
            "Failures on locked sentences are not shown: they measure what was not "
            "tuned on."
        )
    parse_offline("warm up")
    together, locked = [], []
    for path in paths:
        answers = answer(read_corpus(path), parse_offline)
        print(f"\n{path.name}\n{summarise(answers)}")
        if options.failures:
            print(failures(answers))
        if path.name in LOCKED:
            locked += answers
        else:
            together += answers
    if len(paths) > 1 and together:
        print(f"\nall that was tuned on\n{summarise(together)}")
    if options.actions:
        print(by_action(together or locked))


def _fit(_: argparse.Namespace) -> None:
    sentences = [s for path in _open_files() for s in read_corpus(path)]
    path = Path(intent.__file__).with_name(intent.MODEL_FILE)
    save_intent(fit_intent(sentences), path)
    print(f"{path}: {len(sentences)} sentences, {path.stat().st_size / 1000:.0f} kB")


def _cross(_: argparse.Namespace) -> None:
    corpora = {path.name: read_corpus(path) for path in _open_files()}
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


def _open_files() -> list[Path]:
    return sorted(path for path in CORPUS.glob("*.jsonl") if path.name not in LOCKED)


if __name__ == "__main__":
    sys.exit(main())
