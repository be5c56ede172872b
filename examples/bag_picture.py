"""Draw RGB, measured and up-sampled depth of a bag: `python -m examples.bag_picture out/walk_up -o docs/walk.png`.

The bag is one that `bridgenet-bag` has written. Near is bright, holes are grey; one scale of colours for all frames.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from rosbags.highlevel import AnyReader

from bridgenet_infer.arrays import Array
from bridgenet_infer.files import write_atomically
from bridgenet_infer.ros.matching import match_stamps
from bridgenet_infer.ros.messages import image_to_array, stamp_of
from bridgenet_infer.visualise import Picture, colourise_depth, depth_span
from simulation.record_walk import DEPTH, RGB

OURS = "/bridgenet/depth/image_raw"
GAP = 4  # pixels of white between panels


def main() -> None:
    """Command line of the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bag", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .png file")
    parser.add_argument("--rgb", default=RGB, metavar="TOPIC")
    parser.add_argument("--depth", default=DEPTH, metavar="TOPIC")
    parser.add_argument("--frames", type=int, nargs="+", default=[1, 7, 14])
    options = parser.parse_args()
    frames = read_frames(options.bag, options.rgb, options.depth)
    image = picture([frames[index] for index in options.frames])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()  # 256 colours: a third of the size
    Image.fromarray(image).quantize(256).save(buffer, "PNG", optimize=True)
    write_atomically(options.output, buffer.getvalue())


def read_frames(bag: Path, rgb: str, depth: str) -> list[tuple[Array, Array, Array]]:
    """RGB, depth as measured and ours of every up-sampled frame; ours has the stamp of the depth it was made of.

    Raises
    ------
    ValueError
        If the bag has no up-sampled depth.
    """
    topics: dict[str, dict[int, Array]] = {rgb: {}, depth: {}, OURS: {}}
    with AnyReader([bag]) as reader:
        for connection, _, raw in reader.messages([c for c in reader.connections if c.topic in topics]):
            message: Any = reader.deserialize(raw, connection.msgtype)
            topics[connection.topic][stamp_of(message)] = image_to_array(message)
    if not topics[OURS]:
        raise ValueError(f"{bag} has no {OURS}: bridgenet-bag writes it")
    stamps = {topic: sorted(arrays) for topic, arrays in topics.items()}
    pairs = match_stamps(stamps[rgb], stamps[OURS], 0.02)
    return [
        (topics[rgb][stamps[rgb][i]], topics[depth][stamps[OURS][k]], topics[OURS][stamps[OURS][k]]) for i, k in pairs
    ]


def picture(frames: Sequence[tuple[Array, Array, Array]]) -> Picture:
    """RGB, one row for each frame, with captions in the first."""
    span = depth_span(np.stack([ours for _, _, ours in frames]))
    rows = []
    for number, (rgb, lr_depth, depth) in enumerate(frames):
        size = (rgb.shape[1], rgb.shape[0])
        panels = {
            "RGB": rgb.copy(),
            f"depth as measured, {lr_depth.shape[1]} x {lr_depth.shape[0]}": cv2.resize(
                colourise_depth(lr_depth, span), size, interpolation=cv2.INTER_NEAREST
            ),
            f"bridgenet-bag, {size[0]} x {size[1]}": colourise_depth(depth, span),
        }
        if number == 0:
            for caption, panel in panels.items():
                # an outline of moved copies: thicker letters would be wider too
                for x, y, ink in ((5, 16, 0), (7, 16, 0), (6, 15, 0), (6, 17, 0), (6, 16, 255)):
                    cv2.putText(panel, caption, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (ink,) * 3, 1, cv2.LINE_AA)
        framed = [cv2.copyMakeBorder(p, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255,) * 3) for p in panels.values()]
        rows.append(np.hstack(framed))
    return np.vstack(rows)[:-GAP, :-GAP]


if __name__ == "__main__":
    main()
