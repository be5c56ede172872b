"""Up-sample the depth of a RealSense camera as it comes: `python -m examples.realsense_loop`.

Needs `pip install 'bridgenet-infer[realsense]'` and libusb 1.0. Of RealSense's software device the tests run everything
but `main`; no camera was at hand.

Raw depth goes to a `DepthStream`, which keeps the last frame only. Its worker registers it to the colour camera, on a
grid `--scale` times coarser than the colour image, and up-samples it: frames that are dropped cost nothing. rs.align is
not used: it blows depth up to the colour image's size first. Once a second rate and latency are printed.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyrealsense2 as rs

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import intrinsic_matrix
from bridgenet_infer.registration import register_depth
from bridgenet_infer.stream import DepthStream, StreamResult

TIMEOUT = 5000  # milliseconds without a frame


class Source(Protocol):
    """A started rs.pipeline, or an rs.syncer."""

    def wait_for_frames(self, timeout_ms: int) -> Any:
        """The next rs.composite_frame (rs.frameset)."""


@dataclass(frozen=True)
class Rig:
    """Calibration of both cameras; motion (4, 4) takes points of the depth camera to the colour camera, in metres."""

    depth_matrix: Array
    rgb_matrix: Array
    rgb_from_depth: Array
    rgb_size: tuple[int, int]
    depth_distortion: Array | None
    rgb_distortion: Array | None


def main() -> None:
    """Command line of the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="sensor")
    parser.add_argument("--scale", type=float, default=4, help="colour image / depth grid (4)")
    parser.add_argument("--frames", type=int, default=300)
    options = parser.parse_args()
    pipeline, config = rs.pipeline(), rs.config()
    config.enable_stream(rs.stream.depth, 640, 480, rs.format.z16, 30)
    config.enable_stream(rs.stream.color, 640, 480, rs.format.rgb8, 30)
    profile = pipeline.start(config)
    try:
        rig = calibration(profile.get_stream(rs.stream.depth), profile.get_stream(rs.stream.color))
        upsampler = DepthUpsampler.from_pretrained(options.weights)
        upsampler.warmup(*rig.rgb_size)
        with DepthStream(registered(upsampler, rig, options.scale), on_result=Printer()) as stream:
            feed(pipeline, stream, options.frames)
        print(stream.statistics)
    finally:
        pipeline.stop()


class Printer:
    """Prints a line a second."""

    def __init__(self) -> None:
        self.since, self.count = time.monotonic(), 0

    def __call__(self, result: StreamResult) -> None:
        """Count a result, on the stream's worker thread; (H, W) float32 metres, 0 where nothing was measured."""
        self.count += 1
        elapsed = time.monotonic() - self.since
        if elapsed >= 1:
            middle = result.depth[result.depth.shape[0] // 2, result.depth.shape[1] // 2]
            print(f"{self.count / elapsed:.1f} Hz, {1000 * result.latency:.0f} ms, {middle:.3f} m ahead")
            self.since, self.count = time.monotonic(), 0


def calibration(depth_profile: Any, rgb_profile: Any) -> Rig:
    """Read the calibration of two rs.stream_profile; ValueError for a lens model that OpenCV does not have."""
    depth, rgb = (profile.as_video_stream_profile().get_intrinsics() for profile in (depth_profile, rgb_profile))
    motion = depth_profile.get_extrinsics_to(rgb_profile)
    rgb_from_depth = np.eye(4)
    rgb_from_depth[:3, :3] = np.reshape(motion.rotation, (3, 3), order="F")  # librealsense stores columns
    rgb_from_depth[:3, 3] = motion.translation
    return Rig(
        _matrix(depth), _matrix(rgb), rgb_from_depth, (rgb.height, rgb.width), _distortion(depth), _distortion(rgb)
    )


def feed(source: Source, stream: DepthStream, frames: int) -> None:
    """Submit so many whole pairs, depth as float32 metres, with the depth's time in milliseconds as the stamp."""
    submitted = 0
    while submitted < frames:
        pair = source.wait_for_frames(TIMEOUT).as_frameset()
        depth, rgb = pair.get_depth_frame(), pair.get_color_frame()
        if depth and rgb:
            # copies: librealsense has few frames and wants these back
            metres = np.asanyarray(depth.get_data()) * np.float32(depth.get_units())
            stream.submit(np.array(rgb.get_data()), metres, depth.get_timestamp())
            submitted += 1


def registered(upsample: Callable[[Array, Array], Any], rig: Rig, scale: float) -> Callable[[Array, Array], Any]:
    """(rgb, raw depth in metres) -> depth of the colour camera: registered at 1 / `scale` of its size, up-sampled."""

    def register_and_upsample(rgb: Array, raw: Array) -> Any:
        lr_depth = register_depth(
            raw, rig.depth_matrix, rig.rgb_matrix, rig.rgb_from_depth, rig.rgb_size, scale,
            depth_distortion=rig.depth_distortion, rgb_distortion=rig.rgb_distortion,
        )  # fmt: skip
        return upsample(rgb, lr_depth)

    return register_and_upsample


def _matrix(intrinsics: Any) -> Array:
    return intrinsic_matrix(intrinsics.fx, intrinsics.fy, intrinsics.ppx, intrinsics.ppy)


def _distortion(intrinsics: Any) -> Array | None:
    if not any(intrinsics.coeffs):
        return None
    # librealsense projects by all three models as OpenCV does, to a few hundredths of a pixel
    brown = (rs.distortion.brown_conrady, rs.distortion.inverse_brown_conrady, rs.distortion.modified_brown_conrady)
    if intrinsics.model not in brown:
        raise ValueError(f"distortion {intrinsics.model} is none that OpenCV's five coefficients describe")
    return np.array(intrinsics.coeffs)


if __name__ == "__main__":
    main()
