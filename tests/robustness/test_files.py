"""300 damaged files over all formats in one folder run: each refused in one line, nothing half-written."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bridgenet_infer.cli import main
from bridgenet_infer.read import DEPTH_SUFFIXES, RGB_SUFFIXES, exr_supported, read_depth
from robustness.files.damage import HOPELESS
from testing.tiny import write_pair

DAMAGED = 300
GOOD = 4


def test_damaged_files_are_refused_alone(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    folders = {name: tmp_path / name for name in ("rgb", "depth")}
    for folder in folders.values():
        folder.mkdir()
    depth_suffixes = [suffix for suffix in DEPTH_SUFFIXES if suffix != ".exr" or exr_supported()]
    sides = [*(("depth", suffix) for suffix in depth_suffixes), *(("rgb", suffix) for suffix in RGB_SUFFIXES)]
    damaged: dict[str, Path] = {}
    for i in range(DAMAGED + GOOD):
        side, suffix = sides[i % len(sides)]
        paths = {name: folder / f"{i:03d}.png" for name, folder in folders.items()}
        paths[side] = folders[side] / f"{i:03d}{suffix}"
        write_pair(paths["rgb"], paths["depth"], i)
        if i < DAMAGED:
            damage = HOPELESS[i // len(sides) % len(HOPELESS)]
            paths[side].write_bytes(damage(paths[side].read_bytes(), rng))
            damaged[f"{i:03d}"] = paths[side]
    out = tmp_path / "out"
    call = [str(folders["rgb"]), str(folders["depth"]), "-o", str(out), "--weights", str(tiny_checkpoint)]
    assert main([*call, "--device", "cpu", "--preview", "--json"]) == 1
    captured = capsys.readouterr()
    results = json.loads(captured.out)["results"]
    assert Counter(row["status"] for row in results) == {"failed": DAMAGED, "written": GOOD}
    for row in results:
        if row["status"] == "failed":
            assert str(damaged[Path(row["depth"]).stem]) in row["reason"]
            assert "\n" not in row["reason"]
    assert "Traceback" not in captured.err
    assert len(list(out.iterdir())) == 2 * GOOD
    for row in results:
        if row["status"] == "written":
            assert read_depth(row["output"]).shape == (48, 64)
