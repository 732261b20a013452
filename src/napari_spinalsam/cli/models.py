"""`models`: what is known by name, and where the weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_spinalsam.cli.arguments import Parser, add_command, add_json
from napari_spinalsam.cli.terminal import progress_bar, show, show_json, show_table

if TYPE_CHECKING:
    from argparse import Namespace

    from napari_spinalsam.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    """Add the command with its verbs to the parser."""
    models = commands.add_parser("models", help="known models and their weights")
    verbs = models.add_subparsers(
        required=True, metavar="list|download", parser_class=Parser
    )
    title = "names, and where the weights are"
    add_json(add_command(verbs, "list", run_list, title=title))
    title = "fetch weights and check them"
    download = add_command(verbs, "download", run_download, title=title)
    download.add_argument("name", metavar="NAME", help="as in the list")
    add_json(download)


def known_models() -> list[dict[str, Any]]:
    """Describe each model of the registry, and whether its weights are here."""
    from napari_spinalsam.model.weights.registry import (
        ENTRIES,
        is_downloaded,
        weights_path,
    )

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
    from napari_spinalsam.model.weights.adapter_files import list_adapters

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
