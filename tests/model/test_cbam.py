import pytest
import torch

from napari_spinalsam.model.cbam import CBAM, ChannelAttention, SpatialAttention


def features() -> torch.Tensor:
    return torch.randn(2, 8, 5, 7)


def test_untrained_module_leaves_features_exactly_as_they_are() -> None:
    given = features()
    assert torch.equal(CBAM(8)(given), given)


def test_opened_gate_changes_features() -> None:
    module = CBAM(8)
    torch.nn.init.constant_(module.gate, 1.0)
    given = features()
    assert not torch.allclose(module(given), given)


def test_wide_open_gate_gives_channel_then_spatial_attention() -> None:
    module = CBAM(8)
    torch.nn.init.constant_(module.gate, 100.0)
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
    assert module.gate.grad is not None
    assert module.gate.grad != 0
