"""Which RGB image belongs to which depth frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def match_stamps(first: Sequence[float], second: Sequence[float], slop: float) -> list[tuple[int, int]]:
    """Pairs of indices whose stamps are at most `slop` apart, each index used once, the closest pairs first served.

    The stamps need not be sorted.

    Returns
    -------
    (index into `first`, index into `second`), ordered by the stamps of `first`.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    order = np.argsort(b, kind="stable")
    sorted_b = b[order]
    candidates = []
    for i, stamp in enumerate(a):
        low, high = np.searchsorted(sorted_b, (stamp - slop, stamp + slop), side="left")
        while high < len(b) and sorted_b[high] <= stamp + slop:
            high += 1
        candidates += [(abs(sorted_b[k] - stamp), i, int(order[k])) for k in range(low, high)]
    used_a: set[int] = set()
    used_b: set[int] = set()
    pairs = []
    for _, i, k in sorted(candidates):
        if i not in used_a and k not in used_b:
            used_a.add(i)
            used_b.add(k)
            pairs.append((i, k))
    return sorted(pairs, key=lambda pair: (a[pair[0]], pair[0]))
