"""What stands in a flight log besides the messages themselves: header and tick record.

The header is the metadata record `drone.flight`, written before the first chunk, so that it
survives a cut file, and once more after the last, so that it survives an altered byte; MCAP does
not protect metadata by a checksum, so it carries its own. A `Tick` is written as its inputs, each
on its own topic, followed by a slim `TickRecord` that says which of them it consumed.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from dataclasses import dataclass
from typing import Any

from drone import topics
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import Asked, Tick
from drone.topics import Topic

FORMAT_VERSION = 1
"""Of the log; a reader refuses a newer one. Appended fields and topics do not raise it."""
HEADER_NAME = "drone.flight"
_EXTRA = "extra."


class HeaderError(ValueError):
    """The header record is incomplete or altered."""


@dataclass(frozen=True, slots=True)
class LogHeader:
    """The first record of every log.

    Attributes:
        format_version: `FORMAT_VERSION` of the writer.
        software: name and version of what wrote the log.
        config_toml: the resolved configuration.
        seed: of the flight.
        utc_offset_ns: added to a stamp it gives UTC, and so the log's times.
        calibration: of the stereo pair.
        pilot_state: the pilot's state before the first tick of this file, JSON.
        source: `sim`, or where recorded input came from; a live camera's begins with `live `.
        extra: more, by name (for example the room, for the report).
        jpeg_quality: of the images, 1 to 100; 0 where they are lossless.
        file_number: of this file, where a log goes on in a new file when one is full, from 0.
    """

    format_version: int
    software: str
    config_toml: str
    seed: int
    utc_offset_ns: int
    calibration: StereoCalibration
    pilot_state: str
    source: str
    extra: dict[str, str]
    jpeg_quality: int = 0
    file_number: int = 0


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """The frame of a tick; its images are the last ones before the tick on their topics.

    Attributes:
        seq: the frame's.
        stamp_ns: of capture.
        left: the left eye delivered an image.
        right: the right eye delivered an image.
    """

    seq: int
    stamp_ns: int
    valid: bool
    left: bool
    right: bool


@dataclass(frozen=True, slots=True)
class TickRecord:
    """A tick and what it consumed: always the last messages before it on their topics.

    Attributes:
        seq: counts the ticks.
        stamp_ns: now, monotonic.
        permitted: the human pilot lets this stack fly.
        frame: the new frame, if one arrived.
        vehicle_seq: of the new vehicle state, if one arrived.
        health_seq: of the health events, oldest first.
        model_seq: of the new model version, if there was one.
        asked: what a person who watches asks for.
    """

    seq: int
    stamp_ns: int
    valid: bool
    permitted: bool
    frame: FrameRecord | None
    vehicle_seq: int | None
    health_seq: tuple[int, ...]
    model_seq: int | None
    asked: Asked = Asked.NOTHING


def record_class(topic: Topic) -> type:
    """Return the class of what stands in the file on this topic: slim for ticks."""
    return TickRecord if topic == topics.TICK else topic.message


def record_of_tick(tick: Tick) -> TickRecord:
    """Return the slim record of a tick."""
    frame = tick.frame
    return TickRecord(
        tick.seq,
        tick.stamp_ns,
        tick.valid,
        tick.permitted,
        None
        if frame is None
        else FrameRecord(
            frame.seq,
            frame.stamp_ns,
            frame.valid,
            frame.left is not None,
            frame.right is not None,
        ),
        None if tick.vehicle is None else tick.vehicle.seq,
        tuple(event.seq for event in tick.health),
        None if tick.model is None else tick.model.seq,
        tick.asked,
    )


def metadata_from_header(header: LogHeader) -> dict[str, str]:
    """Return the header as the strings of a metadata record, with their checksum."""
    values = {
        field.name: getattr(header, field.name)
        for field in dataclasses.fields(header)
        if field.name not in ("calibration", "extra")
    }
    texts = {name: str(value) for name, value in values.items()}
    texts["calibration"] = json.dumps(dataclasses.asdict(header.calibration), allow_nan=False)
    texts |= {_EXTRA + name: text for name, text in header.extra.items()}
    return texts | {"crc32": _checksum(texts)}


def header_from_metadata(texts: dict[str, str]) -> LogHeader:
    """Return the header that `metadata_from_header` wrote.

    Raises:
        HeaderError: something is missing or altered.
    """
    if "crc32" not in texts or not is_sound(texts):
        raise HeaderError("its checksum does not match")
    texts = {name: text for name, text in texts.items() if name != "crc32"}
    try:
        return LogHeader(
            format_version=int(texts["format_version"]),
            software=texts["software"],
            config_toml=texts["config_toml"],
            seed=int(texts["seed"]),
            utc_offset_ns=int(texts["utc_offset_ns"]),
            calibration=_calibration(json.loads(texts["calibration"])),
            pilot_state=texts["pilot_state"],
            source=texts["source"],
            jpeg_quality=int(texts.get("jpeg_quality", "0")),
            file_number=int(texts.get("file_number", "0")),
            extra={
                name.removeprefix(_EXTRA): text
                for name, text in texts.items()
                if name.startswith(_EXTRA)
            },
        )
    except (KeyError, TypeError, ValueError) as error:
        raise HeaderError(f"{type(error).__name__}: {error}") from error


def is_sound(texts: dict[str, str]) -> bool:
    """Return whether the checksum of a header's texts matches, where it has one."""
    rest = {name: text for name, text in texts.items() if name != "crc32"}
    return texts.get("crc32", "") in ("", _checksum(rest))


def _calibration(tree: dict[str, Any]) -> StereoCalibration:
    x, y, z = tree["left_in_body_m"]
    return StereoCalibration(
        Intrinsics(**tree["left"]), tree["baseline_m"], tuple(tree["body_from_left"]), (x, y, z)
    )


def _checksum(texts: dict[str, str]) -> str:
    return f"{zlib.crc32(json.dumps(texts, sort_keys=True).encode()):08x}"
