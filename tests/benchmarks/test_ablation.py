"""Studies run their variants by the ordinary training, by steps or by the clock."""

import dataclasses
from pathlib import Path

import pytest
import torch

from benchmarks.ablation.study import format_study, run_variant
from testing.tiny import TINY
from training.config import read_toml
from training.curves import read_rows


def test_a_study_runs_its_variants_by_the_ordinary_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studies = Path(__file__).parents[2] / "benchmarks" / "ablation"
    tiny = {
        "dsr_widths": [4, 4, 4, 4],
        "mde_widths": [4, 4, 4, 4, 4],
        "pyramid_width": 4,
        "stage_blocks": [1, 1, 1],
        "trunk_blocks": 1,
    }
    small = {"pool_size": 64, "procedural": 4, "raycast": 0, "patch": 32, "batch": 2}
    monkeypatch.setenv("BRIDGENET_DATA", str(tmp_path / "none"))
    monkeypatch.setattr("benchmarks.ablation.study.score", lambda run, device: {"validation": run.step * 1.0})
    seen = set()
    for path in studies.glob("*.toml"):
        study = read_toml(path)
        if "variants" not in study:
            continue
        base = read_toml(path.parent / study["base"])
        base = {
            **base,
            "data": {**base["data"], **small},
            "optim": {**base["optim"], "steps": 2, "decay": 1},
            "checkpoint_every": 2,
        }
        base.pop("start_from", None)
        for name, changes in study["variants"].items():
            shrunk = {
                **changes,
                "model": {**tiny, **changes.get("model", {}), **tiny},
                "data": {**changes.get("data", {}), **small},
            }
            folder = tmp_path / path.stem / name
            figures = run_variant(name, base, shrunk, 1, folder, torch.device("cpu"), tmp_path / "pools")
            assert figures["steps"] == 2
            seen.add(name)
    assert {"DSRNet alone", "bridges at default initialisation", "Muon's rate .04", "16 16 32 64, blocks 1 2 3"} <= seen
    row = {"score": 0.5, "middlebury2005": 2.0, "steps": 7.0, "seconds": 3.0}
    assert format_study({"both": [row, {**row, "score": 0.7}]}).splitlines()[-1].split()[:3] == [
        "both",
        "0.600",
        "0.200",
    ]


def test_a_study_by_the_clock_ends_and_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGENET_DATA", str(tmp_path / "none"))
    monkeypatch.setattr(
        "benchmarks.ablation.study.score", lambda run, device: {"falling": float(run.config.optim.decay)}
    )
    base = {
        "model": {**dataclasses.asdict(TINY)},
        "data": {"pool_size": 64, "procedural": 4, "raycast": 0, "patch": 32, "batch": 2, "real_share": 0.0},
        "checkpoint_every": 1,
    }

    def run() -> dict[str, float]:
        return run_variant("tiny", base, {}, 1, tmp_path, torch.device("cpu"), tmp_path / "pools", seconds=0.4)

    first = run()
    before = int(read_rows(tmp_path / "curve.csv")[-1]["step"])
    assert first["falling"] == max(before // 3, 1)
    assert first["steps"] == before + first["falling"]
    assert run() == first
