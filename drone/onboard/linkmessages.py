"""Every MAVLink message that the link reads or sends, as tables: rates, and what for.

The link asks for what it reads by these rates, and docs/autopilot.md shows the tables
(`python -m drone.onboard.linkmessages docs/autopilot.md` writes them there).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from drone.onboard.manners import ARDUPILOT, PX4

OWN_COMPONENT = 196
"""MAV_COMP_ID_OBSTACLE_AVOIDANCE."""


class Read(NamedTuple):
    """A message that the link acts on.

    Attributes:
        name: of the message.
        number: its id.
        rate_hz: at which the link asks for it by MAV_CMD_SET_MESSAGE_INTERVAL; 0: it does not ask.
        meaning: what it is read for.
        only: name of the one manner that is asked for it, empty for all.
    """

    name: str
    number: int
    rate_hz: float
    meaning: str
    only: str = ""


class Sent(NamedTuple):
    """A message that the link sends.

    Attributes:
        name: of the message.
        number: its id.
        rate: how often, in words.
        meaning: what it is sent for.
    """

    name: str
    number: int
    rate: str
    meaning: str


READ = (
    Read("HEARTBEAT", 0, 0, "the autopilot is there; its kind, mode, armed or not"),
    Read("SYS_STATUS", 1, 2, "battery: share left, voltage; whether RC is lost"),
    Read("PARAM_VALUE", 22, 0, "a parameter that was asked for (`drone doctor`)"),
    Read("ATTITUDE", 30, 30, "attitude and body rates"),
    Read("LOCAL_POSITION_NED", 32, 30, "position and velocity"),
    Read("GPS_GLOBAL_ORIGIN", 49, 0.5, "where its position counts from", ARDUPILOT.name),
    Read("RC_CHANNELS", 65, 20, "the permission switch, and whether a stick is moved"),
    Read("COMMAND_ACK", 77, 0, "whether an order was taken"),
    Read("TIMESYNC", 111, 0, "an answer gives the autopilot's clock; a question is answered"),
    Read("AUTOPILOT_VERSION", 148, 0, "version (`drone doctor`)"),
    Read("ESTIMATOR_STATUS", 230, 5, "whether it believes its velocity", PX4.name),
    Read("HOME_POSITION", 242, 0.5, "where height and distance count from"),
    Read("EXTENDED_SYS_STATE", 245, 5, "on the ground, taking off, in the air, landing"),
)
"""What is read, and only from the autopilot's own component; all else is passed over."""

SENT = (
    Sent("HEARTBEAT", 0, "1 Hz", "an onboard controller is there"),
    Sent("PARAM_REQUEST_READ", 20, "when asked (`drone doctor`)", "reads one parameter"),
    Sent("COMMAND_LONG", 76, "at the start, then as needed", "see the commands below"),
    Sent("SET_POSITION_TARGET_LOCAL_NED", 84, "`setpoint_hz`, and at each decision", "set-points"),
    Sent("TIMESYNC", 111, "1 Hz, and as an answer", "clocks"),
    Sent("STATUSTEXT", 253, "on change", "modes, permission and orders, for ground stations"),
    Sent("OBSTACLE_DISTANCE", 330, "`obstacle_hz`", "what is seen around"),
)

COMMANDS = {
    "MAV_CMD_DO_SET_MODE": "orders the autopilot's LAND or RETURN mode",
    "MAV_CMD_SET_MESSAGE_INTERVAL": "asks for a message at a rate, until it comes",
    "MAV_CMD_REQUEST_MESSAGE": "asks for AUTOPILOT_VERSION once (`drone doctor`)",
}
"""What COMMAND_LONG carries."""

BEGIN, END = "<!-- messages -->\n", "<!-- end of messages -->\n"


def tables() -> str:
    """Return the tables for the documentation."""
    lines = ["| Read | Id | Asked for at | What for |", "|---|---|---|---|"]
    for read in READ:
        rate = f"{read.rate_hz:g} Hz" if read.rate_hz else ""
        rate += f", {read.only}" if read.only else ""
        lines.append(f"| `{read.name}` | {read.number} | {rate} | {read.meaning} |")
    lines += ["", "| Sent | Id | How often | What for |", "|---|---|---|---|"]
    lines += [f"| `{s.name}` | {s.number} | {s.rate} | {s.meaning} |" for s in SENT]
    lines += ["", "| Command | What for |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in COMMANDS.items()]
    return "\n".join(lines) + "\n"


def with_tables(page: str) -> str:
    """Return a page with the tables between its marks.

    Raises:
        ValueError: it has no such marks.
    """
    before, rest = page.split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


def main(path: Path) -> None:
    """Write the tables into a page."""
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
