"""A link without a line: inputs made by hand, on a fake clock, through `linkstate.step`."""

import math
from dataclasses import replace

from drone.clock import NS_PER_S, ns_from_s
from drone.config.autopilot import AutopilotConfig
from drone.geometry import quaternion_from_euler
from drone.messages import Cue, Decision, Mode, TrustReport, VehicleState, VelocityCommand
from drone.onboard.linkfacts import Channels, Ground, Heartbeat, LinkInputs, LinkOutput
from drone.onboard.linkstate import LinkState, step

GUIDED, LOITER, ARDUPILOT_LAND = 4, 5, 9
OFFBOARD, POSCTL = 6 << 16, 3 << 16
ARDUPILOT, PX4 = 3, 12
CONFIG = AutopilotConfig()
LOW, HIGH, CENTRE = 1000, 2000, 1500
START_NS = 100 * NS_PER_S


def channels(stamp_ns, switch=HIGH, sticks=(CENTRE,) * 4):
    return Channels(stamp_ns, (*sticks, LOW, LOW, switch, LOW))


def decision(stamp_ns, forward=0.5, right=0.0, down=0.0, yaw_rate=0.0, **fields):
    command = VelocityCommand(1, stamp_ns, True, forward, right, down, yaw_rate)
    whole = Decision(
        seq=1,
        stamp_ns=stamp_ns,
        valid=True,
        mode=Mode.STEREO,
        cue=Cue.STEREO,
        manoeuvre="cruise",
        reason="",
        obstacle_m=3.0,
        stereo_obstacle_m=3.0,
        mono_obstacle_m=math.nan,
        blocked=False,
        override=False,
        event="",
        limited="",
        command=command,
        trust=TrustReport(),
    )
    return replace(whole, **fields)


def vehicle(stamp_ns, place=(0.0, 0.0, -1.0), yaw=0.0, **fields):
    attitude = quaternion_from_euler(0.0, 0.0, yaw)
    return replace(VehicleState(1, stamp_ns, True, place, (0.0, 0.0, 0.0), attitude), **fields)


def inputs(now_ns, kind=ARDUPILOT, **fields):
    """Everything is there, and the switch is high."""
    mode = GUIDED if kind == ARDUPILOT else OFFBOARD
    whole = LinkInputs(
        now_ns=now_ns,
        heartbeat=Heartbeat(now_ns, kind, mode, True),
        channels=channels(now_ns),
        vehicle=vehicle(now_ns),
        ground=Ground.IN_AIR,
        home_m=(0.0, 0.0, 0.0),
        decision=decision(now_ns),
    )
    return replace(whole, **fields)


class Bench:
    """Steps a link every 50 ms, and keeps what went out."""

    def __init__(self, kind=ARDUPILOT, config=CONFIG, step_s=0.05):
        self.kind, self.config, self.step_ns = kind, config, ns_from_s(step_s)
        self.now_ns = START_NS
        self.state = LinkState()
        self.outputs: list[LinkOutput] = []

    def step(self, **fields):
        made = {k: v(self.now_ns) if callable(v) else v for k, v in fields.items()}
        given = inputs(self.now_ns, self.kind, **made)
        self.state, output = step(self.state, given, self.config)
        self.now_ns += self.step_ns
        self.outputs.append(output)
        return output

    def run(self, seconds, **fields):
        first = len(self.outputs)
        for _ in range(round(seconds * NS_PER_S / self.step_ns)):
            self.step(**fields)
        return self.outputs[first:]

    def fly(self):
        """Give permission; afterwards the pilot chain flies."""
        self.step(channels=lambda now: channels(now, LOW))
        self.step(channels=lambda now: channels(now, LOW))
        output = self.step()
        assert output.commanded
        assert output.permitted
        return self
