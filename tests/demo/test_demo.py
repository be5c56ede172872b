"""The demo without its page: inputs, refusals, comparison, pictures, point clouds. Needs no Gradio."""

import base64
import json
import os
import subprocess
import sys
import time
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from bridgenet_infer import DepthUpsampler, read_depth
from bridgenet_infer.demo import intake, pictures, scenes, tidy, wording
from bridgenet_infer.demo.cloud import CANVAS_POINTS, canvas_cloud, cloud_file
from bridgenet_infer.demo.compare import bicubic, compare, measure_errors
from bridgenet_infer.demo.scenes import Inputs, load_scene, shrink
from bridgenet_infer.demo.service import OWN, Choice, Refusal, Service, Settings
from bridgenet_infer.geometry import camera_matrix, depth_to_points
from bridgenet_infer.visualise import HOLE, colourise_depth, depth_span
from bridgenet_infer.weights import Checkpoint
from examples.compare import errors as errors_of_the_example


@pytest.fixture(scope="module")
def desk() -> Inputs:
    return load_scene("desk")


def small_inputs(rng: np.random.Generator, dtype: Any = np.uint16) -> Inputs:
    """48 x 64 by 4 with holes; the exact depth is made up."""
    lr = rng.integers(500, 4000, (12, 16)).astype(dtype)
    lr[2:4, 3:6] = 0
    exact = rng.integers(500, 4000, (48, 64)).astype(dtype)
    return Inputs(rng.integers(0, 256, (48, 64, 3), np.uint8), lr, exact)


