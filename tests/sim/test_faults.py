from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drone.clock import ns_from_s
from drone.config import FaultConfig, loads
from drone.config.faults import PARAMETERS
from drone.geometry import optical_rotation
from drone.messages import StereoFrame, VehicleState, VelocityCommand
from drone.sim import faults
from drone.sim.imagefaults import ImageFaults
from drone.sim.lightfaults import LightFaults

pytestmark = pytest.mark.unit


def a_frame(seq: int) -> StereoFrame:
    """A frame per second whose grey is its number; the right eye is 100 brighter."""
    left, right = (np.full((4, 6), level, np.uint8) for level in (seq, 100 + seq))
    return StereoFrame(seq, ns_from_s(seq), True, left, right)


def levels(*schedule: FaultConfig, frames: int = 6) -> list[tuple[int | None, int | None] | None]:
    """What each eye shows in each frame; None where nothing came."""
    stages, seen = ImageFaults(schedule, seed=[10]), []
    for seq in range(frames):
        clean = a_frame(seq)
        frame = stages.apply(clean)
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


def test_a_delayed_eye_shows_what_it_saw_delay_s_ago() -> None:
    schedule = FaultConfig(kind="delayed", eye="left", delay_s=1.5, start_s=2, end_s=5)
    assert levels(schedule) == [*HEALTHY[:2], (0, 102), (1, 103), (2, 104), HEALTHY[5]]
    from_start = FaultConfig(kind="delayed", eye="pair", delay_s=2.0, start_s=0)
    assert levels(from_start) == [HEALTHY[max(0, k - 2)] for k in range(6)]


