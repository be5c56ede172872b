"""The parts of a release beside the wheel (test_package.py): sdist, citation, changelog, one version."""

import configparser
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bridgenet_infer import __version__

ROOT = Path(__file__).parents[2]
NOT_IN_SDIST = (".github/", ".gitignore")


def read_setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_the_version_stands_in_one_place() -> None:
    assert read_setup()["metadata"]["version"] == "attr: bridgenet_infer.__version__"
    assert "version:" not in (ROOT / "CITATION.cff").read_text().replace("cff-version:", "")
    assert not re.search(r"^version *=", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_the_changelog_has_something_to_say_of_this_version() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0].startswith(f"{__version__} - ")
    for heading in headings[1:]:
        assert re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", heading)


def test_the_citation_names_software_and_paper() -> None:
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert set(citation) >= {"cff-version", "message", "title", "authors", "references"}
    assert citation["authors"] == [{"name": "The bridgenet-infer authors"}]
    assert citation["license"] == read_setup()["metadata"]["license"]
    (paper,) = citation["references"]
    families = [author["family-names"] for author in paper["authors"]]
    licence = " ".join((ROOT / "README.md").read_text().partition("## Citation")[2].replace(">", "").split())
    assert paper["title"] in licence
    assert all(f"{author['given-names']} {author['family-names']}" in licence for author in paper["authors"])
    assert families[0] == "Tang"


def test_hooks_before_a_commit_need_no_version_of_their_own() -> None:
    yaml = pytest.importorskip("yaml")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]


def test_make_installs_what_the_extras_name() -> None:
    extras, makefile = read_setup()["options.extras_require"], (ROOT / "Makefile").read_text()
    for name in ("docs", "dist"):
        (line,) = re.findall(rf"\.venv-{name}/bin/pip install .* -c constraints\.txt (.*)", makefile)
        assert sorted(line.replace("'", "").split()) == sorted(extras[name].split())


def test_the_licence_of_the_weights_travels_with_them() -> None:
    assert "WEIGHTS_LICENSE.md" in read_setup()["metadata"]["license_files"]
    for card in (ROOT / "bridgenet_infer" / "checkpoints").glob("*.md"):
        assert "Licence: Apache-2.0" in card.read_text(), card.name


def test_the_sdist_holds_every_file_of_the_repository(tmp_path: Path) -> None:
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode:
        pytest.skip("this is no git repository")
    pytest.importorskip("setuptools", minversion="77")
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    missing = set(git.stdout.splitlines()) - names
    assert not {name for name in missing if not name.startswith(NOT_IN_SDIST)}
