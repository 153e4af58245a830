from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.onboard.sources.capture import Shot
from drone.onboard.sources.pairing import Pair, SkewMeter, newest_pair

PICTURE = np.zeros((1, 1), np.uint8)
LIMIT_NS = 10


def shots(*stamps: int) -> list[Shot]:
    return [Shot(stamp, PICTURE) for stamp in stamps]


def stamps(pair: Pair | None) -> tuple[int, int] | None:
    return None if pair is None else (pair.left.stamp_ns, pair.right.stamp_ns)


@pytest.mark.parametrize(
    ("lefts", "rights", "expected"),
    [
        ((), (), None),
        ((1,), (), None),
        ((0, 100, 200), (1, 101, 201), (200, 201)),
        ((0, 100, 200), (1, 101), (100, 101)),  # the partner of 200 has not arrived
        ((0, 100, 200), (40, 140, 240), (200, 240)),  # none within the limit
        ((0, 100, 200), (96, 196, 296), (200, 196)),
        ((200,), (195, 203), (200, 203)),
    ],
)
def test_the_newest_pair_within_the_limit(
    lefts: tuple[int, ...], rights: tuple[int, ...], expected: tuple[int, int] | None
) -> None:
    assert stamps(newest_pair(shots(*lefts), shots(*rights), LIMIT_NS)) == expected


STAMPS = st.lists(st.integers(0, 1000), max_size=3, unique=True).map(sorted)


@given(STAMPS, STAMPS)
def test_a_pair_beyond_the_limit_only_if_none_is_within(left: list[int], right: list[int]) -> None:
    pair = newest_pair(shots(*left), shots(*right), LIMIT_NS)
    least = min((abs(r - a) for a in left for r in right), default=None)
    assert (pair is None) == (least is None)
    if pair is not None and least is not None:
        assert (abs(pair.skew_ns) <= LIMIT_NS) == (least <= LIMIT_NS)


def test_skew_is_measured() -> None:
    meter = SkewMeter()
    assert math.isnan(meter.measure().median_s)
    for right in (1_000_000, -2_000_000, 9_000_000):
        meter.add(Pair(*shots(0, right)))
    skew = meter.measure()
    assert (skew.median_s, skew.max_s, skew.n) == (0.002, 0.009, 3)
