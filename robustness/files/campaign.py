"""Damaged files: `python -m robustness files [--files 2000] [--formats PNG...] [--seed 0] [--only FORMAT INDEX]`.

So many of each format: cut, overwritten, flipped, with sizes that lie, bombs, pickles, others under a wrong name.
Each is reproducible by format, seed and index. Reading must end in the documented error, which names the file, or in an
array (network, bag) as documented; without any other warning, within `--seconds` of processor time and `--memory` MiB,
and without the death of the process.
"""

import os
import tempfile
import warnings
from collections.abc import Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from benchmarks.command import command_line
from robustness.draw import pick
from robustness.files.damage import any_damage
from robustness.files.formats import Format, clear, formats
from robustness.files.lies import TRAP
from robustness.summary import report
from testing.isolated import Limits, Verdict, run_apart

LYING, EVERY_HEAVY = 0.3, 250  # share of lies; one file of so many is a bomb
FOREIGN = 0.03  # share of good files of another format
SPEAKERS = (
    "PIL",
    "<unknown>",
)  # whose warnings the readers' docstrings announce: Pillow, and the parser of .npy headers


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the campaign; 1 if there were faults."""
    parser = command_line(__doc__, "robustness")
    parser.add_argument("--files", type=int, default=2_000, help="of each format")
    parser.add_argument(
        "--formats", nargs="+", choices=list(all_formats()), default=list(all_formats()), metavar="FORMAT"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs=2, metavar=("FORMAT", "INDEX"), help="read one, in this process")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--memory", type=float, default=2048, help="MiB that reading one may take")
    options = parser.parse_args(arguments)
    if options.only is not None:
        print(check_file(options.only[0], options.seed, int(options.only[1])))
        return 0
    limits = Limits(options.seconds, options.memory)
    places = [(name, i) for name in options.formats for i in range(-(-options.files // all_formats()[name].costly))]
    outcomes = run_apart(partial(check_place, places), options.seed, range(len(places)), limits)
    return report(outcomes, "files", options.seed, limits, options.out, lambda index: "{} {}".format(*places[index]))


def check_place(places: Sequence[tuple[str, int]], seed: int, index: int) -> Verdict:
    """`check_file` of one of many."""
    name, number = places[index]
    return check_file(name, seed, number)


def check_file(name: str, seed: int, index: int) -> Verdict:
    """Make, damage and read one file; AssertionError, or the reader's own error, if the reader is at fault."""
    torch.set_num_threads(1)
    kind, rng = all_formats()[name], np.random.default_rng([seed, index])
    folder = Path(tempfile.gettempdir(), f"bridgenet-damaged-{os.getpid()}")
    clear(folder)
    kind.prepare(folder, index)
    path = folder / kind.name
    payload = _damaged(kind, rng, index)
    path.write_bytes(payload)
    try:
        return Verdict(name, _read(kind, path))
    finally:
        clear(folder)
        folder.rmdir()


def _damaged(kind: Format, rng: np.random.Generator, index: int) -> bytes:
    if kind.heavy and index % EVERY_HEAVY == EVERY_HEAVY - 1:
        return kind.heavy[index // EVERY_HEAVY % len(kind.heavy)]()
    if rng.random() < FOREIGN:
        kinds = [other for other in all_formats().values() if other.names_file and other is not kind]
        return pick(rng, kinds).make(index)
    payload = kind.make(index)
    if kind.lies and rng.random() < LYING:
        return pick(rng, kind.lies)(payload, rng)
    return any_damage(payload, rng)


def _read(kind: Format, path: Path) -> str:
    TRAP.unlink(missing_ok=True)
    refusal: Exception | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            kind.read(path)
        except kind.errors as error:
            refusal = error
    assert not TRAP.exists(), "a pickle was run"
    for warning in caught:
        said = f"{warning.category.__name__}: {warning.message} ({warning.filename})"
        assert any(part in Path(warning.filename).parts for part in SPEAKERS), said
    if refusal is None:
        return "read"
    assert str(refusal).strip(), f"{type(refusal).__name__} without a message"
    assert not kind.names_file or path.name in str(refusal), f"the file is not named: {refusal!r}"
    return "refused"


@lru_cache
def all_formats() -> dict[str, Format]:
    """Made once in each process."""
    found = formats()
    if find_spec("rosbags"):
        from robustness.files.bags import bag_formats  # needs the extra bags

        found |= bag_formats()
    if find_spec("trimesh"):
        from robustness.files.scans import scan_formats  # needs the extra train

        found |= scan_formats()
    return found
