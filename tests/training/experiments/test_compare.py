"""The commands of both tables run end to end, and say what each row is."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, SlicePrompts
from napari_spinalsam.model.weights.checkpoint import digest_of
from napari_spinalsam.model.weights.identify import MED_SAM_MD5
from napari_spinalsam.model.weights.registry import ENTRIES
from tests.training.helpers import folder_tree
from training.__main__ import main
from training.common.config import save_config
from training.experiments import compare, third_party
from training.experiments.baselines import (
    Baseline,
    BaselineConfig,
    TransUNetLike,
    build_baseline,
    describe_baseline,
    fit_baseline,
)
from training.experiments.methods import Prompted
from training.experiments.third_party import MedSam, SamMed2D, build_sam_med_2d
from training.sam.fit import fit_sam
from training.slices.prepare import prepare_slices
from training.slices.slicing import SliceSettings
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from pathlib import Path

    from training.sam.config import SamConfig

STACK = np.random.default_rng(0).random((3, 30, 50), dtype=np.float32)
BOX = SlicePrompts(0, 0, box=BoxPrompt(4, 5, 20, 30))
POINT = SlicePrompts(0, 0, (PointPrompt(10, 12),))


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine to which no model was downloaded."""
    monkeypatch.setenv("NAPARI_SPINALSAM_MODELS", str(tmp_path / "models"))


def table(output: Path) -> dict[str, dict[str, str]]:
    with (output / "table.csv").open() as file:
        return {row["method"]: row for row in csv.DictReader(file)}


def test_a_baseline_learns_the_foreground(slices: Path, tmp_path: Path) -> None:
    store = SliceStore(slices)
    config = BaselineConfig(network="transunet", size=64, steps=8, batch=4)
    network = fit_baseline(config, store, tmp_path / "run")
    assert isinstance(network, TransUNetLike)
    with (tmp_path / "run" / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["loss"]) < 1


@pytest.mark.parametrize("name", ["unet", "swin_unetr"])
def test_a_network_of_monai_answers_in_the_size_of_the_image(name: Baseline) -> None:
    network = build_baseline(name, 64).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 64, 64)).shape == (1, 1, 64, 64)
    assert "from scratch, 7 steps" in describe_baseline(name, network, 7)


def test_compare_measures_what_is_here_and_names_what_is_not(
    sam_config: SamConfig, slices: Path, tmp_path: Path, no_weights: None
) -> None:
    one_step = sam_config.fit.model_copy(update={"steps": 1})
    config = sam_config.model_copy(update={"fit": one_step})
    adapter = fit_sam(config, slices, tmp_path / "run")
    output = tmp_path / "table"
    line = ["compare", "--store", str(slices), "--output", str(output), "--steps", "1"]
    line += ["--baselines", "transunet"]
    line += ["--batch", "2", "--ours", str(adapter), "--base", sam_config.base]
    assert main([*line, "--every", "8"]) == 0

    rows = table(output)
    missing = {name for name, row in rows.items() if row["problem"]}
    assert missing == {
        "SAM-Med2D, box",
        "SAM-Med2D, point",
        "SAM, box",
        "SAM, point",
        "MedSAM, box",
    }
    for name, row in rows.items():
        measured = name not in missing
        assert bool(row["dice_mean"]) == measured
        assert measured or row["problem"] == "not measured: weights missing"
    assert set(rows) - missing == {
        "TransUNet-like",
        "spinalsam-tiny, box",
        "spinalsam-tiny, point",
        "ours, box",
        "ours, point",
        "ours, point + 2",
    }
    assert "from scratch, 1 steps" in rows["TransUNet-like"]["what"]
    markdown = (output / "table.md").read_text()
    assert "differs from ours, point + 2 (paired t-test" in markdown
    assert (output / "panel.png").stat().st_size > 10_000
    assert (output / "slices.csv").exists()


def test_weights_of_others_are_called_published_only_by_their_checksum(
    sam_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_weights: None
) -> None:
    about = compare._about_foreign
    assert about(None, "") == "as published, not trained here"
    told = about(sam_base, MED_SAM_MD5)
    assert told.startswith("unverified file base.pth (sha256 ")
    assert "not the published checksum" in told
    assert "no checksum is published" in about(sam_base, "")
    assert "checksum verified" in about(sam_base, digest_of(sam_base, "md5"))
    assert "unverified file base.pth" in compare._about_base(str(sam_base))
    monkeypatch.setattr(compare, "entry_of_sha256", lambda _: ENTRIES["sam-vit-b"])
    assert compare._about_base(str(sam_base)) == "sam-vit-b as published"


