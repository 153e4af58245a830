from __future__ import annotations

import numpy as np
import pytest

from drone.clock import ns_from_s
from drone.config import FaultConfig
from drone.messages import StereoFrame
from drone.sim import faults
from drone.sim.faults import Delivered

pytestmark = pytest.mark.unit


def a_frame(seq: int) -> StereoFrame:
    """A frame per second whose grey is its number; the right eye is 100 brighter."""
    left, right = (np.full((4, 6), level, np.uint8) for level in (seq, 100 + seq))
    return StereoFrame(seq, ns_from_s(seq), True, left, right)


def levels(*schedule: FaultConfig, frames: int = 6) -> list[tuple[int | None, int | None] | None]:
    """What each eye shows in each frame; None where nothing came."""
    last, seen = Delivered(), []
    for seq in range(frames):
        clean = a_frame(seq)
        last, frame = faults.apply(schedule, last, clean)
        assert clean.left is not None
        assert clean.left.max() == seq, "the clean frame stays as it was"
        if frame is None:
            seen.append(None)
            continue
        assert (frame.seq, frame.stamp_ns, frame.valid) == (seq, ns_from_s(seq), True)
        seen.append(tuple(None if i is None else int(i[0, 0]) for i in (frame.left, frame.right)))
    return seen


HEALTHY = [(k, 100 + k) for k in range(6)]


def test_without_faults_frames_pass() -> None:
    assert levels() == HEALTHY


@pytest.mark.parametrize(("kind", "level"), [("black", 0), ("white", 255), ("dropped", None)])
@pytest.mark.parametrize("eye", ["left", "right"])
def test_one_eye_fails_from_start_until_before_end(kind: str, level: int, eye: str) -> None:
    expected = list(HEALTHY)
    for k in (2, 3):
        expected[k] = (level, 100 + k) if eye == "left" else (k, level)
    assert levels(FaultConfig(kind=kind, eye=eye, start_s=2, end_s=4)) == expected


@pytest.mark.parametrize(("kind", "pair"), [("black", (0, 0)), ("white", (255, 255))])
def test_the_pair_fails_for_the_rest_of_the_flight(kind: str, pair: tuple[int, int]) -> None:
    assert levels(FaultConfig(kind=kind, eye="pair", start_s=3)) == [*HEALTHY[:3], *[pair] * 3]


def test_a_dropped_pair_is_no_frame() -> None:
    schedule = FaultConfig(kind="dropped", eye="pair", start_s=1, end_s=3)
    assert levels(schedule) == [HEALTHY[0], None, None, *HEALTHY[3:]]


def test_a_frozen_eye_repeats_its_last_image() -> None:
    schedule = FaultConfig(kind="frozen", eye="right", start_s=2, end_s=5)
    assert levels(schedule) == [*HEALTHY[:2], (2, 101), (3, 101), (4, 101), HEALTHY[5]]


def test_frozen_from_the_first_frame_on() -> None:
    assert levels(FaultConfig(kind="frozen", eye="left", start_s=0))[-1] == (0, 105)


def test_frozen_after_black_stays_black_and_after_dropped_shows_the_last_image() -> None:
    frozen = FaultConfig(kind="frozen", eye="left", start_s=3)
    black = FaultConfig(kind="black", eye="left", start_s=2, end_s=3)
    assert [pair and pair[0] for pair in levels(black, frozen)] == [0, 1, 0, 0, 0, 0]
    dropped = FaultConfig(kind="dropped", eye="left", start_s=2, end_s=3)
    assert [pair and pair[0] for pair in levels(dropped, frozen)] == [0, 1, None, 1, 1, 1]


def test_of_two_faults_the_later_in_the_schedule_holds() -> None:
    black = FaultConfig(kind="black", eye="pair", start_s=0)
    white = FaultConfig(kind="white", eye="left", start_s=0)
    assert levels(black, white)[0] == (255, 0)
    assert levels(white, black)[0] == (0, 0)
