"""Draw the way of depth through the package, docs/flow.svg: `python docs/draw_flow.py`.

The middle row is the way of the data, a module for each step; below stands what leaves it.
"""

from itertools import pairwise
from pathlib import Path

from drawing import HEIGHT, LINES, WIDTH, Box, arrow, box, line, middle, picture, text

STEPS = {
    "read": ("files -> arrays", "(h, w), (H, W, 3)"),
    "validate": ("anything, checked", "(B, h, w), valid"),
    "frame": ("one an image", "filled, local range"),
    "tile": ("where to cut", "spans, windows"),
    "crop": ("one tile's inputs", "rgb, D_up (N, ., t, t)"),
    "run": ("fp16 or fp32", "residual (N, 1, t, t)"),
    "blend": ("overlaps", "rows (B, 1, n, W)"),
    "restore": ("unit, dtype, holes", "(B, H, W) as received"),
    "write": ("atomically", "files"),
}
COLUMNS = list(STEPS)
BOXES = {name: Box(name, column, 2.4, "dsr", STEPS[name][0]) for column, name in enumerate(STEPS)} | {
    "cli": Box("cli", 0, 0, "end", "files and folders"),
    "ros": Box("ros", 1, 0, "end", "nodes; bags, streams"),
    "demo": Box("demo", 2, 0, "end", "a page"),
    "upsampler": Box("upsampler", 1, 1.2, "end", "the public API"),
    "weights": Box("weights", 0, 1.2, "mde", "found, verified"),
    "engine": Box("engine", 5, 1.2, "end", "a row of tiles a time"),
    "wild": Box("wild", 0.6, 4.1, "mde", "single samples"),
    "holes": Box("holes", 1.6, 4.1, "mde", "filled"),
    "normalise": Box("normalise", 2.6, 4.1, "mde", "mid, reach"),
    "enlarge": Box("enlarge", 3.6, 4.1, "mde", "D_up, mid, reach"),
    "graph": Box("graph", 4.6, 4.1, "bridge", "torch"),
    "openvino": Box("openvino", 5.6, 4.1, "bridge", "compiled"),
    "cuda_graphs": Box("cuda_graphs", 6.6, 4.1, "bridge", "CUDA graphs"),
}
HELPERS = (
    ("wild", "frame"), ("holes", "frame"), ("normalise", "frame"), ("enlarge", "crop"), ("enlarge", "restore"),
    ("graph", "run"), ("openvino", "run"), ("cuda_graphs", "run"),
)  # fmt: skip


def draw() -> str:
    """The whole picture."""
    parts = []
    for before, name in pairwise(COLUMNS):
        parts.append(arrow(BOXES[before], BOXES[name]))
    for name, (_, leaves) in STEPS.items():
        x, y = BOXES[name].centre
        parts.append(text(x, y + HEIGHT / 2 + 18, leaves, 12))
    for helper, step in HELPERS:
        (x0, y0), (x1, y1) = BOXES[helper].centre, BOXES[step].centre
        parts.append(line(x0, y0 - HEIGHT / 2, x1, y1 + HEIGHT / 2 + 26, dashed=True))  # the words below the step
    for name in ("cli", "ros", "demo"):
        (x0, y0), (x1, y1) = BOXES[name].centre, BOXES["upsampler"].centre
        parts.append(line(x0, y0 + HEIGHT / 2, x1, y1 - HEIGHT / 2 - 2))
    parts.append(arrow(BOXES["weights"], BOXES["upsampler"], dashed=True))
    (x0, y), (x1, _) = BOXES["upsampler"].centre, BOXES["engine"].centre
    parts.append(line(x0 + WIDTH / 2, y, x1 - WIDTH / 2 - 2, y))
    parts.append(text((x0 + x1) / 2, y - 9, "frames", 15))
    parts += [_bracket("upsampler", "validate", "frame"), _bracket("engine", "tile", "restore")]
    parts += [box(one) for one in BOXES.values()]
    legend = "blue: the way of the data, and below each step what leaves it; dashed: what a step uses"
    return picture(
        len(COLUMNS), 4.4, [*parts, text(BOXES["crop"].centre[0], middle(4.4) + HEIGHT / 2 + 10, legend, 15)]
    )


def _bracket(caller: str, first: str, last: str) -> str:
    """From a box above down to a line over the steps that it calls."""
    x, y = BOXES[caller].centre
    (left, top), (right, _) = BOXES[first].centre, BOXES[last].centre
    bar = top - HEIGHT / 2 - 12
    return (
        f'<path d="M{x:g} {y + HEIGHT / 2:g}V{bar:g}M{left - WIDTH / 2:g} {bar + 8:g}V{bar:g}H{right + WIDTH / 2:g}v8" '
        f'fill="none" stroke="{LINES}" stroke-width="1.6"/>'
    )


if __name__ == "__main__":
    (Path(__file__).parent / "flow.svg").write_text(draw())
