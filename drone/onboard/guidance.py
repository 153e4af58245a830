"""Avoidance's step: what it is told of the way, the vehicle, and what is remembered.

PilotState, Clearance ─► obstacles that left the view ─► AvoidanceInputs ─► PilotState, Motion
"""

from __future__ import annotations

import math

from drone.clock import s_from_ns
from drone.config import PilotConfig
from drone.geometry import yaw_from_quaternion
from drone.messages import Cue, Mode, VehicleState
from drone.onboard import avoidance, obstacle_memory
from drone.onboard.avoidance import AvoidanceInputs, Motion
from drone.onboard.clearance import Clearance, Seen, mono_scale, speed_scale
from drone.onboard.obstacle_memory import Memory, Pose
from drone.onboard.pilotstate import PilotState


def avoid(
    state: PilotState, seen: Seen, way: Clearance, now_ns: int, config: PilotConfig
) -> tuple[PilotState, Motion]:
    """Return the state after avoidance's step, and what to do."""
    assert state.vehicle is not None, "no mode flies without a vehicle state"
    pose, rules, view = _pose(state.vehicle), config.avoidance, state.view
    memory = _remembered(state, seen, pose, now_ns, config)
    scale = mono_scale(state, config) if way.cue is Cue.MONO else 1.0
    hull_m = config.corridor.hull_width_m / 2
    north_mps, east_mps, _ = state.vehicle.velocity_mps
    inputs = AvoidanceInputs(
        now_ns,
        way.ratio,
        pose.yaw_rad,
        math.hypot(north_mps, east_mps),
        _scaled(way.sectors_m, scale),
        speed_scale(state, config),
        seen_m=_seen_m(way, scale * way.obstacle_m + view.eye_forward_m - hull_m, config),
        near=obstacle_memory.around(memory, pose, now_ns, view, rules.memory),
        hull_m=hull_m,
        position_m=pose[:2],
        trail=memory.trail,
        view=view,
        looks=memory.looks,
    )
    stepped, motion = avoidance.step(state.avoidance, inputs, rules)
    return state._replace(avoidance=stepped, memory=memory), motion


def _seen_m(way: Clearance, hull_m: float, config: PilotConfig) -> float:
    """Return how far the drone may go by what is seen, m: as far as its hull, or not even so far.

    Where mono decides, which is less sure than stereo of where to stop, it gets there slowly.
    """
    if way.cue is not Cue.MONO:
        return hull_m
    speed_mps, rules = config.switching.mono_stop_mps, config.avoidance
    braking_m = speed_mps * rules.latency_s + speed_mps * speed_mps / (2 * rules.decel_mps2)
    left_m = max(0.0, way.ratio - 1) * config.switching.stop_m
    return min(hull_m, left_m + braking_m)


def _scaled(sectors_m: tuple[float, ...], scale: float) -> tuple[float, ...]:
    return sectors_m if scale == 1 else tuple([scale * s for s in sectors_m])


def _pose(vehicle: VehicleState) -> Pose:
    north_m, east_m, _ = vehicle.position_m
    return Pose(north_m, east_m, yaw_from_quaternion(vehicle.attitude))


def _pose_before(pose: Pose, vehicle: VehicleState, ago_s: float) -> Pose:
    """Return where the vehicle was a moment ago."""
    if ago_s == 0:
        return pose
    (north_mps, east_mps, _), turn = vehicle.velocity_mps, vehicle.rates_radps[2]
    turned_rad = ago_s * turn if math.isfinite(turn) else 0.0
    return Pose(
        pose.north_m - ago_s * north_mps,
        pose.east_m - ago_s * east_mps,
        pose.yaw_rad - turned_rad,
    )


def _remembered(
    state: PilotState, seen: Seen, pose: Pose, now_ns: int, config: PilotConfig
) -> Memory:
    """Return the memory of obstacles with what stereo sees, else mono."""
    assert state.vehicle is not None
    rules = config.avoidance.memory
    memory = obstacle_memory.move(state.memory, pose, now_ns, rules)
    guarded = state.mode is not Mode.MONO and seen.stereo.stamp_ns >= 0
    sight = seen.stereo if guarded else seen.mono
    if sight.stamp_ns < 0 or sight.stamp_ns <= memory.seen_ns:
        return memory
    then = _pose_before(pose, state.vehicle, s_from_ns(now_ns - sight.stamp_ns))
    scale = 1.0 if guarded else mono_scale(state, config)
    sectors_m = _scaled(sight.sectors_m, scale)
    return obstacle_memory.remember(memory, then, sectors_m, sight.stamp_ns, state.view, rules)
