"""`verify`: whether the tensors of a checkpoint fit the network they are meant for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from napari_spinalsam.commands.terminal import show, show_json, show_table

if TYPE_CHECKING:
    from argparse import Namespace


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
    from napari_spinalsam.model.info import verify

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
