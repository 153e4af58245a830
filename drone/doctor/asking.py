"""Asks the autopilot what `drone.doctor.autopilot` wants to know, for a few seconds.

It says that an onboard controller is there, and asks for messages and parameters; it commands
nothing.
"""

from __future__ import annotations

import select
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from drone.config.autopilot import AutopilotConfig
from drone.doctor.autopilot import ARDUPILOT, PX4, AutopilotFacts, parameters_of
from drone.errors import DroneError
from drone.onboard.autopilot import Autopilot
from drone.onboard.manners import ARDUPILOT as ARDUPILOT_MANNER
from drone.onboard.manners import PX4 as PX4_MANNER
from drone.onboard.mavports import Port, open_port
from drone.onboard.signing import TimestampFile, read_key

LISTEN_S = 4.0
"""For the first heartbeat; and again for what is counted."""
_POLL_S = 0.05
_ASK_S = 0.5


def ask_autopilot(config: AutopilotConfig, listen_s: float = LISTEN_S) -> AutopilotFacts:
    """Return what is heard of the autopilot."""
    try:
        key = read_key(Path(config.signing_key).expanduser()) if config.signing_key else None
        with closing(open_port(config.address)) as port:
            stamp = Path(config.signing_stamp).expanduser()
            stamps = TimestampFile(stamp, time.time()) if key is not None else None
            autopilot = Autopilot(config, port, key, stamps.start if stamps else 0)
            try:
                return _asked(autopilot, port, config, listen_s)
            finally:
                if stamps is not None:
                    stamps.give_back(autopilot.timestamp)
    except DroneError as error:
        return AutopilotFacts(problem=str(error))


def _asked(
    autopilot: Autopilot, port: Port, config: AutopilotConfig, listen_s: float
) -> AutopilotFacts:
    _listen(autopilot, port, listen_s, until_heard=True)
    if not autopilot.is_connected(time.monotonic_ns()):
        return AutopilotFacts(problem=autopilot.diagnosis())
    counts = _listen(autopilot, port, listen_s, until_heard=False)
    return _facts(autopilot, config, counts, listen_s)


def _listen(autopilot: Autopilot, port: Port, listen_s: float, until_heard: bool) -> Counter[str]:
    """Ask and listen; return how often each message came."""
    counts: Counter[str] = Counter()
    end_s, asked_s = time.monotonic() + listen_s, -_ASK_S
    while time.monotonic() < end_s:
        if time.monotonic() - asked_s >= _ASK_S:
            asked_s = time.monotonic()
            _ask(autopilot)
        select.select([port], [], [], _POLL_S)
        for chunk in port.read():
            counts.update(autopilot.take(chunk, time.monotonic_ns()))
        if until_heard and autopilot.is_connected(time.monotonic_ns()):
            break
    return counts


def _ask(autopilot: Autopilot) -> None:
    now_ns, heard = time.monotonic_ns(), autopilot.heard
    autopilot.send_heartbeat()
    if not autopilot.is_connected(now_ns):
        return
    autopilot.ask_clock(now_ns)
    autopilot.ask_messages(now_ns)
    if heard.version is None:
        autopilot.ask_version()
    for name in parameters_of(_kind(autopilot)):
        if name not in heard.parameters:
            autopilot.ask_parameter(name)


def _kind(autopilot: Autopilot) -> str:
    manner = autopilot.heard.manner
    return {ARDUPILOT_MANNER.name: ARDUPILOT, PX4_MANNER.name: PX4}.get(
        manner.name if manner else "", ""
    )


def _facts(
    autopilot: Autopilot, config: AutopilotConfig, counts: Counter[str], listen_s: float
) -> AutopilotFacts:
    heard, now_ns = autopilot.heard, time.monotonic_ns()
    beat, channels = heard.heartbeat, heard.channels
    return AutopilotFacts(
        rivals=autopilot.rivals(now_ns),
        kind=_kind(autopilot),
        version=heard.version,
        armed=beat is not None and beat.armed,
        attitude_hz=counts["ATTITUDE"] / listen_s,
        position_hz=counts["LOCAL_POSITION_NED"] / listen_s,
        believes=heard.believes(now_ns),
        permission_us=0 if channels is None else channels.pulse_us(config.permission.channel),
        clock_answers=bool(heard.clock.answers),
        battery_share=heard.battery[0],
        parameters=dict(heard.parameters),
    )
