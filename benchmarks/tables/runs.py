"""The runs that all figures come from."""

from dataclasses import dataclass

DEFAULT, SENSOR, INT8 = "default", "sensor", "default-int8"
SINGLE = ("x4", "x8", "x16")
ALL = (DEFAULT, INT8, *SINGLE, SENSOR)
OPENVINO = "out/default-openvino.safetensors"
RELIABILITIES = ("best_effort", "reliable")
SENSORS = ("structured_light", "time_of_flight", "active_stereo", "shrunk_frame")


@dataclass(frozen=True)
class Run:
    """One benchmark.

    Attributes
    ----------
    arguments
        Of python, without the weights.
    minutes
        On two cores, about.
    timed
        It measures time, so all its weights are run again together, and nothing else should run.
    before
        Arguments of python for what is run first. FOLDER in any of these stands for a temporary one.
    draws
        Files that it makes of its weights instead of measuring them, from the root of the repository.
    """

    arguments: str
    weights: tuple[str, ...]
    minutes: int
    timed: bool = False
    before: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()

    def command(self, weights: tuple[str, ...] = ()) -> str:
        """As one types it, for some of the weights or for all."""
        chosen = weights or self.weights
        named = f" --weights {' '.join(chosen)}" if chosen and not self.draws else ""
        return f"python {self.arguments}{named}"


RUNS = {
    # accuracy
    "quality": Run("-m benchmarks.accuracy.quality", ALL, 8),
    "self_ensemble": Run("-m benchmarks.accuracy.quality --self-ensemble --no-joint-bilateral", SINGLE, 10),
    "kernels": Run("-m benchmarks.accuracy.kernels", (DEFAULT, *SINGLE), 4),
    **{
        name: Run(f"-m benchmarks.accuracy.quality --degrade {name}", (DEFAULT, *SINGLE, SENSOR), 6) for name in SENSORS
    },
    "guide_shift": Run("-m benchmarks.accuracy.guide_shift", (DEFAULT, SENSOR), 3),
    "flicker": Run("-m benchmarks.accuracy.flicker", (DEFAULT, SENSOR), 2),
    "sensor_frames": Run("-m benchmarks.accuracy.sensor", (DEFAULT, *SINGLE, SENSOR), 5),
    "rendered": Run("-m benchmarks.accuracy.sensor --scenes rendered", (DEFAULT, *SINGLE), 2),
    "examples": Run("-m benchmarks.accuracy.examples", (DEFAULT,), 1),
    "wide_range": Run("-m benchmarks.accuracy.wide_range --scenes eval", ALL, 2),
    "wide_edges": Run("-m benchmarks.accuracy.wide_edges", (DEFAULT, *SINGLE), 2),
    "precision": Run("-m benchmarks.accuracy.precision", (DEFAULT,), 6),
    "tiling": Run("-m benchmarks.accuracy.tiling --scenes eval", (DEFAULT,), 6),
    "registration": Run("-m benchmarks.accuracy.registration", (), 1),
    "alignment": Run("-m benchmarks.accuracy.alignment", (), 5),
    "cost": Run("-m benchmarks.runtime.cost", (), 1),
    "bags": Run("-m benchmarks.robots.bags", (DEFAULT,), 1),
    # time and memory
    "speed": Run(
        "-m benchmarks.runtime.speed --megapixels 0.07 0.3 1 3 10 100",
        (DEFAULT, INT8, OPENVINO),
        25,
        timed=True,
        before=(f"-m bridgenet_infer.export --format openvino --weights default -o {OPENVINO}",),
    ),
    "memory-default": Run("-m benchmarks.runtime.memory", (DEFAULT,), 3, timed=True),
    "memory-default-int8": Run("-m benchmarks.runtime.memory", (INT8,), 2, timed=True),
    "ros_live-default": Run("-m benchmarks.robots.ros_live", (DEFAULT,), 1, timed=True),
    "ros_live-default-int8": Run("-m benchmarks.robots.ros_live", (INT8,), 1, timed=True),
    **{
        f"ros2_live-{weights}-{reliability}": Run(
            f"-m benchmarks.robots.ros2_live --reliability {reliability}", (weights,), 1, timed=True
        )
        for weights in (DEFAULT, INT8)
        for reliability in RELIABILITIES
    },
    "soak": Run("-m benchmarks.robots.soak --frames 10000", (DEFAULT,), 12, timed=True),
    "steps": Run("-m benchmarks.runtime.steps", (DEFAULT, INT8, SENSOR), 2, timed=True),
    "overhead": Run("-m benchmarks.robots.overhead --rounds 20", (DEFAULT,), 2, timed=True),
    "scale_out": Run("-m benchmarks.runtime.scale_out --pairs 60 --rounds 2 --ways 0 3", (DEFAULT,), 4, timed=True),
    **{
        f"scale_out-{name}": Run(
            "-m benchmarks.runtime.scale_out --size 640 480 --pairs 16 --rounds 1 --ways 0", (name,), 1, timed=True
        )
        for name in (DEFAULT, INT8)
    },
    # pictures
    "desk": Run("-m examples.readme_picture", (DEFAULT,), 1, draws=("docs/desk.png",)),
    "pictures": Run("docs/draw_results.py", (DEFAULT,), 1, draws=("docs/street.png", "docs/errors.png")),
    "walk": Run(
        "-m examples.bag_picture FOLDER/up -o docs/walk.png",
        (SENSOR,),
        1,
        before=(
            "-m simulation.record_walk FOLDER/walk",
            "-m bridgenet_infer.bags.command FOLDER/walk -o FOLDER/up --weights sensor --fill-holes",
        ),
        draws=("docs/walk.png",),
    ),
    "recording": Run("-m examples.record_command", ALL, 1, draws=("docs/command.txt",)),
}
