"""The sensor model: its noise is the published one, its holes lie where they should, seeds repeat on every device."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.pipeline.holes import fill_holes
from bridgenet_infer.pipeline.resample import resize_bicubic
from bridgenet_infer.weights import Checkpoint
from simulation.sensors import SENSORS, Sensor, disturb_guide, sense
from testing.tiny import TINY, randomise
from training.config import DataConfig, RunConfig
from training.pool import Pool, PoolPlan, build_pool
from training.sampler import Batch, draw, make_batch
from training.train import Run

FOCAL = 500.0
QUIET = Sensor("nearest", 0.0, 0.0, grazing=-1.0)
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wall(metres: float, side: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((1, 1, side, side), metres), torch.full((1, 3, side, side), 0.5)


def bar(near: float = 1.0, far: float = 2.0) -> torch.Tensor:
    """A wall with a nearer vertical bar, 64 of 256 pixels wide."""
    depth = torch.full((1, 1, 256, 256), far)
    depth[..., 96:160] = near
    return depth


@pytest.mark.parametrize(("name", "metres"), [(name, metres) for name in SENSORS for metres in (1.0, 3.0)])
def test_noise_on_a_wall_is_as_published(name: str, metres: float) -> None:
    sensor = replace(SENSORS[name], quantum=0.0)
    depth, rgb = wall(metres)
    sensed, _ = sense(sensor, depth, rgb, 2, FOCAL, seeded())
    expected = sensor.noise + sensor.noise_squared * metres**2
    assert float(sensed.std()) == pytest.approx(expected, rel=0.15)
    assert abs(float(sensed.mean()) - metres) < 0.15 * expected


def test_quantised_depth_takes_few_values_farther_apart_far_away() -> None:
    steps = []
    for metres in (1.0, 4.0):
        depth, rgb = wall(metres)
        values = sense(SENSORS["structured_light"], depth, rgb, 2, FOCAL, seeded())[0].unique()
        steps.append(float(values.diff().median()))
    assert steps[1] / steps[0] == pytest.approx(16, rel=0.1)


def test_time_of_flight_mixes_depths_at_an_edge() -> None:
    depth, rgb = bar().roll(3, 3), wall(1)[1]
    mixed, _ = sense(replace(QUIET, sampling="area"), depth, rgb, 8, FOCAL, seeded())
    sharp, _ = sense(QUIET, depth, rgb, 8, FOCAL, seeded())
    assert set(sharp.unique().tolist()) == {1.0, 2.0}
    between = (mixed > 1.05) & (mixed < 1.95)
    assert between.any()
    assert between.float().mean() < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_shadow_is_on_one_side_and_as_wide_as_the_parallax(seed: int) -> None:
    _, valid = sense(replace(QUIET, baseline=0.08), bar(), wall(1)[1], 2, FOCAL, seeded(seed))
    holes = ~valid[0, 0, 64]
    expected = FOCAL / 2 * 0.08 * (1 / 1.0 - 1 / 2.0)  # samples
    assert abs(int(holes.sum()) - expected) <= 1
    columns = torch.nonzero(holes)[:, 0]
    assert int(columns.max() - columns.min()) + 1 == len(columns)  # one piece
    assert int(columns.max()) == 47 or int(columns.min()) == 80  # beside the bar, which is 48 to 79


def test_edges_grow_fat_over_the_background_only() -> None:
    sensed, _ = sense(replace(QUIET, fattening=1.0), bar(), wall(1)[1], 4, FOCAL, seeded())
    assert int((sensed[0, 0, 30] == 1.0).sum()) == 64 // 4 + 2


def test_dark_and_steep_surfaces_are_lost_but_no_edges() -> None:
    depth, rgb = wall(2.0)
    rgb[..., :128] = 0.0
    _, valid = sense(replace(QUIET, dark=0.2), depth, rgb, 4, FOCAL, seeded())
    assert not valid[..., :30].any()
    assert valid[..., 34:].all()
    floor = torch.linspace(1, 12, 256)[None, None, :, None].expand(1, 1, 256, 256)
    steep, gentle = (
        sense(replace(QUIET, grazing=0.2), depth, wall(1)[1], 4, 5 * FOCAL, seeded())[1].float().mean()
        for depth in (floor, bar())
    )
    assert steep < 0.01
    assert gentle == 1


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_blobs_take_their_share_in_patches(share: float) -> None:
    depth, rgb = wall(1.0, 512)
    _, valid = sense(replace(QUIET, blobs=share), depth, rgb, 2, FOCAL, seeded())
    holes = ~valid[0, 0]
    assert float(holes.float().mean()) == pytest.approx(share, rel=0.5)
    neighbours = (holes[:, 1:] & holes[:, :-1]).sum() / holes.sum()
    assert neighbours > 0.4


@given(st.sampled_from(list(SENSORS)), st.integers(0, 2**31), st.sampled_from([2, 3.3, 4, 8, 16]))
def test_a_seed_gives_one_frame_and_depth_stays_positive(name: str, seed: int, scale: float) -> None:
    rng = seeded(seed)
    depth, rgb = 0.4 + 3 * torch.rand(2, 1, 64, 80, generator=rng), torch.rand(2, 3, 64, 80, generator=rng)
    sensed, valid = sense(SENSORS[name], depth, rgb, scale, FOCAL, seeded(seed))
    again, valid_again = sense(SENSORS[name], depth, rgb, scale, FOCAL, seeded(seed))
    assert sensed.shape == valid.shape == (2, 1, round(64 / scale), round(80 / scale))
    assert torch.equal(sensed, again)
    assert torch.equal(valid, valid_again)
    assert sensed.isfinite().all()
    assert (sensed > 0).all()


def test_a_guide_is_shifted_as_far_as_asked() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    rgb = torch.stack((x, y, x + y)).div(128)[None]
    assert torch.allclose(disturb_guide(rgb, 0.0, 0.0, seeded()), rgb, atol=1e-5)
    moved = disturb_guide(rgb, 3.0, 0.0, seeded())
    inside = (moved - rgb)[0, :2, 8:-8, 8:-8] * 128
    assert float(inside.mean((1, 2)).norm()) == pytest.approx(3, abs=0.01)
    changed = disturb_guide(rgb, 0.0, 1.0, seeded())
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    assert float((changed - rgb).abs().mean()) > 0.005


@pytest.fixture(scope="module")
def pool() -> Pool:
    return build_pool(PoolPlan(size=64, procedural=4, raycast=2, resized=0, seed=3), [], workers=1)


SENSED = DataConfig(scales=(4, 8), scale_weights=(1, 1), batch=3, patch=32, pool_size=64, sensor_share=1.0)


@given(st.integers(0, 5000))
def test_sensed_batches_repeat_and_score_what_was_seen(pool: Pool, step: int) -> None:
    draws = draw(SENSED, [pool], seed=1, step=step)
    assert draws[0].sensor in SENSORS
    batch, again = make_batch(SENSED, [pool], draws), make_batch(SENSED, [pool], draws)
    for name in Batch.__dataclass_fields__:
        assert torch.equal(getattr(batch, name), getattr(again, name))
        assert getattr(batch, name).isfinite().all()
    assert (batch.weight[batch.measured <= 0.5] == 0).all()
    assert batch.depth_input(True).shape[1] == 2
    assert batch.depth_input(False).abs().max() < 1


VALIDITY = replace(TINY, validity_input=True)


def test_learning_validity_starts_as_the_graph_without_it(pool: Pool) -> None:
    source = randomise(build_bridgenet(TINY))
    run = Run(RunConfig("validity", model=VALIDITY), [pool], torch.device("cpu"))
    run.start(source.state_dict())
    rgb, d_up, measured = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32)
    assert torch.allclose(run.model(rgb, torch.cat((d_up, measured), 1))[0], source(rgb, d_up)[0], atol=1e-5)


@pytest.mark.parametrize("tile", ["whole", 64])
def test_the_network_is_told_which_samples_were_measured(tile: int | str) -> None:
    model = randomise(build_bridgenet(VALIDITY))
    rng = np.random.default_rng(0)
    rgb, lr = rng.integers(0, 256, (96, 112, 3), np.uint8), rng.uniform(1, 2, (24, 28)).astype(np.float32)
    holes = lr.copy()
    holes[5:12, 8:20] = 0
    seen: list[torch.Tensor] = []
    hook = model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    upsampler = DepthUpsampler(Checkpoint(model), device="cpu")
    whole = upsampler(rgb, lr, 4, tile=tile)
    assert torch.allclose(seen[-1][:, 1], torch.ones(1), atol=1e-5)
    filled = fill_holes(holes, holes > 0)
    told, untold = upsampler(rgb, holes, 4, tile=tile, fill_holes=True), upsampler(rgb, filled, 4, tile=tile)
    hook.remove()
    assert float(np.abs(told - untold).max()) > 1e-4
    assert whole.shape == told.shape
    if tile == "whole":
        expected = resize_bicubic(torch.from_numpy((holes > 0).astype(np.float32))[None, None], (96, 112))
        assert torch.allclose(seen[1][:, 1:], expected, atol=1e-5)


@gpu
@pytest.mark.parametrize("name", list(SENSORS))
def test_cuda_senses_what_the_cpu_does(name: str) -> None:
    rng = seeded(1)
    depth, rgb = 0.4 + 3 * torch.rand(2, 1, 64, 80, generator=rng), torch.rand(2, 3, 64, 80, generator=rng)
    here, valid = sense(SENSORS[name], depth, rgb, 4, FOCAL, seeded())
    there, valid_there = sense(SENSORS[name], depth.cuda(), rgb.cuda(), 4, FOCAL, seeded())
    assert ((here - there.cpu()).abs() > 1e-4).float().mean() < 0.01
    assert (valid != valid_there.cpu()).float().mean() < 0.01
