"""Bags of all three formats: what goes in comes out, with up-sampled depth beside it; broken ones are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.bags.command import main
from bridgenet_infer.bags.tum import read_list, upsample_tum
from bridgenet_infer.read import read_depth
from bridgenet_infer.ros.messages import image_to_array, stamp_of

pytest.importorskip("rosbags", reason="needs the extra bags")
from rosbags.highlevel import AnyReader

from bridgenet_infer.bags.topics import Topics
from bridgenet_infer.bags.upsample import upsample_bag
from simulation.recordings import DEPTH, KINDS, RGB, RGB_INFO, Recording, bag_path, write_recording
from testing.ros_world import Frame

START = 1_700_000_000_000_000_000  # nanoseconds
OUTPUT = "/bridgenet/depth/image_raw"
FRAMES = 5


def frame(index: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(index)
    depth = rng.integers(500, 4000, (12, 16)).astype(np.uint16)
    depth[2:4, 3:6] = 0
    return rng.integers(0, 256, (48, 64, 3), np.uint8), depth


def write_bag(path: Path, kind: str, delay: float = 0.004, compressed: bool = False) -> Path:
    """RGB at 10 Hz, depth `delay` seconds later."""
    stamps = [START + index * 10**8 for index in range(FRAMES)]
    frames = [Frame(*frame(index), stamp, stamp + int(delay * 1e9)) for index, stamp in enumerate(stamps)]
    return write_recording(path, kind, Recording(frames, compressed))


def read_bag(path: Path) -> dict[str, list[tuple[int, Any]]]:
    content: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([path]) as reader:
        for connection, time, raw in reader.messages():
            content.setdefault(connection.topic, []).append((time, reader.deserialize(raw, connection.msgtype)))
    return content


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bag_comes_out_with_depth_beside_its_originals(
    tmp_path: Path, kind: str, compressed: bool, tiny_upsampler: DepthUpsampler
) -> None:
    source = write_bag(bag_path(tmp_path, "in", kind), kind, compressed=compressed)
    target = bag_path(tmp_path, "out", kind)
    seen: list[tuple[int, int]] = []
    report = upsample_bag(source, target, tiny_upsampler, settings="a", progress=lambda *at: seen.append(at))
    assert (report.rgb, report.depth, report.pairs, report.reused, report.failed) == (FRAMES, FRAMES, FRAMES, 0, [])
    assert report.topics == Topics(RGB, DEPTH, RGB_INFO, None)
    assert seen == [(i + 1, FRAMES) for i in range(FRAMES)]
    before, after = read_bag(source), read_bag(target)
    assert set(after) - set(before) == {OUTPUT, "/bridgenet/depth/camera_info"}
    for topic, messages in before.items():
        assert [time for time, _ in messages] == [time for time, _ in after[topic]]
    assert [message.data for _, message in after["/chatter"]] == [f"frame {i}" for i in range(FRAMES)]
    for index, (_, message) in enumerate(after[OUTPUT]):
        rgb, lr = frame(index)
        assert np.array_equal(image_to_array(message), tiny_upsampler(rgb, lr))
        assert message.encoding == "16UC1"
        assert message.header.frame_id == "camera_rgb"
        assert stamp_of(message) == START + index * 10**8 + 4_000_000
    infos = [message for _, message in after["/bridgenet/depth/camera_info"]]
    assert [stamp_of(info) for info in infos] == [stamp_of(message) for _, message in after[OUTPUT]]
    assert all((info.width, info.height) == (64, 48) for info in infos)
    assert not target.with_name(target.name + ".frames").exists()


@pytest.mark.parametrize(
    ("kind", "change"), [*((kind, "nothing") for kind in KINDS), ("ros1", "the settings"), ("ros1", "the recording")]
)
def test_a_stopped_run_is_gone_on_from_by_its_like(
    tmp_path: Path, kind: str, change: str, tiny_upsampler: DepthUpsampler
) -> None:
    source, target = write_bag(bag_path(tmp_path, "in", kind), kind), bag_path(tmp_path, "out", kind)
    kept, calls = target.with_name(target.name + ".frames"), iter(range(FRAMES))

    def stops(rgb: np.ndarray, depth: np.ndarray) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return tiny_upsampler(rgb, depth)

    with pytest.raises(KeyboardInterrupt):
        upsample_bag(source, target, stops, settings="a")
    assert (target.exists(), len(list(kept.glob("*.npy")))) == (False, 2)
    if change == "the recording":
        source = write_bag(tmp_path / "other.bag", kind)
    report = upsample_bag(source, target, tiny_upsampler, settings="b" if change == "the settings" else "a")
    assert (report.pairs, report.reused) == (FRAMES, 2 if change == "nothing" else 0)
    assert len(read_bag(target)[OUTPUT]) == FRAMES
    assert not kept.exists()


def test_wrong_topics_clocks_and_targets_are_explained(tmp_path: Path, tiny_upsampler: DepthUpsampler) -> None:
    source = write_bag(tmp_path / "in.bag", "ros1", delay=0.05)
    target = tmp_path / "out.bag"

    def attempt(**options: Any) -> None:
        upsample_bag(source, options.pop("target", target), tiny_upsampler, settings="a", **options)

    with pytest.raises(ValueError, match=r"none of 5 .* within 0.02 s"):
        attempt()
    attempt(slop=0.06)
    with pytest.raises(FileExistsError):
        attempt()
    target = tmp_path / "other.bag"
    with pytest.raises(ValueError, match=r"/nowhere is no rgb topic.*/camera/color/image_raw \(rgb\)"):
        attempt(rgb_topic="/nowhere")
    with pytest.raises(ValueError, match="is no depth topic"):
        attempt(depth_topic=RGB)
    with pytest.raises(ValueError, match="ROS 1"):
        attempt(target=tmp_path / "folder")
    source = tmp_path / "missing.bag"
    with pytest.raises(FileNotFoundError):
        attempt()


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_works_on_every_kind_of_bag(
    tmp_path: Path, kind: str, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = write_bag(bag_path(tmp_path, "in", kind), kind), bag_path(tmp_path, "out", kind)
    command = [str(source), "-o", str(target), "--weights", str(tiny_checkpoint), "--device", "cpu"]
    assert main(command) == 0
    assert "5 of 5 pairs" in capsys.readouterr().out
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--rgb", "/nowhere"]) == 1
    assert "image topics" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert main([str(source), "-o", str(source), "--overwrite"]) == 1
    assert source.exists()


def write_tum(folder: Path) -> Path:
    lines: dict[str, list[str]] = {"rgb": ["# color images"], "depth": ["# depth maps"]}
    for index in range(4):
        rgb, depth = frame(index)
        for kind, array, stamp in (("rgb", rgb, 100 + index / 10), ("depth", depth, 100.004 + index / 10)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / kind / f"{stamp:.6f}.png")
            lines[kind].append(f"{stamp:.6f} {kind}/{stamp:.6f}.png")
    for kind, content in lines.items():
        (folder / f"{kind}.txt").write_text("\n".join(content) + "\n")
    return folder


def test_a_tum_folder_keeps_its_unit_and_goes_on_where_it_ended(
    tmp_path: Path, tiny_checkpoint: Path, tiny_upsampler: DepthUpsampler, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = write_tum(tmp_path / "in"), tmp_path / "out"
    command = [str(source), "-o", str(target), "--weights", str(tiny_checkpoint), "--device", "cpu"]
    assert main(command) == 0
    entries = read_list(target / "depth.txt")
    assert [round(stamp, 6) for stamp, _ in entries] == [100.004, 100.104, 100.204, 100.304]
    restored = read_depth(target / entries[1][1])
    assert restored.dtype == np.uint16
    assert np.abs(restored.astype(int) - tiny_upsampler(*frame(1))).max() <= 1  # fp16 storage of the checkpoint
    (target / entries[2][1]).unlink()
    (source / "depth" / "100.304000.png").write_bytes(b"broken")
    capsys.readouterr()
    assert main(command) == 0
    assert "4 of 4 pairs up-sampled (3 of them before)" in capsys.readouterr().out
    (target / entries[3][1]).unlink()
    assert main(command) == 1
    assert "100.304000.png" in capsys.readouterr().err
    assert len(read_list(target / "depth.txt")) == 3


def test_lists_that_are_none_are_refused(tmp_path: Path, tiny_upsampler: DepthUpsampler) -> None:
    source = write_tum(tmp_path / "in")
    (source / "rgb.txt").write_text("100.0 rgb/a.png\nnonsense\n")
    with pytest.raises(ValueError, match="line 2"):
        upsample_tum(source, tmp_path / "out", tiny_upsampler)
    (source / "rgb.txt").write_text("999.0 rgb/a.png\n")
    with pytest.raises(ValueError, match="within"):
        upsample_tum(source, tmp_path / "out", tiny_upsampler)
