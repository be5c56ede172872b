"""On a GPU, results equal the CPU's, recorded or not, and tensors stay where they are."""

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from bridgenet_infer import DepthUpsampler, read_depth, read_rgb
from bridgenet_infer.backends.cuda_graphs import MOST_RECORDINGS, Replay

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
DESK = Path(__file__).parents[2] / "examples" / "desk"
CLOSE = {"fp32": 1.0, "fp16": 8.0}  # millimetres of 800 to 4,000


@pytest.fixture(scope="module", params=["fp16", "fp32"])
def pair(request: pytest.FixtureRequest) -> tuple[DepthUpsampler, DepthUpsampler, float]:
    """The default weights on CPU and GPU, and how far results may be apart."""
    here = DepthUpsampler.from_pretrained(device="cpu")
    there = DepthUpsampler.from_pretrained(device="cuda", precision=request.param)
    return here, there, CLOSE[request.param]


@pytest.fixture(scope="module")
def desk() -> tuple[np.ndarray, np.ndarray]:
    """RGB (480, 640, 3) uint8 and LR (60, 80) uint16 with some holes."""
    lr = read_depth(DESK / "depth_lr.png").copy()
    lr[10:14, 20:25] = 0
    return read_rgb(DESK / "rgb.png"), lr


@pytest.mark.parametrize("tile", ["auto", 256])
def test_the_gpu_gives_the_cpus_depth_however_often(
    pair: tuple[DepthUpsampler, DepthUpsampler, float], desk: tuple[np.ndarray, np.ndarray], tile: str | int
) -> None:
    here, there, close = pair
    expected = here(*desk, 8, tile=tile)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no recording may fail
        for _ in range(4):
            result = there(*desk, 8, tile=tile)
            assert result.dtype == np.uint16
            assert np.array_equal(result == 0, expected == 0)
            assert np.abs(result.astype(float) - expected).max() <= close


def test_tensors_come_back_on_the_gpu_with_the_arrays_values(
    pair: tuple[DepthUpsampler, DepthUpsampler, float], desk: tuple[np.ndarray, np.ndarray]
) -> None:
    rgb, lr = desk
    expected = pair[1](rgb, lr, 8)
    result = pair[1].predict(torch.from_numpy(rgb).permute(2, 0, 1).cuda(), torch.from_numpy(lr).cuda(), 8)
    assert result.depth.device.type == result.valid.device.type == "cuda"
    assert result.depth.dtype == torch.uint16
    assert np.array_equal(result.depth.cpu().numpy(), expected)


def test_more_sizes_than_recordings_and_several_threads(desk: tuple[np.ndarray, np.ndarray]) -> None:
    upsampler = DepthUpsampler.from_pretrained(device="cuda")
    rgb, lr = desk
    sizes = [(30 + 4 * i, 80) for i in range(MOST_RECORDINGS + 2)]
    expected = [upsampler(rgb[: 8 * h], lr[:h], 8) for h, _ in sizes]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(5):
            for i, (h, _) in enumerate(sizes):
                difference = upsampler(rgb[: 8 * h], lr[:h], 8).astype(float) - expected[i]
                if np.abs(difference).max() > CLOSE["fp16"]:
                    wrong.append(i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_cannot_be_repeated_is_not_replayed() -> None:
    calls = torch.zeros((), device="cuda")

    def forward(rgb: torch.Tensor, d_up: torch.Tensor) -> torch.Tensor:
        calls.add_(1)
        return d_up + calls

    replay = Replay(forward)
    inputs = torch.rand(1, 3, 32, 32, device="cuda"), torch.rand(1, 1, 32, 32, device="cuda")
    replay(*inputs)
    with pytest.warns(UserWarning, match="gave other results"):
        replay(*inputs)
    before = float(calls)
    assert torch.allclose(replay(*inputs), inputs[1] + before + 1)


def test_warmup_leaves_nothing_to_record(desk: tuple[np.ndarray, np.ndarray]) -> None:
    upsampler = DepthUpsampler.from_pretrained(device="cuda")
    upsampler.warmup(480, 640)
    before = torch.cuda.memory_reserved()
    upsampler(*desk, 8)
    assert torch.cuda.memory_reserved() - before < 32 * 2**20
