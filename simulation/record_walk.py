"""Render a recording as a robot would make it: `python -m simulation.record_walk out/walk`.

A camera moves past a table while a simulated time-of-flight sensor measures at a quarter of its resolution. The
result is a ROS 2 bag (mcap) with RGB, registered depth and the RGB camera's camera_info; docs/walk.md goes on from
there. Needs the extras train and bags.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bridgenet_infer.arrays import Array
from simulation.observe import observe
from simulation.raycast import Camera, default_camera
from simulation.recordings import Recorder
from simulation.walk import walk

RGB, DEPTH, INFO = "/camera/color/image_raw", "/camera/aligned_depth_to_color/image_raw", "/camera/color/camera_info"
FRAME_ID = "camera_color_optical_frame"
SENSOR, SCALE = "time_of_flight", 4
SIZE = (320, 240)  # width, height
START, PERIOD = 1_760_000_000_000_000_000, 100_000_000  # nanoseconds: ten frames a second


def main() -> None:
    """Command line of the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bag", type=Path, help="folder to be made")
    parser.add_argument("--frames", type=int, default=16)
    options = parser.parse_args()
    options.bag.parent.mkdir(parents=True, exist_ok=True)
    camera = default_camera(*SIZE)
    write_bag(options.bag, render_walk(camera, options.frames), camera)
    print(f"{options.bag}: {options.frames} frames of {RGB} and {DEPTH}")


def render_walk(camera: Camera, frames: int) -> Iterable[tuple[Array, Array]]:
    """RGB (H, W, 3) uint8 and LR depth (H / 4, W / 4) uint16 millimetres, holes 0, of every frame."""
    for index, (rgb, depth) in enumerate(walk(camera, frames)):
        metres = observe(rgb, depth, SENSOR, SCALE, seed=index)
        yield rgb, (metres * 1000 + 0.5).astype(np.uint16)


def write_bag(folder: Path, frames: Iterable[tuple[Array, Array]], camera: Camera) -> None:
    """A ROS 2 bag of the frames, depth 5 ms after its RGB image; FileExistsError if the folder is there."""
    if folder.exists():
        raise FileExistsError(f"{folder} exists")
    with Recorder(folder, "mcap") as bag:
        for index, (rgb, depth) in enumerate(frames):
            stamp = START + index * PERIOD
            bag.add_info(INFO, rgb, camera.fx, stamp, FRAME_ID)
            bag.add_image(RGB, rgb, stamp, FRAME_ID)
            bag.add_image(DEPTH, depth, stamp + 5_000_000, FRAME_ID)


if __name__ == "__main__":
    main()
