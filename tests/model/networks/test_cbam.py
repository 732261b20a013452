import numpy as np
import pytest
import torch

from napari_spinalsam.model.networks.cbam import (
    CBAM,
    OPENING_SPEED,
    ChannelAttention,
    SpatialAttention,
    share_in_words,
    share_of,
)


def features() -> torch.Tensor:
    return torch.randn(2, 8, 5, 7)


def test_untrained_module_leaves_features_exactly_as_they_are() -> None:
    given = features()
    assert torch.equal(CBAM(8)(given), given)


def test_opened_gate_changes_features() -> None:
    module = CBAM(8)
    torch.nn.init.constant_(module.opening, 0.5 / OPENING_SPEED)
    given = features()
    assert not torch.allclose(module(given), given)


def test_wide_open_gate_gives_channel_then_spatial_attention() -> None:
    module = CBAM(8)
    torch.nn.init.constant_(module.opening, 100.0)
    given = features()
    weighted = module.channel(given) * given
    expected = module.spatial(weighted) * weighted
    torch.testing.assert_close(module(given), expected)


def test_channel_attention_adds_average_and_maximum_of_one_perceptron() -> None:
    module, given = ChannelAttention(8, ratio=4), features()
    mean, maximum = given.mean((2, 3)), given.amax((2, 3))
    expected = torch.sigmoid(module.mlp(mean) + module.mlp(maximum))
    torch.testing.assert_close(module(given)[:, :, 0, 0], expected)


def test_spatial_attention_sees_mean_before_maximum() -> None:
    module, given = SpatialAttention(), features()
    pooled = torch.stack([given.mean(1), given.amax(1)], dim=1)
    torch.testing.assert_close(module(given), torch.sigmoid(module.conv(pooled)))


@pytest.mark.parametrize(("channels", "ratio"), [(8, 16), (16, 16), (256, 16)])
def test_any_ratio_keeps_the_shape(channels: int, ratio: int) -> None:
    given = torch.randn(1, channels, 3, 4)
    assert CBAM(channels, ratio)(given).shape == given.shape


def test_gate_gets_a_gradient_at_the_start() -> None:
    module = CBAM(8)
    module(features()).square().sum().backward()
    assert module.opening.grad is not None
    assert module.opening.grad != 0


def fitted(module: CBAM, wanted: float, steps: int) -> CBAM:
    """Let a module learn, at 1e-4, to add a share of its own attention."""
    optimizer = torch.optim.Adam([module.opening], 1e-4)
    given = features()
    with torch.no_grad():
        weighted = module.channel(given) * given
        full = module.spatial(weighted) * weighted
        target = given + wanted * (full - given)
    for _ in range(steps):
        optimizer.zero_grad()
        (module(given) - target).square().mean().backward()
        optimizer.step()
    return module


def test_the_gate_opens_within_a_short_training_at_a_rate_of_1e_4() -> None:
    assert fitted(CBAM(8), 0.6, 200).share.item() == pytest.approx(0.6, abs=0.1)


def test_attention_can_only_be_added_and_a_closed_gate_opens_again() -> None:
    module = fitted(CBAM(8), -1.0, 60)
    assert module.share == 0
    given = features()
    assert torch.equal(module(given), given)
    assert fitted(module, 1.0, 400).share > 0.5
    assert fitted(module, 3.0, 200).share == 1


@pytest.mark.parametrize("gate", [-0.59, 0.4])
def test_older_files_keep_their_meaning(gate: float) -> None:
    module = CBAM(8, signed=True)
    torch.nn.init.constant_(module.gate, gate)
    given = features()
    weighted = module.channel(given) * given
    attended = module.spatial(weighted) * weighted
    expected = given + np.tanh(gate) * (attended - given)
    torch.testing.assert_close(module(given), expected)
    tensors = {f"attention.{n}": t for n, t in module.state_dict().items()}
    assert share_of(tensors) == pytest.approx(np.tanh(gate))
    told = share_in_words(np.tanh(gate))
    assert ("0.53 of equation 2 is subtracted" in told) == (gate < 0)
    assert share_of({}) is None
