"""What the link has heard, as facts with stamps: the inputs of its rules (`linkstate`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drone.messages import Decision, Vector3, VehicleState
from drone.onboard.manners import MANNERS, MAV_TYPE_QUADROTOR, MULTICOPTERS, Manner, Order
from drone.onboard.setpoints import Setpoint


class Ground(StrEnum):
    """Where the vehicle is, by EXTENDED_SYS_STATE."""

    UNKNOWN = "unknown"
    STANDING = "standing"
    TAKING_OFF = "taking off"
    IN_AIR = "in the air"
    LANDING = "landing"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The autopilot's.

    Attributes:
        stamp_ns: when it arrived.
        autopilot: MAV_AUTOPILOT.
        custom_mode: of its own counting.
        armed: motors may turn.
        vehicle_type: MAV_TYPE.
    """

    stamp_ns: int
    autopilot: int
    custom_mode: int
    armed: bool
    vehicle_type: int = MAV_TYPE_QUADROTOR

    @property
    def manner(self) -> Manner | None:
        """How it wants to be dealt with, None where that is unknown.

        The same number is another mode in a plane or a rover.
        """
        return MANNERS.get(self.autopilot) if self.vehicle_type in MULTICOPTERS else None


@dataclass(frozen=True, slots=True)
class Channels:
    """RC channels.

    Attributes:
        stamp_ns: when they arrived.
        pulses_us: of channel 1, 2, ...; 0 where the channel is not there.
    """

    stamp_ns: int
    pulses_us: tuple[int, ...]

    def pulse_us(self, channel: int) -> int:
        """Return the pulse of a channel, counted from 1; 0 where there is none."""
        return self.pulses_us[channel - 1] if channel <= len(self.pulses_us) else 0


@dataclass(frozen=True, slots=True)
class LinkInputs:
    """All that the rules look at, at one moment.

    Attributes:
        now_ns: monotonic.
        heartbeat: the latest, None before the first.
        channels: likewise.
        receiver_ill: why they do not count, in words.
        vehicle: likewise; `stamp_ns` is monotonic.
        ground: where the vehicle is, told just now.
        home_m: NED, the autopilot's home; None where it has told none.
        decision: the pilot chain's latest, None before the first.
        withdraw: who watches the live page withdraws permission.
        refused: the autopilot refused the latest order.
        rivals: more than one autopilot is heard; which, in words.
        shadow: nothing is to be commanded at all.
    """

    now_ns: int
    heartbeat: Heartbeat | None = None
    channels: Channels | None = None
    receiver_ill: str = ""
    vehicle: VehicleState | None = None
    ground: Ground = Ground.UNKNOWN
    home_m: Vector3 | None = None
    decision: Decision | None = None
    withdraw: bool = False
    refused: bool = False
    rivals: str = ""
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class LinkOutput:
    """What is to be done now, and how the link stands.

    Attributes:
        setpoint: to send now; None: nothing is due.
        order: to send now.
        texts: for STATUSTEXT, with their MAV_SEVERITY.
        connected: the autopilot is heard.
        flight_mode: in its own words, empty if unknown.
        armed: by its heartbeat.
        commanded: set-points of the pilot chain go out.
        permitted: permission stands.
        reason: why no set-points go out, or only zero; empty where they do.
        reaction: what a loss made the link do: `hold`, `land`, `return`, or empty.
    """

    setpoint: Setpoint | None
    order: Order | None
    texts: tuple[tuple[int, str], ...]
    connected: bool
    flight_mode: str
    armed: bool
    commanded: bool
    permitted: bool
    reason: str
    reaction: str
