"""Networks converted for OpenVINO serve as any other weights do, in float32 and in 8 bits."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.cli import main
from bridgenet_infer.cli.selftest import make_scene
from bridgenet_infer.export import convert_to_openvino, export, pack_openvino
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.weights import Checkpoint
from testing.tiny import TINY, randomise, tiny_model
from training.quantise import kept_names, quantise

pytest.importorskip("openvino", reason="needs the extra openvino")
pytest.importorskip("onnxscript", reason="needs the extra export")


@pytest.fixture(scope="module")
def floats() -> DepthUpsampler:
    return DepthUpsampler(Checkpoint(tiny_model(), name="tiny", sha256="ab" * 32, scales=(2, 8)), device="cpu")


@pytest.fixture(scope="module")
def packed(floats: DepthUpsampler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "tiny-openvino.safetensors"
    export(floats, path, "openvino")
    return path


@pytest.fixture(scope="module")
def compiled(packed: Path) -> DepthUpsampler:
    return DepthUpsampler.from_pretrained(packed)


def frames(count: int, height: int = 96, width: int = 128) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for seed in range(count):
        rng = np.random.default_rng(seed)
        lr = rng.uniform(1, 4, (height // 4, width // 4)).astype(np.float32)
        lr[2:5, 3:6] = 0
        yield rng.integers(0, 256, (height, width, 3), np.uint8), lr


@pytest.mark.parametrize("tile", ["whole", 64])
def test_it_gives_what_torch_gives(floats: DepthUpsampler, compiled: DepthUpsampler, tile: int | str) -> None:
    for rgb, lr in frames(3):
        expected, result = (upsampler(rgb, lr, 4, tile=tile) for upsampler in (floats, compiled))
        assert np.array_equal(result == 0, expected == 0)
        assert np.abs(result - expected).max() < 1e-4
    batch = [np.stack(images) for images in zip(*frames(2), strict=True)]
    assert np.abs(compiled(*batch, 4) - floats(*batch, 4)).max() < 1e-4
    assert compiled.scales == (2.0, 8.0)
    assert compiled.device.type == "cpu"


def test_the_expected_error_comes_along_and_changes_no_depth(tmp_path: Path) -> None:
    model = randomise(build_bridgenet(replace(TINY, expected_error=True)))
    floats = DepthUpsampler(Checkpoint(model, name="headed"), device="cpu")
    export(floats, tmp_path / "headed.safetensors", "openvino")
    compiled = DepthUpsampler.from_pretrained(tmp_path / "headed.safetensors")
    rgb, lr = next(frames(1))
    plain, result, expected = compiled(rgb, lr, 4), compiled.predict(rgb, lr, 4), floats.predict(rgb, lr, 4)
    assert np.array_equal(result.depth, plain)
    np.testing.assert_allclose(result.expected_error, expected.expected_error, rtol=1e-3)
    # in 8 bits the three convs of the head stay float32
    network = convert_to_openvino(floats)
    convs = [node for node in network.get_ops() if node.get_type_name() == "Convolution"]
    assert len([node for node in convs if node.get_friendly_name() in kept_names(network)]) == 1 + 1 + 3


def test_results_stay_and_threads_do_not_meet(compiled: DepthUpsampler) -> None:
    pairs = [(rgb, lr) for height in (64, 96) for rgb, lr in frames(6, height)]
    alone = [compiled(*pair, 4) for pair in pairs]
    kept = [result.copy() for result in alone]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: compiled(*pair, 4), pairs))
    for first, copy, other in zip(alone, kept, together, strict=True):
        assert np.array_equal(first, copy)
        assert np.abs(first - other).max() < 1e-5


@pytest.mark.parametrize("wish", [{"device": "cuda"}, {"precision": "fp16"}])
def test_what_it_cannot_do_is_said(packed: Path, compiled: DepthUpsampler, wish: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="OpenVINO"):
        DepthUpsampler.from_pretrained(packed, **wish)  # type: ignore[arg-type]
    rgb, lr = next(frames(1))
    with pytest.raises(ValueError, match="cannot estimate depth"):
        compiled.predict(rgb, lr, 4, estimate_depth=True)
    with pytest.raises(ValueError, match="converted network already"):
        convert_to_openvino(compiled)


def test_without_openvino_the_command_tells_what_to_install(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match=r"bridgenet-infer\[openvino\]"):
        DepthUpsampler.from_pretrained(packed)
    rgb, lr = next(frames(1))
    np.save(tmp_path / "rgb.npy", rgb)
    np.save(tmp_path / "lr.npy", lr)
    arguments = [str(tmp_path / "rgb.npy"), str(tmp_path / "lr.npy"), "-o", str(tmp_path / "out.npy")]
    assert main([*arguments, "--weights", str(packed)]) == 1
    assert "pip install 'bridgenet-infer[openvino]'" in capsys.readouterr().err


def test_a_damaged_network_is_an_oserror(packed: Path, tmp_path: Path) -> None:
    content = bytearray(packed.read_bytes())
    at = content.index(b"<layers>")
    content[at : at + 8] = b"<lawyer>"
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"damaged\.safetensors is not a readable"):
        DepthUpsampler.from_pretrained(path)


def test_quantisation_spares_both_ends_and_stays_close(floats: DepthUpsampler, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="needs the extra quantise")
    network = convert_to_openvino(floats)
    convolutions = [op.get_friendly_name() for op in network.get_ordered_ops() if op.get_type_name() == "Convolution"]
    spared = set(kept_names(network))
    assert len(spared & set(convolutions)) == 2
    rng = np.random.default_rng(0)
    inputs = [{"rgb": rng.random((1, 3, 64, 64), np.float32), "d_up": rng.random((1, 1, 64, 64), np.float32)}] * 3
    quantised = quantise(network, inputs)
    kinds = [op.get_type_name() for op in quantised.get_ordered_ops()]
    assert kinds.count("FakeQuantize") > len(convolutions) - 2  # activations; weights are 8-bit constants
    path = tmp_path / "tiny-int8.safetensors"
    path.write_bytes(pack_openvino({None: quantised}, floats, {}))
    rgb, lr = next(frames(1))
    coarse, exact = DepthUpsampler.from_pretrained(path)(rgb, lr, 4), floats(rgb, lr, 4)
    assert 0 < np.abs(coarse - exact).mean() < 0.05 * 3  # of a range of 3


def test_the_shipped_8_bit_weights_are_near_their_floats() -> None:
    scene = make_scene()
    coarse, exact = (
        DepthUpsampler.from_pretrained(name, device="cpu")(scene.rgb, scene.lr_depth)
        for name in ("default-int8", "default")
    )
    assert scene.error(coarse) < 1.1 * scene.error(exact) < 0.7 * scene.error(scene.bicubic())
