"""A full and a read-only disk, short version of `robustness.processes.disks`."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="needs the extra bags")
from robustness.processes.disks import small_disk, try_program
from robustness.processes.programs import make_programs
from testing.hub_server import HubServer


@pytest.fixture(autouse=True)
def may_mount(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("mounts a tmpfs")
    try:
        with small_disk(tmp_path / "probe"):
            pass
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["folder", "bag, sqlite3", "download"])
def test_a_disk_without_room_is_told_and_nothing_is_spoilt(tmp_path: Path, name: str) -> None:
    with HubServer() as server:
        (program,) = (p for p in make_programs(tmp_path / "inputs", server) if p.name == name)
        for tally in try_program(program, tmp_path / "disks", shares=(0.6,)):
            assert tally.complaints == []
            assert tally.passed
