"""The commands models, verify and info."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from napari_spinalsam.cli.terminal import progress_bar, show, show_json, show_table
from napari_spinalsam.model.weights.adapter_files import list_adapters
from napari_spinalsam.model.weights.registry import ENTRIES, is_downloaded, weights_path

if TYPE_CHECKING:
    from argparse import Namespace


def known_models() -> list[dict[str, Any]]:
    """Describe each model of the registry, and whether its weights are here."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "licence": entry.licence,
            "description": entry.description,
            "path": str(weights_path(entry.name)),
            "present": is_downloaded(entry.name),
        }
        for entry in ENTRIES.values()
    ]


def known_adapters() -> list[dict[str, Any]]:
    """Describe each adapter of the user's folder; its base is empty if not known."""
    return [
        {
            "name": each.name,
            "base": "" if (base := each.base) is None else base.name,
            "family": each.config.family,
            "path": str(each.path),
        }
        for each in list_adapters()
    ]


def show_models() -> None:
    """Print the known models, and the user's adapters, as tables."""
    rows = [("model", "weights here", "licence", "path")]
    rows += [
        (m["name"], "yes" if m["present"] else "no", m["licence"], m["path"])
        for m in known_models()
    ]
    show_table(rows)
    if adapters := known_adapters():
        show("")
        named = [(each["name"], each["base"], each["path"]) for each in adapters]
        show_table([("adapter", "on", "path"), *named])


def run_list(options: Namespace) -> None:
    """Print the known models.

    Parameters
    ----------
    options : Namespace
        json.
    """
    if options.json:
        show_json({"models": known_models(), "adapters": known_adapters()})
    else:
        show_models()


def run_download(options: Namespace) -> None:
    """Download the weights of a model and print where they are.

    Parameters
    ----------
    options : Namespace
        name, json.

    Raises
    ------
    ModelError
        If the model is unknown or cannot be downloaded.
    """
    from napari_spinalsam.model.weights.download import download

    with progress_bar(options.name, unit="B") as progress:
        path = download(options.name, progress)
    if options.json:
        show_json({"name": options.name, "path": str(path)})
    else:
        show(f"{options.name} is at {path}")


def run_verify(options: Namespace) -> None:
    """Print what matches, is missing, unexpected or of another shape; imports torch.

    Parameters
    ----------
    options : Namespace
        checkpoint, model, json.

    Raises
    ------
    ModelError
        If the file cannot be read, or is of a family that is not supported.
    """
    from napari_spinalsam.model.diagnostics import verify

    found = verify(options.checkpoint, options.model)
    report = found.report
    if options.json:
        show_json(
            {
                "name": found.name,
                "family": found.family,
                "sha256": found.sha256,
                "licence": found.licence,
                "complete": report.complete,
                "matched": list(report.matched),
                "missing": list(report.missing),
                "unexpected": list(report.unexpected),
                "shape_mismatched": [asdict(each) for each in report.shape_mismatched],
                "attention": found.attention,
                "doubt": found.doubt,
            }
        )
        return
    show_table(found.rows())
    for title, names in (
        ("missing", report.missing),
        ("unexpected", report.unexpected),
        ("of another shape", [each.name for each in report.shape_mismatched]),
    ):
        for name in names:
            show(f"{title}: {name}")


def run_info(options: Namespace) -> None:
    """Print versions, devices and models; imports torch.

    Parameters
    ----------
    options : Namespace
        json.
    """
    from napari_spinalsam.model.diagnostics import devices, versions

    rows = devices()
    if options.json:
        show_json(
            {
                "versions": versions(),
                "device": next(row.device for row in rows if row.used),
                "devices": [asdict(row) for row in rows],
                "models": known_models(),
            }
        )
        return
    show_table(list(versions().items()))
    show("")
    show_table([row.row() for row in rows])
    show("")
    show_models()
