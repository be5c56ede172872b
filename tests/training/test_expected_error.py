"""Heads for the expected error: all else stays bit for bit, and they can be trained again."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bridgenet_infer import weights
from bridgenet_infer.graph.dsrnet import ErrorHead
from testing.tiny import write_training_config
from training.config import load_config
from training.expected_error import Sample, add_heads, fit, likelihood_loss
from training.lineage import Stage
from training.rebuild import rebuild
from training.release import Trained, lineage_in_words, release
from training.train import train, weights_for

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with "pair", a released checkpoint of two networks."""
    folder = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRIDGENET_DATA", str(folder / "no-data"))
        patch.setattr(weights.manifest, "PACKAGE_FOLDER", folder / "package")
        for module in (
            "bridgenet_infer.weights.manifest",
            "training.release",
            "training.rebuild",
            "training.expected_error",
        ):
            patch.setattr(f"{module}.CHECKPOINT_FOLDER", folder / "checkpoints")
        patch.setattr("training.expected_error.BATCHES", 3)
        patch.setattr("training.expected_error.STEPS", 7)
        (folder / "weights_manifest.json").write_text('{"checkpoints": []}')
        first = write_training_config(folder)
        runs = []
        for name, scale in (("four", 4), ("eight", 8)):
            path = folder / f"{name}.toml"
            path.write_text(first.read_text().replace("seed = 5", f"seed = {scale}\nnetwork_scale = {scale}"))
            train(load_config(path), folder / "runs" / name, CPU, None, 2, folder / "pools")
            runs.append(Trained.read(folder / "runs" / name / "last.pt", path))
        release("pair", runs, "test")
        yield folder


def entry_of(folder: Path) -> dict[str, object]:
    (entry,) = json.loads((folder / "weights_manifest.json").read_text())["checkpoints"]
    return dict(entry)


def test_heads_change_nothing_else_and_can_be_made_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = folder / "checkpoints" / "pair.safetensors", entry_of(folder)
    plain = weights.load_weights("pair").model
    entry = add_heads("pair", folder / "pools", CPU, folder)
    made = path.read_bytes()
    model = weights.load_weights("pair").model
    assert (plain.expects_error, model.expects_error) == (False, True)
    for name, tensor in model.state_dict().items():
        assert "error_head" in name or torch.equal(tensor, plain.state_dict()[name]), name
    kept = ("scales", "lr_kernel", "metrics")
    assert {key: entry[key] for key in kept} == {key: before[key] for key in kept}
    for lineage in entry["training"]["lineages"]:
        first, last = (Stage(**fields) for fields in lineage)
        assert (last.error_head, last.first, last.last, len(str(last.start))) == (True, 0, 7, 64)
        assert lineage_in_words([last]).startswith(f"the head for the expected error by {first.config}.toml (from ")

    # in place of those that are there, to the same bits
    assert add_heads("pair", folder / "pools", CPU, folder) | {"training": 0} == entry | {"training": 0}
    assert path.read_bytes() == made
    assert rebuild("pair", tmp_path, CPU, folder / "pools", folder).read_bytes() == made
    assert "note" not in capsys.readouterr().out
    # nor does training that begins with the file see them
    config = load_config(folder / "eight.toml")
    assert all("error_head" not in name for name in weights_for(config, path))
    run = train(replace(config, name="more"), tmp_path / "more", CPU, path, 1, folder / "pools")
    assert not run.model.expects_error


def test_the_head_learns_the_scale_of_the_errors() -> None:
    """Errors are drawn from Laplace distributions; their scales follow the features, which it has to find."""
    torch.manual_seed(0)
    features = torch.rand(2, 4, 16, 16)
    scale = 0.02 * torch.exp(2 * torch.nn.functional.interpolate(features[:, :1], scale_factor=2))
    error = torch.distributions.Exponential(1 / scale).sample()
    sample = Sample(features, torch.zeros(2, 1, 32, 32), error, torch.ones(2, 1, 32, 32))
    head = ErrorHead(4)
    fit(head, [sample], 300)
    with torch.no_grad():
        expected = head(features, sample.residual)
        best = (error / scale + scale.log()).mean()
        assert likelihood_loss(head, sample) < best + 0.05
    assert (expected / scale).log().abs().mean() < 0.35


def test_a_checkpoint_without_a_lineage_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="no lineage of other"):
        add_heads("other", folder / "pools", CPU, folder)
