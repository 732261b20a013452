"""The ablation of the bundled network trains each variant and compares on one scan."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
import torch

from napari_spinalsam.model.weights.checkpoint import load_tiny
from training.__main__ import main
from training.common.config import save_config
from training.experiments.tiny_ablate import VARIANTS, tabulate
from training.tiny.evaluate import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from training.tiny.config import RunConfig


@pytest.fixture(autouse=True)
def _torch_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def test_every_variant_is_trained_without_the_scan_and_measured_on_it(
    config: RunConfig,
    data: Path,
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_config(config, tmp_path / "small.yaml")
    output = tmp_path / "out"
    asked = ["ablate", "--config", str(tmp_path / "small.yaml"), "--scan", "blocks"]
    asked += ["--data", str(data), "--store", str(store), "--output", str(output)]

    assert main([*asked, "--steps", "2", "--every", "8"]) == 0
    table = capsys.readouterr().out
    for variant in VARIANTS:
        assert f"| {variant.name} |" in table
    assert (output / "table.md").read_text() == table
    with (output / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["variant"] for row in rows} == {each.name for each in VARIANTS}
    assert not load_tiny(output / "none" / "weights.safetensors").config.cbam
    assert load_tiny(output / "cbam_interactive" / "weights.safetensors").config.cbam
    assert "name: blocks" not in (output / "none" / "config.yaml").read_text()


def test_a_star_marks_what_differs_from_the_last_variant() -> None:
    def rows(shift: float) -> list[dict[str, object]]:
        return [
            {"kind": kind, "dice": 0.5 + shift * (1 + n % 3) + 0.01 * n}
            for kind in KINDS
            for n in range(9)
        ]

    table = tabulate({"less": rows(-0.1), "alike": rows(0.0), "all": rows(0.0)})
    _, _, less, alike, whole = table.splitlines()

    assert less.count("*") == len(KINDS)
    assert "| 0.340 ± " in less
    assert "*" not in alike + whole


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        ({}, [], "give --scan"),
        ({}, ["--scan", "nobody"], "no scan 'nobody'"),
        ({}, ["--scan", "painted"], "no image to measure on"),
        ({"correction_rounds": 0}, ["--scan", "blocks"], "lacks CBAM or correction"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_trained(
    change: dict[str, object],
    options: list[str],
    told: str,
    config: RunConfig,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fit = config.fit.model_copy(update=change)
    save_config(config.model_copy(update={"fit": fit}), tmp_path / "small.yaml")
    asked = ["ablate", "--config", str(tmp_path / "small.yaml"), *options]

    assert main([*asked, "--data", str(data), "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line
    assert not (tmp_path / "out").exists()
