"""bridgenet-upsample on folders: pairing, going on past bad files, reruns, kills, JSON and the doctor."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bridgenet_infer import files, read_depth, write_depth
from bridgenet_infer.cli import main
from testing.tiny import write_pair

Folders = tuple[Path, Path, Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    rgb, depth, out = (tmp_path / name for name in ("rgb", "depth", "out"))
    rgb.mkdir()
    depth.mkdir()
    for i, suffix in enumerate((".png", ".tif", ".npy", ".npz", ".pfm")):
        write_pair(rgb / f"{i}.png", depth / f"{i}{suffix}", i)
    return rgb, depth, out


def call(folders: Folders, checkpoint: Path, *more: str) -> list[str]:
    rgb, depth, out = map(str, folders)
    return [rgb, depth, "-o", out, "--weights", str(checkpoint), "--device", "cpu", *more]


@pytest.fixture
def run(folders: Folders, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on the folders, or on other paths: its exit code, stdout and stderr."""

    def run(*more: str, paths: Folders = folders) -> tuple[int, str, str]:
        code = main(call(paths, tiny_checkpoint, *more))
        return code, *capsys.readouterr()

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_format_keeps_dtype_and_suffix(run: Run) -> None:
    code, out, _ = run("--json", "--preview")
    document = json.loads(out)
    assert (code, document["counts"]) == (0, {"written": 5, "skipped": 0, "failed": 0})
    assert document["network"]["precision"] == "float32"
    for row in document["results"]:
        lr, depth = read_depth(row["depth"]), read_depth(row["output"])
        assert depth.dtype == lr.dtype == row["dtype"]
        assert depth.shape == (row["height"], row["width"]) == (48, 64)
        assert Path(row["output"]).suffix == Path(row["depth"]).suffix
        assert (depth == 0).sum() == 64
        assert Image.open(row["preview"]).size == (64, 48)


def test_only_the_first_pairs_are_checked_for_alignment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridgenet_infer.alignment.ENOUGH", 2)
    results = json.loads(run("--json")[1])["results"]
    assert ["misalignment" in row for row in results] == [True, True, False, False, False]


def test_a_bad_file_is_listed_and_alone_done_again(folders: Folders, run: Run) -> None:
    rgb, depth, out = folders
    good = (depth / "1.tif").read_bytes()
    (depth / "1.tif").write_bytes(good[:60])
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(rgb / "3.png")  # of another shape than its depth
    code, said, errors = run()
    assert code == 1
    assert "3 written, 0 finished before, 2 failed" in said
    first, second = errors.splitlines()[-2:]
    assert first.count("1.tif: ") == 1
    assert "3.npz: no scale" in second
    assert names(out) == ["0.png", "2.npy", "4.pfm"]
    stamps = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    (depth / "1.tif").write_bytes(good)
    write_pair(rgb / "3.png", depth / "3.npz", 3)
    code, said, _ = run()
    assert (code, "2 written, 3 finished before, 0 failed" in said) == (0, True)
    assert names(out) == ["0.png", "1.tif", "2.npy", "3.npz", "4.pfm"]
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    code, said, _ = run("--overwrite")
    assert (code, "5 written" in said) == (0, True)


def test_a_rerun_makes_the_previews_that_are_missing(folders: Folders, run: Run) -> None:
    *_, out = folders
    assert run("--preview")[0] == 0
    pictures = {path: path.read_bytes() for path in out.glob("*_preview.png")}
    for path in pictures:
        path.unlink()
    code, said, _ = run("--preview", "--json")
    assert (code, json.loads(said)["counts"]["skipped"]) == (0, 5)
    assert {path: path.read_bytes() for path in out.glob("*_preview.png")} == pictures


