"""What the network should answer: parts, wholes and kinds, and what nobody knows."""

from __future__ import annotations

import numpy as np
import torch

from training.tiny.crops import Crop
from training.tiny.targets import PromptedCrops, complete_kinds, dense_targets

L3, L4, L3_L4, CANAL, UNKNOWN = 22, 23, 122, 61, 255


def crop_of(
    labels: np.ndarray,
    complete: tuple[str, ...] = (),
    bodies: np.ndarray | None = None,
) -> Crop:
    centres = np.full((256, 2), 7.0, np.float32)
    return Crop(torch.zeros(3, *labels.shape), labels, centres, bodies, complete)


def tensors(*crops: Crop) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return labels, centres and complete kinds of a batch."""
    return (
        torch.from_numpy(np.stack([crop.labels for crop in crops])),
        torch.from_numpy(np.stack([crop.centres for crop in crops])),
        torch.tensor([complete_kinds(crop) for crop in crops]),
    )


def spine() -> np.ndarray:
    """Return L3 above a disc above L4, the canal beside them."""
    labels = np.zeros((32, 32), np.uint8)
    labels[2:12, 4:16] = L3
    labels[13:19, 4:16] = L3_L4
    labels[20:30, 4:16] = L4
    labels[2:30, 18:22] = CANAL
    return labels


def test_crops_without_anything_to_prompt_give_no_prompts() -> None:
    labels = np.zeros((32, 32), np.uint8)
    labels[:2, :2] = L3
    labels[16:] = UNKNOWN
    rng = np.random.default_rng(0)

    assert PromptedCrops.sample([crop_of(labels)] * 2, 2, rng) is None


def test_a_crop_without_anything_leaves_its_prompts_to_the_others() -> None:
    crops = [crop_of(spine()), crop_of(np.zeros((32, 32), np.uint8))]
    prompted = PromptedCrops.sample(crops, 3, np.random.default_rng(0))
    assert prompted is not None

    assert prompted.image_index.tolist() == [0] * 6


def test_targets_are_the_part_the_whole_and_all_of_its_kind() -> None:
    labels = spine()
    crop = crop_of(labels)
    prompted = PromptedCrops.sample([crop], 80, np.random.default_rng(0))
    assert prompted is not None
    all_labels, _, complete = tensors(crop)
    targets, known = prompted.targets(all_labels, complete)
    part, whole, alike = targets.unbind(1)
    bone, disc, canal = (
        torch.from_numpy(np.isin(labels, names)).float()
        for names in ((L3, L4), (L3_L4,), (CANAL,))
    )

    assert targets.shape == known.shape == (80, 3, 32, 32)
    assert known[:, :2].all(), "what is not labelled is not what was meant"
    assert (part <= whole).all()
    assert (whole <= alike).all()
    met = [any(torch.equal(a, kind) for a in alike) for kind in (bone, disc, canal)]
    assert all(met), "each kind is asked for"
    assert all(any(torch.equal(a, kind) for kind in (bone, disc, canal)) for a in alike)


def test_a_box_may_mean_the_body_alone() -> None:
    labels = np.zeros((32, 32), np.uint8)
    labels[2:30, 4:28] = L3
    bodies = np.zeros(labels.shape, np.bool_)
    bodies[2:20, 4:28] = True
    crop = crop_of(labels, bodies=bodies)
    prompted = PromptedCrops.sample([crop], 60, np.random.default_rng(1))
    assert prompted is not None
    body = torch.from_numpy(bodies)
    meant = [torch.equal(mask, body) for mask in prompted.meant]
    boxed = torch.isfinite(prompted.prompts.boxes).all(1).tolist()

    assert any(meant)
    assert not all(meant)
    assert all(box for box, is_body in zip(boxed, meant, strict=True) if is_body)
    assert prompted.grows.tolist() == [not box for box in boxed]


def test_dense_targets_spare_the_unknown() -> None:
    labels = spine()
    labels[30:] = UNKNOWN
    foreground, known, centres, voting = dense_targets(*tensors(crop_of(labels)))

    assert foreground.sum((0, 2, 3)).tolist() == [240, 72, 112]
    assert known[0, 0].sum() == 30 * 32
    assert centres.shape == (1, 2, 16, 16)
    assert (centres[:, :, 1:6, 2:8] == 7).all()
    # Each second pixel of each second row.
    assert voting.sum() == (240 + 72 + 112) / 4


def test_discs_and_canal_may_be_wherever_nobody_labelled_them() -> None:
    labels = spine()
    crop = crop_of(labels, complete=("disc",))
    _, known, _, _ = dense_targets(*tensors(crop))

    assert known[0, 1].all(), "all discs are labelled"
    assert known[0, 2].sum() == (labels > 0).sum(), "no unlabelled pixel says no canal"


def test_the_canal_votes_for_where_it_is() -> None:
    _, _, centres, _ = dense_targets(*tensors(crop_of(spine())))

    assert centres[0, :, 3, 10].tolist() == [20, 6]
