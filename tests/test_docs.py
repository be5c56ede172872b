"""README and documentation: code runs, commands exist, links and includes resolve, the site builds."""

from __future__ import annotations

import argparse
import configparser
import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest
from PIL import Image

from bridgenet_infer.robotics.parameters import NodeParameters

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = [
    *PAGES,
    *(ROOT / name for name in ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md",
                               "SECURITY.md", "WEIGHTS_LICENSE.md", "benchmarks/README.md", "examples/README.md",
                               "training/NOTES.md")),
    *sorted((ROOT / "bridgenet_infer" / "checkpoints").glob("*.md")),
]  # fmt: skip
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(python -m [^`]+|bridgenet-[a-z]+ [^`]+)`")
COMMANDS = {
    "bridgenet-upsample": "bridgenet_infer.cli",
    "bridgenet-bag": "bridgenet_infer.robotics.bag_command",
}
OTHERS = (".", "cd", "colcon", "ray", "trtexec")  # programs that are not ours
SHELL = ("for", "while", "if", "done", "fi", "else")


def blocks(text: str, language: str) -> list[str]:
    """Code blocks of one language."""
    return [block[3] for block in BLOCK.finditer(text) if block[2] == language]


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


class ParsedError(Exception):
    """The command line was accepted; what would follow is not run."""


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every argument parser stops after parsing."""
    original = argparse.ArgumentParser.parse_args

    def parse(self: argparse.ArgumentParser, *arguments: object, **named: object) -> None:
        original(self, *arguments, **named)  # type: ignore[call-overload]
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)


def lines(text: str) -> list[str]:
    """Commands of console blocks and of inline code, continuation lines joined, comments cut off."""
    found = []
    for block in blocks(text, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found += re.split(r"&&|;", re.sub(r"(^|\s)#.*", "", line[2:]))
    inline = [match[1] for match in INLINE.finditer(text) if "..." not in match[1] and "NAME" not in match[1]]
    return [line.strip() for line in [*found, *inline]]


def check_command(line: str) -> None:
    """AssertionError, SystemExit or another error if a command line cannot be right."""
    words = shlex.split(re.sub(r"\[[^\]]*\]", "", line) if line.startswith("python") else line)
    while re.fullmatch(r"\w+=\S*", words[0]):  # variables set for one command
        words.pop(0)
    for word in words:
        path = PurePosixPath(word)
        if path.parts[:1] and path.parts[0] in ("benchmarks", "docs", "examples", "training") and path.suffix:
            assert (ROOT / path).exists(), f"{word} does not exist"
    if words[0] in ("do", "then"):
        words.pop(0)
    if not words or words[0] in SHELL:
        return
    program, arguments = words[0], words[1:]
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
    elif program == "pip":
        for extra in re.findall(r"\.\[([^\]]+)\]", line):
            assert set(extra.split(",")) <= set(_extras()), f"no such extra: {line}"
    elif program == "ros2" or program == "roslaunch":
        _check_launch_arguments(arguments)
    elif program == "python" and arguments[0] == "-m":
        _check_module(arguments[1], arguments[2:])
    elif program == "python":
        script = ROOT / arguments[0]
        _check_program(script, arguments, lambda: runpy.run_path(str(script), run_name="__main__"))
    elif program in COMMANDS:
        main = importlib.import_module(COMMANDS[program]).main
        _check_parser(main, words)
    else:
        assert program in OTHERS, f"unknown program: {line}"


def _check_module(name: str, arguments: list[str]) -> None:
    specification = importlib.util.find_spec(name)
    assert specification is not None, f"no module {name}"
    if name in ("bridgenet_infer.robotics.ros1", "bridgenet_infer.robotics.ros2"):
        known = {field.name for field in fields(NodeParameters)}
        given = {
            match[1] for word in arguments if (match := re.match(r"_?(\w+):=", word)) and "/" not in word.split(":")[0]
        }
        assert given <= known, f"no such parameters: {given - known}"
    else:
        package = specification.submodule_search_locations is not None
        _check_program(
            Path(str(specification.origin)).with_name("__main__.py") if package else Path(str(specification.origin)),
            [name, *arguments],
            lambda: runpy.run_module(name, run_name="__main__"),
        )


def _check_program(script: Path, words: list[str], run: Callable[[], object]) -> None:
    if "parse" in script.read_text():
        _check_parser(run, words)
    else:  # it would really run
        assert not words[1:], f"{script} takes no options"


def _check_parser(run: Callable[[], object], words: list[str]) -> None:
    """Run a program up to the end of its parsing."""
    before = sys.argv
    sys.argv = list(words)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # runpy: the module is imported already
            with pytest.raises(ParsedError):
                run()
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if (ROOT / package).exists():
            raise
        pytest.skip(f"{words[0]}: {package} is not installed")
    finally:
        sys.argv = before


def _check_launch_arguments(words: list[str]) -> None:
    launch = "\n".join(path.read_text() for path in (ROOT / "ros" / "launch").iterdir())
    for name in (word.split(":=")[0] for word in words if ":=" in word):
        assert re.search(rf"[\"']{name}[\"']", launch), f"the launch files have no argument {name}"


def _extras() -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return list(parser["options.extras_require"])


@pytest.mark.parametrize(
    ("page", "line"),
    [pytest.param(page, line, id=f"{named(page)}: {line}") for page in TEXTS for line in lines(page.read_text())],
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
        "python -m benchmarks.quality --scales 5",
        "python -m training.train --config training/configs/no_such.toml",
        "python -m bridgenet_infer.robotics.ros1 _no_such_parameter:=1",
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
