"""The autopilot: is it there, does it know how it moves, and what does it do when left alone?

`AutopilotFacts` is what `asking` heard of it; `check` judges. `WANTED` says which parameters matter
and what is right; docs/companion.md has the same list with the reasons at length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from drone.config.autopilot import AutopilotConfig
from drone.doctor.finding import Finding, Verdict, fail, graded, lower, ok, skipped, warn

GROUP = "autopilot"
ARDUPILOT, PX4 = "ArduPilot", "PX4"
_OLDEST = {ARDUPILOT: (4, 1, 0), PX4: (1, 14, 0)}
"""ArduPilot: GUID_TIMEOUT; PX4: EKF2_EV_CTRL and COM_OBL_RC_ACT as they are used here."""
_ATTITUDE_HZ, _POSITION_HZ = 10.0, 5.0
_BATTERY = 0.5


@dataclass(frozen=True, slots=True)
class AutopilotFacts:
    """What was heard of the autopilot within a few seconds.

    Attributes:
        problem: why none is heard, in words; empty if one is.
        rivals: several that are heard at once, in words; empty where it is one.
        kind: `ArduPilot` or `PX4`; empty if it is another.
        version: of its software; None if it did not tell.
        armed: motors may turn.
        attitude_hz: at which its attitude came.
        position_hz: at which its position and velocity came.
        believes: it believes its velocity itself (PX4 sends it also when it does not).
        permission_us: pulse of the RC channel that permits; 0 where none comes.
        clock_answers: it takes part in time synchronisation.
        battery_share: NaN if unknown.
        parameters: that it told, by name.
    """

    problem: str = ""
    rivals: str = ""
    kind: str = ""
    version: tuple[int, int, int] | None = None
    armed: bool = False
    attitude_hz: float = 0.0
    position_hz: float = 0.0
    believes: bool = True
    permission_us: int = 0
    clock_answers: bool = False
    battery_share: float = math.nan
    parameters: Mapping[str, float] = field(default_factory=dict)


class Wrong(NamedTuple):
    """Values of a parameter that are not right.

    Attributes:
        holds: whether a value is one of them.
        verdict: of such a one.
        what: the autopilot then does.
    """

    holds: Callable[[float], bool]
    verdict: Verdict
    what: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parameter that matters.

    Attributes:
        name: of it.
        right: to set.
        wrong: values that are not; of several that hold the first counts.
        elsewhere: name of the parameter that other versions have in its place, empty if none.
    """

    name: str
    right: str
    wrong: tuple[Wrong, ...]
    elsewhere: str = ""


def _wanted(name: str, right: str, *wrong: Wrong, elsewhere: str = "") -> Wanted:
    return Wanted(name, right, wrong, elsewhere)


def _has(bits: int) -> Callable[[float], bool]:
    return lambda value: bool(int(value) & bits)


