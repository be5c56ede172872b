"""What the temporal filter does to flicker and to motion: `python -m benchmarks.accuracy.steadiness --weights sensor`.

"still" and "moving": the flicker of `benchmarks.accuracy.flicker` of a camera that stands still or moves, without the
filter and with it, on surfaces and at edges.

"object": a plate passes before the still camera. Of the pixels that it has covered or uncovered within the last five
frames, "late" is the share that still shows the depth of more than one frame ago, and "wrong" the share that shows
neither the present depth nor that of the last frame, both within 5 cm.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.accuracy.flicker import measure, render_sequence, sequence_command
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from bridgenet_infer.temporal import Temporal, TemporalFilter
from simulation.observe import observe

NEARER = 0.3  # metres that the plate is nearer than all behind it
SPEED = 12  # HR pixels a frame
REMEMBERED, TOLERANCE = 5, 0.05  # frames, metres
WAYS = {"plain": None, "temporal": Temporal()}


def main() -> None:
    """Command line of the benchmark."""
    options = sequence_command(__doc__, "steadiness", "sensor").parse_args()
    loaded = [DepthUpsampler.from_pretrained(name) for name in options.weights]
    moving = render_sequence(options.frames)
    still = moving[:1] * options.frames
    passing = [pass_plate(*moving[0], index) for index in range(options.frames)]
    figures: dict[str, dict[str, dict[str, dict[str, tuple[float, float]]]]] = {}
    for sensor in options.sensors:
        figures[sensor] = {
            "still": {way: measure(loaded, still, sensor, options.scale, temporal) for way, temporal in WAYS.items()},
            "moving": {way: measure(loaded, moving, sensor, options.scale, temporal) for way, temporal in WAYS.items()},
            "object": {way: lag(loaded, passing, sensor, options.scale, temporal) for way, temporal in WAYS.items()},
        }
    rows = [
        [f"{sensor}, {case}", name, *(f"{x:.4g}" for way in WAYS for x in by_way[way][name])]
        for sensor, by_case in figures.items()
        for case, by_way in by_case.items()
        for name in by_way["plain"]
    ]
    print("standard deviations in mm on surfaces and at edges; of the object, shares late and wrong")
    print(text_table(["", "", *(f"{way} {part}" for way in WAYS for part in (1, 2))], rows))
    write_result(options.out / "steadiness.json", {"scale": options.scale, "figures": figures}, loaded)


def pass_plate(rgb: Array, depth: Array, index: int) -> tuple[Array, Array]:
    """The scene with a plate in front, which is `SPEED` pixels farther to the right in each frame."""
    height, width = depth.shape
    window = slice(height // 4, height // 2), slice(width // 8 + SPEED * index, width // 4 + SPEED * index)
    rgb, depth = rgb.copy(), depth.copy()
    depth[window] = depth[height // 4 : height // 2].min() - NEARER
    rgb[window] = 255 - rgb[window] // 2
    return rgb, depth


def lag(
    upsamplers: Sequence[DepthUpsampler],
    sequence: Sequence[tuple[Array, Array]],
    sensor: str,
    scale: int,
    temporal: Temporal | None,
) -> dict[str, tuple[float, float]]:
    """Shares of the pixels that the plate has just covered or uncovered: late ones and wrong ones."""
    steady = None if temporal is None else TemporalFilter(temporal)
    shares: dict[str, list[tuple[float, float]]] = {}
    for index, (rgb, depth) in enumerate(sequence):
        lr = observe(rgb, depth, sensor, scale, seed=index)
        lr = lr if steady is None else steady(lr)
        past = [sequence[index - back][1] for back in range(1, min(index, REMEMBERED) + 1)]
        if len(past) < REMEMBERED:
            continue
        changed = np.any([np.abs(depth - each) > 2 * TOLERANCE for each in past], axis=0)
        for upsampler in upsamplers:
            result = upsampler(rgb, lr, scale)
            now, *before = (np.abs(result - each) < TOLERANCE for each in (depth, *past))
            wrong = ~(now | before[0]) & (result > 0)
            late = wrong & np.any(before[1:], axis=0)
            scored = changed & (result > 0)
            shares.setdefault(upsampler.name, []).append((float(late[scored].mean()), float(wrong[scored].mean())))
    return {name: (float(np.mean(values, 0)[0]), float(np.mean(values, 0)[1])) for name, values in shares.items()}


if __name__ == "__main__":
    main()
