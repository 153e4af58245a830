"""What avoidance is told: the clearance, the vehicle, and what is remembered of the obstacles.

PilotState, Clearance ─► remembering (obstacles that left the view) ─► AvoidanceInputs
"""

from __future__ import annotations

import math
from dataclasses import replace

from drone.clock import s_from_ns
from drone.config import PilotConfig
from drone.geometry import euler_from_quaternion
from drone.messages import Cue, Mode, VehicleState
from drone.onboard import obstacle_memory
from drone.onboard.avoidance import AvoidanceInputs
from drone.onboard.clearance import Clearance, fresh, mono_scale, speed_scale
from drone.onboard.pilotstate import PilotState


def remembering(state: PilotState, now_ns: int, config: PilotConfig) -> PilotState:
    """Return the state with what stereo sees, else mono, in the memory of obstacles."""
    assert state.vehicle is not None, "no mode flies without a vehicle state"
    rules = config.avoidance.memory
    memory = obstacle_memory.move(state.memory, _pose(state.vehicle, 0.0), now_ns, rules)
    stereo = fresh(state.stereo, now_ns, config)
    guarded = state.mode is not Mode.MONO and stereo.stamp_ns >= 0
    sight = stereo if guarded else fresh(state.mono, now_ns, config)
    if sight.stamp_ns >= 0:
        pose = _pose(state.vehicle, s_from_ns(now_ns - sight.stamp_ns))
        scale = 1.0 if guarded else mono_scale(state, config)
        sectors_m = tuple(scale * s for s in sight.sectors_m)
        memory = obstacle_memory.remember(
            memory, pose, sectors_m, sight.stamp_ns, state.view, rules
        )
    return replace(state, memory=memory)


def _pose(vehicle: VehicleState, ago_s: float) -> obstacle_memory.Pose:
    """Return where the vehicle is, or was a moment ago."""
    north_m, east_m = (
        p - ago_s * v for p, v in zip(vehicle.position_m[:2], vehicle.velocity_mps[:2], strict=True)
    )
    turn_radps = vehicle.rates_radps[2] if math.isfinite(vehicle.rates_radps[2]) else 0.0
    yaw_rad = euler_from_quaternion(vehicle.attitude)[2] - ago_s * turn_radps
    return obstacle_memory.Pose(north_m, east_m, yaw_rad)


def avoidance_inputs(
    state: PilotState, way: Clearance, now_ns: int, config: PilotConfig
) -> AvoidanceInputs:
    """Return what avoidance is told at this tick."""
    vehicle = state.vehicle
    assert vehicle is not None, "no mode flies without a vehicle state"
    pose, hull_m = _pose(vehicle, 0.0), config.corridor.hull_width_m / 2
    around = obstacle_memory.around(state.memory, pose, now_ns, state.view, config.avoidance.memory)
    scale = mono_scale(state, config) if way.cue is Cue.MONO else 1.0
    return AvoidanceInputs(
        now_ns=now_ns,
        clearance=way.ratio,
        yaw_rad=pose.yaw_rad,
        speed_mps=math.hypot(vehicle.velocity_mps[0], vehicle.velocity_mps[1]),
        sectors_m=tuple(scale * s for s in way.sectors_m),
        seen_m=scale * way.obstacle_m + state.view.eye_forward_m - hull_m,
        near=around,
        hull_m=hull_m,
        position_m=(pose.north_m, pose.east_m),
        trail=state.memory.trail,
        view=state.view,
        speed_scale=speed_scale(state, config),
    )
