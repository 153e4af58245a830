"""The companion computer: processor, heat, memory, disk and clock.

`read_*` measure, from /proc, /sys and the system's own tools; `check_*` judge.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from drone.doctor.finding import Finding, fail, graded, lower, ok, skipped, upper, warn

_LOAD_OK, _LOAD_FLIES = 0.5, 0.9
_WARM_C, _HOT_C = 70.0, 82.0
"""A Raspberry Pi 5 slows down from 80 °C on."""
_MEMORY_OK_MB, _MEMORY_FLIES_MB = 1000.0, 300.0
_LOG_OK_MIN, _LOG_FLIES_MIN = 30.0, 5.0
_WRITE_MB = 16
_MARGIN = 3.0
"""So much faster than the log must the disk be."""
_BUILT = 1_790_000_000
"""Seconds of UTC before which this was not written: a clock that says so is wrong."""
_THROTTLED = {
    0: "the supply voltage is too low",
    1: "the clock rate is capped",
    2: "it is throttled",
    3: "it is near its limit of heat",
    16: "the supply voltage was too low since the start",
    18: "it was throttled since the start",
}
"""Bits of `vcgencmd get_throttled` on a Raspberry Pi."""


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """Processor, heat and memory.

    Attributes:
        cores: that this program may use.
        load: mean number of programs that want to run, over the last minute.
        governor: of the clock rate, empty if unknown.
        hottest_c: of all sensors, NaN if there is none.
        throttled: bits of `vcgencmd get_throttled`, None elsewhere.
        memory_mb: that is there to be used.
    """

    cores: int
    load: float
    governor: str
    hottest_c: float
    throttled: int | None
    memory_mb: float


def read_cpu(root: Path = Path("/")) -> CpuFacts:
    """Measure."""
    heats = [_number(p) / 1000 for p in root.glob("sys/class/thermal/thermal_zone*/temp")]
    heats = [heat for heat in heats if 0 < heat < 150]
    return CpuFacts(
        cores=len(os.sched_getaffinity(0)),
        load=_number(root / "proc/loadavg"),
        governor=_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        hottest_c=max(heats, default=float("nan")),
        throttled=_throttled(),
        memory_mb=_memory_mb(_text(root / "proc/meminfo")),
    )


def check_cpu(facts: CpuFacts) -> list[Finding]:
    """Judge processor, heat and memory."""
    load = facts.load / max(1, facts.cores)
    found = [
        graded(
            "cpu.load",
            upper(load, _LOAD_OK, _LOAD_FLIES),
            f"{facts.cores} cores, {100 * load:.0f} % of them busy before anything flies",
            "end what else runs there (top)",
        ),
        graded(
            "cpu.memory",
            lower(facts.memory_mb, _MEMORY_OK_MB, _MEMORY_FLIES_MB),
            f"{facts.memory_mb:.0f} MB are free",
            "end what else runs there; without learning 300 MB are enough",
        ),
        _heat(facts.hottest_c),
    ]
    if facts.governor == "powersave":
        fix = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        found.append(warn("cpu.clock", "the clock rate is kept low (governor powersave)", fix))
    bits = facts.throttled or 0
    said = [text for bit, text in _THROTTLED.items() if bits >> bit & 1]
    if said:
        fix = "a stronger supply (5 V, 5 A), a shorter cable, a cooler"
        now = bool(bits & 0b111)
        found.append((fail if now else warn)("cpu.supply", "; ".join(said), fix))
    return found


def _heat(hottest_c: float) -> Finding:
    if hottest_c != hottest_c:
        return skipped("cpu.temperature", "no sensor here")
    return graded(
        "cpu.temperature",
        upper(hottest_c, _WARM_C, _HOT_C),
        f"{hottest_c:.0f} °C; it slows down at about 80",
        "a cooler, or the propellers' wind: learning takes all that there is",
    )


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """Where runs are written.

    Attributes:
        folder: of the runs.
        free_mb: there.
        write_mbps: measured, NaN if nothing can be written.
        log_mbps: that a flight writes at most.
        problem: why nothing can be written.
    """

    folder: str
    free_mb: float
    write_mbps: float
    log_mbps: float
    problem: str = ""


def read_disk(runs: Path, log_mbps: float) -> DiskFacts:
    """Measure, by a file that goes again.

    Args:
        runs: folder of the runs; perhaps not there yet.
        log_mbps: that a flight writes at most.
    """
    place = runs.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not os.path.isdir(place):
        return DiskFacts(str(place), float("nan"), float("nan"), log_mbps, "is no folder")
    free_mb = shutil.disk_usage(place).free / 1e6
    probe = place / f".drone-doctor-{os.getpid()}"
    block = os.urandom(1_000_000)
    try:
        started_s = time.perf_counter()
        with probe.open("wb") as file:
            for _ in range(_WRITE_MB):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        write_mbps = _WRITE_MB / (time.perf_counter() - started_s)
    except OSError as error:
        return DiskFacts(str(place), free_mb, float("nan"), log_mbps, error.strerror or str(error))
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return DiskFacts(str(place), free_mb, write_mbps, log_mbps)


def check_disk(facts: DiskFacts) -> list[Finding]:
    """Judge the disk."""
    if facts.problem:
        fix = "free some space (drone runs pull brings runs home), or name another folder (--runs)"
        return [fail("disk.write", f"{facts.folder}: {facts.problem}", fix)]
    minutes = facts.free_mb / facts.log_mbps / 60
    return [
        graded(
            "disk.space",
            lower(minutes, _LOG_OK_MIN, _LOG_FLIES_MIN),
            f"{facts.free_mb / 1000:.1f} GB free: {minutes:.0f} minutes of log",
            "drone runs pull, then delete runs there; or flight.jpeg_quality, flight.log_most_mb",
        ),
        graded(
            "disk.speed",
            lower(facts.write_mbps, _MARGIN * facts.log_mbps, facts.log_mbps),
            f"writes {facts.write_mbps:.0f} MB/s; a flight needs {facts.log_mbps:.1f}",
            "a faster card, or a USB or NVMe disk; or flight.jpeg_quality = 90",
        ),
    ]


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The clock.

    Attributes:
        utc_s: that it says.
        synchronised: with others over the network; None if unknown.
        signed: messages of the autopilot are signed, which takes a clock that only goes on.
    """

    utc_s: float
    synchronised: bool | None
    signed: bool


def read_clock(signed: bool) -> ClockFacts:
    """Measure."""
    said = _output(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    return ClockFacts(time.time(), {"yes": True, "no": False}.get(said), signed)


def check_clock(facts: ClockFacts) -> list[Finding]:
    """Judge the clock; a flight itself counts by the time since the machine's start."""
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(facts.utc_s))
    fix = "give it a network once, or a battery for its clock (Raspberry Pi 5: RTC battery)"
    if facts.utc_s < _BUILT:
        also = "; signatures count on from the last one" if facts.signed else ""
        return [warn("clock.time", f"it says {day}, which is long ago{also}", fix)]
    if facts.synchronised is False:
        return [warn("clock.time", f"{day}, not synchronised: names of runs may be wrong", fix)]
    return [ok("clock.time", day)]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> float:
    try:
        return float(_text(path).split()[0])
    except (ValueError, IndexError):
        return 0.0


def _memory_mb(meminfo: str) -> float:
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1000
    return float("nan")


def _throttled() -> int | None:
    said = _output(["vcgencmd", "get_throttled"])
    try:
        return int(said.partition("=")[2], 16)
    except ValueError:
        return None


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
