"""Train a checkpoint again from its lineage, and compare it with the manifest's: `python -m training.rebuild NAME`.

Every stage is trained in a folder of its own below `out/rebuild/NAME`, those that several lineages share once; started
again after a kill, it goes on where it was. At the end NAME.safetensors lies there too; nothing is installed. Its bits
are the manifest's only with the code, library versions and type of processor that made those; the number of threads is
taken from the lineage.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bridgenet_infer.backends.per_scale import Network
from bridgenet_infer.files import write_atomically
from bridgenet_infer.graph import BridgeNetConfig
from bridgenet_infer.weights import CHECKPOINT_FOLDER, load_checkpoint, manifest_path
from datasets.folder import data_folder
from training.config import RunConfig, load_config
from training.expected_error import load_pools, train_head, with_head
from training.lineage import Lineage, Stage, current_commit, run_of, weights_sha256
from training.pool import list_scenes, scenes_sha256
from training.release import Trained, lineage_in_words, make_checkpoint, validate_network
from training.train import train, weights_for

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class Replay:
    """The last stage of `lineage`, to be trained again in `folder`."""

    lineage: Lineage
    config: RunConfig
    folder: Path

    @property
    def stage(self) -> Stage:
        """The one that is trained here."""
        return self.lineage[-1]

    @property
    def falls(self) -> bool:
        """Whether it is a copy of the stage before that goes on with falling rates."""
        return _falls(self.lineage)

    @property
    def state(self) -> Path:
        """Where its last state lies."""
        return self.folder / "decay" / "last.pt" if self.falls else self.folder / "last.pt"

    @property
    def reached(self) -> int | None:
        """The step of its last state, None without one; ValueError if that is of another lineage."""
        if not self.state.exists():
            return None
        state = torch.load(self.state, map_location="cpu", weights_only=True)
        found = tuple(Stage(**fields) for fields in state["lineage"])
        if _without_starts(found) != _without_starts(self.lineage) or found[-1].last > self.stage.last:
            raise ValueError(f"{self.state} is of another lineage: {lineage_in_words(found)}")
        return found[-1].last


def _falls(lineage: Lineage) -> bool:
    return len(lineage) > 1 and lineage[-1].start is None


def _without_starts(lineage: Lineage) -> Lineage:
    """The part of a lineage that a replay repeats even if it rounds otherwise."""
    return tuple(replace(stage, start=None) for stage in run_of(lineage))


def rebuild(name: str, out: Path, device: torch.device, pools: Path, configs: Path = CONFIGS) -> Path:
    """Train all stages of a checkpoint again, below `out`, and say how far the result is from the manifest's.

    Parameters
    ----------
    pools
        Where sample pools are kept.
    configs
        Folder of the configurations that the lineage names.

    Returns
    -------
    The checkpoint that was made.

    Raises
    ------
    OSError
        If something cannot be read or written.
    ValueError
        If the manifest tells no lineage for it, or one that configurations, real scenes or states in `out` do not fit.
    """
    entry, entries = _read_entry(name)
    lineages = [tuple(Stage(**fields) for fields in lineage) for lineage in entry["training"]["lineages"]]
    try:
        replays = plan(lineages, configs, out)
        _check(entry, [replays[lineage] for lineage in lineages])
        for replay in replays.values():
            _replay(replay, replays, entries, device, pools)
    except ValueError as error:
        raise ValueError(f"{name} cannot be trained again: {error}") from error
    ends = [replays[lineage] for lineage in lineages]
    runs = [Trained(torch.load(end.state, map_location="cpu", weights_only=True), end.config) for end in ends]
    model, payload = make_checkpoint(runs)
    target = out / f"{name}.safetensors"
    write_atomically(target, payload)
    if hashlib.sha256(payload).hexdigest() == entry["sha256"]:
        print(f"{target} is the same as {name}, bit for bit", flush=True)
    else:
        print(f"{target} differs from {name}: {_difference(entry, runs, model, target)}", flush=True)
    return target


def _read_entry(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A checkpoint's entry, and all of them; ValueError if it has no lineage."""
    entries: list[dict[str, Any]] = json.loads(manifest_path().read_text(encoding="utf-8"))["checkpoints"]
    named = {entry["name"]: entry for entry in entries}
    if name not in named:
        raise ValueError(f"the manifest has no {name}, it has {', '.join(named)}")
    entry = named[name]
    if "quantised" in entry:
        source = entry["quantised"]["from"]
        names = [other["name"] for other in entries if other["sha256"] == source]
        raise ValueError(f"{name} was not trained but quantised, from {' '.join(names) or 'weights'} (sha256 {source})")
    if not entry.get("training", {}).get("lineages"):
        raise ValueError(f"{name} cannot be trained again: the manifest has no lineage of it")
    return entry, entries


def plan(lineages: Sequence[Lineage], configs: Path, out: Path) -> dict[Lineage, Replay]:
    """The stages to train, in order, by the lineage up to each: every stage once, the shorter part of a run first.

    Raises
    ------
    ValueError
        If a stage does not fit to its configuration, to the stage before or to the real scenes here.
    """
    parts = {lineage[: count + 1] for lineage in lineages for count in range(len(lineage))}
    ordered = sorted(parts, key=lambda part: (len(part), part[-1].config, part[-1].last, str(part)))
    replays = {}
    for number, part in enumerate(ordered, 1):
        stage = part[-1]
        config = _config_of(part, configs / f"{stage.config}.toml")
        replays[part] = Replay(part, config, out / f"{number:02}-{stage.config}-{stage.last}")
    return replays