def test_scenes_are_the_examples_at_every_scale(desk: Inputs) -> None:
    assert np.array_equal(desk.lr_depth, read_depth(Path("examples", "desk", "depth_lr.png").absolute()))
    assert desk.exact is not None
    again = shrink(desk.exact.astype(np.float32), 8)
    assert np.abs(again.astype(int) - desk.lr_depth).max() <= 1  # the file is from depth that was not yet rounded
    for name in scenes.SCENES:
        for scale in scenes.SCENE_SCALES:
            scene = load_scene(name, scale)
            assert scene.lr_depth.shape == (480 // scale, 640 // scale)
            assert scene.lr_depth.dtype == np.uint16
    with pytest.raises(ValueError, match=r"one of \('desk', 'street'\)"):
        load_scene("../desk")


def test_comparison_agrees_with_the_api_and_the_example(shipped: DepthUpsampler, desk: Inputs) -> None:
    result = compare(shipped, desk)
    expected = shipped(desk.rgb, desk.lr_depth)
    assert np.array_equal(result.depth, expected)
    assert (result.scale, result.weights, result.notes) == (8, "default", ())
    assert desk.exact is not None
    assert result.errors is not None
    plain = bicubic(desk.lr_depth, desk.exact.shape)
    for which, prediction in (("ours", expected), ("bicubic", plain)):
        mean, rms = errors_of_the_example(prediction, desk.exact, desk.exact > 0)
        assert result.errors.mean(getattr(result.errors, which)) == pytest.approx(mean, rel=1e-5)
        assert result.errors.rms(getattr(result.errors, which)) == pytest.approx(rms, rel=1e-5)
    text = wording.facts(result, "mm", "cpu")
    assert wording.number(result.errors.mean(result.errors.ours), "mm") in text
    assert "bicubic 68.8 mm" in text


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_options_and_warnings_pass_through(
    tiny_upsampler: DepthUpsampler, rng: np.random.Generator, dtype: Any
) -> None:
    inputs = small_inputs(rng, dtype)
    upsampler = DepthUpsampler(Checkpoint(tiny_upsampler.model, name="<tiny>", scales=(8, 8)), device="cpu")
    result = compare(upsampler, inputs, 4.0, fill_holes=True)
    with pytest.warns(UserWarning, match="trained for x8"):
        expected = upsampler(inputs.rgb, inputs.lr_depth, 4.0, fill_holes=True)
    assert np.array_equal(result.depth, expected)
    assert result.valid.all()
    assert result.notes == ("weights '<tiny>' were trained for x8, not for x4",)
    text = wording.facts(result, "", "cpu")
    assert "&lt;tiny&gt;" in text
    assert "<tiny>" not in text


def test_exact_depth_must_fit_and_overlap(tiny_upsampler: DepthUpsampler, rng: np.random.Generator) -> None:
    inputs = small_inputs(rng)
    with pytest.raises(ValueError, match=r"exact depth \(12, 16\) must have the size of the RGB image \(48, 64\)"):
        compare(tiny_upsampler, Inputs(inputs.rgb, inputs.lr_depth, inputs.lr_depth))
    nothing = np.zeros((48, 64), np.uint16)
    assert measure_errors(nothing, nothing, nothing.astype(float), np.ones((48, 64), bool)) is None
    assert wording.NO_EXACT in wording.error_legend(None, 0.0, "")


def test_frame_without_a_valid_sample_can_be_shown(tiny_upsampler: DepthUpsampler, rng: np.random.Generator) -> None:
    inputs = Inputs(small_inputs(rng).rgb, np.zeros((12, 16), np.uint16))
    result = compare(tiny_upsampler, inputs)
    assert not result.valid.any()
    assert not bicubic(inputs.lr_depth, (48, 64)).any()
    span = depth_span(result.depth, result.valid)
    assert (colourise_depth(result.depth, span, result.valid, logarithmic=True) == HOLE).all()
    assert canvas_cloud(inputs.rgb, {"ours": result.depth}, result.valid, 60) == ""
    assert b"element vertex 0\n" in cloud_file(inputs.rgb, result.depth, result.valid, 60)


def test_pictures_fit_the_page() -> None:
    assert pictures.gradient(cv2.COLORMAP_INFERNO).count("rgb(") == 9
    assert pictures.fit(np.zeros((3000, 4000, 3), np.uint8)).shape == (960, 1280, 3)
    assert pictures.eight_bit(np.full((1, 1, 3), 65535, np.uint16)).max() == 255


def test_constant_depth_has_points() -> None:
    depth, valid = np.full((30, 40), 700, np.uint16), np.ones((30, 40), bool)
    assert canvas_cloud(np.zeros((30, 40, 3), np.uint8), {"ours": depth}, valid, 60)


def test_canvas_gets_the_points_of_the_depth_thinned(desk: Inputs) -> None:
    assert desk.exact is not None
    valid = desk.exact > 0
    document = json.loads(canvas_cloud(desk.rgb, {"twice": 2.0 * desk.exact, "exact": desk.exact}, valid, 60.0))
    points, doubled = (
        np.frombuffer(base64.b64decode(cloud["points"]), "<i2").reshape(-1, 3) for cloud in document["clouds"][::-1]
    )
    colours = np.frombuffer(base64.b64decode(document["colours"]), np.uint8).reshape(-1, 3)
    assert len(points) == len(doubled) == len(colours) <= CANVAS_POINTS
    assert [cloud["name"] for cloud in document["clouds"]] == ["twice", "exact"]
    median = np.median(desk.exact[valid])
    whole = depth_to_points(desk.exact, camera_matrix((480, 640), 60.0))[::2, ::2]
    expected = whole[valid[::2, ::2] & (whole[..., 2] < 3 * median)] / median
    assert np.abs(points * document["unit"] - expected).max() <= document["unit"]
    assert document["focal"] == pytest.approx(0.5 / np.tan(np.radians(30)))
    assert document["spacing"] == 2 / 640


def test_ply_file_holds_the_valid_pixels_in_place(rng: np.random.Generator) -> None:
    depth = rng.integers(500, 900, (6, 8)).astype(np.uint16)
    depth[0, 0] = 0
    rgb = rng.integers(0, 256, (6, 8, 3), np.uint8)
    head, _, body = cloud_file(rgb, depth, depth > 0, 90.0).partition(b"end_header\n")
    assert b"element vertex 47\n" in head
    kinds = [("position", "<f4", 3), ("colour", "u1", 3)]
    vertices = np.frombuffer(body, kinds)
    expected = depth_to_points(depth, camera_matrix((6, 8), 90.0))[depth > 0]
    assert np.allclose(vertices["position"], expected)
    assert np.array_equal(vertices["colour"], rgb[depth > 0])
    with pytest.raises(ValueError, match="1 to 170 degrees, got 180"):
        camera_matrix((6, 8), 180)


def save(path: Path, array: np.ndarray) -> str:
    Image.fromarray(array).save(path)
    return str(path)


def test_uploads_are_read_as_the_command_reads_them(tmp_path: Path, rng: np.random.Generator) -> None:
    given = small_inputs(rng)
    np.save(tmp_path / "depth.npy", given.lr_depth)
    read = intake.read_inputs(save(tmp_path / "rgb.png", given.rgb), str(tmp_path / "depth.npy"), None)
    assert np.array_equal(read.rgb, given.rgb)
    assert np.array_equal(read.lr_depth, given.lr_depth)
    assert read.exact is None
    with pytest.raises(ValueError, match="both an RGB image and its low-resolution depth are needed"):
        intake.read_inputs(str(tmp_path / "rgb.png"), None, None)


def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Image.new("L", (4000, 3001)).save(bomb)
    with pytest.raises(ValueError, match="4000 x 3001 pixels; the demo takes 12 million at most"):
        intake.check_upload(str(bomb), intake.DEPTH_UPLOADS)
    data = bytearray(bomb.read_bytes())
    data[16:24] = (100_000).to_bytes(4, "big") * 2  # the head says 10^10 pixels, though the data are few
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    bomb.write_bytes(data)
    with pytest.raises(ValueError, match="far more than the 12 million pixels"):
        intake.check_upload(str(bomb), intake.DEPTH_UPLOADS)
    array = tmp_path / "bomb.npy"
    np.lib.format.open_memmap(array, "w+", np.uint8, (4000, 3001))
    with pytest.raises(ValueError, match="3001 x 4000 pixels"):
        intake.check_upload(str(array), intake.DEPTH_UPLOADS)
    array.write_bytes(array.read_bytes()[:200])
    with pytest.raises(OSError, match="not a readable NPY file"):
        intake.check_upload(str(array), intake.DEPTH_UPLOADS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rgb.npz", b"PK", "the demo takes .png"),
        ("rgb", b"", "not files without a suffix"),
        ("rgb.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable PNG file"),
        ("rgb.png", b"", "not a readable PNG file"),
        ("rgb.jpg", b"\xff\xd8\xff\xe0 cut short", "not a readable JPG file"),
    ],
)
def test_files_that_are_no_picture_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((ValueError, OSError)) as caught:
        intake.read_inputs(str(path), str(path), None)
    told = intake.refusal(caught.value, {str(path): "the RGB file"})
    assert message in told
    assert told.startswith("the RGB file: ")
    assert "/" not in told
    assert str(tmp_path) not in told


