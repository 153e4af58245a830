"""The link to the autopilot: where it is, who permits, what may be sent, what a loss leads to."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from drone.config.base import NotNegative, Positive, Section, Share

Reaction = Literal["none", "hold", "land", "return"]
Pulse = Annotated[int, Field(ge=800, le=2200)]
"""Of an RC channel, µs."""

BAUD_RATES = (
    *(9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000),
    *(921600, 1000000, 1500000, 2000000, 3000000),
)


class Address(NamedTuple):
    """Where an autopilot is.

    Attributes:
        kind: `serial`, `udpin`, `udpout` or `tcp`.
        place: the device, or the host.
        number: baud rate, or port.
    """

    kind: str
    place: str
    number: int


_SERIAL = re.compile(r"serial://(?P<place>/[^:]+):(?P<number>\d+)")
_NET = re.compile(r"(?P<kind>udpin|udpout|tcp)://(?P<place>[^:/\s]+):(?P<number>\d+)")


def parse_url(url: str) -> Address:
    """Return what a URL says.

    Raises:
        ValueError: it is none, its baud rate is none, or its port out of range.
    """
    serial, net = _SERIAL.fullmatch(url), _NET.fullmatch(url)
    if serial:
        address = Address("serial", serial["place"], int(serial["number"]))
        if address.number not in BAUD_RATES:
            known = ", ".join(map(str, BAUD_RATES))
            raise ValueError(f"url = {url!r}: {address.number} is no baud rate; known: {known}")
        return address
    if net:
        address = Address(net["kind"], net["place"], int(net["number"]))
        if not 0 < address.number < 65536:
            raise ValueError(f"url = {url!r}: a port is between 1 and 65535")
        return address
    raise ValueError(
        f"url = {url!r}: expected serial:///dev/ttyAMA0:921600, udpin://0.0.0.0:14550, "
        "udpout://host:port or tcp://host:port"
    )


class PermissionConfig(Section):
    """The human pilot's permission: one RC channel, given by moving it from low to high."""

    channel: Annotated[int, Field(ge=1, le=18)] = 7
    """RC channel whose switch gives permission, counted from 1."""
    high_us: Pulse = 1700
    """Above this the channel gives permission, below it withdraws; µs."""
    sticks: tuple[Annotated[int, Field(ge=1, le=18)], ...] = (1, 2, 3, 4)
    """RC channels of the sticks, counted from 1: moving one takes over. Leave out a throttle that
    does not spring back to its middle."""
    centre_us: Pulse = 1500
    """Where a stick that nobody touches stands, µs."""
    deadband_us: Annotated[int, Field(ge=10, le=500)] = 100
    """A stick farther from its centre than this is deflected, µs."""
    rc_timeout_s: Annotated[float, Field(gt=0, le=5)] = 1.0
    """Without RC channels for so long permission is withdrawn."""

    @model_validator(mode="after")
    def _switch_is_no_stick(self) -> PermissionConfig:
        if self.channel in self.sticks:
            raise ValueError(
                f"channel = {self.channel} is one of the sticks {list(self.sticks)}: permission "
                "needs a switch of its own"
            )
        if not self.sticks:
            raise ValueError("sticks is empty: then nobody could take over by moving one")
        return self


class LinkLimitsConfig(Section):
    """Bounds of what is sent, whatever the pilot chain says.

    Height and distance are counted from the autopilot's home or, if it has told none, from where
    its estimator started. A vehicle outside may come back, and goes no farther.
    """

    max_speed_mps: Positive = 1.0
    """Horizontal."""
    max_vertical_mps: Positive = 0.5
    """Up or down."""
    max_yaw_rate_degps: Positive = 120.0
    """To either side."""
    min_height_m: float = 0.3
    """Below this set-points do not go down; landing is the autopilot's own LAND."""
    max_height_m: Positive = 5.0
    """Above this they do not go up."""
    max_distance_m: Positive = 30.0
    """Horizontal; beyond this they only come back."""

    @model_validator(mode="after")
    def _room_to_fly(self) -> LinkLimitsConfig:
        if self.min_height_m >= self.max_height_m:
            raise ValueError(
                f"min_height_m ({self.min_height_m:g}) must be less than max_height_m "
                f"({self.max_height_m:g})"
            )
        return self


