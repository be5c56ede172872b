"""Train several runs at once on one GPU: `python -m training.together x8 x4 --seconds 400 --fall 90 --out OUT`.

Each run is a process of its own: while one launches kernels, another's compute. Every run goes on at its full rate for
`--seconds`, then a copy of it ends over as many steps as fit into `--fall` seconds. `--out` gets the moving average of
each in fp16, with step, seconds and lineage: small enough to carry, and `training.release` takes it like any last.pt.
It is there twice, NAME-stable.pt before the copies begin and NAME.pt after; a run that fails takes no other with it.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch

from datasets.folder import data_folder
from training.config import load_config
from training.pool import load_or_build_pool, plans_of

CONFIGS = Path(__file__).parent / "configs"
SLOWER = 1.6  # a step with falling rates computes in TF32, not bfloat16


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME[=START]", help="configs, perhaps with weights to start from")
    parser.add_argument("--seconds", type=float, required=True, help="at the full rate")
    parser.add_argument("--fall", type=float, required=True, help="seconds of falling rates")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--runs", type=Path, default=Path("out", "runs"), help="folder of the runs")
    parser.add_argument("--pools", type=Path, default=Path("out", "pools"), help="where sample pools are kept")
    parser.add_argument("--workers", type=int, default=16, help="processes that make pools")
    options = parser.parse_args()
    runs = dict(name.split("=") if "=" in name else (name, "") for name in options.names)
    for name in runs:  # once, before several want them
        for plan in plans_of(load_config(_config(name)).data):
            load_or_build_pool(options.pools, plan, data_folder() / "train", options.workers)

    def train_all(arguments: dict[str, list[str]]) -> None:
        folders = {
            name: ["--out", str(options.runs / Path(name).stem), "--pools", str(options.pools)] for name in arguments
        }
        processes = {name: _start(name, [*folders[name], *more]) for name, more in arguments.items()}
        for name, process in processes.items():
            if process.wait() != 0:
                print(f"{name} ended with code {process.returncode}", flush=True)

    train_all({name: [*_starting_from(start), "--seconds", f"{options.seconds:g}"] for name, start in runs.items()})
    paces = {}
    for name in runs:
        if pace := pack(options.runs / Path(name).stem / "last.pt", options.out / f"{Path(name).stem}-stable.pt"):
            paces[name] = pace
    train_all({name: ["--decay", str(max(int(pace * options.fall / SLOWER), 1))] for name, pace in paces.items()})
    for name in paces:
        pack(options.runs / Path(name).stem / "decay" / "last.pt", options.out / f"{Path(name).stem}.pt")


def pack(state: Path, target: Path) -> float | None:
    """Write the part of a run's state that a release needs, in fp16; gives steps a second, or None without a state."""
    if not state.exists():
        print(f"{state} is missing", flush=True)
        return None
    whole = torch.load(state, map_location="cpu", weights_only=True)
    kept = {key: whole[key] for key in ("step", "seconds", "model_config", "lineage")}
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**kept, "ema": {name: x.half() for name, x in whole["ema"].items()}}, target)
    return float(whole["step"] / whole["seconds"])


def _start(name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "training.train", "--config", str(_config(name)), *arguments])


def _starting_from(weights: str) -> list[str]:
    return ["--start-from", weights] if weights else []


def _config(name: str) -> Path:
    """Of a name in training/configs, or a file."""
    return Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"


if __name__ == "__main__":
    main()
