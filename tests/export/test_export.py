"""An exported file gives the package's results, also at sizes that it was not traced with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.export import (
    CONTRACT,
    ExportedFile,
    Form,
    check_parity,
    compare,
    export,
    load_exported,
    load_openvino,
)
from bridgenet_infer.export.__main__ import main
from bridgenet_infer.export.finish import MISFIT
from bridgenet_infer.export.parity import BOUND, OUTSIDE
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.weights import Checkpoint
from testing.hard_pairs import hard_pair
from testing.tiny import TINY, randomise

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")
openvino = pytest.importorskip("openvino", reason="needs the extra export")


@pytest.fixture(scope="module")
def upsampler() -> DepthUpsampler:
    model = randomise(build_bridgenet(replace(TINY, validity_input=True, expected_error=True)))
    return DepthUpsampler(Checkpoint(model, name="tiny", sha256="ab" * 32), device="cpu")


@pytest.fixture(scope="module")
def whole(upsampler: DepthUpsampler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole job as ONNX; torch takes seconds for one."""
    path = tmp_path_factory.mktemp("whole") / "tiny.onnx"
    export(upsampler, path, "onnx")
    return path


@pytest.mark.parametrize("load", [load_exported, load_openvino])
def test_the_whole_job_equals_the_package_on_hard_pairs(
    upsampler: DepthUpsampler, whole: Path, load: Callable[[Path], ExportedFile]
) -> None:
    file = load(whole)
    results = [compare(upsampler, str(seed), file, *hard_pair(seed, longest=160)) for seed in range(24)]
    assert all(result.masks_equal for result in results)
    differences = np.concatenate([result.differences for result in results])
    assert differences.size > 24 * 1000
    if load is load_exported:
        assert (differences > BOUND).mean() <= OUTSIDE, differences.max()
    else:  # OpenVINO rounds the weights of the enlargement to float32, and random parameters make much of that
        assert differences.max() < 0.1


def test_another_network_is_noticed(whole: Path) -> None:
    other = randomise(build_bridgenet(replace(TINY, validity_input=True, expected_error=True)), seed=5)
    rgb, lr_depth = hard_pair(0, longest=160)
    assert not compare(DepthUpsampler(Checkpoint(other)), "other", load_exported(whole), rgb, lr_depth).holds()


@pytest.mark.parametrize(("lr_size", "size"), [((10, 13), (160, 100)), ((10, 13), (10, 13)), ((10, 13), (200, 260)),
                                               ((0, 4), (16, 32))])  # fmt: skip
def test_sizes_that_do_not_fit_are_refused_by_name(
    whole: Path, lr_size: tuple[int, int], size: tuple[int, int]
) -> None:
    inputs = {"rgb": np.zeros((*size, 3), np.uint8), "lr_depth": np.ones(lr_size, np.float32)}
    with pytest.raises(Exception, match=MISFIT):
        load_exported(whole).run(inputs)


def test_negative_depth_is_a_hole(whole: Path) -> None:
    lr_depth = np.full((8, 8), 2, np.float32)
    lr_depth[0] = -1
    depth, valid, error = load_exported(whole).run({"rgb": np.zeros((32, 32, 3), np.uint8), "lr_depth": lr_depth})
    assert not valid[:4].any()
    assert valid[4:].all()
    np.testing.assert_array_equal(depth, np.where(valid, np.float32(2), np.float32("nan")))
    np.testing.assert_array_equal(error, np.where(valid, np.float32(0), np.float32("nan")))


def test_metadata_name_interface_weights_and_kernel(whole: Path, upsampler: DepthUpsampler) -> None:
    notes = {entry.key: entry.value for entry in onnx.load(whole).metadata_props}
    assert notes.items() >= CONTRACT.items()
    assert notes["sha256"] == upsampler.sha256
    assert notes["LR kernel"] == "not in the manifest"
    assert json.loads(notes["config"])["validity_input"]


def test_weights_in_float16_make_a_smaller_file(upsampler: DepthUpsampler, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    export(upsampler, path, "onnx", form=Form(half=True))
    assert path.stat().st_size < 0.85 * whole.stat().st_size
    rgb, lr_depth = hard_pair(0, longest=160)
    result = compare(upsampler, "half", load_exported(path), rgb, lr_depth)
    assert result.masks_equal
    assert 1e-6 < result.greatest < 1e-2


def test_a_batch_is_its_images_one_by_one(upsampler: DepthUpsampler, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "batch.onnx"
    export(upsampler, path, "onnx", form=Form(batch=0))
    rng = np.random.default_rng(0)
    rgb, lr_depth = rng.integers(0, 256, (3, 48, 64, 3), np.uint8), rng.uniform(1, 4, (3, 12, 16)).astype(np.float32)
    lr_depth[1, 3:9, 2:5], lr_depth[2, 5, 6] = 0, 1e9
    together = load_exported(path).run({"rgb": rgb, "lr_depth": lr_depth})
    for i, image in enumerate(rgb):
        depth, valid, error = load_exported(whole).run({"rgb": image, "lr_depth": lr_depth[i]})
        np.testing.assert_allclose(together[0][i], depth, rtol=1e-6, atol=1e-5)
        np.testing.assert_array_equal(together[1][i], valid)
        np.testing.assert_allclose(together[2][i], error, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("suffix", "error"), [(".onnx", False), (".onnx", True), (".xml", True)])
def test_the_network_alone_gives_what_torch_gives(tmp_path: Path, suffix: str, error: bool) -> None:
    model = randomise(build_bridgenet(replace(TINY, expected_error=error)))
    upsampler = DepthUpsampler(Checkpoint(model, name="tiny", sha256="ab" * 32), device="cpu")
    path = tmp_path / f"tiny{suffix}"
    export(upsampler, path, "onnx" if suffix == ".onnx" else "openvino", form=Form(network_alone=True))
    pairs = {str(seed): hard_pair(seed, longest=180) for seed in (1, 2)}
    results = check_parity(upsampler, path, pairs)
    assert all(side % 16 == 0 for result in results for side in result.shape)
    assert all(result.greatest < 1e-4 for result in results)
    if suffix == ".xml":
        assert openvino.Core().read_model(path).rt_info["bridgenet"]["sha256"].value == upsampler.sha256


def test_the_command_prints_parity_and_refuses_wrong_suffixes(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made" / "tiny.onnx"
    assert main(["--weights", str(tiny_checkpoint), "--scale", "4", "--size", "64x48", "-o", str(target)]) == 0
    assert "built-in scene, x4 48 x 64: equal" in capsys.readouterr().out
    assert main(["--weights", str(tiny_checkpoint), "-o", str(tmp_path / "tiny.pb")]) == 2
    assert ".onnx" in capsys.readouterr().err
