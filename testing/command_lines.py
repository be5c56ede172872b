"""Check command lines of documents: each is parsed by the program that it names, and never run."""

import configparser
import importlib.util
import re
import runpy
import shlex
import sys
import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path, PurePosixPath

import pytest

from bridgenet_infer.ros.parameters import NodeParameters
from testing import ROOT

BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(python -m [^`]+|bridgenet-[a-z]+ [^`]+)`")
COMMANDS = {"bridgenet-upsample": "bridgenet_infer.cli", "bridgenet-bag": "bridgenet_infer.bags.command"}
NODE = "bridgenet-ros2"
OTHERS = (".", "cd", "colcon", "ray", "trtexec")  # programs that are not ours
SHELL = ("for", "while", "if", "done", "fi", "else")


def blocks(text: str, language: str) -> list[str]:
    """Code blocks of one language."""
    return [block[3] for block in BLOCK.finditer(text) if block[2] == language]


class ParsedError(Exception):
    """The command line was accepted; the program is not run any further."""


def command_lines(text: str) -> list[str]:
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
    elif program == NODE:
        _check_parameters(arguments)
    elif program in COMMANDS:
        main = importlib.import_module(COMMANDS[program]).main
        _check_parser(main, words)
    else:
        assert program in OTHERS, f"unknown program: {line}"


def _check_module(name: str, arguments: list[str]) -> None:
    specification = importlib.util.find_spec(name)
    assert specification is not None, f"no module {name}"
    if name in ("bridgenet_infer.ros.ros1", "bridgenet_infer.ros.ros2"):
        _check_parameters(arguments)
    else:
        package = specification.submodule_search_locations is not None
        _check_program(
            Path(str(specification.origin)).with_name("__main__.py") if package else Path(str(specification.origin)),
            [name, *arguments],
            lambda: runpy.run_module(name, run_name="__main__"),
        )


def _check_parameters(arguments: list[str]) -> None:
    """Of a ROS node's command."""
    known = {field.name for field in fields(NodeParameters)}
    matches = (re.match(r"_?(\w+):=", word) for word in arguments if "/" not in word.split(":")[0])
    given = {match[1] for match in matches if match}
    assert given <= known, f"no such parameters: {given - known}"


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
