"""Distance of exported files from the package on random hard pairs: `python -m benchmarks.accuracy.exported`.

Every file does the whole job. Differences are in shares of the local reach of depth, less four units in the last place
of float32. Pairs are those of `testing/hard_pairs.py`; each goes to the file of its scale.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.backends.per_scale import network_for, networks_of
from bridgenet_infer.export import ExportedFile, Form, Parity, compare, export, load_exported, load_openvino, scales_of
from bridgenet_infer.pipeline.validate import resolve_scale
from testing.hard_pairs import hard_pair

RUNTIMES: dict[str, Callable[[Path], ExportedFile]] = {
    "onnxruntime": load_exported,
    "onnxruntime, extended optimisation": partial(load_exported, extended=True),
    "OpenVINO": load_openvino,
}


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "exported", ["default", "default-int8"])  # all are compared with the first
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--longest", type=int, default=320, help="side of the largest image")
    options = parser.parse_args()
    reference, *others = (DepthUpsampler.from_pretrained(name, device="cpu") for name in options.weights)
    forms = {f"{reference.name}, fp32": (reference, Form()), f"{reference.name}, fp16": (reference, Form(half=True))}
    forms |= {other.name: (other, Form()) for other in others}
    figures = {}
    for label, (upsampler, form) in forms.items():
        with TemporaryDirectory() as folder:
            files = export_all(upsampler, Path(folder), form)
            size = sum(path.stat().st_size for path in files) / len(files)
            for runtime, results in measure(reference, files, options.pairs, options.longest).items():
                figures[f"{label}, {runtime}"] = {"bytes": size, **summarise(results)}
    print(format_figures(figures))
    write_result(options.out / "exported.json", {"pairs": options.pairs, "figures": figures}, [reference, *others])


def export_all(upsampler: DepthUpsampler, folder: Path, form: Form) -> list[Path]:
    """One ONNX file for each network, in the order of their scales."""
    paths = []
    for scale in scales_of(upsampler):
        paths.append(folder / f"{upsampler.name}-x{scale}.onnx")
        export(upsampler, paths[-1], "onnx", scale, form)
    return paths


def measure(reference: DepthUpsampler, paths: list[Path], count: int, longest: int) -> dict[str, list[Parity]]:
    """The comparisons of every runtime, pair by pair."""
    networks = networks_of(reference.model)
    loaded = {name: [load(path) for path in paths] for name, load in RUNTIMES.items()}
    results: dict[str, list[Parity]] = {name: [] for name in RUNTIMES}
    for seed in range(count):
        rgb, lr_depth = hard_pair(seed, longest)
        scale = resolve_scale("auto", lr_depth.shape, rgb.shape[:2])
        index = networks.index(network_for(reference.model, scale))
        for name, files in loaded.items():
            results[name].append(compare(reference, str(seed), files[index], rgb, lr_depth))
    return results


def summarise(results: list[Parity]) -> dict[str, float]:
    """Counts of pairs, and differences over all pixels of all pairs."""
    differences = np.concatenate([result.differences for result in results])
    return {
        "masks equal": sum(result.masks_equal for result in results),
        "within the bound": sum(result.holds() for result in results),
        "mean": float(differences.mean()),
        "99.99 %": float(np.quantile(differences, 0.9999)),
        "greatest": float(differences.max()),
    }


def format_figures(figures: Mapping[str, Mapping[str, float]]) -> str:
    """One line a file and runtime."""
    names = list(next(iter(figures.values())))
    return text_table(["", *names], [[label, *(f"{row[n]:.3g}" for n in names)] for label, row in figures.items()])


if __name__ == "__main__":
    main()
