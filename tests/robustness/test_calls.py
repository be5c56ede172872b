"""Short versions of the campaigns of generated calls and damaged files, and the mistakes that long ones found."""

import json
import os
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from bridgenet_infer import DepthUpsampler, read_depth, weights
from bridgenet_infer.pipeline.validate import check_depth, check_rgb
from bridgenet_infer.registration import register_depth
from bridgenet_infer.ros.messages import compressed_to_array
from bridgenet_infer.weights.checkpoint import COMPILED_FORMAT, METADATA_KEY
from robustness.calls import campaign as calls
from robustness.files import campaign as files
from robustness.files.lies import npz_bomb, png
from testing import isolated
from testing.isolated import Limits, Verdict, run_apart

linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the campaigns watch processes in /proc")
RGB = np.zeros((32, 32, 3), np.uint8)


@linux
def test_generated_calls(tmp_path: Path) -> None:
    assert calls.main(["--calls", "300", "--seconds", "60", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "calls.json").read_text())
    assert report["inputs"] == 300
    assert report["groups"]["valid"]["returned"] > 100


@linux
def test_damaged_files(tmp_path: Path) -> None:
    assert files.main(["--files", "30", "--seconds", "60", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "files.json").read_text())
    assert {"PNG depth", "JPEG", "NPZ", "safetensors", "manifest"} <= set(report["groups"])
    assert all(counts["refused"] for name, counts in report["groups"].items() if name != "OpenVINO")


def misbehave(seed: int, index: int) -> Verdict:
    """One check of each kind that a campaign must survive."""
    if index == 1:
        os.abort()
    if index == 2:
        time.sleep(3600)
    if index == 3:
        raise AssertionError("wrong")
    return Verdict("fine", "returned")


@linux
def test_a_campaign_survives_crashes_and_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "PATIENCE", 0.1)
    outcomes = list(run_apart(misbehave, 0, range(5), Limits(seconds=20, memory=500)))
    assert [outcome.index for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert [outcome.verdict.result for outcome in outcomes] == ["returned", "crash", "killed", "fault", "returned"]


@pytest.mark.parametrize("marker", ["0", [0], 1j, True, np.array([0, 1])])
def test_a_marker_of_holes_must_be_a_number(marker: Any) -> None:
    with pytest.raises(TypeError, match="invalid must be a number"):
        check_depth(np.ones((4, 4)), marker)


def test_markers_are_compared_as_the_dtype_holds_them() -> None:
    depth = np.array([[0.1, 2], [3, 4]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for marker in (0.1, np.float64(0.1)):
            assert check_depth(depth, marker).valid.tolist() == [[[False, True], [True, True]]]
        for beyond in (1e300, -(10**400)):
            assert check_depth(depth, beyond).valid.all()


def test_masks_matrices_and_tensors_without_data() -> None:
    with pytest.raises(TypeError, match="masked"):
        check_depth(np.ma.MaskedArray(np.ones((4, 4)), mask=True))
    assert check_depth(np.ones((4, 5)).view(np.matrix)).raw.shape == (1, 4, 5)
    for tensor in (torch.ones(3, 4, 5).to_sparse(), torch.ones(3, 4, 5, device="meta")):
        with pytest.raises(TypeError, match="dense"):
            check_depth(tensor)
        with pytest.raises(TypeError, match="dense"):
            check_rgb(tensor, 1, False)
    with pytest.raises(TypeError, match="got bfloat16"):
        check_depth(torch.ones(4, 5, dtype=torch.bfloat16))
    negated = torch.complex(torch.ones(4, 5), -torch.ones(4, 5)).conj().imag
    assert (check_depth(negated).raw == 1).all()
    with pytest.raises(TypeError, match="mode La"):
        check_rgb(Image.new("La", (5, 4)), 1, False)


@pytest.mark.parametrize("options", [{"scale": np.array([8, 8])}, {"tile": np.array([64, 64])}])
def test_options_are_checked_for_frames_of_holes(tiny_upsampler: DepthUpsampler, options: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        tiny_upsampler(RGB, np.zeros((4, 4)), **options)


def test_the_smallest_depth_comes_back_as_a_normal_number(tiny_upsampler: DepthUpsampler) -> None:
    depth = np.full((4, 4), 5e-324)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = tiny_upsampler(RGB, depth)
    assert (result == np.finfo(np.float64).tiny).all()


def test_samples_at_the_rgb_camera_do_not_stall_registration() -> None:
    camera = np.diag([500.0, 500, 1])
    camera[:2, 2] = 319.5, 239.5
    motion = np.eye(4)
    motion[2, 3] = -0.999999
    depth = np.ones((480, 640), np.float32)
    depth[::2] = 3
    registered = register_depth(depth, camera, camera, motion, (480, 640), 1)
    assert np.isfinite(registered).all()


def test_registered_depth_beyond_its_dtype_is_a_hole() -> None:
    motion = np.eye(4)
    motion[2, 3] = 60_000
    depth = np.full((4, 4), 60_000, np.float16)
    assert not register_depth(depth, np.eye(3), np.eye(3), motion, (4, 4), 1).any()


def test_networks_for_openvino_are_bytes(tmp_path: Path) -> None:
    path = tmp_path / "halves.safetensors"
    tensors = {name: torch.zeros(8, dtype=torch.bfloat16) for name in ("topology", "constants")}
    save_file(tensors, path, {METADATA_KEY: json.dumps({"format": COMPILED_FORMAT, "config": {}})})
    with pytest.raises(OSError, match="halves"):
        weights.load_checkpoint(path)


def test_archives_that_inflate_or_hold_no_array(tmp_path: Path) -> None:
    (tmp_path / "bomb.npz").write_bytes(npz_bomb(1100))
    with pytest.raises(OSError, match=r"bomb\.npz.*inflates"):
        read_depth(tmp_path / "bomb.npz")
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("depth.npy", "not an array")
    with pytest.raises(OSError, match=r"text\.npz.*no array"):
        read_depth(tmp_path / "text.npz")


def test_the_content_must_be_what_the_suffix_says(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 5), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.pfm")
    with pytest.raises(OSError, match=r"a\.pfm"):
        read_depth(tmp_path / "a.pfm")


def test_compressed_messages_that_lie_about_their_size() -> None:
    class Message:
        format, data = "png", png(60_000, 60_000, 8, 0, b"")

    with pytest.raises(ValueError, match="cannot be decoded"):
        compressed_to_array(Message())
