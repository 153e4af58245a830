from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from drone.config import (
    CameraConfig,
    EstimatorConfig,
    FaultConfig,
    RoomConfig,
    SimConfig,
    VehicleConfig,
)
from drone.errors import DivergedError, UserError
from drone.geometry import DistanceMeter, Intrinsics
from drone.messages import VelocityCommand
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator, SimOutput

pytestmark = pytest.mark.sim
TICK_HZ = 20.0
SMALL = CameraConfig(width_px=64, height_px=48)
"""Fast to render."""
KNOWING = EstimatorConfig(enabled=False)
"""The vehicle knows the truth."""


def command(
    forward: float = 0.0, right: float = 0.0, down: float = 0.0, yaw: float = 0.0
) -> VelocityCommand:
    return VelocityCommand(0, 0, True, forward, right, down, yaw)


def simulator(seed: int = 10, config: SimConfig | None = None) -> RoomSimulator:
    config = config or SimConfig(camera=SMALL, estimator=KNOWING)
    meter = DistanceMeter(calibration_of(config.camera).left)
    return RoomSimulator(config, meter, seed=seed, tick_hz=TICK_HZ)


def fly(sim: RoomSimulator, wanted: VelocityCommand, seconds: float) -> list[SimOutput]:
    return [sim.step(wanted) for _ in range(round(seconds * TICK_HZ))]


def wander(sim: RoomSimulator, seconds: float) -> list[SimOutput]:
    """Fly about, also into things."""
    ticks = range(round(seconds * TICK_HZ))
    return [sim.reset(), *(sim.step(command(0.6, 0.1, 0.0, math.sin(k / 30))) for k in ticks)]