def test_a_torn_image_is_new_above_and_the_previous_one_below() -> None:
    stages = ImageFaults([FaultConfig(kind="torn", eye="left", share=0.25, start_s=1)], seed=[10])
    first, second, third = (stages.apply(a_frame(k)) for k in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.left is not None
    assert second.left is not None
    assert third.left is not None
    assert first.left.tolist() == [[0] * 6] * 4
    assert second.left.tolist() == [[1] * 6, *[[0] * 6] * 3]
    assert third.left.tolist() == [[2] * 6, *[[1] * 6] * 3], "of the true previous image"


def test_swapped_eyes_deliver_each_others_images() -> None:
    swapped = FaultConfig(kind="swapped", start_s=1, end_s=3)
    expected = [HEALTHY[0], (101, 1), (102, 2), *HEALTHY[3:]]
    assert levels(swapped) == expected
    black = FaultConfig(kind="black", eye="left", start_s=1, end_s=2)
    assert levels(black, swapped)[1] == (101, 0), "the dead eye sits on the other cable"
    assert levels(swapped, black)[1] == (0, 1)


@pytest.mark.parametrize("eye", ["left", "right", "pair"])
def test_frames_drop_with_the_probability_asked_for(eye: str) -> None:
    seen = levels(FaultConfig(kind="dropped", eye=eye, probability=0.3, start_s=0), frames=100)
    place = 1 if eye == "right" else 0
    lost = [k for k, pair in enumerate(seen) if pair is None or pair[place] is None]
    assert 20 <= len(lost) <= 40
    assert any(pair is None for pair in seen) == (eye == "pair")
    again = levels(FaultConfig(kind="dropped", eye=eye, probability=0.3, start_s=0), frames=100)
    assert seen == again


def test_lots_depend_on_the_seed_and_on_nothing_else() -> None:
    drop = FaultConfig(kind="dropped", eye="pair", probability=0.5, start_s=0)
    late = FaultConfig(kind="dropped", eye="pair", probability=0.5, start_s=50)
    white = FaultConfig(kind="white", eye="left", start_s=0)

    def lost(*schedule: FaultConfig, seed: tuple[int, ...] = (10,)) -> list[bool]:
        stages = ImageFaults(schedule, seed)
        return [stages.apply(a_frame(k)) is None for k in range(100)]

    assert lost(drop) == lost(drop, white)
    assert lost(drop)[50:] == lost(late)[50:]
    assert lost(drop) != lost(drop, seed=(11,))
    assert lost(drop) != lost(drop, seed=(10, 1)), "another flight in the same room"
    assert lost(drop) != lost(white, drop), "each fault draws for itself"


def test_an_image_that_is_missing_stays_missing() -> None:
    dropped = FaultConfig(kind="dropped", eye="left", start_s=2)
    for kind in ("black", "torn"):
        assert levels(dropped, FaultConfig(kind=kind, eye="left", start_s=0))[3] == (None, 103)


def test_a_blurred_point_spreads_as_a_gaussian() -> None:
    light = np.zeros((41, 41), np.uint8)
    light[20, 20] = 255
    fault = FaultConfig(kind="blurred", eye="left", sigma_px=1.5, start_s=0)
    lens = LightFaults([fault], seed=[10])
    at = lens.at("left", 0)
    assert at is not None
    assert not at.moves
    assert lens.at("right", 0) is None
    seen = lens.through_lens("left", light, at).astype(float)
    for dx in range(4):
        expected = 255 / (2 * math.pi * 1.5**2) * math.exp(-(dx**2) / (2 * 1.5**2))
        assert seen[20, 20 + dx] == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("level", [5.0, 250.0])
def test_a_covered_lens_shows_the_patch_and_the_rest(share: float, level: float) -> None:
    fault = FaultConfig(kind="covered", eye="pair", share=share, level=level, start_s=0)
    lens = LightFaults([fault], seed=[10])
    at = lens.at("right", 0)
    assert at is not None
    light = np.full((96, 128), 120, np.uint8)
    seen = lens.through_lens("right", light, at)
    middle = (120 + level) / 2
    covered = seen < middle if level < 120 else seen > middle
    assert covered.mean() == pytest.approx(share, abs=0.01)
    assert np.abs(np.diff(seen.astype(int), axis=1)).max() < 25, "the edge is soft"
    assert (seen == round(level)).any()
    assert (seen == 120).any()
    np.testing.assert_array_equal(lens.through_lens("right", light, at), seen)
    assert (lens.through_lens("left", light, at) != seen).any(), "each lens has its own patch"


def test_a_knock_turns_about_the_named_axis() -> None:
    """Where a point straight ahead of the proper eye is seen by the turned one."""
    ahead, tenth = np.array([0.0, 0.0, 1.0]), math.tan(math.radians(10))
    for angles, expected in (
        ((0, 0, 10), (-tenth, 0.0)),  # turned right: the point moves to the left
        ((0, 10, 0), (0.0, tenth)),  # turned up: the point moves down
        ((10, 0, 0), (0.0, 0.0)),
    ):
        x, y, z = optical_rotation(*angles).T @ ahead
        assert (x / z, y / z) == pytest.approx(expected)
    x, y, _ = optical_rotation(10, 0, 0).T @ np.array([1.0, 0.0, 1.0])
    assert math.degrees(math.atan2(y, x)) == pytest.approx(-10), "rolled right: the picture left"


def a_state() -> VehicleState:
    return VehicleState(
        3, 5, True, (1.0, 2.0, 3.0), (0.1, 0.2, 0.3), (1.0, 0.0, 0.0, 0.0), (0.5, 0.5, 0.5)
    )


def test_dropouts_of_the_vehicle_are_nan_and_never_zero() -> None:
    position = FaultConfig(kind="position_dropout", start_s=0)
    imu = FaultConfig(kind="imu_dropout", start_s=0)
    assert faults.vehicle_state([], a_state()) == a_state()
    lost = faults.vehicle_state([position], a_state())
    assert all(map(math.isnan, lost.position_m))
    assert replace(lost, position_m=a_state().position_m) == a_state()
    blind = faults.vehicle_state([imu, position], a_state())
    assert (blind.seq, blind.stamp_ns, blind.valid) == (3, 5, False)
    numbers = (*blind.position_m, *blind.velocity_mps, *blind.attitude, *blind.rates_radps)
    assert all(map(math.isnan, numbers))


def test_gusts_add_up_and_blow_where_they_should() -> None:
    gusts = [
        FaultConfig(kind="gust", wind_mps=2.0, toward_deg=90, start_s=0),
        FaultConfig(kind="gust", wind_mps=1.0, toward_deg=180, start_s=0),
    ]
    assert faults.wind_mps(gusts) == pytest.approx((-1.0, 2.0, 0.0))
    assert faults.wind_mps([]) == (0.0, 0.0, 0.0)


def test_a_late_link_delivers_the_command_of_then() -> None:
    late = FaultConfig(kind="link_delay", delay_s=0.12, start_s=0.3, end_s=0.8)
    link = faults.Link([late])

    def command(k: int) -> VelocityCommand:
        return VelocityCommand(k, k * 50_000_000, True, k / 10, 0.0, 0.0, 0.0)

    flown = [link.send(k * 50_000_000, command(k)).seq for k in range(20)]
    # 0.12 s is no whole number of ticks: a command arrives at the first tick after that.
    assert flown == [*range(6), *(k - 3 for k in range(6, 16)), *range(16, 20)]
    at_once = faults.Link([FaultConfig(kind="link_delay", delay_s=0.1, start_s=0)])
    assert [at_once.send(k * 50_000_000, command(k)).forward_mps for k in range(4)] == [
        *(0.0, 0.0, 0.0, 0.1)
    ]


def test_history_gives_the_newest_value_that_is_not_later() -> None:
    history = faults.History[str](0.1)
    for stamp_ns, value in ((0, "a"), (100_000_000, "b"), (150_000_000, "c")):
        history.add(stamp_ns, value)
    assert history.delayed() == "a"
    assert [history.at(t) for t in (-5, 99_999_999, 100_000_000, 150_000_000)] == list("aabc")


DOCS = Path(__file__).parents[2] / "docs" / "simulator.md"


def test_the_documented_schedule_loads() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    loaded = [loads(block, str(DOCS)).sim.faults for block in blocks if "sim.faults" in block]
    assert [f.kind for f in loaded[0]] == ["dropped", "miscalibrated", "gust"]


@pytest.mark.parametrize("kind", sorted(PARAMETERS))
def test_every_kind_and_its_parameters_are_documented(kind: str) -> None:
    rows = [r for r in DOCS.read_text(encoding="utf-8").splitlines() if r.startswith("| `")]
    row = next(r for r in rows if f"`{kind}`" in r.split("|")[1])
    for name in PARAMETERS[kind]:
        assert f"`{name}`" in row.split("|")[2]
