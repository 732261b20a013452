"""The commands that write the tables of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError
from training.cli.slices import (
    LAB_CONFIG,
    SLICE_STORE,
    is_for_sam,
    positive,
    sam_config,
)
from training.common.paths import TINY_STORE, default_data

if TYPE_CHECKING:
    import argparse

BASELINES = ("unet", "transunet", "swin_unetr")


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """Add what `compare` asks for."""
    parser.add_argument("--store", type=Path, default=SLICE_STORE)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--baselines", nargs="*", choices=BASELINES, default=list(BASELINES)
    )
    parser.add_argument("--steps", type=positive, default=2000, help="of a baseline")
    parser.add_argument("--batch", type=positive, default=8, help="of a baseline")
    parser.add_argument("--ours", type=Path, metavar="ADAPTER")
    parser.add_argument("--base", help="of that adapter, if it is no known model")
    parser.add_argument("--sam", default="sam-vit-h", metavar="NAME|FILE")
    parser.add_argument(
        "--tiny",
        default="spinalsam-tiny",
        metavar="FILE",
        help="one trained without the scans that are measured, for the bundled network",
    )
    parser.add_argument("--medsam", type=Path, metavar="FILE")
    parser.add_argument("--sam-med2d", type=Path, metavar="FILE")
    parser.add_argument("--against", metavar="ROW", help="of the t-tests; the last row")
    _add_measuring(parser)


def add_ablate_options(parser: argparse.ArgumentParser) -> None:
    """Add what `ablate` asks for."""
    parser.add_argument(
        "--store", type=Path, help="runs/slices or, for the bundled network, runs/store"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--config", type=Path, default=LAB_CONFIG)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument(
        "--scan",
        metavar="NAME",
        help="of the bundled network's scans, to leave out and to measure on",
    )
    parser.add_argument("--base", help="model or file, instead of the configured one")
    parser.add_argument(
        "--steps", type=positive, help="instead of the configured number"
    )
    _add_measuring(parser)


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--unit",
        choices=("patient", "slice"),
        default="patient",
        help="what mean, sd and t-test run over",
    )
    parser.add_argument("--every", type=positive, default=1, help="n-th slices alone")


def compare(options: argparse.Namespace) -> None:
    """Measure the rows of Table 1."""
    from training.experiments.compare import Comparison, compare

    what = Comparison(
        baselines=tuple(options.baselines),
        steps=options.steps,
        batch=options.batch,
        ours=options.ours,
        base=options.base,
        sam=options.sam,
        tiny=options.tiny,
        medsam=options.medsam,
        sam_med_2d=options.sam_med2d,
        against=options.against,
        unit=options.unit,
        every=options.every,
    )
    print(compare(what, options.store, options.output))


def ablate(options: argparse.Namespace) -> None:
    """Measure the rows of Table 2, or those of the bundled network."""
    if not is_for_sam(options):
        _ablate_tiny(options)
        return
    from training.experiments.ablate import ablate

    print(
        ablate(
            sam_config(options),
            options.store or SLICE_STORE,
            options.output,
            unit=options.unit,
            every=options.every,
        )
    )


def _ablate_tiny(options: argparse.Namespace) -> None:
    from training.experiments.tiny_ablate import ablate_tiny
    from training.tiny.config import load_config

    if options.scan is None:
        raise InputError("There is no scan to measure on: give --scan.")
    config = load_config(options.config)
    if options.steps is not None:
        fit = config.fit.model_copy(update={"steps": options.steps})
        config = config.model_copy(update={"fit": fit})
    print(
        ablate_tiny(
            config,
            options.scan,
            options.data,
            options.store or TINY_STORE,
            options.output,
            every=options.every,
        )
    )
