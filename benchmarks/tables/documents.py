"""Fill the documents: every table between two comments is made from results."""

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.tables import accuracy, cost, front
from benchmarks.tables.results import ROOT, load, older
from benchmarks.tables.runs import RUNS, SENSORS

BLOCK = re.compile(r"^(<!-- figures (\S+) -->\n)(.*?)(^<!-- end figures -->)$", re.MULTILINE | re.DOTALL)
TABLES: dict[str, tuple[Callable[..., str], tuple[str, ...]]] = {  # name -> how, and the runs that it shows
    "weights": (front.weights, ("quality", "structured_light", "steps")),
    "middlebury": (accuracy.middlebury, ("quality", "self_ensemble")),
    "middlebury-rmse": (accuracy.middlebury_rmse, ("quality",)),
    "middlebury-edges": (accuracy.middlebury_edges, ("quality",)),
    "kernels": (accuracy.kernels, ("kernels",)),
    "intermediate": (accuracy.intermediate, ("kernels",)),
    "sensors": (accuracy.sensed, SENSORS),
    "sensors-rmse": (accuracy.sensed_rmse, SENSORS),
    "sensors-bias": (accuracy.sensed_bias, SENSORS),
    "guide-shift": (accuracy.guide_shift, ("guide_shift",)),
    "flicker": (accuracy.flicker, ("flicker",)),
    "wide-range": (accuracy.wide_range, ("wide_range",)),
    "wide-edges": (accuracy.wide_edges, ("wide_edges",)),
    "frames": (accuracy.frames, ("sensor_frames",)),
    "rendered": (accuracy.rendered, ("rendered",)),
    "examples": (accuracy.examples, ("examples",)),
    "tiling": (accuracy.tiling, ("tiling",)),
    "precision": (accuracy.precision, ("precision",)),
    "speed": (cost.speed, ("speed",)),
    "latency": (cost.latency, ("speed",)),
    "cold-start": (cost.cold_start, ("speed",)),
    "limits": (cost.limits, ("speed",)),
    "operations": (cost.operations, ("cost",)),
    "growth": (cost.growth, ("speed",)),
    "memory": (cost.memory, ("memory-default", "memory-default-int8")),
    "ros-live": (cost.ros_live, ("ros_live-default", "ros_live-default-int8")),
    "ros2-live": (cost.ros2_live, tuple(name for name in RUNS if name.startswith("ros2_live"))),
    "bags": (cost.bags, ("bags",)),
    "registration": (cost.registration, ("registration",)),
    "alignment": (accuracy.alignment, ("alignment",)),
    "soak": (cost.soak, ("soak",)),
    "steps": (cost.steps, ("steps",)),
    "overhead": (cost.overhead, ("overhead",)),
    "overhead-added": (cost.overhead_added, ("overhead",)),
    "scale-out": (cost.scale_out, ("scale_out",)),
    "plan": (cost.plan, ("scale_out", "scale_out-default", "scale_out-default-int8")),
    "pair-cost": (cost.pair_cost, ("scale_out", "scale_out-default", "scale_out-default-int8")),
    "rates": (cost.rates, ("scale_out", "scale_out-default-int8")),
    "storage": (cost.storage, ("scale_out-default", "scale_out-default-int8")),
}
DOCUMENTS = ("README.md", "benchmarks/README.md", "docs/devices.md", "docs/results.md", "docs/scale_out.md")


def fill(name: str) -> str:
    """A document's text with the tables of the present results."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{render(block[2])}\n\n{block[4]}", (ROOT / name).read_text())


def render(name: str) -> str:
    """A table, and below it which of its weights have changed since; KeyError if there is no such table."""
    function, runs = TABLES[name]
    changed = sorted({weights for run in runs for weights in older(run)})
    note = f"\n\nMeasured with an earlier {', '.join(f'`{weights}`' for weights in changed)}." if changed else ""
    return function(*map(load, runs)) + note


def update() -> list[Path]:
    """Write the documents that differ from the results; returns their paths."""
    changed = []
    for name in DOCUMENTS:
        text = fill(name)
        if text != (ROOT / name).read_text():
            (ROOT / name).write_text(text)
            changed.append(ROOT / name)
    return changed
