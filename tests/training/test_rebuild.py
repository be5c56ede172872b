"""A rebuild makes the same checkpoint from its lineage, goes on after a kill, and says why where it cannot."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bridgenet_infer import weights
from testing.tiny import write_training_config
from training.config import load_config
from training.lineage import Stage, total_seconds, weights_sha256
from training.rebuild import rebuild
from training.release import Trained, release
from training.train import Run, train

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a checkpoint of two networks that began with one run, left at steps 4 and 6, and ended otherwise.

    "small" began with the first of its networks.
    """
    folder = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRIDGENET_DATA", str(folder / "no-data"))
        patch.setattr(weights.manifest, "PACKAGE_FOLDER", folder / "package")
        for module in ("bridgenet_infer.weights.manifest", "training.release", "training.rebuild"):
            patch.setattr(f"{module}.CHECKPOINT_FOLDER", folder / "checkpoints")
        (folder / "weights_manifest.json").write_text('{"checkpoints": []}')
        first = write_training_config(folder)
        for name, scale in (("four", 4), ("eight", 8)):
            text = first.read_text().replace("seed = 5", f"seed = {scale}\nnetwork_scale = {scale}")
            (folder / f"{name}.toml").write_text(text.replace("steps = 20", "steps = 6\ndecay = 4"))
        first.write_text(first.read_text().replace("checkpoint_every = 4", "checkpoint_every = 2"))
        _train(folder, "tiny", stop_at=4)
        _train(folder, "four", folder / "runs" / "tiny" / "last.pt")
        _train(folder, "tiny", stop_at=6)
        _train(folder, "tiny", decay=3)
        _train(folder, "eight", folder / "runs" / "tiny" / "decay" / "last.pt")
        configs = [folder / f"{name}.toml" for name in ("four", "eight")]
        runs = [Trained.read(folder / "runs" / path.stem / "last.pt", path) for path in configs]
        release("pair", runs, "test")
        _train(folder, "tiny", folder / "checkpoints" / "pair.safetensors", out="small", stop_at=2)
        release("small", [Trained.read(folder / "runs" / "small" / "last.pt", first)], "test")
        yield folder


def _train(folder: Path, name: str, start: Path | None = None, out: str = "", stop_at: int = 20, decay: int = 0) -> Run:
    config = load_config(folder / f"{name}.toml")
    return train(config, folder / "runs" / (out or name), CPU, start, stop_at, folder / "pools", decay=decay)


def _rebuild(released: Path, out: Path, name: str = "pair") -> Path:
    return rebuild(name, out, CPU, released / "pools", released)