def _config_of(lineage: Lineage, path: Path) -> RunConfig:
    """The configuration of the last stage, with its seed."""
    stage = lineage[-1]
    if not path.is_file():
        raise ValueError(f"its lineage names {path.name}, which is not in {path.parent}")
    config = replace(load_config(path), seed=stage.seed)
    where = f"steps {stage.first} to {stage.last} of {path.name}"
    if config.name != stage.config:
        raise ValueError(f"{path} configures {config.name!r}, not {stage.config!r}")
    if stage.error_head:
        config = with_head(config)
    elif _falls(lineage):
        if lineage[-2].last != stage.first or not 0 < stage.last - stage.first <= stage.decay:
            raise ValueError(f"{where} do not go on from step {lineage[-2].last}, falling for {stage.decay}")
    elif stage.first != 0 or stage.last > config.optim.steps or stage.decay != config.optim.decay:
        asked = f"{config.optim.steps} steps, the last {config.optim.decay} falling"
        raise ValueError(f"{where}, {stage.decay} falling, do not fit to its {asked}")
    scenes = scenes_sha256(list_scenes(data_folder() / "train"))
    if stage.scenes not in (None, scenes):
        raise ValueError(f"{where} saw other real scenes ({stage.scenes}) than those of {data_folder()} ({scenes})")
    return config


def _check(entry: dict[str, Any], ends: Sequence[Replay]) -> None:
    """ValueError if the last configurations do not make a checkpoint like the entry's: before hours of training."""
    for end in ends:
        if end.config.model != BridgeNetConfig.from_dict(entry["config"]):
            raise ValueError(f"{end.config.name}.toml describes another graph than the manifest")
        if len(ends) > 1 and end.config.network_scale is None:
            raise ValueError(f"{end.config.name}.toml has no network_scale")


def _replay(
    replay: Replay, replays: dict[Lineage, Replay], entries: Sequence[dict[str, Any]], device: torch.device, pools: Path
) -> None:
    """Train one stage, from its last state if there is one, else from where the lineage says."""
    stage, before = replay.stage, replays.get(replay.lineage[:-1])
    start = None
    if stage.start is not None:
        start = before.state if before else _checkpoint_with(stage.start, replay.config, entries)
    if start and before and not stage.error_head:
        made = weights_sha256(torch.load(start, map_location="cpu", weights_only=True)["ema"])
        if made != stage.start:
            print(f"note: {stage.config} began with other weights ({stage.start}) than were made here ({made})")
    shorter = [x for x in replays.values() if run_of(x.lineage) == run_of(replay.lineage) and x.stage.last < stage.last]
    if shorter:
        _copy_once(shorter[-1].state, replay.state)
    if replay.falls and before:
        _copy_once(before.state, replay.folder / "last.pt")
    reached = replay.reached
    if reached is not None and reached == stage.last:
        return
    print(f"{lineage_in_words([stage])}, in {replay.folder}, now at {reached or stage.first}", flush=True)
    decay, threads = stage.decay if replay.falls else 0, torch.get_num_threads()
    torch.set_num_threads(stage.threads or threads)
    try:
        if stage.error_head and before is not None:
            _replay_head(replay, before, device, pools)
        else:
            train(replay.config, replay.folder, device, start, stage.last, pools, decay=decay)
    finally:
        torch.set_num_threads(threads)


def _replay_head(replay: Replay, before: Replay, device: torch.device, pools: Path) -> None:
    source = torch.load(before.state, map_location="cpu", weights_only=True)
    lineage = [Stage(**fields) for fields in source["lineage"]]
    images = load_pools(replay.config.data, pools, device)
    state = train_head(replay.config, source["ema"], lineage, images, device, replay.stage.last)
    replay.folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, replay.state)


def _copy_once(state: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, state.read_bytes())


def _checkpoint_with(start: str, config: RunConfig, entries: Sequence[dict[str, Any]]) -> Path:
    """The installed checkpoint whose network for `config` has the sha256 `start`; ValueError if there is none."""
    for entry in entries:
        path: Path = CHECKPOINT_FOLDER / entry["file"]
        if "quantised" not in entry and path.is_file() and weights_sha256(weights_for(config, path)) == start:
            return path
    raise ValueError(f"its first stage began with weights of sha256 {start}, which no installed checkpoint holds")


def _difference(entry: dict[str, Any], runs: Sequence[Trained], model: Network, target: Path) -> str:
    """The distance of weights and validation from the manifest's, and the conditions that differ, in words."""
    words, shipped = [], CHECKPOINT_FOLDER / entry["file"]
    if shipped.is_file():
        ours, theirs = (load_checkpoint(path)[0].state_dict() for path in (target, shipped))
        size = torch.cat([theirs[name].flatten() for name in ours]).abs().mean()
        apart = torch.cat([(ours[name] - theirs[name]).flatten() for name in ours]).abs()
        words.append(f"weights by {apart.mean():.3g} on average of {size:.3g}, at most by {apart.max():.3g}")
    figures, before = validate_network(model, [run.config for run in runs]), entry["metrics"]["validation"]
    words += [f"{key} {value:.3f} (was {before[key]:.3f})" for key, value in figures.items() if key in before]
    codes = sorted({str(stage["code"]) for x in entry["training"]["lineages"] for stage in x if stage.get("code")})
    words.append(f"trained on {entry['training']['hardware']}, code {', '.join(codes) or 'not recorded'}")
    words.append(f"this code is {current_commit() or 'unknown'}")
    return "; ".join(words)


def main() -> None:
    """Command line of the rebuild."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a checkpoint of the manifest that has a lineage")
    parser.add_argument("--out", type=Path, help="folder for stages and checkpoint (default: out/rebuild/NAME)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--pools", type=Path, default=Path("out", "pools"), help="where sample pools are kept")
    arguments = parser.parse_args()
    out = arguments.out or Path("out", "rebuild", arguments.name)
    try:
        rebuild(arguments.name, out, torch.device(arguments.device), arguments.pools)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
