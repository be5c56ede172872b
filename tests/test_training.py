"""Training: the degradation is Pillow's, batches are reproducible, a kill changes nothing, a run can be released."""

from __future__ import annotations

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
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.kernels import KERNELS
from bridgenet_infer import weights
from faults.tiny import TINY, write_training_config
from training.config import DataConfig, RunConfig, load_config
from training.curves import append_row, read_rows
from training.degrade import LR_KERNELS, crop, make_lr
from training.pool import Pool, PoolPlan, build_pool
from training.procedural import procedural_pair
from training.release import lr_in_words, release
from training.sampler import Batch, draw, make_batch, turn
from training.train import Run

ROOT = Path(__file__).parents[1]
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.fixture(scope="module")
def pool() -> Pool:
    return build_pool(PoolPlan(size=64, procedural=4, raycast=2, seed=3), real_folder=None, workers=1)


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
    drawn = Counter(draw(config, pool.real, 3, seed=1, step=step).kernel for step in range(200))
    assert set(drawn) == {LR_KERNELS[0], LR_KERNELS[2]}
    assert min(drawn.values()) > 70


def test_a_run_starts_from_a_graph_with_other_blocks(pool: Pool) -> None:
    deep = replace(TINY, trunk_blocks=TINY.trunk_blocks + 1)
    other = replace(TINY, decoder_blocks=1)
    source = Run(RunConfig("deep", model=deep), pool, torch.device("cpu"))
    run = Run(RunConfig("other", seed=2, model=other), pool, torch.device("cpu"))
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
def test_batches_are_reproducible_and_normalised_the_same_way(pool: Pool, step: int) -> None:
    config = DataConfig(scales=(4, 8, 16), batch=3, patch=32, patch_coarse=48, pool_size=64)
    draws = draw(config, pool.real, 3, seed=1, step=step)
    batch, again = make_batch(config, pool, draws), make_batch(config, pool, draw(config, pool.real, 3, 1, step))
    for name in Batch.__dataclass_fields__:
        assert torch.equal(getattr(batch, name), getattr(again, name))
    assert (
        batch.truth.shape == batch.d_up.shape == batch.weight.shape == (len(draws.index), 1, draws.patch, draws.patch)
    )
    # blurring keeps the level: input and truth share one normalisation
    assert (batch.truth - batch.d_up).mean().abs() < 0.25 * batch.truth.std() + 0.02


def test_crop_and_turn() -> None:
    x = torch.arange(2 * 1 * 6 * 6).reshape(2, 1, 6, 6).float()
    cropped = crop(x, torch.tensor([[1, 2], [3, 0]]), 3)
    assert torch.equal(cropped[0, 0], x[0, 0, 1:4, 2:5])
    assert torch.equal(cropped[1, 0], x[1, 0, 3:6, 0:3])
    assert len({tuple(turn(x, code).flatten().tolist()) for code in range(8)}) == 8


@gpu
@pytest.mark.parametrize("step", range(8))
def test_cuda_batches_equal_the_cpus(pool: Pool, step: int) -> None:
    config = DataConfig(scales=(4, 8, 16), batch=3, patch=32, patch_coarse=48, pool_size=64, edge_focus=0.0)
    draws = draw(config, pool.real, 3, seed=1, step=step)
    here, there = make_batch(config, pool, draws), make_batch(config, pool.to(torch.device("cuda")), draws)
    for name in Batch.__dataclass_fields__:
        difference = (getattr(here, name) - getattr(there, name).cpu()).abs()
        if draws.eight_bit and name in ("d_up", "truth"):
            assert (difference > 1e-5).float().mean() <= 0.02
        else:
            assert difference.max() <= 1e-5


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


def test_a_run_becomes_a_verified_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_training_config(tmp_path)
    assert run_training(config, tmp_path / "runs" / "tiny", "--stop-at", "6").wait(timeout=300) == 0
    manifest = tmp_path / "weights_manifest.json"
    manifest.write_text('{"checkpoints": []}')
    monkeypatch.setattr(weights.manifest, "PACKAGE_FOLDER", tmp_path / "package")
    for module in ("bridgenet_infer.weights.manifest", "training.release"):
        monkeypatch.setattr(f"{module}.CHECKPOINT_FOLDER", tmp_path / "checkpoints")
    entry = release(tmp_path / "runs" / "tiny", load_config(config), "test")
    loaded = weights.load_weights("tiny")
    state = torch.load(tmp_path / "runs" / "tiny" / "last.pt", weights_only=True)["ema"]
    assert loaded.sha256 == entry["sha256"]
    assert loaded.model.config == load_config(config).model
    for name, tensor in loaded.model.state_dict().items():
        assert torch.allclose(tensor, state[name], rtol=1e-3, atol=1e-6)  # fp16 storage
    assert entry["sha256"] in (tmp_path / "checkpoints" / "tiny.md").read_text()


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
