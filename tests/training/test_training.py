"""Training: the degradation is Pillow's, batches are reproducible, a kill changes nothing, a run can be released."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.accuracy.kernels import KERNELS
from bridgenet_infer import weights
from simulation.degrade import LR_KERNELS, crop, make_lr
from simulation.procedural import procedural_pair
from testing.tiny import TINY, write_training_config
from training.config import DataConfig, RunConfig, load_config
from training.curves import append_row, read_rows
from training.far import draw_far_layer
from training.lineage import Stage
from training.pool import Pool, PoolPlan, build_pool, load_or_build_pool
from training.release import Trained, lineage_in_words, lr_in_words, release
from training.resize import resize_depth, resize_scene
from training.sampler import Batch, draw, make_batch, turn
from training.train import Run

ROOT = Path(__file__).parents[2]
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.fixture(scope="module")
def pool() -> Pool:
    return build_pool(PoolPlan(size=64, procedural=4, raycast=2, resized=0, seed=3), [], workers=1)


@given(st.integers(0, 2**31), st.sampled_from([2, 3, 4, 5.5, 8, 16]))
def test_eight_bit_degradation_is_pillows(seed: int, scale: float) -> None:
    truth = (np.random.default_rng(seed).random((96, 112)) * 255).round().astype(np.uint8)
    size = (round(112 / scale), round(96 / scale))
    expected = np.asarray(Image.fromarray(truth).resize(size, Image.Resampling.BICUBIC)).astype(int)
    got = make_lr(torch.from_numpy(truth.astype(np.float32))[None, None], scale, eight_bit=True)[0, 0].numpy()
    difference = np.abs(got - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.02


@given(st.integers(0, 2**31), st.sampled_from([2, 3, 4, 8, 16]))
@pytest.mark.parametrize("kernel", LR_KERNELS)
def test_lr_kernels_are_those_of_the_benchmark(kernel: str, seed: int, scale: int) -> None:
    smooth = np.random.default_rng(seed).random((6, 7)) * 255
    truth = np.asarray(Image.fromarray(smooth.astype(np.float32)).resize((336, 288), Image.Resampling.BICUBIC))
    truth = truth.clip(0, 255).round().astype(np.uint8)
    expected = KERNELS[kernel](truth, (288 // scale, 336 // scale)).astype(int)
    tensor = torch.from_numpy(truth.astype(np.float32))[None, None]
    difference = np.abs(make_lr(tensor, scale, eight_bit=True, kernel=kernel)[0, 0].numpy() - expected)
    assert difference.max() <= 1  # halves are rounded up here, OpenCV's fixed point decides otherwise
    assert (difference > 0).mean() <= 0.15


def test_a_release_names_what_made_its_lr() -> None:
    assert lr_in_words(DataConfig()) == "pillow-bicubic"
    mixed = lr_in_words(DataConfig(kernel_weights=(3, 0, 1, 0), sensor_share=0.6))
    assert mixed.startswith("pillow-bicubic 30%, area 10%, structured-light 15%")


def test_the_mix_of_lr_kernels_is_drawn_as_weighted(pool: Pool) -> None:
    config = DataConfig(scales=(4,), scale_weights=(1,), batch=2, patch=32, kernel_weights=(0.5, 0, 0.5, 0))
    drawn = Counter(draw(config, [pool], seed=1, step=step)[0].kernel for step in range(200))
    assert set(drawn) == {LR_KERNELS[0], LR_KERNELS[2]}
    assert min(drawn.values()) > 70


def test_a_run_starts_from_a_graph_with_other_blocks(pool: Pool) -> None:
    deep = replace(TINY, trunk_blocks=TINY.trunk_blocks + 1)
    other = replace(TINY, decoder_blocks=1)
    source = Run(RunConfig("deep", model=deep), [pool], torch.device("cpu"))
    run = Run(RunConfig("other", seed=2, model=other), [pool], torch.device("cpu"))
    new = {name for name in run.model.state_dict() if name not in source.model.state_dict()}
    before = {name: run.model.state_dict()[name].clone() for name in new}
    run.start(source.model.state_dict())
    assert {name.split(".")[1] for name in new} == {"decoder_blocks"}
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, before[name] if name in new else source.model.state_dict()[name])
        assert torch.equal(tensor, run.ema.state_dict()[name])


def test_procedural_pairs_repeat_and_differ() -> None:
    rgb, depth = procedural_pair(1, 2, 64)
    again, depth_again = procedural_pair(1, 2, 64)
    other, _ = procedural_pair(1, 3, 64)
    assert np.array_equal(rgb, again)
    assert np.array_equal(depth, depth_again)
    assert not np.array_equal(rgb, other)
    assert depth.min() >= 0
    assert depth.max() <= 255


@given(st.integers(0, 5000))
@example(681)  # a range of some units in the last place
def test_batches_are_reproducible_and_normalised_the_same_way(pool: Pool, step: int) -> None:
    config = DataConfig(
        scales=(4, 8, 16), batch=6, parts=3, patch=32, pool_size=64, far_share=0.3, hole_share=0.5, sensor_share=0.3
    )
    draws = draw(config, [pool], seed=1, step=step)
    batch, again = make_batch(config, [pool], draws), make_batch(config, [pool], draw(config, [pool], 1, step))
    for name in Batch.__dataclass_fields__:
        assert torch.equal(getattr(batch, name), getattr(again, name))
    assert len({part.scale for part in draws}) == 3  # each part has its share of the scales
    assert batch.truth.shape == batch.d_up.shape == batch.reach.shape == batch.weight.shape == (6, 1, 32, 32)
    seen = batch.depth_input(with_validity=True)
    assert seen.shape == (6, 2, 32, 32)
    units = batch.reach / (batch.d_up.abs() * torch.finfo(torch.float32).eps)
    assert seen[:, :1][units > 8].abs().max() < 1  # the bound of 2 is for ranges of some units in the last place
    assert ((batch.d_up - batch.mid).abs() <= batch.reach * 1.01 + 1e-4 * batch.d_up.abs()).all()


@given(st.integers(0, 2**31))
def test_a_far_layer_adds_one_offset_inside_its_mask(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape, depth = torch.rand(3, 1, 16, 16, generator=generator), torch.rand(3, 1, 16, 16, generator=generator)
    layer = draw_far_layer(shape, torch.tensor([1.0, 10.0, 0.5]), 1.0, torch.rand(3, 7, generator=generator))
    added = layer.on(depth) - depth
    ranges = layer.offset.flatten().abs() / torch.tensor([1.0, 10.0, 0.5])
    assert ((ranges >= 0.99) & (ranges <= 101)).all()
    for image, mask, offset in zip(added, layer.mask, layer.offset, strict=True):
        assert torch.allclose(image[mask], offset.expand_as(image)[mask], rtol=1e-3)
        assert (image[~mask] == 0).all()


def test_resized_depth_keeps_sharp_edges_and_smooth_planes() -> None:
    y, x = np.mgrid[:60, :80].astype(np.float32)
    depth = np.where(x > 30 + 0.4 * y, 200, 20 + 0.1 * x).astype(np.float32)
    for size in ((90, 120), (40, 53), (120, 160)):
        resized = resize_depth(depth, size)
        assert resized.shape == size
        between = (resized > 30) & (resized < 199)
        assert not between.any()
        plane = resized[:, : size[1] // 3]
        assert np.abs(np.diff(plane, axis=1)).max() < 0.1 * 80 / size[1] * 2 + 1e-4
    rgb = np.repeat(depth[..., None], 3, 2).astype(np.uint8)
    scaled, resized, valid = resize_scene(rgb, depth, depth < 100, (90, 120))
    assert scaled.shape == (90, 120, 3)
    assert (valid != (resized < 100)).mean() < 0.01  # both follow the edge, to a pixel


def test_a_pool_of_other_scenes_is_made_anew(tmp_path: Path) -> None:
    plan, scene = PoolPlan(size=64, procedural=1, raycast=0, resized=1, seed=3), tmp_path / "real" / "group" / "one"
    write_scene(scene)
    first = load_or_build_pool(tmp_path / "pools", plan, tmp_path / "real", workers=1)
    write_scene(scene.with_name("two"))
    second = load_or_build_pool(tmp_path / "pools", plan, tmp_path / "real", workers=1)
    assert len(list((tmp_path / "pools").iterdir())) == 2
    assert int(second.real.sum()) > int(first.real.sum()) > 1
    again = load_or_build_pool(tmp_path / "pools", plan, tmp_path / "real", workers=1)
    assert torch.equal(again.depth, second.depth)


def write_scene(folder: Path) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (80, 90, 3), np.uint8)).save(folder / "rgb.png")
    Image.fromarray(rng.integers(1, 256, (80, 90), np.uint8)).save(folder / "disparity.png")
    (folder / "meta.json").write_text('{"depth_file": "disparity.png"}')


def test_crop_and_turn() -> None:
    x = torch.arange(2 * 1 * 6 * 6).reshape(2, 1, 6, 6).float()
    cropped = crop(x, torch.tensor([[1, 2], [3, 0]]), 3)
    assert torch.equal(cropped[0, 0], x[0, 0, 1:4, 2:5])
    assert torch.equal(cropped[1, 0], x[1, 0, 3:6, 0:3])
    assert len({tuple(turn(x, code).flatten().tolist()) for code in range(8)}) == 8


@gpu
@pytest.mark.parametrize("step", range(8))
def test_cuda_batches_equal_the_cpus(pool: Pool, step: int) -> None:
    config = DataConfig(scales=(4, 8, 16), batch=6, parts=3, patch=32, pool_size=64, edge_focus=0.0)
    draws = draw(config, [pool], seed=1, step=step)
    here, there = make_batch(config, [pool], draws), make_batch(config, [pool.to(torch.device("cuda"))], draws)
    for name in Batch.__dataclass_fields__:
        difference = (getattr(here, name) - getattr(there, name).cpu()).abs()
        # halves are rounded to 8 bits either way
        assert (difference > 1e-3).float().mean() <= 0.05


def run_training(config: Path, run: Path, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "BRIDGENET_DATA": str(run / "no-data"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "training.train", "--config", str(config), "--out", str(run)]
    command += ["--pools", str(run.parent.parent / "pools")]
    return subprocess.Popen(
        [*command, "--device", "cpu", *more], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("two_optimisers", [False, True])
def test_killed_in_mid_training_and_resumed_gives_the_same_curve(tmp_path: Path, two_optimisers: bool) -> None:
    config = write_training_config(tmp_path, two_optimisers)
    whole, broken = tmp_path / "runs" / "whole", tmp_path / "runs" / "broken"
    assert run_training(config, whole).wait(timeout=300) == 0

    process = run_training(config, broken)
    curve = broken / "curve.csv"
    deadline = time.monotonic() + 300
    while not read_rows(curve) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert run_training(config, broken).wait(timeout=300) == 0

    columns = ("step", "loss_dsr", "loss_mde")
    expected = [[row[c] for c in columns] for row in read_rows(whole / "curve.csv")]
    assert [[row[c] for c in columns] for row in read_rows(curve)] == expected
    assert [row[0] for row in expected] == [4, 8, 12, 16, 20]
    states = [torch.load(folder / "last.pt", weights_only=True) for folder in (whole, broken)]
    for key in ("model", "ema"):
        assert all(torch.equal(states[0][key][name], states[1][key][name]) for name in states[0][key])


def test_a_copy_of_a_run_ends_and_is_released_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, run = write_training_config(tmp_path), tmp_path / "runs" / "tiny"
    assert run_training(config, run, "--stop-at", "6").wait(timeout=300) == 0
    before = (run / "last.pt").read_bytes()
    assert run_training(config, run, "--decay", "4").wait(timeout=300) == 0
    assert (run / "last.pt").read_bytes() == before
    manifest = tmp_path / "weights_manifest.json"
    manifest.write_text('{"checkpoints": []}')
    monkeypatch.setattr(weights.manifest, "PACKAGE_FOLDER", tmp_path / "package")
    for module in ("bridgenet_infer.weights.manifest", "training.release"):
        monkeypatch.setattr(f"{module}.CHECKPOINT_FOLDER", tmp_path / "checkpoints")
    monkeypatch.setenv("BRIDGENET_DATA", str(tmp_path / "no-data"))
    trained = Trained.read(run / "decay" / "last.pt", config)
    entry = release("tiny", [trained], "test")
    (lineage,) = entry["training"]["lineages"]
    assert [(stage["first"], stage["last"], stage["decay"]) for stage in lineage] == [(0, 6, 0), (6, 10, 4)]
    assert lineage_in_words([Stage(**stage) for stage in lineage]) == (
        "tiny.toml, seed 5: 0 to 6; tiny.toml, seed 5: 6 to 10, its rates falling to zero"
    )
    loaded = weights.load_weights("tiny")
    state = torch.load(run / "decay" / "last.pt", weights_only=True)["ema"]
    assert loaded.sha256 == entry["sha256"]
    assert loaded.model.config == load_config(config).model
    for name, tensor in loaded.model.state_dict().items():
        assert torch.allclose(tensor, state[name], rtol=1e-3, atol=1e-6)  # fp16 storage
    assert entry["sha256"] in (tmp_path / "checkpoints" / "tiny.md").read_text()


def test_states_written_before_stages_told_their_seconds_go_on(tmp_path: Path) -> None:
    config, run = write_training_config(tmp_path), tmp_path / "runs" / "tiny"
    assert run_training(config, run, "--stop-at", "4").wait(timeout=300) == 0
    state = torch.load(run / "last.pt", weights_only=True)
    later = ("seconds", "scenes", "code", "threads")
    state["lineage"] = [
        {k: v for k, v in stage.items() if k not in later} | {"start": "a file's"} for stage in state["lineage"]
    ]
    torch.save(state, run / "last.pt")
    assert run_training(config, run, "--stop-at", "8").wait(timeout=300) == 0
    (stage,) = torch.load(run / "last.pt", weights_only=True)["lineage"]
    assert (stage["first"], stage["last"], stage["start"]) == (0, 8, "a file's")
    assert stage["seconds"] > state["seconds"]


def test_of_several_runs_one_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    good = write_training_config(tmp_path)
    bad = tmp_path / "bad.toml"
    bad.write_text(good.read_text().replace("warmup = 2", "warmup = 0\nlearning_rate = 1e30"))
    folders = ["--out", str(tmp_path / "packed"), "--runs", str(tmp_path / "runs"), "--pools", str(tmp_path / "pools")]
    process = subprocess.run(
        [sys.executable, "-m", "training.together", str(bad), str(good), "--seconds", "2", "--fall", "0.5", *folders,
         "--workers", "1"],
        cwd=ROOT, env={**os.environ, "BRIDGENET_DATA": str(tmp_path / "no-data"), "OMP_NUM_THREADS": "1"}, text=True,
        capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "bad.toml ended with code 1" in process.stdout
    assert "diverged: the loss is nan at step 4" in process.stderr
    assert sorted(path.name for path in (tmp_path / "packed").iterdir()) == ["tiny-stable.pt", "tiny.pt"]
    ended = Trained.read(tmp_path / "packed" / "tiny.pt", good)
    assert ended.state["lineage"][-1]["decay"] > 0
    assert ended.model().config == TINY


def test_a_row_that_finds_no_room_leaves_the_curve_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = tmp_path / "curve.csv"
    append_row(curve, {"step": 4, "seconds": 1.5, "x4": 0.25})
    before = curve.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*curve\.csv'"):
            append_row(curve, {"step": 8, "seconds": 3})
    assert curve.read_bytes() == before
    append_row(curve, {"step": 8, "seconds": 3})
    assert [row["step"] for row in read_rows(curve)] == [4, 8]
    assert read_rows(curve)[0] == {"step": 4, "seconds": 1.5, "x4": 0.25}


def test_config_names_unknown_fields(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[optim]\nstep = 3\n")
    with pytest.raises(ValueError, match="step"):
        load_config(path)
