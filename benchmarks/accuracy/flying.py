"""Flying pixels, points in mid-air between two surfaces: `python -m benchmarks.accuracy.flying --scales 4 8 16`.

Rendered scenes in metres, and Middlebury 2005 in disparities. An edge is a step of 5 % of the depth between two
neighbours in the exact depth, and what lies within one LR sample of it is looked at. A pixel flies if its depth is
farther than 1 % from the surface on either side, and from all exact depth within two pixels. The share of such pixels
is told, nearest first, in which nothing is between surfaces but much is on the wrong one.

"kept" and "flying, max_error": with `max_error` at 1 % of the median depth, the share of the pixels that are left, and
the share of these that fly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.accuracy.baselines import bicubic, nearest
from benchmarks.accuracy.joint_bilateral import joint_bilateral
from benchmarks.accuracy.metrics import edge_band
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array, Mask
from datasets.scenes import middlebury2005, rendered_scenes
from simulation.sensors import OFFSET

STEP, FAR_OFF = 0.05, 0.01  # shares of the depth
ABOUT = 2  # pixels
SCENES = ("rendered", "middlebury")


@dataclass(frozen=True)
class View:
    """RGB (H, W, 3), LR depth (h, w) and exact depth (H, W), without holes, float32.

    `offset` makes of disparities what is the inverse of depth: shares of one are shares of the other.
    """

    rgb: Array
    lr: Array
    exact: Array
    offset: float


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "flying", ["default"])
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    options = parser.parse_args()
    loaded = [DepthUpsampler.from_pretrained(name) for name in options.weights]
    figures: dict[str, dict[str, Any]] = {}
    for kind in options.scenes:
        for scale in options.scales:
            ours = [each for each in loaded if each.supports_scale(scale)]
            figures.setdefault(kind, {})[f"x{scale}"] = measure(ours, views(kind, scale), scale)
    print(format_figures(figures))
    write_result(options.out / "flying.json", {"figures": figures}, loaded)


def views(kind: str, scale: int) -> list[View]:
    """The scenes of a kind, shrunk by Pillow's bicubic; Middlebury's by the published rule."""
    if kind == "middlebury":
        return [
            View(s.rgb, np.maximum(s.lr_depth(scale), 1).astype(np.float32), s.depth.astype(np.float32), OFFSET)
            for s in middlebury2005()
        ]
    found = []
    for scene in rendered_scenes():
        height, width = (side // scale * scale for side in scene.depth.shape)
        exact = np.where(scene.valid, scene.depth, scene.depth[scene.valid].max()).astype(np.float32)[:height, :width]
        lr = np.maximum(bicubic(exact, (height // scale, width // scale)), exact.min())
        found.append(View(scene.rgb[:height, :width], lr, exact, 0.0))
    return found


def measure(upsamplers: Sequence[DepthUpsampler], scenes: Sequence[View], scale: int) -> dict[str, Any]:
    """Shares of flying pixels by method, means over the scenes."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for view in scenes:
        edges, size = near_edges(view, scale), view.exact.shape
        guide = torch.from_numpy(view.rgb.astype(np.float32)).permute(2, 0, 1).contiguous()
        d_up = bicubic(view.lr, size)
        filtered = joint_bilateral(torch.from_numpy(d_up.copy()), guide, scale).numpy()
        results = {"nearest": nearest(view.lr, size), "bicubic": d_up, "joint bilateral": filtered}
        most = FAR_OFF * (float(np.median(view.exact)) + view.offset)
        for upsampler in upsamplers:
            results[upsampler.name] = upsampler(view.rgb, view.lr, scale)
            if upsampler.expects_error:
                sure = upsampler.predict(view.rgb, view.lr, scale, max_error=most)
                results[f"{upsampler.name}, max_error"] = np.asarray(sure.depth)
        for name, depth in results.items():
            kept = edges & np.isfinite(depth)
            rows.setdefault(name, []).append((float(flies(depth, view, scale)[kept].mean()), kept.sum() / edges.sum()))
    means = {name: np.mean(values, 0).tolist() for name, values in rows.items()}
    return {name: {"flying": flying, "kept": kept} for name, (flying, kept) in means.items()}


def near_edges(view: View, scale: int) -> Mask:
    """Pixels within one LR sample of a step."""
    return edge_band(np.log(view.exact + view.offset), float(np.log1p(STEP)), scale)


def flies(depth: Array, view: View, scale: int) -> Mask:
    """Whether depth is far off the nearest and the farthest exact depth around, and off all that is close by."""
    exact, about = view.exact + view.offset, range(-ABOUT, ABOUT + 1)
    around = np.ones((2 * scale + 3,) * 2, np.uint8)
    surfaces = [cv2.erode(exact, around), cv2.dilate(exact, around)]
    shifted = np.pad(exact, ABOUT, mode="edge")
    height, width = exact.shape
    surfaces += [shifted[ABOUT + y : ABOUT + y + height, ABOUT + x : ABOUT + x + width] for y in about for x in about]
    distance = np.full(exact.shape, np.inf)
    for surface in surfaces:
        distance = np.fmin(distance, np.abs(depth + view.offset - surface))
    flying: npt.NDArray[np.bool_] = distance > FAR_OFF * exact
    return flying


def format_figures(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """One row for each method, with the share that flies and the share that is kept by kind of scene and scale."""
    columns = [(kind, scale) for kind, by_scale in figures.items() for scale in by_scale]
    methods = dict.fromkeys(name for kind, scale in columns for name in figures[kind][scale])
    rows = []
    for name in methods:
        each = [figures[kind][scale].get(name) for kind, scale in columns]
        rows.append([name, *("" if x is None else f"{x['flying']:.1%} of {x['kept']:.0%}" for x in each)])
    return text_table(["flying", *(f"{kind} {scale}" for kind, scale in columns)], rows)


if __name__ == "__main__":
    main()
