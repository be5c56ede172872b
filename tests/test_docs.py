"""README and documentation: code runs, commands exist, links and includes resolve, the site builds."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import warnings
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest
from PIL import Image

from testing.command_lines import blocks, check_command, command_lines

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = [
    *PAGES,
    *(ROOT / name for name in ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md",
                               "SECURITY.md", "WEIGHTS_LICENSE.md", "benchmarks/README.md", "examples/README.md",
                               "training/NOTES.md")),
    *sorted((ROOT / "bridgenet_infer" / "checkpoints").glob("*.md")),
]  # fmt: skip


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


# Python blocks


def run_python(text: str, where: str) -> int:
    """Run a page's Python blocks in one namespace, in the current folder; how many there were."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    found = blocks(text, "python")
    for number, block in enumerate(found):
        exec(compile(block, f"{where}, python block {number + 1}", "exec"), namespace)
    return len(found)


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the files that the pages speak of: a quarter of the desk, to be quick."""
    for name, side in (("rgb", 8), ("depth_lr", 1)):
        window = tuple(edge * side for edge in (20, 20, 60, 50))
        Image.open(ROOT / "examples" / "desk" / f"{name}.png").crop(window).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page.read_text(), "python")], ids=named)
def test_python_blocks_run(page: Path, examples: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run_python(page.read_text(), named(page)) > 0


def test_a_wrong_python_block_is_noticed(examples: Path) -> None:
    page = "```python\nn = 1\n```\n\n```python\nassert n == 2\n```\n"
    with pytest.raises(AssertionError):
        run_python(page, "page")
    with pytest.raises(ImportError):
        run_python("```python\nfrom bridgenet_infer import no_such_name\n```\n", "page")


# Commands


@pytest.mark.parametrize(
    ("page", "line"),
    [
        pytest.param(page, line, id=f"{named(page)}: {line}")
        for page in TEXTS
        for line in command_lines(page.read_text())
    ],
)
def test_commands_exist_and_know_their_options(page: Path, line: str, parse_only: None) -> None:
    try:
        check_command(line)
    except SystemExit as error:
        raise AssertionError(f"{named(page)}: refused with exit code {error.code}: {line}") from error


@pytest.mark.parametrize(
    "line",
    [
        "bridgenet-upsample a.png b.png -o c.png --no-such-option",
        "bridgenet-upsample a.png b.png -o c.png --tile half",
        "bridgenet-bag in.bag",
        "python -m benchmarks.no_such_module",
        "python -m benchmarks.accuracy.quality --scales 5",
        "python -m training.train --config training/configs/no_such.toml",
        "python -m bridgenet_infer.ros.ros1 _no_such_parameter:=1",
        "roslaunch bridgenet_infer bridgenet.launch no_such_argument:=1",
        "make no-such-target",
        "pip install '.[no-such-extra]'",
        "no-such-program",
    ],
)
def test_a_wrong_command_is_noticed(line: str, parse_only: None) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        check_command(line)


# Links and includes


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    specification = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def broken_links(hooks: ModuleType, text: str, folder: Path, pages: dict[Path, str]) -> list[str]:
    """Relative links to files or headings that do not exist."""
    wrong = []
    for match in hooks.LINK.finditer(hooks.FENCE.sub("", text)):
        target = match[3]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (folder / name).resolve()
        if not path.exists():
            wrong.append(target)
        elif anchor:
            there = pages.get(path) or path.read_text() if name else text
            if anchor not in [found for _, found in hooks.headings(there)]:
                wrong.append(target)
    return wrong


def test_links_and_includes_resolve(hooks: ModuleType) -> None:
    site = {page: hooks.render(page.read_text(), PurePosixPath(page.name)) for page in PAGES[1:]}
    for text in TEXTS:
        assert not broken_links(hooks, site.get(text, text.read_text()), text.parent, site), named(text)


def test_wrong_links_and_includes_are_noticed(hooks: ModuleType) -> None:
    page = "# Title\n\n[a](README.md) [b](no-such.md) [c](#title) [d](#no-such)\n"
    assert broken_links(hooks, page, ROOT, {}) == ["no-such.md", "#no-such"]
    for include in ("no-such.md", "README.md#no-such"):
        with pytest.raises(ValueError, match="no-such"):
            hooks.render(f"<!-- include {include} -->", PurePosixPath("page.md"))


def test_includes_keep_sections_apart_and_turn_links(hooks: ModuleType) -> None:
    weights = hooks.render("<!-- include README.md#weights -->", PurePosixPath("weights.md"))
    assert "cards.md#default" in weights
    assert "devices.md" in weights
    assert "## " not in re.sub("^### ", "", weights, flags=re.MULTILINE)


# The site


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for module in ("mkdocs", "material", "mkdocstrings_handlers"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed here: `make docs` builds the site, in an environment of its own")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.html")}
    assert "Middlebury 2005" in pages["results.html"]
    fetched = re.compile(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:[^>]+>""")
    assert not [match[0] for page in pages.values() for match in fetched.finditer(page)]
