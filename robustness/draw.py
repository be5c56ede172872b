"""Draw the next choice of a campaign."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Generator = np.random.Generator


def pick(rng: Generator, choices: Sequence[T]) -> T:
    """One of a sequence, untouched (`rng.choice` would make it a NumPy scalar)."""
    return choices[int(rng.integers(len(choices)))]
