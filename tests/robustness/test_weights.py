"""Checkpoints and manifests that are corrupted, foreign or no files: `robustness.weights` in short."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridgenet_infer import weights
from robustness.weights.campaign import LOADED, REFUSED, Tally
from robustness.weights.cases import Case, Place, edited_manifests, exchanged, flipped, foreign, no_files, truncated
from testing.tiny import write_tiny_checkpoint

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounds memory by /proc")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The bundled default, in a copy of the folder that the manifest is about."""
    folder = tmp_path / "checkpoints"
    shutil.copytree(weights.CHECKPOINT_FOLDER, folder)
    monkeypatch.setattr(weights.manifest, "CHECKPOINT_FOLDER", folder)
    return Place(folder / "default.safetensors", "default", weights.load_weights("default").model.state_dict())


MAKERS: dict[str, tuple[int, Callable[[Place, Path], Iterator[Case]]]] = {
    "bit flips": (50, lambda place, folder: flipped(place, 50, seed=4)),
    "files exchanged": (20, lambda place, folder: exchanged(place.file.parent)),
    "cut short": (20, lambda place, folder: truncated(place, 5, seed=5)),
    "foreign": (30, lambda place, folder: foreign(folder / "foreign", every=16)),  # each makes a graph
    "no regular file": (25, lambda place, folder: no_files(folder / "odd", place)),
    "manifest edited": (100, lambda place, folder: edited_manifests(folder / "edited", seed=6)),
}


@pytest.mark.parametrize("group", MAKERS)
def test_only_what_was_asked_for_is_loaded(shipped: Place, tmp_path: Path, group: str) -> None:
    least, make = MAKERS[group]
    tally = Tally(group)
    for case in make(shipped, tmp_path):
        tally.add(case)
    assert tally.complaints == []
    assert tally.outcomes.total() >= least
    assert set(tally.outcomes) <= {LOADED, REFUSED}


def test_the_campaign_tells_wrong_weights_from_right_ones(tmp_path: Path) -> None:
    path, other = (write_tiny_checkpoint(tmp_path / f"{seed}.safetensors", seed) for seed in range(2))
    expected = weights.load_weights(path).model.state_dict()
    for file, loads, good in ((path, True, True), (other, True, False), (path, False, False)):
        tally = Tally("")
        tally.add(Case("", str(file), (str(file),), expected, loads))
        assert (tally.complaints == []) == good