def test_files_without_a_partner_are_named(folders: Folders, run: Run) -> None:
    rgb, depth, _ = folders
    (rgb / "2.png").unlink()
    (rgb / "lonely.jpg").write_bytes(b"")
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(rgb / "4.jpg")
    (depth / "notes.txt").write_text("not depth")
    code, said, _ = run()
    assert code == 1  # which of the two is 4?
    assert said.splitlines() == [
        "left out: 2: 0 RGB and 1 depth files of this name",
        "left out: 4: 2 RGB and 1 depth files of this name",
        "left out: lonely: 1 RGB and 0 depth files of this name",
        "3 written, 0 finished before, 0 failed, 3 left out",
    ]
    (rgb / "4.jpg").unlink()
    assert run()[0] == 0


def test_folders_without_any_pair_are_told_what_to_do(folders: Folders, run: Run) -> None:
    rgb, depth, out = folders

    def told(words: str, paths: Folders = folders) -> bool:
        code, _, errors = run(paths=paths)
        return code == 1 and words in errors

    for path in list(depth.iterdir()):
        path.rename(depth / f"depth_{path.name}")
    assert told("(the first are '0' and 'depth_0'): rename or link")
    (rgb.parent / "rgb.txt").write_text("")
    assert told(f"stamps; use bridgenet-bag {rgb.parent} -o {out}")
    assert told("the same folder", (rgb, rgb, out))


def test_a_single_result_is_told_with_unit_and_holes(tmp_path: Path, run: Run) -> None:
    pair = tmp_path / "rgb.png", tmp_path / "depth.png"
    write_pair(*pair, 0)
    png, pfm = ((*pair, tmp_path / f"up.{suffix}") for suffix in ("png", "pfm"))
    assert "uint16 mm, x8, 2% holes" in run("--depth-unit", "mm", paths=png)[1]
    code, _, errors = run(paths=pfm)
    assert (code, "--depth-unit m, mm" in errors) == (1, True)
    assert "float32 m, x8" in run("--depth-unit", "mm", paths=pfm)[1]


def test_results_never_replace_inputs(folders: Folders, run: Run) -> None:
    rgb, depth, _ = folders
    before = {path: path.read_bytes() for path in depth.iterdir()}
    assert run("--overwrite", paths=(rgb, depth, depth))[0] == 1
    assert {path: path.read_bytes() for path in depth.iterdir()} == before


def test_weights_that_are_missing_stop_everything(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(call(folders, Path("nosuch"))) == 1
    assert "nosuch" in capsys.readouterr().err
    assert main(call(folders, Path("default"), "--device", "cuda:99")) == 1
    assert "cuda:99" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["--format", "xyz"], ["--tile", "big"], ["--depth-unit", "-3"], ["--precision", "8"]])