def test_refusals_name_no_folder() -> None:
    told = intake.refusal(OSError("/srv/a/c.png: damaged; see /home/me/.cache/x/default.safetensors"), {})
    assert told == "c.png: damaged; see default.safetensors"
    assert intake.refusal(ValueError("scale 3 does not fit (60, 80) / (480, 640)"), {}).endswith(
        "(60, 80) / (480, 640)"
    )
    assert intake.refusal(MemoryError("12 GiB"), {}) == "not enough memory for images of this size"
    assert intake.refusal(OSError(), {}) == "the files cannot be used"


@pytest.fixture
def service(tmp_path: Path, tiny_checkpoint: Path) -> Service:
    (tmp_path / "runs").mkdir()
    return Service(tmp_path / "runs", str(tiny_checkpoint))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_run_writes_what_the_api_returns(
    service: Service, tiny_checkpoint: Path, tmp_path: Path, rng: np.random.Generator, dtype: Any
) -> None:
    given = small_inputs(rng, dtype)
    assert given.exact is not None
    np.save(tmp_path / "lr.npy", given.lr_depth)
    np.save(tmp_path / "exact.npy", given.exact)
    files = save(tmp_path / "rgb.png", given.rgb), str(tmp_path / "lr.npy"), str(tmp_path / "exact.npy")
    shown = service.run(Choice(OWN, files=files), Settings(service.first, 4.0, fill_holes=True))
    upsampler = DepthUpsampler.from_pretrained(tiny_checkpoint)  # its weights are stored in fp16
    expected = upsampler(given.rgb, given.lr_depth, 4.0, fill_holes=True)
    written = read_depth(shown.result)
    assert written.dtype == dtype
    assert np.array_equal(written, expected)
    assert (shown.result.suffix, shown.kind) == {
        "uint8": (".png", "8-bit PNG"),
        "uint16": (".png", "16-bit PNG"),
        "float32": (".tif", "32-bit TIF"),
    }[written.dtype.name]
    assert shown.points.read_bytes().startswith(b"ply\n")
    assert shown.errors is not None
    assert {picture.shape for picture in (*shown.depths, *shown.errors)} == {(48, 64, 3)}
    assert len(json.loads(shown.cloud)["clouds"]) == 2
    assert str(tmp_path) not in "".join([shown.facts, shown.depth_legend, shown.error_legend])


