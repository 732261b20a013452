"""Command line of the training: prepare, fit, evaluate."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from napari_spinalsam.core.errors import SpinalSamError

HERE = Path(__file__).resolve().parent
DATA_VARIABLE = "NAPARI_SPINALSAM_DATA"


def default_data() -> Path:
    """Return the data folder: the environment's, else `shared/data` beside the project."""
    return Path(os.environ.get(DATA_VARIABLE, HERE.parent.parent / "shared" / "data"))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m training`."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, default=HERE / "configs" / "tiny.yaml")
    shared.add_argument("--data", type=Path, default=default_data())
    shared.add_argument("--store", type=Path, default=Path("runs/store"))
    commands.add_parser("prepare", parents=[shared], help="bring scans to the store")
    fit = commands.add_parser("fit", parents=[shared], help="train, or go on training")
    fit.add_argument("--run", type=Path, required=True, help="folder of this run")
    fit.add_argument("--leave-out", nargs="*", default=[], metavar="SCAN")
    fit.add_argument("--steps", type=int, help="instead of the configured number")
    fit.add_argument("--export", type=Path, help="write the weights here at the end")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; bad input gives one line and exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = build_parser().parse_args(arguments)
    try:
        _run(options)
    except SpinalSamError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    from training.config import load_config
    from training.fit import Trainer
    from training.store import prepare

    config = load_config(options.config)
    if options.command == "prepare":
        prepare(config.scans, options.data, options.store)
        return
    config = config.without(tuple(options.leave_out))
    if options.steps:
        fit = config.fit.model_copy(update={"steps": options.steps})
        config = config.model_copy(update={"fit": fit})
    trainer = Trainer(config, options.store, options.run)
    trainer.resume()
    trainer.fit()


if __name__ == "__main__":
    sys.exit(main())
