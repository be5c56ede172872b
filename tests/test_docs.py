"""README and documentation: code runs, commands exist, links resolve, the site builds, and the front page is short."""

import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from testing import stand_in_realsense
from testing.command_lines import COMMANDS, blocks, check_command, command_lines

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
    """A current folder with the files that the pages speak of: a quarter of the desk, to be quick.

    No camera is here: `pyrealsense2` is a stand-in with frames of the desk, whether the real one is installed or not.
    """
    for name, side, folder in (("rgb", 8, "rgb"), ("depth_lr", 1, "depth")):
        window = tuple(edge * side for edge in (20, 20, 60, 50))
        Image.open(ROOT / "examples" / "desk" / f"{name}.png").crop(window).save(tmp_path / f"{name}.png")
        (tmp_path / folder).mkdir()
        for number in range(2):
            shutil.copy(tmp_path / f"{name}.png", tmp_path / folder / f"{number}.png")
    shutil.copy(ROOT / "bridgenet_infer" / "checkpoints" / "x8.safetensors", tmp_path / "my-x8.safetensors")
    monkeypatch.setitem(sys.modules, "pyrealsense2", stand_in_realsense.module())
    monkeypatch.delitem(sys.modules, "examples.realsense_loop", raising=False)
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


def test_the_page_has_eleven_tasks_and_each_has_a_block() -> None:
    page = (ROOT / "docs" / "how_do_i.md").read_text()
    tasks = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert len(tasks) == 11
    assert all(blocks(task, "python") + blocks(task, "console") for task in tasks)


# Commands


ABSENT = ("--ray", "--device cuda", "examples.realsense_loop", "training.")  # a cluster, a GPU, a camera, hours
RUN = [
    line
    for line in command_lines((ROOT / "docs" / "how_do_i.md").read_text())
    if not line.startswith(("pip", "make")) and not any(word in line for word in ABSENT)
]


@pytest.mark.parametrize("line", RUN)
def test_commands_of_the_tasks_really_run(line: str, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(name, value)
    if words[0] == "bridgenet-bag":
        recordings = pytest.importorskip("simulation.recordings", reason="rosbags is not installed")
        rgb, depth = (np.asarray(Image.open(f"{name}.png")) for name in ("rgb", "depth_lr"))
        frame = recordings.Frame(rgb, depth, rgb_stamp=10**9, depth_stamp=10**9)
        recordings.write_recording(examples / "in.bag", "ros1", recordings.Recording([frame]))
    module = ["-m", COMMANDS[words[0]]] if words[0] in COMMANDS else words[1:3]
    rest = words[1:] if words[0] in COMMANDS else words[3:]
    if "scan/" in words:
        scans = pytest.importorskip("simulation.scans", reason="the renderer needs the extra 'train'")
        rgb, depth = (np.asarray(Image.open(f"{name}.png")) for name in ("rgb", "depth_lr"))
        scans.write_stray(examples / "scan", [scans.ScanFrame(rgb, depth, np.full(depth.shape, 2, np.uint8))])
    before = set(examples.iterdir())
    if words[0] == "bridgenet-upsample":
        module = ["-c", "import sys; from bridgenet_infer.cli import main; sys.exit(main())"]
    done = subprocess.run(
        [sys.executable, *module, *rest], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(examples.iterdir()) > before or "-o" not in rest, "nothing was written"


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


# Links


@cache
def links() -> SimpleNamespace:
    """docs/site_links.py."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "site_links.py")))


def broken_links(text: str, folder: Path) -> list[str]:
    """Relative links to files or headings that do not exist."""
    wrong = []
    for match in links().LINK.finditer(links().FENCE.sub("", text)):
        target = match[3]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (folder / name).resolve()
        if not path.exists() or (anchor and anchor not in links().headings(path.read_text() if name else text)):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("document", TEXTS, ids=named)
def test_links_resolve(document: Path) -> None:
    assert not broken_links(document.read_text(), document.parent)


def test_wrong_links_are_noticed() -> None:
    page = "# Title\n\n[a](README.md) [b](no-such.md) [c](#title) [d](#no-such)\n"
    assert broken_links(page, ROOT) == ["no-such.md", "#no-such"]
    with pytest.raises(ValueError, match=r"no-such\.md"):
        links().turn_links(page, PurePosixPath("README.md"))


@pytest.mark.parametrize(
    ("target", "turned"),
    [
        ("../SECURITY.md#network", "[x](security.md#network)"),
        ("../bridgenet_infer/checkpoints/x8.md", "[x](cards.md#x8)"),
        ("weights.md", "[x](weights.md)"),
        ("../weights_manifest.json", "x"),
        ("https://arxiv.org", "[x](https://arxiv.org)"),
    ],
)
def test_links_between_files_become_links_between_pages(target: str, turned: str) -> None:
    assert links().turn_links(f"[x]({target})", PurePosixPath("docs/faq.md")) == turned


def test_every_page_outside_the_folder_is_one_of_the_site() -> None:
    included = {
        match[1]
        for page in (ROOT / "docs").glob("*.md")
        for match in re.finditer(r"^```\{include\} \.\./(\S+)$", page.read_text(), re.MULTILINE)
    }
    cards = {f"bridgenet_infer/checkpoints/{path.name}" for path in (ROOT / links().CARDS).glob("*.md")}
    assert included == (set(links().PAGES) - {"README.md"}) | cards


# The front page


def test_the_front_page_is_read_in_a_minute() -> None:
    text = (ROOT / "README.md").read_text()
    lines = text.splitlines()
    assert len(lines) <= 150
    assert len(text.split()) <= 1600
    assert min(lines.index("```python"), lines.index("```console")) < 20


# The site


def interpreter() -> str:
    """One that has Sphinx: this one, or that of `make docs`."""
    if all(importlib.util.find_spec(name) for name in ("sphinx", "myst_parser", "autoapi", "furo")):
        return sys.executable
    other = ROOT / ".venv-docs" / "bin" / "python"
    modules = "import sphinx, myst_parser, autoapi, furo"
    if not other.exists() or subprocess.run([other, "-c", modules], capture_output=True).returncode:
        pytest.skip("Sphinx is not installed here: `make docs` builds the site, in an environment of its own")
    return str(other)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    build = [
        interpreter(), "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going",
        "-d", str(tmp_path / "doctrees"), "docs", str(tmp_path / "site"),
    ]  # fmt: skip
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    pages = {path.relative_to(site).as_posix(): path.read_text() for path in site.rglob("*.html")}
    assert "Middlebury 2005" in pages["results.html"]
    assert "from_pretrained" in pages["modules/bridgenet_infer/upsampler/index.html"]
    assert (site / "searchindex.js").exists()
    fetched = re.compile(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:[^>]+>""")
    assert not [match[0] for page in pages.values() for match in fetched.finditer(page)]
