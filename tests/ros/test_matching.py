"""Pairs of stamps: recorded ones as close as possible, live ones at once, and anew when time jumps back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer.ros.matching import Kind, Pairing, match_stamps

MS = 10**6
STAMPS = st.lists(st.integers(0, 300), max_size=12, unique=True)


def closest_first(first: list[int], second: list[int], slop: float) -> set[tuple[int, int]]:
    """The definition, with all stamps known."""
    pairs: dict[int, int] = {}
    for distance, i, k in sorted((abs(a - b), i, k) for i, a in enumerate(first) for k, b in enumerate(second)):
        if distance <= slop and i not in pairs and k not in pairs.values():
            pairs[i] = k
    return set(pairs.items())


def feed(pairing: Pairing[int], *messages: tuple[Kind, int]) -> list[tuple[int, int]]:
    """Stamps in milliseconds, which are the messages too."""
    return [pair for kind, stamp in messages for pair in pairing.add(kind, stamp * MS, stamp)]


@given(STAMPS, STAMPS, st.integers(0, 40))
def test_recorded_stamps_are_paired_closest_first(first: list[int], second: list[int], slop: int) -> None:
    a, b = [7 * stamp * MS for stamp in first], [(7 * stamp + stamp % 3 + 1) * MS for stamp in second]
    pairs = match_stamps(a, b, 7 * slop / 1000)
    distances = [abs(x - y) for x in a for y in b]
    if len(set(distances)) == len(distances):
        assert set(pairs) == closest_first(a, b, 7 * slop * MS)
    assert len({i for i, _ in pairs}) == len({k for _, k in pairs}) == len(pairs)
    assert all(abs(a[i] - b[k]) <= 7 * slop * MS for i, k in pairs)
    assert [a[i] for i, _ in pairs] == sorted(a[i] for i, _ in pairs)
    left = {i for i, _ in pairs}, {k for _, k in pairs}
    assert not any(
        abs(x - y) <= 7 * slop * MS
        for i, x in enumerate(a) if i not in left[0] for k, y in enumerate(b) if k not in left[1]
    )  # fmt: skip


def test_pairs_are_handed_out_at_once() -> None:
    pairing: Pairing[int] = Pairing(0.02)
    for i in range(5):
        assert feed(pairing, ("rgb", 33 * i)) == []
        assert feed(pairing, ("depth", 33 * i + 8)) == [(33 * i, 33 * i + 8)]


def test_the_nearer_image_is_waited_for() -> None:
    pairing: Pairing[int] = Pairing(0.05)
    feed(pairing, ("rgb", 0), ("rgb", 33))
    assert feed(pairing, ("depth", 60)) == []  # 66 will be nearer than 33
    assert feed(pairing, ("rgb", 66)) == [(66, 60)]


def test_images_without_depth_are_counted() -> None:
    pairing: Pairing[int] = Pairing(0.01)
    pairs = [pair for i in range(30) for pair in feed(pairing, ("rgb", 33 * i), *([("depth", 33 * i)] * (i % 3 == 0)))]
    assert len(pairs) == 10
    assert (pairing.unmatched("rgb"), pairing.unmatched("depth")) == (18, 0)  # two may still find a partner


def test_a_slop_of_zero_pairs_equal_stamps() -> None:
    assert feed(Pairing(0.0), ("rgb", 5), ("depth", 6), ("rgb", 6)) == [(6, 6)]


def test_time_that_jumps_back_starts_matching_anew() -> None:
    """A bag in a loop, RGB three times as often as depth: only what had no partner yet is lost."""
    pairing: Pairing[int] = Pairing(0.02)
    pairs = []
    for start in (100_000, 90_000, 90_000):
        for i in range(30):
            pairs += feed(pairing, ("rgb", start + 33 * i), *([("depth", start + 33 * i + 2)] * (i % 3 == 0)))
    assert len(pairs) == 30
    assert pairing.restarts == 2
    assert pairing.unmatched("depth") == 0


def test_a_topic_that_jumps_first_waits_for_the_other() -> None:
    pairing: Pairing[int] = Pairing(0.02)
    feed(pairing, ("rgb", 1000), ("depth", 1000), ("rgb", 1033), ("rgb", 900))
    assert feed(pairing, ("depth", 1033)) == []  # its image was dropped by the jump
    assert feed(pairing, ("depth", 900)) == [(900, 900)]


def test_a_queue_is_bounded() -> None:
    pairing: Pairing[int] = Pairing(0.02, 3)
    feed(pairing, *(("rgb", 10 * i) for i in range(10)))
    assert pairing.unmatched("rgb") == 7
    assert feed(pairing, ("depth", 49)) == []
