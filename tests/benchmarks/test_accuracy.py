"""The measures, the baselines and the two benchmark commands' arithmetic."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.accuracy.baselines import bicubic, nearest, round_to
from benchmarks.accuracy.errors import KINDS, classify
from benchmarks.accuracy.joint_bilateral import joint_bilateral
from benchmarks.accuracy.kernels import serving
from benchmarks.accuracy.metrics import edge_band, edge_mad, mad, rmse
from benchmarks.accuracy.published import PUBLISHED
from benchmarks.accuracy.quality import MEASURES, baselines, format_scale, self_ensemble, turn, turn_back, verdict
from benchmarks.accuracy.sensor import format_scores, prepare, score_frame
from benchmarks.accuracy.trials import degraded, published
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.weights import Checkpoint
from datasets.folder import existing_data_folder
from datasets.scenes import MIDDLEBURY_2005, RgbdScene, load_scene, middlebury2005, sensor_frames
from testing.tiny import TINY


def step_map(height: int = 40, width: int = 60, column: int = 30) -> np.ndarray:
    depth = np.full((height, width), 50, np.uint8)
    depth[:, column:] = 150
    return depth


def write_scene(
    folder: Path, depth: np.ndarray, rgb_size: tuple[int, int], unit_scale: float = 0.001, unit: str = "mm"
) -> Path:
    folder.mkdir(parents=True)
    rgb = np.random.default_rng(0).integers(0, 256, (*rgb_size, 3), np.uint8)
    Image.fromarray(rgb).save(folder / "rgb.png")
    np.save(folder / "depth.npy", depth)
    meta = {"kind": "depth", "unit": unit, "scale": unit_scale, "invalid": 0, "depth_file": "depth.npy"}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def test_measures_do_not_wrap_around_in_uint8() -> None:
    prediction, truth = np.array([[0, 10]], np.uint8), np.array([[3, 6]], np.uint8)
    assert mad(prediction, truth) == pytest.approx(3.5)
    assert rmse(prediction, truth) == pytest.approx(np.sqrt(12.5))


def test_mask_limits_the_score_and_an_empty_one_is_refused() -> None:
    prediction, truth = np.array([[1.0, 9.0]]), np.array([[0.0, 0.0]])
    assert rmse(prediction, truth, np.array([[True, False]])) == 1.0
    with pytest.raises(ValueError, match="no pixel"):
        rmse(prediction, truth, np.zeros((1, 2), bool))
    with pytest.raises(ValueError, match="one shape"):
        mad(prediction, truth[:, :1])


def test_edge_band_is_eight_pixels_on_both_sides_of_a_step() -> None:
    columns = np.flatnonzero(edge_band(step_map()).all(axis=0))
    assert columns.tolist() == list(range(21, 39))  # 29 and 30 are the step


def test_steps_of_less_than_three_levels_are_no_edges() -> None:
    slope = np.tile(np.arange(0, 120, 2, dtype=np.uint8), (40, 1))
    assert not edge_band(slope).any()
    assert np.isnan(edge_mad(slope, slope))


def test_edge_mad_sees_only_the_band() -> None:
    truth = step_map()
    prediction = truth.copy()
    prediction[:, :10] += 40
    assert edge_mad(prediction, truth) == 0 < mad(prediction, truth)
    prediction[:, 29] += 18
    assert edge_mad(prediction, truth) == pytest.approx(1.0)  # one of 18 columns


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_joint_bilateral_keeps_a_constant_map(scale: int) -> None:
    guide = torch.rand(3, 70, 50, generator=torch.Generator().manual_seed(0)) * 255
    result = joint_bilateral(torch.full((70, 50), 77.0), guide, scale)
    torch.testing.assert_close(result, torch.full((70, 50), 77.0))


def test_joint_bilateral_sharpens_an_edge_that_the_guide_shows() -> None:
    truth = step_map(64, 64, 32)
    guide = torch.from_numpy(truth.astype(np.float32)).expand(3, -1, -1).contiguous()
    blurred = bicubic(bicubic(truth, (8, 8)), (64, 64)).copy()
    result = joint_bilateral(torch.from_numpy(blurred), guide, 8).numpy()
    width_before = np.count_nonzero((blurred[32] > 60) & (blurred[32] < 140))
    assert width_before >= 4
    assert np.count_nonzero((result[32] > 75) & (result[32] < 125)) == 0
    assert edge_mad(result, truth) < edge_mad(blurred, truth)


def test_joint_bilateral_equals_its_definition_pixel_by_pixel() -> None:
    generator = torch.Generator().manual_seed(1)
    depth, guide = torch.rand(9, 11, generator=generator), torch.rand(3, 9, 11, generator=generator) * 60
    result = joint_bilateral(depth, guide, 2)
    radius, y, x = 3, 4, 5
    total = weights = 0.0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius:
                colour = float((guide[:, y, x] - guide[:, y + dy, x + dx]).abs().sum())
                weight = np.exp(-(dy * dy + dx * dx) / 8 - colour * colour / 800)
                total, weights = total + weight * float(depth[y + dy, x + dx]), weights + weight
    assert float(result[y, x]) == pytest.approx(total / weights, rel=1e-5)


def test_joint_bilateral_refuses_shapes_that_do_not_match() -> None:
    with pytest.raises(ValueError, match=r"\(9, 11\)"):
        joint_bilateral(torch.zeros(9, 11), torch.zeros(3, 9, 12), 2)
    with pytest.raises(ValueError, match="radius"):
        joint_bilateral(torch.zeros(9, 11), torch.zeros(3, 9, 11), 8)


def test_nearest_takes_the_pixel_below_the_centre() -> None:
    row = np.arange(8)[None]
    assert nearest(row, (1, 2)).tolist() == [[2, 6]]
    assert nearest(row[:, :2], (1, 8)).tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]]


def test_round_to_rounds_half_up_and_clamps() -> None:
    values = np.array([-3.0, 0.49, 0.5, 254.5, 400.0])
    assert round_to(values, np.uint8).tolist() == [0, 0, 1, 255, 255]
    assert round_to(values, np.uint8, least=1).tolist() == [1, 1, 1, 255, 255]


def test_published_means_are_the_means_of_their_scenes() -> None:
    for row in PUBLISHED:
        for scale, scenes in row.scenes.items():
            if scenes is not None:
                assert len(scenes) == len(MIDDLEBURY_2005)
                assert np.mean(scenes) == pytest.approx(row.means[scale], abs=6e-4)


def test_table_and_verdict_tell_wins_from_losses() -> None:
    def measures(values: list[float]) -> dict[str, list[float]]:
        return dict.fromkeys(MEASURES, values)

    scores = {
        "bicubic": measures([1.0] * 6),
        "joint bilateral": measures([0.8] * 6),
        "default": measures([0.5] * 5 + [2.0]),
    }
    assert "5 of 6" in verdict(8, scores, "default")
    assert "0.750 beats" in verdict(8, scores, "default")
    scores["default"] = measures([0.9] * 6)
    assert "does not beat" in verdict(8, scores, "default")
    table = format_scale(8, scores, {"BridgeNet (paper)": [None] * 7})
    assert "BridgeNet (paper)" in table
    assert max(map(len, table.splitlines())) < 120


def test_missing_data_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BRIDGENET_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"nowhere.*BRIDGENET_DATA"):
        sensor_frames()
    monkeypatch.setenv("BRIDGENET_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        middlebury2005()


def test_intermediate_scales_are_served_by_the_nearest_weights() -> None:
    model = build_bridgenet(TINY)
    ranges = {"default": (2, 16), "x4": (4, 4), "x8": (8, 8), "x16": (16, 16)}
    loaded = [
        DepthUpsampler(Checkpoint(model, name=name, scales=scales), device="cpu") for name, scales in ranges.items()
    ]

    def names(scale: float) -> list[str]:
        return [upsampler.name for upsampler in serving(loaded, scale)]

    assert [names(scale) for scale in (3, 6, 8, 12)] == [
        ["default", "x4"],
        ["default", "x8"],
        ["default", "x8"],
        ["default", "x16"],
    ]
    assert [up.name for up in serving(loaded[:1], 5)] == ["default"]


def test_metric_scenes_are_scored_by_every_method(tiny_checkpoint: Path) -> None:
    depth = np.full((64, 64), 1.25, np.float32)
    depth[:, 32:] = 2.5
    scene = RgbdScene("wall", np.zeros((64, 64, 3), np.uint8), depth, depth > 0, "depth", "m", 1.0, Path("made"))
    upsampler = DepthUpsampler.from_pretrained(tiny_checkpoint, device="cpu")
    score = score_frame({"tiny": upsampler}, prepare(scene, 4), 4)
    assert set(score.rmse) == {"nearest", "bicubic", "joint bilateral", "tiny"}
    assert score.rmse["nearest"] < 50  # the step of 1,250 lies on the LR grid; lobes of the kernel remain
    assert score.keeps_contract
    table = format_scores([score])
    assert "tiny beats nearest in" in table


def test_a_sensor_frame_in_metres_becomes_millimetres(tmp_path: Path) -> None:
    depth = np.full((50, 66), 1.25, np.float32)
    depth[10, 10] = 0  # the centre of LR pixel (2, 2)
    depth[20, 20] = np.nan  # beside the centre of LR pixel (5, 5)
    frame = prepare(load_scene(write_scene(tmp_path / "kinect" / "a", depth, (100, 132), 1.0, "m")), 4)
    assert frame.name == "kinect/a"
    assert frame.rgb.shape == (48, 64, 3)
    assert frame.truth.dtype == frame.lr.dtype == np.uint16
    assert np.argwhere(frame.truth == 0).tolist() == [[10, 10], [20, 20]]
    assert np.argwhere(frame.lr == 0).tolist() == [[2, 2]]
    assert set(np.unique(frame.lr)) == {0, 1250}
    assert any("resized" in note for note in frame.notes)
    assert any("float32 m" in note for note in frame.notes)


def test_scene_without_a_named_field_is_refused(tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "a", np.ones((4, 4), np.float32), (4, 4))
    (folder / "meta.json").write_text('{"kind": "depth", "unit": "m", "scale": 1}')
    with pytest.raises(ValueError, match="depth_file"):
        load_scene(folder)


def real_data() -> Path:
    try:
        return existing_data_folder()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_baselines_have_their_known_errors() -> None:
    real_data()
    expected = {"Books": (0.6170, 0.5657), "Dolls": (0.6429, 0.5627)}
    for scene in middlebury2005()[1:3]:
        lr = scene.lr_depth(8)
        assert lr.min() > 0  # no pixel would be read as a hole
        trial = published(scene, 8)
        predictions = baselines(trial, 8, with_filter=scene.name == "Books")
        for name, figure in zip(("bicubic", "joint bilateral"), expected[scene.name], strict=True):
            if name in predictions:
                scored = trial.as_scored(predictions[name])
                assert mad(scored, scene.depth) == pytest.approx(figure, abs=5e-4)


def test_a_degraded_scene_has_holes_that_are_not_scored() -> None:
    depth = np.full((128, 160), 60, np.uint8)
    depth[:, 80:] = 200
    rgb = np.full((128, 160, 3), 128, np.uint8)
    scene = RgbdScene("step", rgb, depth, depth > 0, "disparity", "px", 1.0, Path("made"))
    trial = degraded(scene, 4, "structured_light")
    assert trial.mask is not None
    assert trial.lr.shape == (32, 40)
    assert np.array_equal(trial.mask, nearest(trial.lr > 0, depth.shape))
    assert 0.5 < trial.mask.mean() < 1
    assert 1000 < np.median(trial.lr[:, 25:]) < np.median(trial.lr[:, :3]) < 2500  # the larger disparity is nearer
    assert abs(np.median(trial.as_scored(trial.lr)[:, 25:]) - 200) < 10  # the mapping to millimetres and back
    predictions = baselines(trial, 4, with_filter=False)
    assert predictions["nearest"].min() > 0
    assert mad(trial.as_scored(predictions["bicubic"]), depth, trial.mask) < 15


def test_every_sensor_frame_can_be_prepared() -> None:
    real_data()
    for scene in sensor_frames():
        frame = prepare(scene, 4)
        assert frame.truth.shape == frame.rgb.shape[:2] == tuple(4 * side for side in frame.lr.shape)
        assert 200 < np.median(frame.lr[frame.lr > 0]) < 20000  # millimetres


@pytest.mark.parametrize("code", range(8))
def test_turned_back_is_as_before_and_turns_differ(code: int) -> None:
    image = np.arange(24).reshape(4, 6)
    assert np.array_equal(turn_back(turn(image, code), code), image)
    assert sum(np.array_equal(turn(image, code), turn(image, other)) for other in range(8)) == 1


def test_the_self_ensemble_is_the_same_for_turned_pairs(tiny_checkpoint: Path) -> None:
    rng = np.random.default_rng(0)
    rgb, lr = rng.integers(0, 256, (32, 48, 3), np.uint8), rng.integers(20, 230, (4, 6), np.uint8)
    upsampler = DepthUpsampler.from_pretrained(tiny_checkpoint, device="cpu")
    upright = self_ensemble(upsampler, rgb, lr, 8).astype(int)
    turned = self_ensemble(upsampler, turn(rgb, 5), turn(lr, 5), 8)
    assert np.abs(turn_back(turned, 5) - upright).max() <= 1  # rounding of sums in another order


def test_every_kind_of_error_is_found_where_it_belongs() -> None:
    truth, valid = np.full((96, 160), 50, np.uint8), np.ones((96, 160), bool)
    rgb = np.full((96, 160, 3), 90, np.uint8)
    truth[20:70, 30:33] = 120  # a bar of three pixels
    truth[:, 100:] = 150  # a step that RGB does not show in its upper half
    rgb[48:, 100:] = 200
    valid[80:, :20] = False
    names = list(KINDS)
    kinds = classify(rgb, truth, valid, 8)
    expected = {(90, 5): "filled hole", (40, 31): "thin", (20, 99): "edge, low contrast", (80, 99): "edge, clear",
                (20, 90): "near an edge", (10, 5): "flat surface"}  # fmt: skip
    assert {place: names[kinds[place]] for place in expected} == expected
