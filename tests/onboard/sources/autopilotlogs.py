"""Small logs of PX4 and ArduPilot with a known answer, byte by byte as their formats say."""

import math
import struct
from pathlib import Path

US = 1_000_000
BOOT_US = 5 * US
"""Where the logs begin, on the autopilot's clock."""


# ULog: https://docs.px4.io/main/en/dev_log/ulog_file_format.html


def _record(kind: str, data: bytes) -> bytes:
    return struct.pack("<HB", len(data), ord(kind)) + data


_FORMATS = {
    "vehicle_attitude": ("uint64_t timestamp;float[4] q;", "<Q4f"),
    "vehicle_local_position": (
        "uint64_t timestamp;float x;float y;float z;float vx;float vy;float vz;bool xy_valid;",
        "<Q6fB",
    ),
    "vehicle_status": ("uint64_t timestamp;uint8_t nav_state;uint8_t arming_state;", "<QBB"),
    "vehicle_land_detected": ("uint64_t timestamp;bool landed;", "<QB"),
    "battery_status": ("uint64_t timestamp;float voltage_v;float remaining;", "<Qff"),
}


def write_ulog(path: Path, rows: dict[str, list[tuple[float, ...]]]) -> Path:
    """Write a log of rows, time in s first, by topic."""
    parts = [b"ULog\x01\x12\x35\x01" + struct.pack("<Q", BOOT_US)]
    parts += [_record("F", f"{name}:{_FORMATS[name][0]}".encode()) for name in rows]
    for number, name in enumerate(rows):
        parts.append(_record("A", struct.pack("<BH", 0, number) + name.encode()))
    for number, (name, values) in enumerate(rows.items()):
        for t_s, *rest in values:
            data = struct.pack(_FORMATS[name][1], round(t_s * US) + BOOT_US, *rest)
            parts.append(_record("D", struct.pack("<H", number) + data))
    path.write_bytes(b"".join(parts))
    return path


# DataFlash: https://ardupilot.org/dev/docs/code-overview-adding-a-new-log-message.html

_MESSAGES = {
    "MSG": (1, "QZ", "TimeUS,Message", "<Q64s"),
    "ATT": (2, "Qfff", "TimeUS,Roll,Pitch,Yaw", "<Qfff"),
    "XKF1": (3, "QBffffff", "TimeUS,C,VN,VE,VD,PN,PE,PD", "<QB6f"),
    "MODE": (4, "QBB", "TimeUS,Mode,ModeNum", "<QBB"),
    "EV": (5, "QB", "TimeUS,Id", "<QB"),
    "BAT": (6, "QBff", "TimeUS,Inst,Volt,RemPct", "<QBff"),
}


def _format(name: str) -> bytes:
    number, kinds, columns, packing = _MESSAGES[name]
    length = 3 + struct.calcsize(packing)
    texts = (name.encode(), kinds.encode(), columns.encode())
    return b"\xa3\x95\x80" + struct.pack("<BB4s16s64s", number, length, *texts)


def write_dataflash(path: Path, rows: list[tuple[object, ...]]) -> Path:
    """Write a log of rows: name, time in s, values."""
    own = b"\xa3\x95\x80" + struct.pack(
        "<BB4s16s64s", 0x80, 89, b"FMT", b"BBnNZ", b"Type,Length,Name,Format,Columns"
    )
    parts = [own, *map(_format, _MESSAGES)]
    for name, t_s, *values in rows:
        number, _, _, packing = _MESSAGES[str(name)]
        stamp_us = round(float(t_s) * US) + BOOT_US  # type: ignore[arg-type]
        parts.append(bytes((0xA3, 0x95, number)) + struct.pack(packing, stamp_us, *values))
    path.write_bytes(b"".join(parts))
    return path


# One and the same flight: north at 2 m/s, nose to the east, rolled by 30 degrees

ROLL, YAW = math.radians(30), math.radians(90)
ATTITUDE = (
    math.cos(ROLL / 2) * math.cos(YAW / 2),
    math.sin(ROLL / 2) * math.cos(YAW / 2),
    math.sin(ROLL / 2) * math.sin(YAW / 2),
    math.cos(ROLL / 2) * math.sin(YAW / 2),
)
"""(w, x, y, z): first the yaw, then the roll."""


def px4(path: Path, seconds: float = 4.0) -> Path:
    times = [i / 50 for i in range(round(seconds * 50) + 1)]
    return write_ulog(
        path,
        {
            "vehicle_attitude": [(t, *ATTITUDE) for t in times],
            "vehicle_local_position": [(t, 2 * t, -1.0, -1.5, 2, 0, 0, 1) for t in times[::5]],
            "vehicle_status": [(0.0, 2, 1), (1.0, 2, 2), (2.0, 14, 2), (3.0, 14, 2)],
            "vehicle_land_detected": [(0.0, 1), (1.5, 0)],
            "battery_status": [(0.0, 16.0, 0.9), (2.0, 15.5, 0.8)],
        },
    )


def ardupilot(path: Path, seconds: float = 4.0) -> Path:
    times = [i / 50 for i in range(round(seconds * 50) + 1)]
    timed: list[tuple[object, ...]] = [("ATT", t, 30.0, 0.0, 90.0) for t in times]
    timed += [("XKF1", t, 0, 2, 0, 0, 2 * t, -1.0, -1.5) for t in times[::5]]
    timed += [("XKF1", t, 1, 9, 9, 9, 99.0, 99.0, 99.0) for t in times[::5]]  # another core
    timed += [("EV", 1.0, 10), ("EV", 1.5, 28), ("EV", 0.0, 18)]
    timed += [("MODE", 0.0, 5, 5), ("MODE", 2.0, 4, 4), ("MODE", 3.0, 4, 4)]
    timed += [("BAT", 0.0, 0, 16.0, 90.0), ("BAT", 2.0, 0, 15.5, 80.0)]
    timed.sort(key=lambda row: float(row[1]))  # type: ignore[arg-type]
    return write_dataflash(path, [("MSG", 0.0, b"ArduCopter V4.5.1"), *timed])
