"""Networks of others answer as their own programs do, on the same small weights.

The files in `originals` hold inputs and what the original code answered: release
segment-anything 1.0 (Meta), MedSAM (`MedSAM_Inference.py`), SAM-Med2D
(`SammedPredictor`) and SAMed (`LoRA_Sam`), each with an encoder of two blocks. The
weights are random and made from the names of the tensors, so that a tensor of another
name or shape is another weight.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_spinalsam.core.prompts import (
    BoxPrompt,
    PointPrompt,
    Polarity,
    SlicePrompts,
)
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.backends.sam import SamBackend
from napari_spinalsam.model.networks.sam import build_sam
from napari_spinalsam.model.weights.adapters import apply_adapter, read_adapter
from napari_spinalsam.model.weights.identify import Family
from training.experiments.third_party import MedSam, SamMed2D, build_sam_med_2d

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_spinalsam.model.networks.sam import SpinalSam

HERE = Path(__file__).parent / "originals"
CLOSE = {"rtol": 1e-3, "atol": 2e-4}


def original(name: str) -> dict[str, np.ndarray]:
    with np.load(HERE / f"{name}.npz") as file:
        return dict(file)


def weights(places: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the random weights that the original was run with."""
    made = {}
    for name, place in places.items():
        shape = tuple(place.shape)
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        if len(shape) > 1:
            values /= np.sqrt(np.prod(shape[1:]))
        else:
            values = 0.2 * values + (1.0 if name.endswith("weight") else 0.0)
        made[name] = torch.from_numpy(values.astype(np.float32))
    return made


def stack_of(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[None].astype(np.float32) / 255, 3, axis=0)


def prompts(
    points: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    box: np.ndarray | None = None,
) -> SlicePrompts:
    """Return prompts from SAM's (x, y)."""
    asked = SlicePrompts(0, 0)
    if points is not None:
        for (x, y), label in zip(points, labels, strict=True):
            polarity = Polarity.POSITIVE if label else Polarity.NEGATIVE
            asked = asked.with_point(PointPrompt(float(y), float(x), polarity))
    if box is not None:
        x_min, y_min, x_max, y_max = map(float, box)
        asked = asked.with_box(BoxPrompt(y_min, x_min, y_max, x_max))
    return asked


@pytest.fixture
def toy() -> SpinalSam:
    network = build_sam("sam_toy")
    network.load_state_dict(weights(network.state_dict()))
    return network


def test_sam_answers_as_segment_anything(toy: SpinalSam) -> None:
    known = original("sam")
    backend = SamBackend(
        toy, ModelRecord(ModelIdentity("", "toy"), "sam_toy", "", 0), "cpu"
    )
    embedding = backend.encode(stack_of(known["image"]), (1.0, 1.0))
    np.testing.assert_allclose(embedding.features, known["embedding"], **CLOSE)
    asked = prompts(known["point"], np.ones(1))
    masks, iou, logits = backend.decode(embedding, asked, None)
    np.testing.assert_allclose(logits, known["point_low"], **CLOSE)
    np.testing.assert_allclose(iou, known["point_iou"].clip(0, 1), **CLOSE)
    assert (masks != known["point_masks"]).mean() < 1e-3
    asked = prompts(known["points"], known["labels"], known["box"])
    masks, iou, logits = backend.decode(embedding, asked, known["point_low"][1])
    np.testing.assert_allclose(logits[:1], known["box_low"], **CLOSE)
    np.testing.assert_allclose(iou[:1], known["box_iou"].clip(0, 1), **CLOSE)
    assert (masks[:1] != known["box_masks"]).mean() < 1e-3


def test_lora_of_samed_changes_the_encoder_as_samed_does(
    toy: SpinalSam, tmp_path: Path
) -> None:
    known = original("samed")
    factors = {n: torch.from_numpy(v) for n, v in known.items() if n.startswith("w_")}
    save_file(factors, tmp_path / "samed.safetensors")
    adapter = read_adapter(tmp_path / "samed.safetensors")
    before = toy.image_encoder.img_size
    adapter = type(adapter)(
        adapter.name,
        adapter.config.model_copy(update={"image_size": before}),
        adapter.tensors,
    )
    apply_adapter(toy, adapter, family=Family.SAM_TOY.value, base_sha256="")
    image = torch.from_numpy(known["image"]).float().expand(1, 3, -1, -1)
    with torch.no_grad():
        embedding = toy.encode(toy.preprocess(image))
    np.testing.assert_allclose(embedding, known["embedding"], **CLOSE)


def test_medsam_answers_as_its_own_program(sam_base: Path) -> None:
    known = original("medsam")
    base = torch.load(sam_base, weights_only=True)
    torch.save(weights(base), sam_base)
    med = MedSam(sam_base, "cpu")
    embedding = med.encode(stack_of(known["image"]), (1.0, 1.0))
    np.testing.assert_allclose(embedding[1], known["embedding"], **CLOSE)
    masks, iou, logits = med.decode(embedding, prompts(box=known["box"]), None)
    np.testing.assert_allclose(logits, known["low"], **CLOSE)
    np.testing.assert_allclose(iou, known["iou"], **CLOSE)
    assert (masks[0] != known["mask"]).mean() < 1e-3


def test_sam_med_2d_answers_as_its_own_program(sam_base: Path, tmp_path: Path) -> None:
    known = original("sam_med2d")
    path = tmp_path / "med2d.safetensors"
    save_file(weights(build_sam_med_2d().state_dict()), path)
    med = SamMed2D(path, "cpu")
    embedding = med.encode(stack_of(known["image"]), (1.0, 1.0))
    np.testing.assert_allclose(embedding[1], known["embedding"], **CLOSE)
    asked = prompts(known["points"], known["labels"])
    masks, iou, logits = med.decode(embedding, asked, None)
    best = int(iou.argmax())
    np.testing.assert_allclose(iou[best], known["point_iou"][0], **CLOSE)
    np.testing.assert_allclose(logits[best], known["point_low"][0], **CLOSE)
    assert (masks[best] != known["point_mask"][0]).mean() < 1e-3
    asked = prompts(box=known["box"])
    masks, iou, logits = med.decode(embedding, asked, known["point_low"][0])
    best = int(iou.argmax())
    np.testing.assert_allclose(iou[best], known["box_iou"][0], **CLOSE)
    np.testing.assert_allclose(logits[best], known["box_low"][0], **CLOSE)
    assert (masks[best] != known["box_mask"][0]).mean() < 1e-3
