"""Documents say what was measured, with the weights that are shipped, by commands that exist."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tables import documents, results
from benchmarks.tables.__main__ import main
from benchmarks.tables.documents import BLOCK, DOCUMENTS, TABLES, fill, render
from benchmarks.tables.runs import RUNS, Run
from testing.command_lines import check_command

ROOT = Path(__file__).parents[2]
AGAIN = "`python -m benchmarks.tables` makes it anew"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_say_what_the_results_say(name: str) -> None:
    assert fill(name) == (ROOT / name).read_text(), f"{name} is not what was measured: {AGAIN}"


def test_every_table_stands_in_exactly_one_document() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
    shown = [block[2] for path in documents for block in BLOCK.finditer(path.read_text())]
    for path in documents:
        assert path.relative_to(ROOT).as_posix() in DOCUMENTS or not BLOCK.search(path.read_text()), path
    assert sorted(shown) == sorted(TABLES)


@pytest.mark.parametrize("name", RUNS)
def test_results_of_earlier_weights_are_marked_in_the_documents(name: str) -> None:
    result, run = results.load(name), RUNS[name]
    assert result["command"] == run.command()
    assert set(result["sha256"]) <= set(run.weights)
    for weights in results.older(name):  # its tables name the weights; without a table nobody would know
        text = "".join((ROOT / document).read_text() for document in DOCUMENTS)
        shown = [table for table, (_, runs) in TABLES.items() if name in runs]
        assert shown, f"{name} was made with an earlier {weights}: {AGAIN}"
        for table in shown:
            note = render(table).rpartition("\n\n")[2]
            assert note.startswith("Measured with an earlier ")
            assert f"`{weights}`" in note
            assert note in text


@pytest.mark.parametrize("name", [name for name, run in RUNS.items() if run.draws])
def test_pictures_are_those_that_were_drawn(name: str) -> None:
    assert results.load(name)["files"] == results.hashes(name), AGAIN


@pytest.mark.parametrize("name", RUNS)
def test_commands_of_runs_are_understood(name: str, parse_only: None) -> None:
    run = RUNS[name]
    out = "" if run.draws else " --out out"
    for command in (f"{run.command()}{out}", *(f"python {arguments}" for arguments in run.before)):
        try:
            check_command(command)
        except SystemExit as error:
            raise AssertionError(f"refused with exit code {error.code}: {command}") from error


def test_cards_say_what_the_manifest_says() -> None:
    for entry in json.loads((ROOT / "weights_manifest.json").read_text())["checkpoints"]:
        card = (ROOT / "bridgenet_infer" / "checkpoints" / f"{entry['name']}.md").read_text()
        assert entry["sha256"] in card
        assert f"{entry['size']:,} bytes" in card
        for scale, mad in entry["metrics"]["validation"].items():
            assert f"{scale} {mad:.3f}" in card, (entry["name"], scale)


# Runs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of one run of two checkpoints, of which "b" has changed since, and a document that shows them."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setitem(RUNS, "count", Run("-m benchmarks.count", ("a", "b"), 1))
    monkeypatch.setitem(TABLES, "count", (lambda result: str(result["MAD"]), ("count",)))
    monkeypatch.setattr(results, "manifest", lambda: {"a": "1", "b": "2"})
    results.save("count", {"sha256": {"a": "1", "b": "1"}, "MAD": {"a": [0.1, 1.0], "b": [5.0]}})
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands that were run; each measures .3 with the weights that it names."""
    given: list[str] = []

    def run(command: str) -> None:
        words = command.split()
        given.append(" ".join(words[:-2]))
        weights = words[words.index("--weights") + 1 : -2]
        measured: dict[str, Any] = {"sha256": dict.fromkeys(weights, "2"), "MAD": {name: [0.3] for name in weights}}
        Path(words[-1], "count.json").write_text(json.dumps(measured))

    monkeypatch.setattr(results, "_run", run)
    return given


def test_only_what_was_made_with_other_weights_is_made_again(folder: Path, commands: list[str]) -> None:
    assert results.state("count") == "with an earlier b"
    assert render("count").endswith("\n\nMeasured with an earlier `b`.")
    results.make("count")
    assert commands == ["python -m benchmarks.count --weights b"]
    assert results.load("count")["MAD"] == {"a": [0.1, 1.0], "b": [0.3]}
    assert results.load("count")["command"] == "python -m benchmarks.count --weights a b"
    assert not results.is_due("count")
    assert "earlier" not in render("count")


def test_timed_and_requested_runs_are_made_whole(
    folder: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ["python -m benchmarks.count --weights a b"]
    results.make("count", again=True)
    assert commands == whole
    monkeypatch.setitem(RUNS, "count", Run("-m benchmarks.count", ("a", "b"), 1, timed=True))
    results.make("count")
    assert commands == 2 * whole


def test_figures_of_removed_weights_do_not_stay(
    folder: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNS, "count", Run("-m benchmarks.count", ("b", "c"), 1))
    results.make("count")
    assert commands == ["python -m benchmarks.count --weights b c"]
    assert list(results.load("count")["MAD"]) == ["b", "c"]


def test_the_command_fills_documents_and_names_a_failed_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "page.md").write_text("<!-- figures count -->\nold\n<!-- end figures -->\n")
    monkeypatch.setattr(documents, "ROOT", folder)
    monkeypatch.setattr(documents, "DOCUMENTS", ("page.md",))
    monkeypatch.setattr("benchmarks.tables.__main__.ROOT", folder)
    for name in [name for name in RUNS if name != "count"]:
        monkeypatch.delitem(RUNS, name)

    def fail(command: str) -> None:
        raise OSError("no data")

    monkeypatch.setattr(results, "_run", fail)
    assert main([]) == 1
    assert "no data" in capsys.readouterr().err
    assert "Measured with an earlier `b`" in (folder / "page.md").read_text()
    with pytest.raises(SystemExit):
        main(["--again", "nothing"])
    assert main(["--list"]) == 0
    assert "with an earlier b" in capsys.readouterr().out


def test_rounding_keeps_what_matters() -> None:
    assert results.rounded({"a": [1.23456789012, (3, 0.1)]}) == {"a": [1.2345679, [3, 0.1]]}