class ReactionsConfig(Section):
    """What a loss leads to while this stack flies.

    `none` leaves it to the pilot chain and the autopilot; `hold` stands still while it lasts;
    `land` and `return` order the autopilot's own LAND or RETURN mode, which ends permission.
    A RETURN that the autopilot refuses becomes LAND.
    """

    vision: Reaction = "none"
    """No trusted cue sees anything. The pilot chain itself holds, searches, then lands."""
    vision_s: Positive = 2.0
    """That long."""
    position: Reaction = "land"
    """The vehicle state is missing, invalid or stale; set-points are zero from the first moment."""
    position_s: Positive = 2.0
    """That long."""
    link: Reaction = "hold"
    """The autopilot is not heard any more. All that is sent then is sent blind: an order could
    overrule a human pilot who has taken over unheard."""
    battery: Reaction = "land"
    """The battery is low."""
    battery_share: Share = 0.2
    """Low is less than this, 0-1; 0 never."""
    battery_s: Positive = 5.0
    """That long; under load a voltage dips."""


class AutopilotConfig(Section):
    """The link to the autopilot (docs/autopilot.md)."""

    url: str = "serial:///dev/ttyAMA0:921600"
    """`serial://DEVICE:BAUD`, `udpin://0.0.0.0:PORT` (wait to be called), `udpout://HOST:PORT`
    (call) or `tcp://HOST:PORT`."""
    system_id: Annotated[int, Field(ge=0, le=255)] = 0
    """MAVLink system id of the autopilot; 0 takes the only one that is heard."""
    signing_key: str = ""
    """File with the MAVLink 2 signing key: 32 bytes, or 64 hex digits. Empty: nothing is signed,
    and nothing need be. With it, what is not rightly signed is not heard."""
    signing_stamp: str = "~/.local/state/drone/signing_stamp"
    """File that keeps the last signing timestamp: a companion computer has no clock of its own."""
    heartbeat_timeout_s: Annotated[float, Field(gt=1, le=30)] = 3.0
    """Without the autopilot's heartbeat for so long the link is lost. One comes every second."""
    permission: PermissionConfig = PermissionConfig()
    setpoint_hz: Annotated[float, Field(ge=5, le=100)] = 10.0
    """Set-points go out at least at this rate, and whenever the pilot decides. PX4 needs more than
    2 Hz to accept OFFBOARD."""
    stale_s: Annotated[float, Field(gt=0, le=2)] = 0.3
    """A decision or a vehicle state older than this flies nothing: zero velocity."""
    land_after_s: Annotated[float, Field(gt=0, le=60)] = 3.0
    """A pilot process that is silent for so long is given up: the autopilot is told to land."""
    needs_flight: bool = True
    """No set-points of the pilot chain unless the autopilot says that the vehicle flies: not while
    it stands on the ground, takes off, or says nothing. A rehearsal on the bench, without
    propellers, sets it false."""
    limits: LinkLimitsConfig = LinkLimitsConfig()
    reactions: ReactionsConfig = ReactionsConfig()
    obstacle_hz: Annotated[float, Field(gt=0, le=20)] = 10.0
    """OBSTACLE_DISTANCE, for the autopilot's own avoidance and for ground stations."""
    obstacle_max_m: Annotated[float, Field(ge=1, le=100)] = 6.0
    """What is farther is sent as free."""
    obstacle_min_m: NotNegative = 0.2
    """What is nearer is sent as this far: autopilots drop nearer ones as noise."""

    @field_validator("url")
    @classmethod
    def _url_is_one(cls, url: str) -> str:
        parse_url(url)
        return url

    @model_validator(mode="after")
    def _fits(self) -> AutopilotConfig:
        if self.land_after_s <= self.stale_s:
            raise ValueError(
                f"land_after_s ({self.land_after_s:g}) must be more than stale_s "
                f"({self.stale_s:g}): first the vehicle stops, then it lands"
            )
        if self.obstacle_min_m >= self.obstacle_max_m:
            raise ValueError("obstacle_min_m must be less than obstacle_max_m")
        return self

    @property
    def address(self) -> Address:
        """The URL in parts."""
        return parse_url(self.url)
