"""Does something fly here at this moment? A vehicle in the air is not deployed to.

In: the bus of the processes that run by the service (launch/drone.service). Out: a finding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from drone.bus import Subscriber
from drone.doctor.finding import Finding, fail, ok
from drone.messages import AutopilotReport
from drone.topics import AUTOPILOT

GROUP = "flight"
LISTEN_S = 1.0
"""The link reports at 5 Hz."""


def service_buses() -> list[Path]:
    """Return where the processes of the system's unit meet, and those of the user's own."""
    own = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return [folder for folder in (Path("/run/drone"), Path(own) / "drone") if folder.is_dir()]


def latest_report(folders: Iterable[Path], listen_s: float = LISTEN_S) -> AutopilotReport | None:
    """Return what a link says of its autopilot, None where none says anything."""
    for folder in folders:
        with closing(Subscriber(folder, {"link": [AUTOPILOT]})) as bus:
            heard = bus.receive(listen_s)
        if heard:
            report: AutopilotReport = heard[-1][1]
            return report
    return None


def check(report: AutopilotReport | None) -> list[Finding]:
    """Judge whether anything may be changed now."""
    name = f"{GROUP}.disarmed"
    if report is None:
        return [ok(name, "no link to an autopilot runs here")]
    if not report.connected:
        what = "a link runs here and hears no autopilot: whether the vehicle is armed is unknown"
        return [fail(name, what, "connect the autopilot; or, on the ground, end drone onboard")]
    if report.armed:
        mode = report.flight_mode or "unknown"
        return [fail(name, f"the vehicle is armed (mode {mode})", "land and disarm it first")]
    return [ok(name, "a link runs here, and its vehicle is disarmed")]