def test_wrong_calls_end_with_2(folders: Folders, tiny_checkpoint: Path, more: list[str]) -> None:
    rgb, depth, out = map(str, folders)
    for arguments in (call(folders, tiny_checkpoint, *more), [rgb, depth + "/0.png", "-o", out], [rgb], []):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--ray", "somewhere"], "no address"),
        (["--ray", "somewhere:port"], "no address"),
        (["--ray-workers", "2"], "work only with --ray"),
        (["--ray", "--ray-batch", "0"], "at least 1"),
        (["0.png", "--ray"], "--ray is for folders"),
        (["0.png", "FOLDER"], "-o must be a folder for folders and scans, and a file"),
    ],
)
def test_wrong_calls_are_told_and_end_with_2(
    folders: Folders, run: Run, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    if more[0] == "0.png":
        rgb, depth, out = folders
        folders = rgb / "0.png", depth / "0.png", rgb.parent if "FOLDER" in more else out / "0.png"
        more = more[1:] if "--ray" in more else []
    with pytest.raises(SystemExit) as stop:
        run(*more, paths=folders)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_without_ray_its_option_tells_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, errors = run("--ray", "auto")
    assert code == 1
    assert "bridgenet-upsample: error: this needs Ray: pip install 'bridgenet-infer[ray]'" in errors
    assert run()[0] == 0
    assert run("--ray")[0] == 0  # with nothing left to do


# -- units -------------------------------------------------------------------------------------------------------------


def test_millimetres_become_metres_only_where_needed(folders: Folders, run: Run) -> None:
    *_, out = folders
    code, _, errors = run("--format", "pfm")  # uint16 without a unit
    assert (code, errors.count("cannot hold uint16")) == (1, 4)
    code, said, _ = run("--format", "pfm", "--depth-unit", "mm", "--overwrite", "--json")
    assert code == 0
    assert run("--format", "npy", "--depth-unit", "mm")[0] == 0
    metres, millimetres = read_depth(out / "0.pfm"), read_depth(out / "0.npy")
    assert (metres.dtype, millimetres.dtype) == (np.float32, np.uint16)
    assert np.array_equal(np.isnan(metres), millimetres == 0)
    known = millimetres > 0
    assert np.abs(metres[known] * 1000 - millimetres[known]).max() < 1e-2
    assert json.loads(said)["results"][0]["metres"] == [millimetres[known].min() / 1000, millimetres.max() / 1000]


def test_metres_become_millimetres_in_a_png(tmp_path: Path, tiny_checkpoint: Path) -> None:
    write_pair(tmp_path / "rgb.png", tmp_path / "depth.png", 0)
    depth = read_depth(tmp_path / "depth.png")
    metres = np.where(depth > 0, depth / 1000, np.nan).astype(np.float32)
    write_depth(tmp_path / "depth.npy", metres)
    arguments = [str(tmp_path / "rgb.png"), str(tmp_path / "depth.npy"), "--weights", str(tiny_checkpoint)]
    assert main([*arguments, "-o", str(tmp_path / "out.png")]) == 1  # no unit known
    assert main([*arguments, "-o", str(tmp_path / "out.png"), "--depth-unit", "m"]) == 0
    assert main([*arguments, "-o", str(tmp_path / "out.npy")]) == 0
    exact, written = read_depth(tmp_path / "out.npy"), read_depth(tmp_path / "out.png")
    assert written.dtype == np.uint16
    assert np.array_equal(written == 0, np.isnan(exact))
    # less than a millimetre becomes one, since 0 would be a hole
    assert np.abs(written - np.maximum(exact * 1000, 1))[written > 0].max() <= 0.51
    write_depth(tmp_path / "depth.npy", metres * 40)
    assert main([*arguments, "-o", str(tmp_path / "far.png"), "--depth-unit", "m"]) == 1
    assert not (tmp_path / "far.png").exists()


# -- leftovers ---------------------------------------------------------------------------------------------------------


def test_fresh_unfinished_files_of_another_run_are_left_alone(tmp_path: Path) -> None:
    for name, age in ((".a.png.x.part", 0), (".b.png.y.part", files.STALE_SECONDS + 5)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == [".a.png.x.part"]


def test_an_unfinished_file_may_vanish_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([folder / ".gone.png.x.part"]))
    files.remove_leftovers(tmp_path)


# -- doctor ------------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_all_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--doctor", "--json", "--device", "cpu"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["problems"] == []
    assert findings["in use"] == {"device": "cpu", "precision": "float32"}
    assert findings["weights"]["default"].startswith("bundled, verified")
    ours, plain = (float(word.strip("(")) for word in findings["self-test"]["mean error"].split() if word[-2:-1] == ".")
    assert ours < plain
    assert main(["--doctor", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.endswith("all is well\n")


def test_the_doctor_names_what_is_wrong(tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--doctor", "--device", "cpu", "--weights", str(tiny_checkpoint)]) == 1  # random weights
    assert "PROBLEM: self-test: mean error" in capsys.readouterr().out
    assert main(["--doctor", "--device", "cuda:99"]) == 1
    out = capsys.readouterr().out
    assert "PROBLEM: device: device 'cuda:99' cannot be used here" in out
    assert "PROBLEM: self-test" in out
