"""What the network should answer: parts, wholes and kinds, and what nobody knows."""

from __future__ import annotations

import numpy as np
import torch

from training.crops import Crop
from training.targets import Prompted, dense_targets

L3, L4, L3_L4, CANAL, UNKNOWN = 22, 23, 122, 61, 255


def crop_of(
    labels: np.ndarray,
    complete: tuple[str, ...] = (),
    bodies: np.ndarray | None = None,
) -> Crop:
    centres = np.full((256, 2), 7.0, np.float32)
    return Crop(torch.zeros(3, *labels.shape), labels, centres, bodies, complete)


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

    assert Prompted.sample([crop_of(labels)] * 2, 2, rng) is None


def test_targets_are_the_part_the_whole_and_all_of_its_kind() -> None:
    labels = spine()
    prompted = Prompted.sample([crop_of(labels)], 40, np.random.default_rng(0))
    assert prompted is not None
    part, whole, alike = prompted.targets.unbind(1)
    bone, disc, canal = (
        torch.from_numpy(np.isin(labels, names)).float()
        for names in ((L3, L4), (L3_L4,), (CANAL,))
    )

    assert prompted.targets.shape == (40, 3, 32, 32)
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
    prompted = Prompted.sample([crop], 60, np.random.default_rng(1))
    assert prompted is not None
    body = torch.from_numpy(bodies).float()
    meant = [torch.equal(target[0], body) for target in prompted.targets]
    boxed = [bool(np.isfinite(prompt.box).all()) for prompt in prompted.prompts]

    assert any(meant)
    assert not all(meant)
    assert all(box for box, is_body in zip(boxed, meant, strict=True) if is_body)


def test_dense_targets_spare_the_unknown() -> None:
    labels = spine()
    labels[30:] = UNKNOWN
    foreground, known, centres, voting = dense_targets([crop_of(labels)])

    assert foreground.sum((0, 2, 3)).tolist() == [240, 72, 112]
    assert known[0, 0].sum() == 30 * 32
    assert (centres[:, :, 2:12, 4:16] == 7).all()
    assert voting.sum() == 240 + 72 + 112


def test_discs_and_canal_may_be_wherever_nobody_labelled_them() -> None:
    labels = spine()
    _, known, _, _ = dense_targets([crop_of(labels, complete=("disc",))])

    assert known[0, 1].all(), "all discs are labelled"
    assert known[0, 2].sum() == (labels > 0).sum(), "no unlabelled pixel says no canal"


def test_the_canal_votes_for_where_it_is() -> None:
    _, _, centres, _ = dense_targets([crop_of(spine())])

    assert centres[0, :, 5, 19].tolist() == [19, 5]