_FAIL, _WARN = Verdict.FAIL, Verdict.WARN
_CLIMBS = "it returns, and first climbs to RTL_ALT, which in a room is the ceiling"
_STICKS = "moving the sticks does not end OFFBOARD by itself"
WANTED: Mapping[str, tuple[Wanted, ...]] = {
    ARDUPILOT: (
        _wanted(
            "FS_THR_ENABLE",
            "FS_THR_ENABLE = 3 (land)",
            Wrong(lambda v: v <= 0, _FAIL, "nothing happens when the remote control is lost"),
            Wrong(lambda v: v in (1, 2, 4, 6), _WARN, f"without the remote control {_CLIMBS}"),
        ),
        _wanted(
            "FS_OPTIONS",
            "FS_OPTIONS without 4 (bit 2)",
            Wrong(_has(4), _FAIL, "nothing happens in GUIDED when the remote control is lost"),
        ),
        _wanted(
            "FS_EKF_ACTION",
            "FS_EKF_ACTION = 1 (land)",
            Wrong(lambda v: v < 1, _WARN, "nothing happens when the position estimate is lost"),
        ),
        _wanted(
            "GUID_TIMEOUT",
            "GUID_TIMEOUT = 1",
            Wrong(
                lambda v: not 0 < v <= 1.5,
                _WARN,
                "it flies on by the last set-point for so many seconds when this computer dies",
            ),
        ),
        _wanted(
            "FENCE_ENABLE",
            "FENCE_ENABLE = 1, with FENCE_ALT_MAX and FENCE_RADIUS",
            Wrong(lambda v: v != 1, _WARN, "no fence holds what goes wrong"),
        ),
        _wanted(
            "FENCE_ACTION",
            "FENCE_ACTION = 2 (land)",
            Wrong(lambda v: v <= 0, _WARN, "the fence is reported and holds nothing"),
            Wrong(lambda v: v in (1, 3), _WARN, f"at the fence {_CLIMBS}"),
        ),
        _wanted(
            "PRX1_TYPE",
            "PRX1_TYPE = 2 (MAVLink); 0 for flights with --shadow, which tells of none",
            Wrong(lambda v: v != 2, _WARN, "it takes no notice of the obstacles it is told of"),
        ),
    ),
    PX4: (
        _wanted(
            "COM_OF_LOSS_T",
            "COM_OF_LOSS_T = 1",
            Wrong(lambda v: v > 1.5, _WARN, "it waits so many seconds when this computer dies"),
        ),
        _wanted(
            "COM_OBL_RC_ACT",
            "COM_OBL_RC_ACT = 4 (land) or 0 (position mode: the pilot's)",
            Wrong(
                lambda v: v not in (0, 4, 5),
                _FAIL,
                "without set-points it does not hold, land, or leave it to the pilot",
            ),
        ),
        _wanted(
            "COM_RC_OVERRIDE",
            "COM_RC_OVERRIDE = 3 (bit 1: in OFFBOARD too)",
            Wrong(lambda v: not _has(2)(v), _WARN, _STICKS),
            elsewhere="MAN_OVERRIDE_SPD",
        ),
        _wanted(
            "MAN_OVERRIDE_SPD",
            "MAN_OVERRIDE_SPD = 1",
            Wrong(lambda v: v < 0, _WARN, _STICKS),
            elsewhere="COM_RC_OVERRIDE",
        ),
        _wanted(
            "COM_RCL_EXCEPT",
            "COM_RCL_EXCEPT = 0 (bit 2 excepts OFFBOARD)",
            Wrong(_has(4), _FAIL, "nothing happens in OFFBOARD when the remote control is lost"),
        ),
        _wanted(
            "NAV_RCL_ACT",
            "NAV_RCL_ACT = 3 (land)",
            Wrong(
                lambda v: v in (5, 6),
                _FAIL,
                "without the remote control it stops the motors in the air",
            ),
            Wrong(
                lambda v: v not in (1, 3),
                _WARN,
                "without the remote control it does something that needs GPS, or nothing",
            ),
        ),
    ),
}
SOURCES = {
    ARDUPILOT: ("EK3_SRC1_VELXY",),
    PX4: ("EKF2_OF_CTRL", "EKF2_EV_CTRL", "EKF2_GPS_CTRL"),
}
"""Parameters that say by what the autopilot knows its velocity."""


def parameters_of(kind: str) -> tuple[str, ...]:
    """Return the names of all parameters that are looked at."""
    return SOURCES.get(kind, ()) + tuple(wanted.name for wanted in WANTED.get(kind, ()))


def check(facts: AutopilotFacts, config: AutopilotConfig) -> list[Finding]:
    """Judge what was heard."""
    name = f"{GROUP}.connected"
    if facts.problem:
        return [fail(name, facts.problem, "look at wires, url and baud rate (docs/companion.md)")]
    if facts.rivals:
        return [fail(name, facts.rivals, "set autopilot.system_id to the one that is meant")]
    return [
        ok(name, f"{facts.kind or 'an unknown autopilot'} at {config.url}"),
        _version(facts),
        _armed(facts),
        *_telemetry(facts),
        _remote_control(facts, config),
        _clock(facts),
        _battery(facts, config),
        velocity_source(facts),
        *(
            _parameter(wanted, facts)
            for wanted in WANTED.get(facts.kind, ())
            if wanted.name in facts.parameters or wanted.elsewhere not in facts.parameters
        ),
        _signing(config),
    ]


def _version(facts: AutopilotFacts) -> Finding:
    name, oldest = f"{GROUP}.version", _OLDEST.get(facts.kind)
    if oldest is None:
        return fail(name, "neither ArduPilot nor PX4", "this stack knows these two")
    wanted = ".".join(map(str, oldest))
    if facts.version is None:
        return warn(name, f"{facts.kind} told no version", f"{wanted} or later is right")
    said = f"{facts.kind} {'.'.join(map(str, facts.version))}"
    if facts.version < oldest:
        return warn(name, f"{said} is old", f"{wanted} or later knows the parameters used here")
    return ok(name, said)


def _armed(facts: AutopilotFacts) -> Finding:
    name = f"{GROUP}.disarmed"
    if facts.armed:
        return fail(name, "it is armed: propellers may turn", "land and disarm first")
    return ok(name, "it is disarmed")