def test_compare_refuses_a_row_that_is_not_there(
    slices: Path,
    tmp_path: Path,
    no_weights: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["compare", "--store", str(slices), "--output", str(tmp_path), "--baselines"]
    assert main([*line, "--every", "50", "--against", "ours"]) == 2
    assert "choose one of spinalsam-tiny, box" in capsys.readouterr().err


def test_a_store_without_a_test_part_cannot_be_measured_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SliceSettings(size=64)
    own = folder_tree(tmp_path / "own", ("a",))
    prepare_slices("folder", own, tmp_path / "s", settings, test_share=0)
    line = ["compare", "--store", str(tmp_path / "s"), "--output", str(tmp_path)]
    assert main(line) == 2
    assert "no slices to test on" in capsys.readouterr().err


def test_ablate_trains_every_variant_and_says_how_long(
    sam_config: SamConfig, slices: Path, tmp_path: Path
) -> None:
    save_config(sam_config, tmp_path / "small.yaml")
    output = tmp_path / "table"
    line = ["ablate", "--config", str(tmp_path / "small.yaml"), "--steps", "1"]
    line += ["--store", str(slices), "--output", str(output), "--every", "20"]
    assert main(line) == 0
    rows = table(output)
    assert [name for name in rows if name.endswith(", box")] == [
        "none, box",
        "CBAM, box",
        "LoRA, box",
        "CBAM + LoRA, box",
        "CBAM + LoRA + interactive, box",
    ]
    assert all(row["dice_mean"] for row in rows.values())
    markdown = (output / "table.md").read_text()
    assert "box or CBAM + LoRA + interactive, point + 2 (paired" in markdown
    assert str(tmp_path) not in markdown
    assert "steps of Adam a batch: 1" in rows["CBAM + LoRA, box"]["what"]
    assert "steps of Adam a batch: 4" in rows["CBAM + LoRA + interactive, box"]["what"]


def test_ablate_without_weights_measures_nothing(
    slices: Path, tmp_path: Path, no_weights: None
) -> None:
    line = ["ablate", "--store", str(slices), "--output", str(tmp_path / "t")]
    assert main(line) == 0
    problems = {row["problem"] for row in table(tmp_path / "t").values()}
    assert problems == {"not measured: weights missing"}


def test_medsam_answers_boxes_alone(sam_base: Path) -> None:
    med = MedSam(sam_base, "cpu")
    embedding = med.encode(STACK, (1.0, 2.0))
    masks, iou, _ = med.decode(embedding, BOX, None)
    assert masks.shape == (1, 30, 50)
    assert iou.shape == (1,)
    with pytest.raises(InputError, match="boxes alone"):
        med.decode(embedding, POINT, None)


def test_sam_med_2d_has_the_names_of_its_checkpoint_and_answers(
    sam_base: Path, tmp_path: Path
) -> None:
    network = build_sam_med_2d()
    names = network.state_dict()
    adapters = {name for name in names if ".Adapter." in name}
    assert len(adapters) == 6 * 2, "six tensors in each of two blocks"
    start = "image_encoder.blocks.1."
    assert names[f"{start}Adapter.channel.0.weight"].shape == (8, 32)
    assert names[f"{start}Adapter.spatial.2.weight"].shape == (32, 32, 4, 4)
    assert names[f"{start}attn.rel_pos_h"].shape[0] == 31
    assert names[f"{start}mlp.lin1.weight"].shape[1] == 32
    assert names["image_encoder.pos_embed"].shape[1] == 16

    save_file({n: t.contiguous() for n, t in names.items()}, tmp_path / "m.safetensors")
    med = SamMed2D(tmp_path / "m.safetensors", "cpu")
    embedding = med.encode(STACK, (1.0, 2.0))
    for prompts in (BOX, POINT):
        masks, _iou, logits = med.decode(embedding, prompts, None)
        assert masks.shape == (3, 30, 50)
        again = med.decode(embedding, prompts, logits[0])[0]
        assert again.shape == masks.shape


def test_adapters_of_sam_med_2d_take_part(sam_base: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_sam_med_2d().eval()
    image = torch.rand(1, 3, third_party.MED_2D_SIZE, third_party.MED_2D_SIZE)
    with torch.no_grad():
        before = network.encode(image)
        network.image_encoder.blocks[0].Adapter.norm.bias.add_(1.0)
        assert not torch.equal(network.encode(image), before)


def test_corrections_use_the_answer_before(slices: Path) -> None:
    class Echo:
        """Finds nothing, then what it is told of."""

        def __init__(self) -> None:
            self.asked: list[tuple[int, bool]] = []

        def encode(self, stack: np.ndarray, spacing: tuple[float, float]) -> object:
            return stack[1].shape

        def decode(
            self, embedding: tuple[int, int], prompts: SlicePrompts, mask: object
        ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            self.asked.append((len(prompts.points), mask is None))
            found = np.zeros((2, *embedding), bool)
            return found, np.array([0.1, 0.9], np.float32), np.zeros((2, 4, 4))

    store = SliceStore(slices)
    piece = store.read(store.keys("test")[0])
    echo = Echo()
    assert not Prompted(echo, "point + 2").segment(piece).any()  # type: ignore[arg-type]
    targets = len(piece.row.targets)
    assert echo.asked == [(1, True), (2, False), (3, False)] * targets
