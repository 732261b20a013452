"""`verify`: how the parameters of a file fit the network that they are for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from napari_spinalsam.cli.arguments import add_command, add_json
from napari_spinalsam.cli.terminal import show, show_json, show_table

if TYPE_CHECKING:
    from argparse import Namespace

    from napari_spinalsam.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    """Add the command to the parser."""
    title = "parameters of a checkpoint"
    command = add_command(commands, "verify", run, title=title)
    command.add_argument("checkpoint", metavar="CHECKPOINT", help="file or model name")
    command.add_argument(
        "--model", metavar="NAME", help="network to compare with; else by the file"
    )
    add_json(command)


def run(options: Namespace) -> None:
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