def assert_same(one: list[SimOutput], other: list[SimOutput]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.vehicle == b.vehicle
        assert a.events == b.events
        assert (a.truth is None) == (b.truth is None)
        if a.frame is not None:
            assert b.frame is not None
            np.testing.assert_array_equal(a.frame.left, b.frame.left)
            np.testing.assert_array_equal(a.frame.right, b.frame.right)
            np.testing.assert_array_equal(a.true_inverse_depth, b.true_inverse_depth)


@pytest.fixture
def sim() -> Iterator[RoomSimulator]:
    with simulator() as sim:
        yield sim


def test_a_flight_starts_hovering_at_a_free_place(sim: RoomSimulator) -> None:
    out = sim.reset()
    assert out.vehicle.stamp_ns == 0
    assert out.vehicle.position_m[2] == pytest.approx(-1.1)
    assert out.vehicle.velocity_mps == (0.0, 0.0, 0.0)
    assert sim.room.clearance_m(*out.vehicle.position_m[:2]) > 0.5
    assert out.frame is not None
    assert out.truth is not None
    assert out.truth.obstacle_m > 1.0, "the way ahead is free"
    assert math.isnan(out.truth.stereo_obstacle_m)
    after = fly(sim, command(), 3.0)[-1]
    assert after.vehicle.position_m == pytest.approx(out.vehicle.position_m, abs=0.01)
    assert not after.events


def test_stamps_sequence_and_rates(sim: RoomSimulator) -> None:
    outs = [sim.reset(), *fly(sim, command(), 1.0)]
    assert [o.vehicle.stamp_ns for o in outs] == [50_000_000 * k for k in range(21)]
    assert [o.vehicle.seq for o in outs] == list(range(21))
    frames = [o.frame for o in outs if o.frame]
    assert [f.stamp_ns for f in frames] == [100_000_000 * k for k in range(11)]
    assert [f.seq for f in frames] == list(range(11))
    for out in outs:
        assert (out.truth is None) == (out.true_inverse_depth is None) == (out.clean is None)
        if out.truth and out.frame:
            assert out.truth.seq == out.frame.seq
            assert out.truth.position_m == out.vehicle.position_m


def test_the_same_seed_flies_the_same_flight_bit_for_bit() -> None:
    with simulator(11) as one, simulator(11) as other:
        first = wander(one, 20.0)
        assert_same(first, wander(other, 20.0))
        assert any(o.events for o in first), "collisions and new places are part of it"
        assert_same(first, wander(one, 20.0))
    with simulator(12) as another:
        assert another.reset().vehicle.position_m != first[0].vehicle.position_m


def test_simulators_in_one_process_do_not_disturb_each_other() -> None:
    with simulator(11) as alone:
        expected = wander(alone, 4.0)
    with simulator(11) as sim, simulator(13) as neighbour:
        neighbour.reset()
        outs = [sim.reset()]
        for k in range(80):
            outs.append(sim.step(command(0.6, 0.1, 0.0, math.sin(k / 30))))
            neighbour.step(command(0.5))
    assert_same(expected, outs)


def test_a_collision_counts_once_and_puts_the_drone_back(sim: RoomSimulator) -> None:
    sim.reset()
    collisions = 0
    for _ in range(600):
        before = collisions
        out = sim.step(command(1.0))
        hits = [e for e in out.events if e.kind == "collision"]
        collisions += len(hits)
        assert collisions <= before + 1
        if hits:
            assert sim.room.clearance_m(*hits[0].position_m[:2]) < 0.40, "at the obstacle"
            assert sim.room.clearance_m(*out.vehicle.position_m[:2]) > 0.5, "and away from it"
            assert math.hypot(*out.vehicle.velocity_mps) < 0.3, "at rest"
            out = sim.step(command())
        if out.truth:
            assert out.truth.collisions == collisions
    assert collisions >= 3


def test_contact_shows_in_the_next_truth_only(sim: RoomSimulator) -> None:
    sim.reset()
    outs = fly(sim, command(1.0), 15.0)
    hits = sum(e.kind == "collision" for o in outs for e in o.events)
    contacts = sum(o.truth.in_contact for o in outs if o.truth)
    assert contacts == hits > 0


def test_the_way_to_the_wall_is_the_true_obstacle_distance() -> None:
    """In an empty room, the distance flown until contact is what truth said at the start."""
    config = SimConfig(estimator=KNOWING, room=RoomConfig(obstacles=0))
    with simulator(10, config) as sim:
        start = sim.reset()
        assert start.truth is not None
        hit = next(
            e for o in fly(sim, command(0.4), 30.0) for e in o.events if e.kind == "collision"
        )
    flown_m = math.dist(hit.position_m[:2], start.vehicle.position_m[:2])
    # The lens sits 12 cm ahead of the middle, a corner of the hull 26 to 37 cm: whatever is met
    # first, the corridor (wider than the hull by 15 cm each side) met it before.
    assert -0.25 < start.truth.obstacle_m + 0.12 - 0.26 - flown_m < 0.35


def test_landing_brings_it_to_rest_once_and_is_no_collision(sim: RoomSimulator) -> None:
    sim.reset()
    outs = fly(sim, command(down=0.3), 6.0)
    assert [e.kind for o in outs for e in o.events] == ["landed"]
    assert not outs[20].vehicle.landed
    end = outs[-1].vehicle
    assert end.landed
    assert end.position_m[2] == pytest.approx(-0.065, abs=0.01)
    assert math.hypot(*end.velocity_mps) < 0.05
    hovering = fly(sim, command(forward=0.5), 1.0)[-1].vehicle
    assert hovering.landed, "only a climb takes off again"
    assert hovering.position_m == pytest.approx(end.position_m, abs=0.01)
    outs = fly(sim, command(down=-0.3), 3.0)
    assert not outs[-1].vehicle.landed
    assert outs[-1].vehicle.position_m[2] < -0.4
    assert not any(o.events for o in outs)


def test_falling_to_the_floor_unasked_is_a_collision(sim: RoomSimulator) -> None:
    sim.reset()
    sim._vehicle.put(sim.room.free_pose(np.random.default_rng(10)), 0.06)
    outs = fly(sim, command(), 0.5)
    assert [e.kind for o in outs for e in o.events] == ["collision"]


def test_faults_change_the_frame_and_not_the_clean_one() -> None:
    schedule = (
        FaultConfig(kind="black", eye="right", start_s=0.5, end_s=1.0),
        FaultConfig(kind="dropped", eye="pair", start_s=1.5),
    )
    with (
        simulator(10, SimConfig(camera=SMALL, estimator=KNOWING, faults=schedule)) as sim,
        simulator(10) as healthy,
    ):
        outs = [sim.reset(), *fly(sim, command(0.2), 2.0)]
        expected = [healthy.reset(), *fly(healthy, command(0.2), 2.0)]
    assert [(e.stamp_ns, e.kind, e.detail) for o in outs for e in o.events] == [
        (500_000_000, "fault", "black right begins"),
        (1_000_000_000, "fault", "black right ends"),
        (1_500_000_000, "fault", "dropped pair begins"),
    ]
    for out, sound in zip(outs[::2], expected[::2], strict=True):
        assert out.clean is not None
        assert sound.frame is not None
        np.testing.assert_array_equal(out.clean.right, sound.frame.right)
        at_s = out.clean.stamp_ns / 1e9
        if out.frame is not None:
            assert out.frame.right is not None
            assert (out.frame.right.max() == 0) == (0.5 <= at_s < 1.0), "no noise on black"
            np.testing.assert_array_equal(out.frame.left, sound.frame.left)
        assert (out.frame is None) == (at_s >= 1.5)


def faulty(*schedule: FaultConfig, **camera: float) -> SimConfig:
    settings = {**SMALL.model_dump(), "noise_levels": 0.0, **camera}
    camera_config = CameraConfig.model_validate(settings)
    return SimConfig(camera=camera_config, estimator=KNOWING, faults=schedule)


def turning(sim: RoomSimulator, seconds: float = 1.0) -> list[SimOutput]:
    """Turn on the spot, which moves every pixel."""
    return [sim.reset(), *fly(sim, command(yaw=1.0), seconds)]


EYES_FAULTS = [
    {"kind": k}
    for k in ("black", "frozen", "delayed", "torn", "blurred", "covered", "desynchronised")
] + [{"kind": "dropped", "probability": 0.5}, {"kind": "miscalibrated", "yaw_deg": 2.0}]


def test_no_fault_of_an_eye_disturbs_what_scores_and_flies() -> None:
    """Clean frames, their noise, truth and motion are those of a healthy flight, bit for bit."""
    schedule = [FaultConfig.model_validate({**f, "start_s": 0.2}) for f in EYES_FAULTS]
    schedule.append(FaultConfig(kind="swapped", start_s=0.5))
    camera = {"noise_levels": 2.0}
    with simulator(10, faulty(*schedule, **camera)) as sim, simulator(10, faulty(**camera)) as ok:
        outs, expected = turning(sim), turning(ok)
        assert_same_arrivals(outs, turning(sim))
    for out, sound in zip(outs, expected, strict=True):
        assert out.vehicle == sound.vehicle
        assert out.truth == sound.truth
        if sound.frame is not None:
            assert out.clean is not None
            np.testing.assert_array_equal(out.clean.left, sound.frame.left)
            np.testing.assert_array_equal(out.clean.right, sound.frame.right)
            np.testing.assert_array_equal(out.true_inverse_depth, sound.true_inverse_depth)


def assert_same_arrivals(one: list[SimOutput], other: list[SimOutput]) -> None:
    for a, b in zip(one, other, strict=True):
        assert (a.frame is None) == (b.frame is None)
        if a.frame is not None and b.frame is not None:
            np.testing.assert_array_equal(a.frame.left, b.frame.left)
            np.testing.assert_array_equal(a.frame.right, b.frame.right)


def test_a_desynchronised_eye_sees_the_scene_as_of_then() -> None:
    """Exposed 0.1 s early at 10 Hz: the other flight's previous right image, exactly."""
    early = FaultConfig(kind="desynchronised", eye="right", offset_s=0.1, start_s=0.0)
    with simulator(10, faulty(early)) as sim, simulator(10, faulty()) as healthy:
        frames, sound = ([o.frame for o in turning(s) if o.frame] for s in (sim, healthy))
    for k in range(1, len(frames)):
        np.testing.assert_array_equal(frames[k].right, sound[k - 1].right)
        np.testing.assert_array_equal(frames[k].left, sound[k].left)
    assert (frames[5].right != sound[5].right).mean() > 0.2
    between = FaultConfig(kind="desynchronised", eye="right", offset_s=0.03, start_s=0.0)
    with simulator(10, faulty(between)) as sim:
        third = [o.frame for o in turning(sim) if o.frame][5]
    assert third is not None
    assert (third.right != sound[5].right).mean() > 0.1
    assert (third.right != sound[4].right).mean() > 0.1


@pytest.mark.parametrize("eye", ["left", "right"])
def test_a_knocked_eye_sees_the_scene_shifted(eye: str) -> None:
    """Turned right by 3 degrees, f tan(3 deg) = 2.4 px: the picture moves to the left by that."""
    knock = FaultConfig(kind="miscalibrated", eye=eye, yaw_deg=3.0, start_s=0.5)
    with simulator(10, faulty(knock)) as sim:
        outs = [o for o in [sim.reset(), *fly(sim, command(), 1.0)] if o.frame and o.clean]
    before, after = outs[3], outs[8]
    np.testing.assert_array_equal(getattr(before.frame, eye), getattr(before.clean, eye))
    seen, proper = (getattr(f, eye).astype(np.float32) for f in (after.frame, after.clean))
    misfits = {}
    for shift in np.arange(-5, 5.1, 0.2):
        back = cv2.warpAffine(seen, np.float32([[1, 0, shift], [0, 1, 0]]), (64, 48))
        inside = (slice(8, 40), slice(12, 52))
        misfits[shift] = np.abs(cv2.blur(back, (3, 3)) - cv2.blur(proper, (3, 3)))[inside].mean()
    assert min(misfits, key=misfits.__getitem__) == pytest.approx(2.4, abs=0.5)


def test_frames_arrive_late_with_all_that_belongs_to_them() -> None:
    """0.12 s is no whole number of ticks of 0.05 s: they arrive 0.15 s after their stamp."""
    with simulator(10, faulty(delay_s=0.12)) as sim, simulator(10, faulty()) as prompt:
        late, soon = turning(sim), turning(prompt)
    assert [o.vehicle for o in late] == [o.vehicle for o in soon]
    assert [k for k, o in enumerate(late) if o.frame] == list(range(3, 21, 2))
    for k in range(3, 21, 2):
        out, expected = late[k], soon[k - 3]
        assert out.frame is not None
        assert out.clean is not None
        assert out.truth == expected.truth
        assert out.frame.stamp_ns == out.clean.stamp_ns == 50_000_000 * (k - 3)
        np.testing.assert_array_equal(out.frame.left, expected.frame.left)
        np.testing.assert_array_equal(out.true_inverse_depth, expected.true_inverse_depth)


def test_a_late_link_flies_late() -> None:
    schedule = FaultConfig(kind="link_delay", delay_s=0.5, start_s=0.0)
    with simulator(10, faulty(schedule)) as sim, simulator(10, faulty()) as prompt:
        late, soon = turning(sim, 1.5), turning(prompt, 1.5)
    yaw_rate = [[o.vehicle.rates_radps[2] for o in outs] for outs in (late, soon)]
    assert max(map(abs, yaw_rate[0][:10])) < 1e-3
    assert yaw_rate[0][10:] == pytest.approx(yaw_rate[1][: len(yaw_rate[0]) - 10], abs=1e-3)


def test_a_gust_pushes_where_it_blows_and_ends() -> None:
    gust = FaultConfig(kind="gust", wind_mps=4.0, toward_deg=90, start_s=0.5, end_s=1.0)
    with simulator(10, faulty(gust)) as sim:
        outs = [sim.reset(), *fly(sim, command(), 6.0)]
    north, east, _ = np.array([o.vehicle.velocity_mps for o in outs]).T
    assert np.abs(east[:11]).max() < 0.01
    assert east[11:21].max() > 0.05
    assert abs(north[11:21]).max() < 0.2 * east[11:21].max()
    assert abs(east[-1]) < 0.05, "the autopilot recovers"


def test_dropouts_of_the_vehicle_leave_the_truth() -> None:
    schedule = (
        FaultConfig(kind="position_dropout", start_s=0.2, end_s=0.5),
        FaultConfig(kind="imu_dropout", start_s=0.5, end_s=0.8),
    )
    with simulator(10, faulty(*schedule)) as sim, simulator(10, faulty()) as healthy:
        outs, sound = turning(sim), turning(healthy)
    for k, (out, expected) in enumerate(zip(outs, sound, strict=True)):
        assert out.truth == expected.truth
        assert out.vehicle.valid == (not 10 <= k < 16)
        assert math.isnan(out.vehicle.position_m[0]) == (4 <= k < 16)
        assert math.isnan(out.vehicle.attitude[0]) == (10 <= k < 16)
    assert [e.detail for o in outs for e in o.events] == [
        "position_dropout vehicle begins",
        "imu_dropout vehicle begins",
        "position_dropout vehicle ends",
        "imu_dropout vehicle ends",
    ]


def test_an_invalid_command_means_hover(sim: RoomSimulator) -> None:
    start = sim.reset()
    broken = VelocityCommand(0, 0, False, 1.0, 0.0, 0.0, math.nan)
    end = fly(sim, broken, 2.0)[-1]
    assert end.vehicle.position_m == pytest.approx(start.vehicle.position_m, abs=0.01)


def test_a_valid_command_that_is_not_finite_is_refused(sim: RoomSimulator) -> None:
    sim.reset()
    with pytest.raises(ValueError, match="not finite"):
        sim.step(command(forward=math.nan))


def test_diverging_physics_is_an_error(sim: RoomSimulator) -> None:
    sim.reset()
    sim._vehicle.set_motion(sim._vehicle.kinematics()._replace(velocity_mps=(math.nan, 0.0, 0.0)))
    with pytest.raises(DivergedError, match=r"0\.05 s: physics diverged"):
        sim.step(command())


def test_a_drag_beyond_the_physics_rate_diverges_with_an_error_and_no_image() -> None:
    stiff = VehicleConfig(drag_per_s=2000.0)
    with simulator(10, SimConfig(camera=SMALL, vehicle=stiff)) as sim:
        sim.reset()
        with pytest.raises(DivergedError, match="diverged"):
            fly(sim, command(0.5), 5.0)


def test_wrong_use_is_refused() -> None:
    other = DistanceMeter(Intrinsics.from_hfov(128, 96, 1.0))
    with pytest.raises(ValueError, match="another camera"):
        RoomSimulator(SimConfig(), other, seed=10, tick_hz=20.0)
    meter = DistanceMeter(calibration_of(SimConfig().camera).left)
    with pytest.raises(ValueError, match="physics_hz / tick_hz"):
        RoomSimulator(SimConfig(), meter, seed=10, tick_hz=21.0)
    with pytest.raises(ValueError, match=r"tick_hz / camera\.rate_hz"):
        RoomSimulator(SimConfig(), meter, seed=10, tick_hz=5.0)
    crowded = SimConfig(room=RoomConfig(length_m=3, width_m=3, obstacles=20))
    with pytest.raises(UserError, match="do not fit"):
        RoomSimulator(crowded, meter, seed=10, tick_hz=20.0)


def test_closing_frees_the_client_and_may_be_repeated() -> None:
    # PyBullet has room for about a thousand clients: a leak would show here only much later.
    clients = set()
    for seed in range(10, 14):
        sim = simulator(seed)
        clients.add(sim._world.client)
        sim.close()
        sim.close()
    assert len(clients) == 1
