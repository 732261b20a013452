"""Configurations are read strictly, and errors are one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.core.errors import InputError
from training.common.config import save_config
from training.common.paths import HERE
from training.tiny.config import load_config

if TYPE_CHECKING:
    from pathlib import Path

    from training.tiny.config import RunConfig

SCAN = "scans: [{name: one, image: a.nii, labels: b.nii}]"


def test_the_shipped_configuration_is_valid() -> None:
    config = load_config(HERE / "configs" / "tiny.yaml")

    assert len({scan.name for scan in config.scans}) == len(config.scans)


def test_a_saved_configuration_reads_back(config: RunConfig, tmp_path: Path) -> None:
    save_config(config, tmp_path / "config.yaml")

    assert load_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scans: [", "is not valid YAML"),
        ("fit: {steps: 3}", "scans: Field required"),
        (f"{SCAN}\nfit: {{crop: 50}}", "fit.crop: Input should be a multiple of 16"),
        (f"{SCAN}\nfit: {{step: 3}}", "fit.step: Extra inputs are not permitted"),
        (f"{SCAN}\nfit: {{learning_rate: -1}}", "fit.learning_rate"),
        ("scans: [{name: one, image: a.nii}]", "scans.0.labels: Field required"),
        ("scans: [{name: a, image: null, labels: b, open_ends: [left]}]", "open_ends"),
        ("just words", "run.yaml"),
    ],
)
def test_a_bad_configuration_is_told_in_one_sentence(
    text: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(file)

    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no configuration"):
        load_config(tmp_path / "none.yaml")


def test_scans_can_be_left_out(config: RunConfig) -> None:
    assert [scan.name for scan in config.without(("blocks",)).scans] == ["painted"]


@pytest.mark.parametrize(
    ("names", "told"),
    [(("other",), "blocks, painted"), (("blocks", "painted"), "leave fewer out")],
)
def test_leaving_out_an_unknown_scan_or_all_is_refused(
    names: tuple[str, ...], told: str, config: RunConfig
) -> None:
    with pytest.raises(InputError, match=told):
        config.without(names)
