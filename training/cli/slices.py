"""The commands that work on slices: public data sets, adapters, own labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from training.sam.config import SamConfig
    from training.slices.slicing import SliceSettings

LAB_CONFIG = Path(__file__).resolve().parents[1] / "configs" / "vit_b.yaml"
SLICE_STORE = Path("runs/slices")
SOURCES = ("verse", "totalsegmentator", "spider", "folder")


def positive(text: str) -> int:
    """Return a whole number from 1 up."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not from 1 up")
    return number


def share(text: str) -> float:
    """Return a number from 0 up and below 1."""
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 up and below 1")
    return number


def add_slice_options(parser: argparse.ArgumentParser) -> None:
    """Add what `prepare` asks for where the scans become slices."""
    group = parser.add_argument_group("a store of slices")
    group.add_argument("--source", choices=SOURCES, help="layout of PATH")
    group.add_argument("path", nargs="?", type=Path, help="folder of the data set")
    group.add_argument("--split", choices=("patient", "slice"), default="patient")
    group.add_argument("--test-share", type=share, default=0.2)
    group.add_argument("--seed", type=int, default=0, help="of the split")
    group.add_argument("--size", type=positive, default=512, help="of the longer side")
    group.add_argument(
        "--window", default="auto", help="preset, LEVEL,WIDTH, or auto: bone for CT"
    )
    group.add_argument(
        "--target",
        choices=("vertebra", "disc", "all"),
        default="all",
        help="class that is asked for",
    )
    group.add_argument(
        "--smallest-share",
        type=share,
        default=0.01,
        help="of a slice, of the structures of a class together",
    )
    group.add_argument(
        "--short-side", type=share, default=0.5, help="of the long one, in mm"
    )


def add_adapter_options(parser: argparse.ArgumentParser) -> None:
    """Add what `fit` asks for where it trains an adapter on a SAM."""
    group = parser.add_argument_group("an adapter on a SAM")
    group.add_argument("--base", help="model or file, instead of the configured one")
    group.add_argument(
        "--from-labels",
        type=Path,
        metavar="FOLDER",
        help="scans with labels as the plugin saves them; the adapter goes where the "
        "plugin finds it",
    )
    group.add_argument("--name", help="of that adapter; the folder's name if none")
    group.add_argument("--replace", action="store_true", help="an adapter of that name")


def is_for_sam(options: argparse.Namespace) -> bool:
    """Whether a SAM is trained, by its configuration or by `--from-labels`."""
    from training.sam.config import SamConfig, load_any_config

    if getattr(options, "from_labels", None) is not None:
        return True
    return options.config is not None and isinstance(
        load_any_config(options.config), SamConfig
    )


def is_sam_run(run: Path) -> bool:
    """Whether the run in a folder trained an adapter."""
    from training.sam.config import SamConfig, load_any_config

    file = run / "config.yaml"
    return file.is_file() and isinstance(load_any_config(file), SamConfig)


def refuse_adapter_options(options: argparse.Namespace) -> None:
    """Refuse what the bundled network has no use for.

    Raises
    ------
    InputError
        If such an option is there.
    """
    for name in ("base", "name", "replace"):
        if getattr(options, name):
            raise InputError(
                f"--{name} is for adapters: give --config of a SAM or --from-labels."
            )


def prepare(options: argparse.Namespace) -> None:
    """Bring a data set to a store of slices."""
    from training.slices.overview import draw_summary
    from training.slices.prepare import describe, prepare_slices

    if options.path is None:
        raise InputError("There is no folder to prepare from: give it after --source.")
    store = prepare_slices(
        options.source,
        options.path,
        options.store or SLICE_STORE,
        _slice_settings(options),
        split=options.split,
        test_share=options.test_share,
        seed=options.seed,
    )
    print(describe(store))
    print(f"Look at {draw_summary(store)} before training.")


def fit(options: argparse.Namespace) -> None:
    """Train an adapter from a store of slices, or from a folder of own labels."""
    from training.sam.fit import export_adapter, fit_sam

    _refuse_tiny_options(options)
    if options.from_labels is not None:
        _fit_from_labels(options)
        return
    adapter = fit_sam(sam_config(options), options.store or SLICE_STORE, options.run)
    if options.export is not None:
        export_adapter(options.run, options.export)
        adapter = options.export
    print(adapter)


def export(options: argparse.Namespace) -> None:
    """Write the adapter of a run."""
    from training.sam.fit import export_adapter

    if options.card is not None:
        raise InputError("--card is for the bundled network: leave it away.")
    export_adapter(options.run, options.output)
    print(options.output)


def _fit_from_labels(options: argparse.Namespace) -> None:
    """Make slices of own labels, train, and put the adapter where the plugin looks."""
    from napari_spinalsam.model.weights.adapter_files import adapter_path
    from training.common.distributed import Processes
    from training.sam.fit import build_trainable, export_adapter, fit_sam
    from training.slices.overview import draw_summary
    from training.slices.prepare import describe, prepare_slices
    from training.slices.slicing import SliceSettings

    output = adapter_path(options.name or options.from_labels.resolve().name)
    if output.exists() and not options.replace:
        raise InputError(
            f"There is an adapter {output.stem} already: choose another --name, or "
            "give --replace."
        )
    config = sam_config(options)
    build_trainable(config)  # a missing base is told before hours of preparation
    processes = Processes(config.fit.mixed_precision)
    store = options.store or options.run / "slices"
    if processes.is_first:
        settings = SliceSettings(size=config.image_size)
        prepared = prepare_slices(
            "folder", options.from_labels, store, settings, test_share=0
        )
        print(describe(prepared), f"Picture: {draw_summary(prepared)}", sep="\n")
        print("All scans are trained on: measure the adapter on scans besides these.")
    processes.wait()
    fit_sam(config, store, options.run)
    if processes.is_first:
        export_adapter(options.run, options.export or output)
        print(f"The adapter lies at {options.export or output}")


def sam_config(options: argparse.Namespace) -> SamConfig:
    """Return the configuration of an adapter, with what the options change of it."""
    from training.sam.config import load_sam_config

    config = load_sam_config(options.config or LAB_CONFIG)
    if options.steps is not None:
        fit = config.fit.model_copy(update={"steps": options.steps})
        config = config.model_copy(update={"fit": fit})
    if options.base is not None:
        config = config.model_copy(update={"base": options.base})
    return config


def _slice_settings(options: argparse.Namespace) -> SliceSettings:
    from training.common.config import validated
    from training.slices.slicing import SliceSettings

    names = ("size", "window", "target", "smallest_share", "short_side")
    values = {name: getattr(options, name) for name in names}
    return validated(SliceSettings, values, "prepare")


def _refuse_tiny_options(options: argparse.Namespace) -> None:
    for name in ("leave_out", "start_from"):
        if getattr(options, name):
            raise InputError(
                f"--{name.replace('_', '-')} is for the bundled network: choose other "
                "scans with prepare, or begin with another --base."
            )
