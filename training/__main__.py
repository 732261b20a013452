"""Command line of the training: `python -m training COMMAND`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError, SpinalSamError
from training.cli import slices, tables
from training.cli.slices import add_adapter_options, add_slice_options, positive
from training.common.paths import TINY_CONFIG, TINY_STORE, default_data

if TYPE_CHECKING:
    from training.tiny.config import RunConfig, ScanConfig

INPUT_AT_FAULT, INTERRUPTED = 2, 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m training`."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    scans = argparse.ArgumentParser(add_help=False)
    scans.add_argument(
        "--config", type=Path, help="YAML; the bundled network's if none"
    )
    scans.add_argument("--data", type=Path, default=default_data())
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument(
        "--store", type=Path, help="runs/store or, of slices, runs/slices"
    )
    run = argparse.ArgumentParser(add_help=False)
    run.add_argument("--run", type=Path, required=True, help="folder of the run")

    prepare = commands.add_parser(
        "prepare", parents=[scans, store], help="bring scans to a store"
    )
    add_slice_options(prepare)
    prepare.set_defaults(do=_prepare)

    fit = commands.add_parser(
        "fit", parents=[scans, store, run], help="train, or go on training"
    )
    fit.add_argument("--leave-out", nargs="*", default=[], metavar="SCAN")
    fit.add_argument("--steps", type=positive, help="instead of the configured number")
    fit.add_argument(
        "--start-from", type=Path, metavar="RUN", help="begin with this run's weights"
    )
    fit.add_argument("--export", type=Path, help="write the weights here at the end")
    add_adapter_options(fit)
    fit.set_defaults(do=_fit)

    plot = commands.add_parser("plot", parents=[run], help="draw the loss of a run")
    plot.set_defaults(do=_plot)

    export = commands.add_parser("export", parents=[run], help="write the weights")
    export.add_argument("--output", type=Path, required=True, help=".safetensors file")
    export.add_argument("--card", type=Path, help="JSON to keep in the file")
    export.set_defaults(do=_export)

    evaluate = commands.add_parser(
        "evaluate", parents=[scans], help="measure a model on a scan"
    )
    evaluate.add_argument("--model", default="spinalsam-tiny", metavar="FILE|NAME")
    evaluate.add_argument("--adapter", type=Path, help="to put on the model")
    evaluate.add_argument("--scan", metavar="NAME", help="of the configuration")
    evaluate.add_argument("--image", type=Path, help="any scan, in place of --scan")
    evaluate.add_argument("--labels", type=Path, help="of that scan, values 1 to 254")
    evaluate.add_argument("--every", type=positive, default=1, help="n-th slices alone")
    evaluate.add_argument("--rows", type=Path, metavar="CSV", help="one line a prompt")
    evaluate.set_defaults(do=_evaluate)

    compare = commands.add_parser(
        "compare", help="measure networks on the test part of a store of slices"
    )
    tables.add_compare_options(compare)
    compare.set_defaults(do=tables.compare)

    toy = commands.add_parser(
        "toy", help="write a tiny SAM of random weights, to try the tools"
    )
    toy.add_argument("--output", type=Path, required=True, help=".safetensors file")
    toy.add_argument("--seed", type=int, default=0, help="of the weights")
    toy.set_defaults(do=_toy)

    ablate = commands.add_parser(
        "ablate", help="measure what each part of the model brings"
    )
    tables.add_ablate_options(ablate)
    ablate.set_defaults(do=tables.ablate)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; bad input or a full disk give one line and exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = build_parser().parse_args(arguments)
    try:
        options.do(options)
    except SpinalSamError as error:
        print(f"training: {error}", file=sys.stderr)
        return INPUT_AT_FAULT
    except OSError as error:
        # A full disk, a folder without permission: what was complete stays complete.
        place = error.filename or "a file"
        print(
            f"training: {place} cannot be read or written ({error.strerror or error}): "
            "fix that and give the same line again.",
            file=sys.stderr,
        )
        return INPUT_AT_FAULT
    except KeyboardInterrupt:
        print("training: interrupted; the same line goes on.", file=sys.stderr)
        return INTERRUPTED
    return 0


# Each command imports what it needs when it runs, so that --help is quick.


def _config(options: argparse.Namespace) -> RunConfig:
    from training.tiny.config import load_config

    return load_config(options.config or TINY_CONFIG)


def _prepare(options: argparse.Namespace) -> None:
    if options.source is not None:
        slices.prepare(options)
        return
    from training.tiny.dataset import prepare

    prepare(_config(options).scans, options.data, options.store or TINY_STORE)


def _fit(options: argparse.Namespace) -> None:
    if slices.is_for_sam(options):
        slices.fit(options)
        return
    from napari_spinalsam.model.weights.checkpoint import save_tiny
    from training.tiny.fit import fit_tiny
    from training.tiny.network import load_network

    slices.refuse_adapter_options(options)
    config = _config(options).without(tuple(options.leave_out))
    changes: dict[str, object] = {}
    if options.steps is not None:
        changes["steps"] = options.steps
    if options.start_from is not None:
        changes["start_from"] = str(options.start_from)
    fit = config.fit.model_copy(update=changes)
    config = config.model_copy(update={"fit": fit})
    fit_tiny(config, options.store or TINY_STORE, options.run)
    if options.export is not None:
        save_tiny(load_network(options.run), options.export)


def _plot(options: argparse.Namespace) -> None:
    from training.common.logger import plot

    print(plot(options.run))


def _export(options: argparse.Namespace) -> None:
    if slices.is_sam_run(options.run):
        slices.export(options)
        return
    from napari_spinalsam.model.weights.checkpoint import save_tiny
    from training.tiny.network import load_network

    notes = {} if options.card is None else {"card": json.dumps(_card(options.card))}
    save_tiny(load_network(options.run), options.output, notes)
    print(options.output)


def _card(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no card {path}: check its path.") from None
    except ValueError as error:
        raise InputError(f"{path.name} is not valid JSON ({error}): fix it.") from None


def _evaluate(options: argparse.Namespace) -> None:
    from napari_spinalsam.model.weights.loading import load_session
    from training.tiny.dataset import read_labelled
    from training.tiny.evaluate import evaluate, summarise, write_rows

    scan, data = _scan(options)
    image, labels = read_labelled(scan, data)
    if image is None:
        raise InputError(
            f"The scan {scan.name} has no image to predict on: choose one."
        )
    session = load_session(options.model, adapter=options.adapter)
    rows = evaluate(session, image, labels.data, every=options.every)
    if options.rows is not None:
        write_rows(rows, options.rows)
    print(summarise(rows))


def _scan(options: argparse.Namespace) -> tuple[ScanConfig, Path]:
    """Return the scan to measure on, and the folder that its files are relative to."""
    from training.tiny.config import ScanConfig

    if options.scan is not None:
        return _config(options).scan(options.scan), options.data
    if options.image is None or options.labels is None:
        raise InputError(
            "There is no scan to measure on: give --scan of the configuration, or "
            "--image and --labels."
        )
    files = {"image": str(options.image), "labels": str(options.labels)}
    return ScanConfig(name=options.image.name, **files), Path()


def _toy(options: argparse.Namespace) -> None:
    from napari_spinalsam.model.weights.checkpoint import write_toy_sam

    count = write_toy_sam(options.output, options.seed)
    print(f"{options.output}: a SAM of {count:,} random weights, good for trying alone")


if __name__ == "__main__":
    sys.exit(main())
