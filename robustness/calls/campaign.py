"""Generated calls of the public functions: `python -m robustness calls [--calls 10000] [--seed 0] [--only INDEX]`.

Each is reproducible by (seed, index). Valid calls must return what the documentation promises, without a warning, and
leave their inputs as they were; the others must be refused with a TypeError or ValueError that the package itself
raises. No call may take more than `--seconds` of processor time or more than `--memory` MiB of new memory.
"""

import linecache
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import bridgenet_infer
from benchmarks.command import command_line
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.weights import Checkpoint
from robustness.calls.changes import change
from robustness.calls.checks import check_lr_kernel, check_result
from robustness.calls.inputs import Case, draw_case
from robustness.calls.others import draw_registration, draw_stream
from robustness.draw import Generator
from robustness.summary import report
from testing.bounded import bounded_graph
from testing.isolated import Limits, Verdict, run_apart

SHIPPED_SHARE = 0.04  # of the valid calls: it takes ten times as long
PACKAGE = str(Path(bridgenet_infer.__file__).parent)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the campaign; 1 if there were faults."""
    parser = command_line(__doc__, "robustness")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="INDEX", help="run one, in this process, with its traceback")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--memory", type=float, default=256, help="MiB that one call may take")
    options = parser.parse_args(arguments)
    if options.only is not None:
        print(check(options.seed, options.only))
        return 0
    limits = Limits(options.seconds, options.memory)
    outcomes = run_apart(check, options.seed, range(options.calls), limits)
    return report(outcomes, "calls", options.seed, limits, options.out)


def check(seed: int, index: int) -> Verdict:
    """Generate and make one call; raises an AssertionError, or the call's own error, if it is at fault."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, index])
    kind = rng.random()
    if kind < 0.05:
        return _check_other(*draw_registration(rng))
    if kind < 0.06:
        return _check_other(*draw_stream(rng))
    if kind < 0.08:
        return _check_lr_consistency(rng)
    case = draw_case(rng)
    if kind > 0.65:
        return _check_call(change(rng, case), bounded_upsampler(), bounded=True)
    shipped = rng.random() < SHIPPED_SHARE
    return _check_call(case, shipped_upsampler() if shipped else bounded_upsampler(), bounded=not shipped)


def _check_call(case: Case, upsampler: DepthUpsampler, bounded: bool) -> Verdict:
    before = _contents(case)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call = upsampler.predict if case.predict else upsampler
            result: Any = call(case.rgb, case.lr_depth, **case.options)
        except Exception as error:
            result = error
    group = "valid" if case.expect == "result" else case.what
    assert _contents(case) == before, f"{case.what}: the inputs were changed"
    caught = [warning for warning in caught if "if this value marks holes" not in str(warning.message)]  # as documented
    assert not caught, f"{case.what}: {caught[0].category.__name__}: {caught[0].message} ({caught[0].filename})"
    if isinstance(result, Exception):
        if case.expect == "result":
            raise result
        check_refusal(result)
        return Verdict(group, "refused")
    assert case.expect != "refusal", f"{case.what}: taken, {_words(case)}"
    check_result(case, result, bounded)
    return Verdict(group, "returned")


def _check_other(expect: str, call: Callable[[], None]) -> Verdict:
    """A call that checks its own result: "register", "stream", or "bad ..." if it must be refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            call()
        except Exception as error:
            if not expect.startswith("bad") or isinstance(error, AssertionError):
                raise
            check_refusal(error)
            return Verdict(expect, "refused")
    assert not expect.startswith("bad"), f"{expect}: taken"
    return Verdict(expect, "returned")


def _check_lr_consistency(rng: Generator) -> Verdict:
    """A smooth surface and a guide of its shape, with the shipped weights."""
    height, width = (int(rng.integers(8, 14)) for _ in range(2))
    y, x = np.mgrid[0 : 1 : height * 8j, 0 : 1 : width * 8j]
    down, across, wave = rng.uniform(-1, 1, 3)
    share = down * y + across * x + 0.1 * wave * np.sin(3 * x + 2 * y)
    share = (share - share.min()) / np.ptp(share)
    rgb = (255 * np.stack((share, 1 - share, share / 2), -1)).astype(np.uint8)
    surface = Image.fromarray((500 + rng.uniform(10, 3000) * share).astype(np.float32))
    lr = np.asarray(surface.resize((width, height), Image.Resampling.BICUBIC))
    check_lr_kernel(lr.astype(np.float64), np.asarray(shipped_upsampler()(rgb, lr)))
    return Verdict("LR kernel", "returned")


def check_refusal(error: Exception) -> None:
    """Check that an error is a TypeError or ValueError with a message, from a `raise` of the package itself."""
    assert isinstance(error, TypeError | ValueError), f"{type(error).__name__}: {error}"
    assert str(error).strip(), f"{type(error).__name__} without a message"
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    ours = last.filename.startswith(PACKAGE) and line.startswith("raise ")
    assert ours, f"{error!r} by accident, {last.filename}: {line}"


@lru_cache
def bounded_upsampler() -> DepthUpsampler:
    """The tiny graph, near interpolation."""
    return DepthUpsampler(Checkpoint(bounded_graph(), name="bounded"), device="cpu")


@lru_cache
def shipped_upsampler() -> DepthUpsampler:
    """The shipped weights."""
    return DepthUpsampler.from_pretrained("default", device="cpu")


def _contents(case: Case) -> list[bytes]:
    """The bytes of both inputs, as far as they have any."""
    return [_bytes(given) for given in (case.rgb, case.lr_depth)]


def _bytes(given: Any) -> bytes:
    if isinstance(given, torch.Tensor):
        try:
            given = (given.float() if given.dtype == torch.bfloat16 else given).numpy(force=True)
        except (TypeError, RuntimeError):  # sparse, meta, quantised, float8: all refused anyway
            return b""
    if isinstance(given, np.ndarray) and given.dtype != object:
        return np.asarray(given).tobytes()
    return given.tobytes() if hasattr(given, "mode") else b""


def _words(case: Case) -> str:
    """The inputs of a call that should have been refused."""
    shown = [
        f"{type(x).__name__} {getattr(x, 'dtype', '')} {getattr(x, 'shape', '')}" for x in (case.rgb, case.lr_depth)
    ]
    return f"{shown}, {case.options}"
