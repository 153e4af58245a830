"""The human pilot's transmitter, and a script that plays the human pilot.

In: what a person beside the vehicle sees (`Sight`). Out: a `Transmitter`, the RC channels, µs.

The script flies as one does on a first flight: arm, take off by stick, stop in the middle of the
room, switch to the mode that takes set-points, give permission, watch; take over when it is time;
switch to land at the end. It never sees what the companion computer says.

Channels, counted from 1: 1 roll, 2 pitch (forward is low), 3 throttle, 4 yaw, 5 mode switch (six
positions), 6 arming switch, 7 permission.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

LOW_US, CENTRE_US, HIGH_US = 1100, 1500, 1900
STICK_US = 400
"""A stick's way from its centre to its end."""
ROLL, PITCH, THROTTLE, YAW, MODE, ARM, PERMIT = 1, 2, 3, 4, 5, 6, 7
SLOT_US = (1165, 1295, 1425, 1555, 1685, 1815)
"""The six positions of the mode switch: the middles of ArduPilot's ranges."""
_SLOT_ENDS_US = (1230, 1360, 1490, 1620, 1749)
_HIGH_ABOVE_US = 1700
_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class Transmitter:
    """RC channels, µs, the first channel first."""

    channels_us: tuple[int, ...] = (CENTRE_US,) * 4 + (SLOT_US[0], LOW_US, LOW_US, LOW_US)

    def __post_init__(self) -> None:
        """Check the channels.

        Raises:
            ValueError: there are not 8 to 18 of them, or one is no pulse.
        """
        if not _CHANNELS <= len(self.channels_us) <= 18:
            raise ValueError(f"{len(self.channels_us)} channels: 8 to 18 can be sent")
        if not all(800 <= us <= 2200 for us in self.channels_us):
            raise ValueError(f"pulses are between 800 and 2200 us: {self.channels_us}")

    def having(self, channel: int, us: int) -> Transmitter:
        """Return the same with one channel, counted from 1, at this pulse."""
        channels = list(self.channels_us)
        channels[channel - 1] = us
        return replace(self, channels_us=tuple(channels))

    def stick(self, channel: int) -> float:
        """Return how far a stick is from its centre, -1 to 1; pitch counts forward."""
        way = (self.channels_us[channel - 1] - CENTRE_US) / STICK_US
        return max(-1.0, min(1.0, -way if channel == PITCH else way))

    def moving(self, channel: int, share: float) -> Transmitter:
        """Return the same with a stick so far from its centre, -1 to 1; pitch counts forward."""
        way = round(STICK_US * max(-1.0, min(1.0, share)))
        return self.having(channel, CENTRE_US - way if channel == PITCH else CENTRE_US + way)

    def centred(self) -> Transmitter:
        """Return the same with all four sticks let go."""
        return replace(self, channels_us=(CENTRE_US,) * 4 + self.channels_us[4:])

    def high(self, channel: int) -> bool:
        """Return whether a switch is up."""
        return self.channels_us[channel - 1] > _HIGH_ABOVE_US

    @property
    def slot(self) -> int:
        """Position of the mode switch, 0-5."""
        return sum(self.channels_us[MODE - 1] > end for end in _SLOT_ENDS_US)


class TakeOver(StrEnum):
    """How the human pilot takes the vehicle back."""

    STICK = "stick"
    """A stick is moved for a moment."""
    MODE = "mode"
    """The mode switch goes to the pilot's own mode, and back after a while."""
    PERMISSION = "permission"
    """The permission switch goes down, and up again after a while."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the human pilot sees of the vehicle.

    Attributes:
        now_s: since the flight controller was switched on.
        armed: the motors turn.
        mode: as the ground station shows it.
        height_m: above the floor.
    """

    now_s: float
    armed: bool
    mode: str
    height_m: float