def test_a_rebuild_gives_the_same_bits(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, step, threads = [], Run.train_step, torch.get_num_threads()
    monkeypatch.setattr(Run, "train_step", lambda run: taken.append(torch.get_num_threads()) or step(run))
    torch.set_num_threads(threads + 1)
    try:
        made = _rebuild(released, tmp_path)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert set(taken) == {threads}
    shipped = released / "checkpoints" / "pair.safetensors"
    assert made.read_bytes() == shipped.read_bytes()
    said = capsys.readouterr().out
    assert "is the same as pair, bit for bit" in said
    assert "note" not in said
    folders = ["01-tiny-4", "02-tiny-6", "03-four-6", "04-tiny-9", "05-eight-6"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == folders
    assert len(taken) == 6 + 6 + 3 + 6  # the first four steps of both lineages once
    _rebuild(released, tmp_path)
    assert len(taken) == 21


def test_killed_in_the_middle_it_goes_on(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, left = Run.train_step, 8

    def until_killed(run: Run) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return step(run)

    monkeypatch.setattr(Run, "train_step", until_killed)
    kills = 0
    while kills < 9:
        try:
            made = _rebuild(released, tmp_path)
        except KeyboardInterrupt:
            kills, left = kills + 1, 8
        else:
            break
    assert 2 <= kills < 9
    assert made.read_bytes() == (released / "checkpoints" / "pair.safetensors").read_bytes()


def test_a_rebuild_begins_with_the_checkpoint_of_its_lineage(released: Path, tmp_path: Path) -> None:
    made = _rebuild(released, tmp_path, "small")
    assert made.read_bytes() == (released / "checkpoints" / "small.safetensors").read_bytes()


def _change(released: Path, monkeypatch: pytest.MonkeyPatch, folder: Path, change: Callable[[Any], object]) -> None:
    """Let the entry of "pair" be another, in a manifest of its own."""
    document = json.loads((released / "weights_manifest.json").read_text())
    change(next(entry for entry in document["checkpoints"] if entry["name"] == "pair"))
    (folder / "weights_manifest.json").write_text(json.dumps(document))
    monkeypatch.setattr("training.rebuild.manifest_path", lambda: folder / "weights_manifest.json")


def test_other_bits_are_told_with_their_distance(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(entry: Any) -> None:
        first, second = entry["training"]["lineages"][0]
        entry["training"]["lineages"] = [[first | {"code": None}, second | {"start": "0" * 64, "code": "abc"}]]

    _change(released, monkeypatch, tmp_path, change)
    small = released / "checkpoints" / "small.safetensors"  # of one network, too
    monkeypatch.setattr("training.rebuild.CHECKPOINT_FOLDER", tmp_path)
    (tmp_path / "pair.safetensors").write_bytes(small.read_bytes())
    _rebuild(released, tmp_path / "out")
    said = capsys.readouterr().out
    assert f"note: four began with other weights ({'0' * 64})" in said
    assert "pair.safetensors differs from pair: weights by 0.0" in said
    assert "trained on test, code abc; this code is" in said


REFUSED: dict[str, Callable[[Any], object]] = {
    "has no lineage of it": lambda e: e["training"].pop("lineages"),
    "not trained but quantised, from small": lambda e: e.update(quantised={"from": "SMALL"}),
    "names gone.toml, which is not in": lambda e: e["training"]["lineages"][1][0].update(config="gone"),
    "20 steps, the last 0 falling": lambda e: e["training"]["lineages"][0][0].update(last=21),
    "6 steps, the last 4 falling": lambda e: e["training"]["lineages"][0][1].update(decay=3),
    "do not go on from step 6, falling for 3": lambda e: e["training"]["lineages"][1][1].update(first=5),
    "saw other real scenes": lambda e: e["training"]["lineages"][1][0].update(scenes="0123456789ab"),
    "another graph than the manifest": lambda e: e["config"].update(trunk_blocks=9),
    "has no network_scale": lambda e: e["training"]["lineages"][0].pop(),
    "no installed checkpoint holds": lambda e: e["training"]["lineages"][0][0].update(start="0" * 64),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_incomplete_lineages_are_refused(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def change(entry: Any) -> None:
        REFUSED[reason](entry)
        if "quantised" in entry:
            entry["quantised"]["from"] = weights.read_manifest()["small"].sha256

    _change(released, monkeypatch, tmp_path, change)
    with pytest.raises(ValueError, match=rf"^pair .*{reason}"):
        _rebuild(released, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_names_and_folders_of_other_lineages_are_refused(released: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the manifest has no other, it has pair, small"):
        _rebuild(released, tmp_path, "other")
    other = tmp_path / "01-tiny-4" / "last.pt"
    other.parent.mkdir()
    other.write_bytes((released / "runs" / "four" / "last.pt").read_bytes())
    with pytest.raises(ValueError, match=r"pair cannot be trained again: .*01-tiny-4/last\.pt is of another lineage"):
        _rebuild(released, tmp_path)


def test_the_manifest_tells_the_seconds_of_all_stages(released: Path) -> None:
    (pair, _) = json.loads((released / "weights_manifest.json").read_text())["checkpoints"]
    first, second = ([Stage(**stage) for stage in lineage] for lineage in pair["training"]["lineages"])
    assert all(stage.seconds for stage in (*first, *second))
    seconds, known = total_seconds([first, second])
    assert known
    assert seconds == pytest.approx(sum(s.seconds for s in (*first, *second)) - first[0].seconds)
    assert pair["training"]["seconds"] == round(seconds)
    assert total_seconds([[Stage("old", 1, 0, 5)], first]) == (sum(s.seconds for s in first), False)


def test_the_sha256_of_weights_is_of_nothing_else() -> None:
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(2)}
    digest = weights_sha256(tensors)
    same = {"a": tensors["a"].clone(), "b": tensors["b"].t().contiguous().t()}  # other strides, another order
    assert weights_sha256(same) == digest
    for other in ({"b": tensors["b"].reshape(3, 2)}, {"b": tensors["b"].half()}, {"c": tensors["a"]}):
        assert weights_sha256(tensors | other) != digest
