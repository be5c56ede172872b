"""The graph against Figure 2 and equations 1-11."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bridgenet_infer.graph import BridgeNet, BridgeNetConfig, build_bridgenet
from bridgenet_infer.graph.blocks import AttentionFusion
from bridgenet_infer.graph.bridges import ContentGuidanceBridge, HighFrequencyAttentionBridge
from bridgenet_infer.graph.dsrnet import RESIDUAL_BOUND
from testing.tiny import TINY, randomise


def pair(batch: int = 2, height: int = 32, width: int = 48, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, generator=generator), torch.rand(
        batch, 1, height, width, generator=generator
    )


def output_shapes(model: BridgeNet, height: int, width: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def record(name: str) -> None:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                shapes[name] = tuple(output.shape[1:])

        model.get_submodule(name).register_forward_hook(hook)

    for name, _ in model.named_modules():
        if name:
            record(name)
    rgb, d_up = pair(1, height, width)
    model(rgb, d_up, estimate_depth=True)
    return shapes


def test_every_module_has_the_shape_that_the_figure_gives_it() -> None:
    h, w = 64, 96
    shapes = output_shapes(build_bridgenet(TINY), h, w)

    def at(stride: int, channels: int) -> tuple[int, int, int]:
        return channels, h // stride, w // stride

    expected = {"dsr.entry_conv": at(1, 4), "dsr.entry_blocks": at(1, 4), "dsr.trunk": at(8, 12)}
    expected |= {f"dsr.stages.{i}": at(2 << i, c) for i, c in enumerate((6, 8, 12))}
    expected |= {f"guidance_bridges.{i}": at(2 << i, c) for i, c in enumerate((6, 8, 12))}
    expected |= {f"dsr.multi_scale.{i}": at(2 << i, c) for i, c in enumerate((6, 8, 12))}
    expected |= {"dsr.downsample": at(8, 12), "dsr.fusion_blocks": at(8, 12)}
    # before the shuffle: four times the channels at half the size of the level; the third is folded with the head
    expected |= {f"dsr.decoder.{i}": at(8 >> i, 4 * c) for i, c in enumerate((8, 6))}
    expected |= {"mde.stem": at(1, 4)}
    expected |= {f"mde.stages.{i}": at(2 << i, c) for i, c in enumerate((6, 8, 10, 12))}
    expected |= {f"mde.pyramid.smooth.{i}": at(2 << i, 6) for i in range(4)}
    # CLIFF 1 at stride 8, its x2 result refined by CGBdg 1 at stride 4, and so on
    expected |= {f"mde.cliffs.{i}": at(8 >> i, 6) for i in range(3)}
    expected |= {f"content_bridges.{i}": at(4 >> i, 6) for i in range(2)}
    expected |= {"mde.head": at(1, 1)}
    assert {name: shapes[name] for name in expected} == expected


def test_the_residual_alone_skips_the_mde_decoder(tiny_model: BridgeNet) -> None:
    rgb, d_up = pair()
    called: list[str] = []
    skipped = ["mde.stages.3", "mde.pyramid", "mde.cliffs.0", "content_bridges.0", "mde.head"]
    hooks = [
        tiny_model.get_submodule(name).register_forward_hook(lambda *_, name=name: called.append(name))
        for name in skipped
    ]
    alone, *nothing = tiny_model(rgb, d_up)
    assert called == []
    full, d_de, _ = tiny_model(rgb, d_up, estimate_depth=True)
    for hook in hooks:
        hook.remove()
    assert set(called) == set(skipped)
    assert nothing == [None, None]
    assert d_de is not None
    assert d_de.shape == d_up.shape
    assert torch.equal(alone, full)


def test_folded_reconstruction_is_conv_shuffle_and_head(tiny_model: BridgeNet) -> None:
    dsr = tiny_model.dsr
    features = torch.randn(2, 6, 16, 24)
    residual = dsr.head(F.pixel_shuffle(dsr.decoder[2](features), 2))
    expected = RESIDUAL_BOUND * torch.tanh(residual / RESIDUAL_BOUND)
    assert torch.allclose(dsr.reconstruct(features), expected, atol=1e-5)
    parameters = (dsr.decoder[2].weight, dsr.decoder[2].bias, dsr.head.weight, dsr.head.bias)
    direct = torch.autograd.grad(expected.square().sum(), parameters)
    folded = torch.autograd.grad(dsr.reconstruct(features).square().sum(), parameters)
    for a, b in zip(direct, folded, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3)


def test_the_residual_is_bounded_whatever_the_weights(tiny_model: BridgeNet) -> None:
    assert tiny_model.dsr.reconstruct(1e6 * torch.randn(1, 6, 16, 24)).abs().max() <= RESIDUAL_BOUND


def test_the_residual_has_no_gradient_to_the_mde_decoder(tiny_model: BridgeNet) -> None:
    tiny_model.zero_grad(set_to_none=True)
    residual = tiny_model(*pair(), estimate_depth=True).residual
    residual.sum().backward()
    untouched = ("mde.stages.3", "mde.pyramid", "mde.cliffs", "mde.head", "content_bridges")
    for name, parameter in tiny_model.named_parameters():
        # autograd leaves None where no path leads; a dead ReLU on a path would give zeros
        assert (parameter.grad is None) == name.startswith(untouched), name
    tiny_model.zero_grad()


@pytest.mark.parametrize(
    ("field", "loss", "prefix"), [("mde_loss_reaches_dsr", 1, "dsr."), ("dsr_loss_reaches_mde", 0, "mde.")]
)
@pytest.mark.parametrize("open_road", [True, False])
def test_gradient_routing_between_the_networks(field: str, loss: int, prefix: str, open_road: bool) -> None:
    model = randomise(build_bridgenet(dataclasses.replace(TINY, **{field: open_road})))
    outputs = model(*pair(), estimate_depth=True)
    outputs[loss].sum().backward()
    reached = any(p.grad is not None and p.grad.any() for n, p in model.named_parameters() if n.startswith(prefix))
    assert reached == open_road


@pytest.mark.parametrize(
    "changes",
    [
        {"mde": False, "guidance": "none", "content_guidance": False},
        {"guidance": "none", "content_guidance": False},
        {"guidance": "none"},
        {"content_guidance": False},
        {"guidance": "concat"},
        {"decoder_skips": False, "activation": "silu"},
    ],
)
def test_ablations_run_and_rgb_matters_only_with_a_bridge(changes: dict[str, object]) -> None:
    model = randomise(build_bridgenet(dataclasses.replace(TINY, **changes)))  # type: ignore[arg-type]
    rgb, d_up = pair()
    residual, d_de, _ = model(rgb, d_up, estimate_depth=model.mde is not None)
    other = model(1 - rgb, d_up).residual
    assert residual.shape == d_up.shape
    assert (d_de is None) == (model.mde is None)
    assert torch.equal(residual, other) == (model.config.guidance == "none")


def test_bridges_start_as_the_identity_on_their_main_input() -> None:
    f_dsr, f_mde = torch.rand(1, 8, 16, 16), torch.rand(1, 6, 16, 16)
    fusion = AttentionFusion(8, 6, 4)
    assert torch.allclose(fusion(f_dsr, torch.zeros_like(f_mde)), f_dsr, atol=1e-6)
    bridge = HighFrequencyAttentionBridge(8, 6, 4)
    constant = torch.full_like(f_mde, 0.5)
    blurred = bridge.deconv(F.avg_pool2d(constant, 2))
    assert torch.allclose(blurred[..., 1:-1, 1:-1], constant[..., 1:-1, 1:-1])  # bilinear keeps a constant


def test_habdg_follows_equations_3_to_7() -> None:
    torch.manual_seed(3)
    bridge = HighFrequencyAttentionBridge(4, 3, 2)
    f_dsr, f_mde = torch.randn(2, 4, 8, 8), torch.randn(2, 3, 8, 8)
    seen: list[Tensor] = []
    bridge.fusion.register_forward_hook(lambda _, inputs, __: seen.extend(inputs))
    bridge(f_dsr, f_mde)
    high = f_mde - bridge.deconv(F.avg_pool2d(f_mde, 2))
    a_hf = torch.where(high > 0, high, 0.25 * high)  # PReLU starts at 0.25
    assert torch.equal(seen[0], f_dsr)
    assert torch.allclose(seen[1], f_mde * (1 + a_hf), atol=1e-6)


def test_cgbdg_weights_are_a_softmax_over_channels() -> None:
    bridge = ContentGuidanceBridge(4, 3, 2)
    fd_dsr, fd_mde = torch.randn(2, 4, 8, 8), torch.randn(2, 3, 8, 8)
    seen: list[Tensor] = []
    bridge.fusion.register_forward_hook(lambda _, inputs, __: seen.extend(inputs))
    bridge(fd_dsr, fd_mde)
    ratio = seen[1] / fd_dsr - 1  # W_diff
    assert torch.allclose(ratio.sum(1), torch.ones(2, 8, 8), atol=1e-4)


def test_fresh_paper_graph_is_stable_and_starts_at_bicubic() -> None:
    torch.manual_seed(0)
    model = build_bridgenet(BridgeNetConfig(dsr_widths=(16,) * 4, mde_widths=(16,) * 5, pyramid_width=16))
    rgb, d_up = pair(1)
    residual = model(rgb, d_up).residual
    assert residual.abs().mean() < 0.05


def test_config_survives_json_and_names_unknown_fields() -> None:
    assert BridgeNetConfig.from_json(TINY.to_json()) == TINY
    with pytest.raises(ValueError, match="widht"):
        BridgeNetConfig.from_dict({"widht": 3})
    with pytest.raises(ValueError, match="dsr_widths"):
        BridgeNetConfig.from_dict({"dsr_widths": [1, 2]})
    with pytest.raises(ValueError, match="MDENet"):
        BridgeNetConfig(mde=False)


@pytest.mark.parametrize("size", [(30, 48), (0, 16)])
def test_sizes_off_the_grid_are_refused(tiny_model: BridgeNet, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        tiny_model(torch.rand(1, 3, *size), torch.rand(1, 1, *size))
