"""The mutation run: which changes it makes, and that it sees which of them tests notice."""

import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("mutmut", reason="needs mutmut: make mutants")

from robustness.mutation.campaign import execute, in_fork
from robustness.mutation.operators import make_mutants

SOURCE = '''"""A docstring."""
from math import pi
Size = tuple[int, int]
def least(size: Size, bound: float | None = None) -> int:
    """Another."""
    if bound is not None and size[0] < bound:
        raise ValueError(f"too small: {size[0] + 1}")
    return min(size[0], size[1:][0])
'''


def test_code_is_mutated_but_no_types_and_no_words() -> None:
    mutants = make_mutants(SOURCE)
    assert len({mutant.source for mutant in mutants} | {SOURCE}) == len(mutants) + 1
    lines = SOURCE.splitlines()
    changed = [line for mutant in mutants for line in mutant.source.splitlines() if line not in lines]
    assert len(changed) == len(mutants)  # one line each
    for mutant in mutants:
        compile(mutant.source, "mutant", "exec")
        assert mutant.line in (6, 7, 8)
    for expected in (
        "    if (bound is not None and size[0] < bound) and False:",
        "    if bound is None and size[0] < bound:",
        "    if bound is not None and size[0] <= bound:",
        "        pass",
        "    return min(size[0], size[2:][0])",
        "    return min(size[0], size[:][0])",
        "    return min(size[1:][0])",
    ):
        assert expected in changed


def test_a_change_reaches_those_who_have_imported_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed, user = ModuleType("changed"), ModuleType("user")
    changed.__file__ = str(tmp_path / "changed.py")
    for module in (changed, user):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    execute(changed, "def one():\n    return 1\n")
    user.one = changed.one  # type: ignore[attr-defined]
    user.other = other = lambda: 3  # type: ignore[attr-defined]
    execute(changed, "def one():\n    return 2\n")
    assert (user.one(), changed.one()) == (2, 2)
    assert user.other is other


def test_forks_return_fail_or_hang_by_themselves() -> None:
    assert in_fork(lambda: {"failed": "", "seconds": {"a": 1.5}}, 60) == (0, {"failed": "", "seconds": {"a": 1.5}})
    assert in_fork(lambda: {"a": 1 / 0}, 60) == (1, {})
    began = time.monotonic()
    assert in_fork(lambda: time.sleep(3600) or {}, 0.2) == (None, {})
    assert time.monotonic() - began < 600