@dataclass(frozen=True, slots=True)
class HumanPilot:
    """What the human pilot is going to do; `fly` does it.

    Attributes:
        own_slot: position of the mode switch of the mode that the pilot flies in.
        guided_slot: of the mode that takes set-points.
        land_slot: of the mode that lands.
        guided_mode: name of the mode that takes set-points.
        begin_s: when to arm.
        height_m: where to let go of the climb stick.
        permit_after_s: permission is given so long after the mode has changed.
        take_overs: when and how to take over; times count from the first permission.
        back_s: so long after taking over, the vehicle is handed back.
        land_s: when to land, from the first permission; a negative number: never.
    """

    guided_mode: str
    own_slot: int = 0
    guided_slot: int = 2
    land_slot: int = 5
    begin_s: float = 2.0
    height_m: float = 1.1
    permit_after_s: float = 1.0
    take_overs: tuple[tuple[float, TakeOver], ...] = ()
    back_s: float = 3.0
    land_s: float = -1.0


@dataclass(frozen=True, slots=True)
class Doing:
    """Where the script is.

    Attributes:
        what: `wait`, `climb`, `hand over`, `permit`, `watch`, `take over`, `land`.
        since_s: since when.
        permitted_s: when permission was first given, negative before.
        taken: take-overs begun.
        radio: what the transmitter sends.
    """

    what: str = "wait"
    since_s: float = 0.0
    permitted_s: float = -1.0
    taken: int = 0
    radio: Transmitter = Transmitter()


def fly(doing: Doing, sight: Sight, plan: HumanPilot) -> Doing:
    """Return what the pilot does after seeing this."""
    doing, radio = _next(doing, sight, plan), doing.radio
    if doing.what == "climb":
        radio = radio.having(ARM, HIGH_US)
        radio = radio.moving(THROTTLE, 0.8) if sight.armed else radio
    elif doing.what == "hand over":
        radio = _to_guided(radio.centred(), doing, sight, plan)
    elif doing.what == "permit":
        waited = sight.now_s - doing.since_s >= plan.permit_after_s
        radio = radio.having(PERMIT, HIGH_US if waited else LOW_US)
    elif doing.what == "take over":
        radio = _taking_over(radio, plan.take_overs[doing.taken - 1][1], plan)
    elif doing.what == "land":
        radio = radio.centred().having(PERMIT, LOW_US).having(MODE, SLOT_US[plan.land_slot])
    return replace(doing, radio=radio)


def _next(doing: Doing, sight: Sight, plan: HumanPilot) -> Doing:
    """Return the next step of the script, or the present one while it is not done."""
    first = doing.permitted_s
    flown_s = sight.now_s - first if first >= 0 else -1.0
    waited_s = sight.now_s - doing.since_s
    permitted = doing.radio.high(PERMIT)
    what = doing.what
    if 0 <= plan.land_s <= flown_s:
        what = "land"
    elif what == "wait" and sight.now_s >= plan.begin_s:
        what = "climb"
    elif what == "climb" and sight.height_m >= plan.height_m:
        what = "hand over"
    elif what == "hand over" and sight.mode == plan.guided_mode:
        what = "permit"
    elif what == "permit" and permitted:
        what = "watch"
    elif what == "watch" and _due(doing, flown_s, plan):
        doing, what = replace(doing, taken=doing.taken + 1), "take over"
    elif what == "take over" and waited_s >= plan.back_s:
        what = "hand over"
    if what == doing.what:
        return doing
    if what == "watch" and first < 0:
        doing = replace(doing, permitted_s=sight.now_s)
    return replace(doing, what=what, since_s=sight.now_s)


def _due(doing: Doing, flown_s: float, plan: HumanPilot) -> bool:
    return doing.taken < len(plan.take_overs) and flown_s >= plan.take_overs[doing.taken][0]


def _to_guided(radio: Transmitter, doing: Doing, sight: Sight, plan: HumanPilot) -> Transmitter:
    """Switch to the mode that takes set-points; a refused one is asked for again each second."""
    radio = radio.having(PERMIT, LOW_US)
    asked = (sight.now_s - doing.since_s) % 1.0 >= 0.5
    slot = plan.guided_slot if asked or sight.mode == plan.guided_mode else plan.own_slot
    return radio.having(MODE, SLOT_US[slot])


def _taking_over(radio: Transmitter, how: TakeOver, plan: HumanPilot) -> Transmitter:
    if how is TakeOver.STICK:
        return radio.moving(ROLL, 0.5)
    if how is TakeOver.MODE:
        return radio.having(MODE, SLOT_US[plan.own_slot])
    return radio.having(PERMIT, LOW_US)
