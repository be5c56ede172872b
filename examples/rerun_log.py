"""Log up-sampled depth to Rerun: `python -m examples.rerun_log -o out/desk.rrd`.

Needs `pip install 'bridgenet-infer[rerun]'`.
`rerun out/desk.rrd` shows the image, both depth maps, and the points that Rerun makes of them and the camera.
"""

import argparse
from pathlib import Path

import numpy as np
import rerun as rr

from bridgenet_infer import read_depth, read_rgb, upsample_depth
from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import intrinsic_matrix, scale_intrinsics
from examples import DESK
from examples.point_cloud import DESK_CAMERA, as_stored


def main() -> None:
    """Command line of the example: the desk, as it was measured and up-sampled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="an .rrd file")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    rgb, lr_depth = read_rgb(DESK / "rgb.png"), read_depth(DESK / "depth_lr.png")
    matrix = intrinsic_matrix(*DESK_CAMERA)
    recording = rr.RecordingStream("bridgenet-infer")
    recording.save(options.output)
    log_frame(recording, "camera", rgb, np.asarray(upsample_depth(rgb, lr_depth)), matrix)
    log_depth(recording, "lr_camera", lr_depth, scale_intrinsics(matrix, lr_depth.shape[0] / rgb.shape[0]))
    recording.flush()


def log_frame(recording: rr.RecordingStream, path: str, rgb: Array, depth: Array, matrix: Array) -> None:
    """Log RGB (H, W, 3) uint8 and depth of its size below one pinhole camera; the rest as of `log_depth`."""
    recording.log(f"{path}/rgb", rr.Image(rgb))
    log_depth(recording, path, depth, matrix)


def log_depth(recording: rr.RecordingStream, path: str, depth: Array, matrix: Array) -> None:
    """Log a pinhole camera and its depth.

    Parameters
    ----------
    depth
        (H, W) as of `as_stored`, which raises ValueError; 0, NaN and infinities are holes.
    matrix
        (3, 3) camera matrix at this size.
    """
    stored, per_metre = as_stored(depth)
    recording.log(path, rr.Pinhole(image_from_camera=matrix, width=depth.shape[1], height=depth.shape[0]))
    recording.log(f"{path}/depth", rr.DepthImage(stored, meter=per_metre))


if __name__ == "__main__":
    main()
