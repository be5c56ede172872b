"""Render scans as apps of phones store them: `python -m simulation.scans stray out/scan --frames 60`.

A camera with a LiDAR moves past a table. Depth has 256 x 192 samples, each the mean of its footprint, as wrong at edges
as ARKit's, whose confidence is low there. Needs the extra train; Record3D's layout needs the extra record3d, too.
"""

import argparse
import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bridgenet_infer.arrays import Array
from simulation.raycast import Camera, default_camera
from simulation.walk import walk

RENDERED, VIDEO, DEPTH = (640, 480), (1920, 1440), (256, 192)  # width, height
BEND = 0.05  # share of the distance by which a sample of one surface leaves its neighbours' plane at most
RATE = 30.0
VIDEO_ID, START, STEP = "41069021", 305.244, 1 / RATE


@dataclass(frozen=True)
class ScanFrame:
    """rgb (H, W, 3) uint8, depth (h, w) uint16 millimetres and confidence (h, w) uint8, 0 to 2."""

    rgb: Array
    depth: Array
    confidence: Array


def main() -> None:
    """Command line of the generator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layout", choices=WRITERS)
    parser.add_argument("path", type=Path, help="folder, or .r3d file, to be made")
    parser.add_argument("--frames", type=int, default=16)
    options = parser.parse_args()
    if options.path.exists():
        raise FileExistsError(f"{options.path} exists")
    WRITERS[options.layout](options.path, render_scan(options.frames))
    print(f"{options.path}: {options.frames} frames")


def render_scan(
    count: int,
    rendered: tuple[int, int] = RENDERED,
    video: tuple[int, int] = VIDEO,
    samples: tuple[int, int] = DEPTH,
) -> list[ScanFrame]:
    """So many frames; RGB of another size than it is rendered in is enlarged. Sizes are (width, height)."""
    return [see(cv2.resize(rgb, video, interpolation=cv2.INTER_CUBIC), depth, samples)
            for rgb, depth in walk(default_camera(*rendered), count)]  # fmt: skip


def see(rgb: Array, depth: Array, samples: tuple[int, int]) -> ScanFrame:
    """A frame of exact depth (H, W) in metres as the LiDAR delivers it."""
    mean = cv2.resize(depth, samples, interpolation=cv2.INTER_AREA)
    bend = np.abs(cv2.Laplacian(mean, cv2.CV_32F)) / np.maximum(mean, 1e-3)
    confidence = 2 - (bend > BEND).astype(np.uint8) - (bend > 4 * BEND)
    return ScanFrame(rgb, np.rint(mean * 1000).astype(np.uint16), confidence)


def camera_of(frame: ScanFrame) -> Camera:
    """The camera of its image."""
    return default_camera(frame.rgb.shape[1], frame.rgb.shape[0])


def write_stray(path: Path, frames: Sequence[ScanFrame], turned: bool = False, arrays: bool = False) -> None:
    """A folder of Stray Scanner.

    Parameters
    ----------
    turned
        The video says that it is to be shown turned by a quarter, as of a phone that was held upright.
    arrays
        Depth as .npy, as its first versions wrote it.
    """
    camera = camera_of(frames[0])
    for index, frame in enumerate(frames):
        name = f"{index:06}"
        if arrays:
            (path / "depth").mkdir(parents=True, exist_ok=True)
            np.save(path / "depth" / f"{name}.npy", frame.depth)
        else:
            _save(path / "depth" / f"{name}.png", frame.depth)
        _save(path / "confidence" / f"{name}.png", frame.confidence)
    np.savetxt(path / "camera_matrix.csv", camera.matrix, "%.6f", ", ")
    write_video(path / "rgb.mp4", [frame.rgb for frame in frames], turned)


def write_video(path: Path, images: Sequence[Array], turned: bool = False) -> None:
    """An MP4 file of MPEG-4 at 30 Hz; phones write HEVC, which OpenCV decodes but does not encode."""
    size = images[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), RATE, size)
    for image in images:
        writer.write(image[..., ::-1])
    writer.release()
    if turned:
        content = bytearray(path.read_bytes())
        matrix = content.index(b"tkhd") + 44  # of the track's header, in version 0
        content[matrix : matrix + 36] = struct.pack(">9i", 0, 2**16, 0, -(2**16), 0, 0, 0, 0, 2**30)
        path.write_bytes(content)


def write_polycam(path: Path, frames: Sequence[ScanFrame]) -> None:
    """A raw export of Polycam, named by microseconds."""
    camera = camera_of(frames[0])
    fields = {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
    keyframes = path / "keyframes"
    (keyframes / "cameras").mkdir(parents=True)
    for index, frame in enumerate(frames):
        name = str(293_814_600_474 + 33_333 * index)
        _save(keyframes / "images" / f"{name}.jpg", frame.rgb)
        _save(keyframes / "depth" / f"{name}.png", frame.depth)
        _save(keyframes / "confidence" / f"{name}.png", np.array([0, 54, 255], np.uint8)[frame.confidence])
        document = {**fields, "width": camera.width, "height": camera.height, "blur_score": 80.5}
        (keyframes / "cameras" / f"{name}.json").write_text(json.dumps(document))


def write_arkitscenes(path: Path, frames: Sequence[ScanFrame]) -> None:
    """A scene of ARKitScenes; the cameras' stamps are a millisecond late."""
    camera = camera_of(frames[0])
    cameras = path / "wide_intrinsics"
    cameras.mkdir(parents=True)
    for index, frame in enumerate(frames):
        stamp = START + index * STEP
        for folder, array in (("wide", frame.rgb), ("lowres_depth", frame.depth), ("confidence", frame.confidence)):
            _save(path / folder / f"{VIDEO_ID}_{stamp:.3f}.png", array)
        numbers = (camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)
        line = " ".join(f"{number:g}" if number == int(number) else f"{number:.6f}" for number in numbers)
        (cameras / f"{VIDEO_ID}_{stamp + 0.001:.3f}.pincam").write_text(line)


def write_record3d(path: Path, frames: Sequence[ScanFrame]) -> None:
    """A .r3d of Record3D: depth in metres as float32."""
    import lzfse

    camera = camera_of(frames[0])
    own = [[camera.fx, camera.fy, camera.cx, camera.cy]] * len(frames)
    height, width = frames[0].depth.shape
    meta = {"w": camera.width, "h": camera.height, "dw": width, "dh": height, "fps": RATE,
            "K": camera.matrix.T.ravel().tolist(), "perFrameIntrinsicCoeffs": own}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata", json.dumps(meta))
        for index, frame in enumerate(frames):
            buffer = io.BytesIO()
            Image.fromarray(frame.rgb).save(buffer, "JPEG", quality=90)
            metres = (frame.depth / 1000).astype("<f4")
            archive.writestr(f"rgbd/{index}.jpg", buffer.getvalue())
            archive.writestr(f"rgbd/{index}.depth", lzfse.compress(metres.tobytes()))
            archive.writestr(f"rgbd/{index}.conf", lzfse.compress(frame.confidence.tobytes()))


def _save(path: Path, array: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


WRITERS: dict[str, Callable[..., None]] = {
    "stray": write_stray,
    "polycam": write_polycam,
    "arkitscenes": write_arkitscenes,
    "record3d": write_record3d,
}

if __name__ == "__main__":
    main()