def _telemetry(facts: AutopilotFacts) -> list[Finding]:
    fix = "a faster line (921600 baud), and no other stream rates on it"
    needs = "without GPS it needs optical flow or visual odometry, and an origin "
    needs += "(docs/companion.md)"
    velocity = graded(
        f"{GROUP}.velocity",
        lower(facts.position_hz, _POSITION_HZ, _POSITION_HZ / 2),
        f"position and velocity {facts.position_hz:.0f} times a second",
        f"{needs}; else {fix}",
    )
    if facts.position_hz and not facts.believes:
        said = "it sends a velocity and does not believe it itself (ESTIMATOR_STATUS)"
        velocity = fail(f"{GROUP}.velocity", said, needs)
    return [
        graded(
            f"{GROUP}.attitude",
            lower(facts.attitude_hz, _ATTITUDE_HZ, _ATTITUDE_HZ / 2),
            f"attitude {facts.attitude_hz:.0f} times a second",
            fix,
        ),
        velocity,
    ]


def _remote_control(facts: AutopilotFacts, config: AutopilotConfig) -> Finding:
    name, permission = f"{GROUP}.permission", config.permission
    if not facts.permission_us:
        return fail(
            name,
            f"no pulse on RC channel {permission.channel}: nobody could permit, or take over",
            "switch the remote control on, or set autopilot.permission.channel",
        )
    given = facts.permission_us > permission.high_us
    said = f"RC channel {permission.channel} is at {facts.permission_us} µs"
    if given:
        return warn(name, f"{said}: permission is given", "switch it off before you arm")
    return ok(name, f"{said}: no permission")


def _clock(facts: AutopilotFacts) -> Finding:
    if facts.clock_answers:
        return ok(f"{GROUP}.clock", "its clock answers")
    return warn(f"{GROUP}.clock", "its clock does not answer", "MAVLink 2 on that port")


def _battery(facts: AutopilotFacts, config: AutopilotConfig) -> Finding:
    name, share = f"{GROUP}.battery", facts.battery_share
    if share != share:
        return skipped(name, "it knows of no battery")
    verdict = lower(share, _BATTERY, config.reactions.battery_share)
    return graded(name, verdict, f"{100 * share:.0f} % are left", "charge it")


def velocity_source(facts: AutopilotFacts) -> Finding:
    """Judge by what the autopilot may know its velocity; `velocity` says whether it does."""
    name, p = f"{GROUP}.velocity_source", facts.parameters
    if not any(source in p for source in SOURCES.get(facts.kind, ())):
        return skipped(name, "it told no parameter of its estimator")
    if facts.kind == ARDUPILOT:
        source = int(p.get("EK3_SRC1_VELXY", 0))
        said = {3: "GPS", 5: "optical flow", 6: "external navigation"}.get(source, "")
        fix = "EK3_SRC1_VELXY = 5 (optical flow) or 6 (external navigation)"
    else:
        allowed = {
            "optical flow": int(p.get("EKF2_OF_CTRL", 0)) & 1,
            "external vision": int(p.get("EKF2_EV_CTRL", 0)) & 0b101,
            "GPS": int(p.get("EKF2_GPS_CTRL", 0)) > 0,
        }
        said = " or ".join(source for source, holds in allowed.items() if holds)
        fix = "EKF2_OF_CTRL = 1 (optical flow) or EKF2_EV_CTRL = 5 or 15 (external vision)"
    if not said:
        return fail(name, "nothing tells it how fast it moves", fix)
    if said == "GPS":
        return warn(name, "velocity by GPS, which there is none of in a room", fix)
    return ok(name, f"velocity by {said}")


def _parameter(wanted: Wanted, facts: AutopilotFacts) -> Finding:
    name = f"{GROUP}.{wanted.name}"
    value = facts.parameters.get(wanted.name)
    if value is None:
        return skipped(name, "it did not tell")
    for wrong in wanted.wrong:
        if wrong.holds(value):
            return Finding(name, wrong.verdict, f"{value:g}: {wrong.what}", wanted.right)
    return ok(name, f"{value:g}")


def _signing(config: AutopilotConfig) -> Finding:
    name = f"{GROUP}.signing"
    if config.signing_key:
        return ok(name, "messages are signed")
    if config.address.kind == "serial":
        return ok(name, "messages are not signed; the line is a wire")
    return warn(
        name,
        f"messages are not signed, and {config.url} is a network",
        "autopilot.signing_key, and the same in the autopilot (docs/companion.md; PX4 from 1.17)",
    )
