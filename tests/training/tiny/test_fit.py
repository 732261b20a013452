"""A run resumes exactly, stops at nonsense, and its log tells each step once."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
import torch

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.weights.checkpoint import load_tiny
from training.__main__ import main
from training.common.checkpoints import read_state
from training.common.config import save_config
from training.tiny.fit import build_loop, fit_tiny
from training.tiny.network import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

    from napari_spinalsam.model.networks.tiny import TinyEmbedding
    from training.common.loop import Loop
    from training.tiny.config import RunConfig
    from training.tiny.crops import CropBatch


@pytest.fixture(autouse=True)
def _torch_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


class Killed(BaseException):
    """What ends a run in its middle."""


def steps_of(run: Path) -> list[int]:
    with (run / "log.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def fit_killed_after(loop: Loop[CropBatch], steps: int) -> None:
    """Train until after so many more steps the process would have died."""
    whole = loop.task.train_step

    def step(batch: CropBatch, rng: np.random.Generator) -> dict[str, float]:
        if loop.step == steps:
            raise Killed
        return whole(batch, rng)

    loop.task.train_step = step  # type: ignore[method-assign]
    with pytest.raises(Killed):
        loop.fit()


def test_a_killed_run_goes_on_exactly(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    fit_tiny(config, store, tmp_path / "whole")
    fit_killed_after(build_loop(config, store, tmp_path / "killed"), 3)
    torch.rand(3)
    resumed = build_loop(config, store, tmp_path / "killed")

    assert resumed.resume()
    assert resumed.step == 2
    resumed.fit()
    whole = load_network(tmp_path / "whole").state_dict()
    for name, value in resumed.task.network.state_dict().items():
        assert torch.equal(value, whole[name]), name
    assert steps_of(tmp_path / "killed") == steps_of(tmp_path / "whole") == [2, 4]


def test_weights_move_and_all_figures_are_logged(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    loop = build_loop(config, store, tmp_path / "run")
    network = loop.task.network
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    loop.fit()
    moved = [n for n, p in network.named_parameters() if not torch.equal(p, before[n])]

    assert any(name.startswith("encoder") for name in moved)
    assert any(name.startswith("decoder") for name in moved)
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    told = ("loss", "dense", "iou0", "iou1", "loading")
    assert all(float(last[name]) >= 0 for name in told)
    assert (tmp_path / "run" / "loss.png").stat().st_size > 1000


def test_a_finished_run_is_left_alone(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    fit_tiny(config, store, tmp_path / "run")
    again = build_loop(config, store, tmp_path / "run")
    again.resume()
    again.fit()

    assert again.step == 4
    assert steps_of(tmp_path / "run") == [2, 4]


@pytest.mark.parametrize("bad", ["loss", "gradient"])
def test_a_loss_that_is_no_number_ends_the_run_and_spares_the_checkpoint(
    bad: str,
    config: RunConfig,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = build_loop(config, store, tmp_path / "run")
    fit_killed_after(loop, 2)
    kept = loop.checkpoint.read_bytes()

    def broken(embedding: TinyEmbedding, *_: object) -> torch.Tensor:
        value = embedding.kinds.sum()
        return value * torch.nan if bad == "loss" else (value - value.detach()).sqrt()

    monkeypatch.setattr("training.tiny.fit.dense_loss", broken)
    resumed = build_loop(config, store, tmp_path / "run")
    resumed.resume()
    with pytest.raises(ModelError, match="not a number at step 3") as caught:
        resumed.fit()

    assert "\n" not in str(caught.value)
    assert resumed.checkpoint.read_bytes() == kept
    assert all(torch.isfinite(p).all() for p in resumed.task.network.parameters())


def test_another_configuration_is_not_taken_up(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    build_loop(config, store, tmp_path / "run").save()
    other = config.model_copy(
        update={"fit": config.fit.model_copy(update={"learning_rate": 1e-4})}
    )

    with pytest.raises(ModelError, match="another configuration"):
        build_loop(other, store, tmp_path / "run").resume()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_told(
    content: bytes | None, config: RunConfig, store: Path, tmp_path: Path
) -> None:
    loop = build_loop(config, store, tmp_path / "run")
    loop.save()
    whole = loop.checkpoint.read_bytes()
    loop.checkpoint.write_bytes(whole[:1000] if content is None else content)

    with pytest.raises(ModelError, match="damaged"):
        loop.resume()


def test_a_file_that_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(2)}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="no checkpoint of a run"):
        read_state(tmp_path / "checkpoint.pt")


def test_export_writes_what_the_checkpoint_holds(
    config: RunConfig, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, output = tmp_path / "run", tmp_path / "weights.safetensors"
    fit_tiny(config, store, run)
    (tmp_path / "card.json").write_text('{"name": "test"}')
    card = ["--card", str(tmp_path / "card.json")]

    assert main(["export", "--run", str(run), "--output", str(output), *card]) == 0
    assert capsys.readouterr().out.strip() == str(output)
    exported, trained = load_tiny(output).state_dict(), load_network(run).state_dict()
    for name, value in trained.items():
        torch.testing.assert_close(exported[name], value, atol=1e-3, rtol=2e-3)


def test_fit_on_the_command_line_trains_and_exports(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    save_config(config, tmp_path / "run.yaml")
    output = tmp_path / "weights.safetensors"
    options = ["--config", str(tmp_path / "run.yaml"), "--store", str(store)]
    options += [
        "--run",
        str(tmp_path / "run"),
        "--steps",
        "2",
        "--leave-out",
        "painted",
    ]

    assert main(["fit", *options, "--export", str(output)]) == 0
    assert load_tiny(output).config.widths == (4, 4, 4, 4)
    assert steps_of(tmp_path / "run") == [2]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["fit", "--run", "run", "--leave-out", "nobody"], "no scan 'nobody'"),
        (["fit", "--run", "run", "--config", "none.yaml"], "no configuration"),
        (["fit", "--run", "run", "--store", "nowhere"], "training prepare"),
        (["export", "--run", "run", "--output", "x.safetensors"], "no checkpoint"),
        (["plot", "--run", "run"], "no log"),
        (["evaluate", "--scan", "nobody"], "no scan 'nobody'"),
        (["evaluate", "--scan", "verse010"], "no image"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    options: list[str],
    told: str,
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if told == "no image":
        (tmp_path / "run.yaml").write_text(
            "scans: [{name: verse010, image: null, labels: labels.nii.gz}]"
        )
        options += ["--config", "run.yaml", "--data", str(data)]

    assert main(options) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line
