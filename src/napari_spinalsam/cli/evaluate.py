"""`evaluate`: agreement of a label file with a reference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_spinalsam.cli.arguments import add_command, add_json
from napari_spinalsam.cli.terminal import show, show_json, show_table
from napari_spinalsam.core.anatomy import by_label, listed, structure
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from argparse import Namespace

    from napari_spinalsam.cli.arguments import Commands
    from napari_spinalsam.core.metrics import Metrics

COLUMNS = {"dice": "Dice", "iou": "IoU", "msd_mm": "MSD mm", "hd95_mm": "HD95 mm"}
UNMATCHED = {
    "missing": "only in the reference, Dice 0 in the mean",
    "extra": "only in the prediction, not in the mean",
}


def add_to(commands: Commands) -> None:
    """Add the command to the parser."""
    evaluate = add_command(commands, "evaluate", run, title="metrics of labels")
    evaluate.add_argument("prediction", metavar="PREDICTION", help="labels to judge")
    evaluate.add_argument("reference", metavar="REFERENCE", help="labels held for true")
    evaluate.add_argument(
        "--labels", metavar="LIST", help="names or numbers, with commas between"
    )
    add_json(evaluate)


def run(options: Namespace) -> None:
    """Compare two label files and print the metrics of each label.

    Parameters
    ----------
    options : Namespace
        prediction, reference, labels, json.

    Raises
    ------
    InputError
        If a file holds no labels, or the grids differ.
    """
    from napari_spinalsam.core.metrics import evaluate_labels
    from napari_spinalsam.io.labels import read_labels

    wanted = None if options.labels is None else parse_labels(options.labels)
    reference = read_labels(options.reference)
    prediction = read_labels(options.prediction, reference.grid)
    geometry = reference.grid.geometry
    # A flat mask has edges, not the two sides of a slab one voxel thick.
    part: Any = 0 if geometry.is_2d else slice(None)
    spacing = geometry.spacing[1:] if geometry.is_2d else geometry.spacing
    metrics = evaluate_labels(
        prediction.data[part], reference.data[part], spacing, wanted
    )
    result = describe(metrics, measurable=geometry.spacing_known)
    if options.json:
        show_json(result)
    else:
        _show(result)


def parse_labels(text: str) -> list[int]:
    """Read names and numbers of structures with commas between.

    Raises
    ------
    InputError
        If a name is unknown or a number is no label.
    """
    words = [word.strip() for word in text.split(",")]
    labels = [
        int(word) if word.isdecimal() else structure(word).label for word in words
    ]
    if 0 in labels:
        raise InputError("Label 0 is the background: give labels from 1 up.")
    return labels


def describe(metrics: dict[int, Metrics], *, measurable: bool = True) -> dict[str, Any]:
    """Put metrics into the form that `--json` prints.

    Where the files do not tell the size of a voxel, nothing is `measurable` in mm.
    """
    from napari_spinalsam.core.metrics import mean_metrics, unmatched

    if not measurable:
        metrics = {
            label: replace(each, msd_mm=None, hd95_mm=None)
            for label, each in metrics.items()
        }
    present = {label for label, each in metrics.items() if any(each.volume_mm3)}
    labels = {}
    for label, each in metrics.items():
        known = by_label(label, present)
        labels[str(label)] = {
            "name": known.name if known else f"label {label}",
            **{key: getattr(each, key) for key in COLUMNS},
            "volume_mm3": list(each.volume_mm3) if measurable else [None, None],
        }
    mean = mean_metrics(metrics)
    missing, extra = unmatched({n: each.volume_mm3 for n, each in metrics.items()})
    return {
        "labels": labels,
        "mean": {key: mean[key] for key in COLUMNS},
        "missing": list(missing),
        "extra": list(extra),
    }


def _show(result: dict[str, Any]) -> None:
    rows = [("label", "", *COLUMNS.values(), "predicted mm3", "reference mm3")]
    for label, each in result["labels"].items():
        figures = [_number(each[key]) for key in COLUMNS]
        volumes = [_number(volume, 0) for volume in each["volume_mm3"]]
        rows.append((each["name"], label, *figures, *volumes))
    means = [_number(result["mean"][key]) for key in COLUMNS]
    rows.append(("mean", "", *means, "", ""))
    show_table(rows, figures=True)
    for key, told in UNMATCHED.items():
        if result[key]:
            names = listed(result["labels"][str(n)]["name"] for n in result[key])
            show(f"{key} ({told}): {names}")


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