def test_files_are_kept_for_an_hour_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidy, "KEPT_BYTES", 100)
    now = time.time()

    def put(name: str, size: int, age: float) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
        for each in (path, path.parent):
            os.utime(each, (now - age, now - age))
        return path

    long_ago = tidy.KEPT_SECONDS + 60
    past, broken_off = put("run-1/depth.png", 1, long_ago), put("tmp1", 1, long_ago)
    first, second, third = (put(f"{n}/a.png", 40, 30 - n) for n in range(3))
    tidy.tidy(tmp_path)
    assert [path.exists() for path in (past, broken_off, first, second, third)] == [False, False, False, True, True]
    os.utime(past.parent, (now - long_ago, now - long_ago))
    tidy.tidy(tmp_path)
    assert not past.parent.exists()
    assert first.parent.exists()  # an upload may be about to be put there


def test_preview_shows_what_was_given(service: Service, tmp_path: Path) -> None:
    assert service.preview(Choice(OWN, files=("rgb.png", None, None))) is None
    shown = service.preview(Choice("street", 16))
    assert shown is not None
    rgb, depth, text = shown
    assert rgb.shape == depth.shape == (480, 640, 3)
    assert "depth 40 × 30, uint16" in text  # noqa: RUF001
    assert (depth[:16, :16] == depth[0, 0]).all()


def test_refusals_tell_no_paths(service: Service, tmp_path: Path, rng: np.random.Generator) -> None:
    given = small_inputs(rng)
    rgb, lr = save(tmp_path / "rgb.png", given.rgb), save(tmp_path / "lr.png", given.lr_depth)
    cases = [
        (Choice(OWN), Settings(service.first), "both an RGB image and its low-resolution depth are needed"),
        (Choice(OWN, files=(rgb, lr, None)), Settings(service.first, 3.0), "scale 3 does not fit lr_depth"),
        (Choice(OWN, files=(rgb, rgb, None)), Settings(service.first), "the depth file: depth must have one channel"),
        (Choice(OWN, files=(rgb, lr, lr)), Settings(service.first), "must have the size of the RGB image"),
        (Choice(OWN, files=(lr, lr, None)), Settings(service.first), "no scale from 2 to 16 explains"),
        (Choice("attic"), Settings(service.first), "a scene must be one of"),
        (Choice("desk", 3), Settings(service.first), "a scene must be one of"),
        (Choice("desk"), Settings("../elsewhere"), "weights must be one of tiny, default"),
    ]
    for choice, settings, message in cases:
        with pytest.raises(Refusal, match=message) as caught:
            service.run(choice, settings)
        assert str(tmp_path) not in str(caught.value)
    assert service.first == "tiny"  # not the path that was given
    with pytest.raises(ValueError, match="neither a known name"):
        Service(service.folder, "no such weights")


@pytest.mark.skipif(find_spec("gradio") is not None, reason="Gradio is installed here")
def test_without_gradio_the_command_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bridgenet_infer.demo"]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'bridgenet-infer[demo]'" in done.stderr
    assert list(tmp_path.iterdir()) == []
