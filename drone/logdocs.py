"""The reference of the log format, `docs/logs.md`: in come the definitions, out comes Markdown.

After a change of messages or topics: `python -m drone.logdocs docs/logs.md`.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

import numpy as np

from drone import topics
from drone.logformat import FORMAT_VERSION, HEADER_NAME, LogHeader, record_class
from drone.protoschema import Field, attribute_docs, field_types, fields_of

_COMMON = {
    "seq": "counts up per topic",
    "stamp_ns": "monotonic time of capture",
    "valid": "False: not to be used",
}
_VIEWER_TOPICS = (
    (topics.LEFT_IMAGE, "foxglove.RawImage", "every frame that had a left image"),
    (topics.RIGHT_IMAGE, "foxglove.RawImage", "every frame that had a right image"),
    (topics.LEFT_CALIBRATION, "foxglove.CameraCalibration", "once, at the start"),
    (topics.RIGHT_CALIBRATION, "foxglove.CameraCalibration", "once, at the start"),
    (topics.POSE, "foxglove.PoseInFrame", f"with every message on `{topics.VEHICLE.name}`"),
)

_INTRODUCTION = f"""\
# Flight logs

*This page is generated from the definitions in `drone/messages.py`, `drone/topics.py` and
`drone/logformat.py`: `python -m drone.logdocs docs/logs.md`.*

A flight log is one [MCAP](https://mcap.dev) file, `flight.mcap` in a run's folder. It holds every
tick that the pilot consumed with lossless images, every model version, the resolved configuration
and the pilot's state at the start: a flight can be replayed from it exactly. Foxglove and Rerun
open it as it is. This is format version {FORMAT_VERSION}; a reader refuses a newer one.

- All messages are protobuf, and their schemas are in the file. Every single value has explicit
  presence, so a field that an older log lacks differs from one that is 0.
- The log time is UTC: a message's `stamp_ns` plus the header's `utc_offset_ns`. Messages stand in
  the order in which they were written, which is not always the order of their log times.
- An unknown number is NaN. Units are in the names. Frames: world NED, body FRD, camera optical
  (x right, y down, z forward).
- Chunks of about 128 KiB before compression, zstd, each with its CRC-32.
"""

_HEADER = f"""\
## Header

The first record is the metadata record `{HEADER_NAME}`, before any chunk, so that it survives a cut
file; it stands once more after the last chunk. Its values are texts:

| Key | Meaning |
|---|---|
"""

_HEADER_END = """\
| `extra.<name>` | one key for each entry of `extra` |
| `crc32` | CRC-32, in hex, of the JSON of all other keys, sorted |

`calibration` is JSON: the intrinsics of both rectified images, `baseline_m`, and the left eye's
pose in the body frame.
"""

_TICKS = f"""\
## Ticks

A tick is written as what it consumed, each on its own topic, and then a `TickRecord` on
`{topics.TICK.name}`, with nothing in between. The record says what the tick consumed; it is always
the *last* such message before the record: the images of the frame (whose log time is the frame's),
the vehicle state, the last so many health events, the model version. Messages on these topics that
no tick consumed may stand between two ticks.
"""

_VIEWERS = f"""\
## For viewers

Images are `foxglove.RawImage`, `mono8`, lossless; with `flight.jpeg_quality` above 0 they are
`foxglove.CompressedImage`, JPEG: smaller, and labels can then no longer be made again from them
(`--verify --recompute` says so). Images and calibrations are in the frame `camera`, the left eye's
optical frame; the right eye's offset is in its `P`, as usual for rectified stereo. Poses are in the
frame `ned`: position (north, east, down) and `world_from_body` attitude as they are, not turned for
viewers that think of z as up. They repeat `{topics.VEHICLE.name}` and are not read back.
"""

_DAMAGE = f"""\
## Damaged logs

A killed writer loses its open chunk (a second of images of 128 x 96 px) and the index. `FlightLog`
needs no index and trusts no length: a chunk is what has the shape of one and the right checksum, so
that an altered byte costs one chunk at most. It says in `damaged` what is lost, and where messages
are missing it yields a [LogGap](#loggap) on `{topics.GAP.name}`; after a gap it goes on at the
first tick whose inputs are all there. Most other readers need the index and find nothing in a cut
file: `drone replay --repair damaged.mcap sound.mcap` copies what is sound, message by message as it
is, into a log that every reader opens.

What flies live writes through a queue in a thread of its own, bounded in bytes; what the disk is
too slow for is dropped, and stands in the log as a gap of kind `dropped`. In lockstep nothing is.

Decisions can be verified up to the first gap only, and again from the next file on: the pilot's
state is lost in a gap.
"""

_FILES = f"""\
## Several files

`flight.log_file_mb` lets the log go on in a new file when one is full: `flight.mcap`,
`flight.001.mcap`, `flight.002.mcap`, ... A file changes between two ticks only, and each begins
with all that it takes to replay it alone: the header with the pilot's state at that moment and its
number, and the model that flies on `{topics.FLYING.name}`. `flight.log_most_mb` is a cap on all
files together: for each new file the oldest are removed until it has room. Without a cap none is.

```console
drone fly --set flight.log_file_mb=100 --set flight.log_most_mb=1000
```

A log is read from the file that is named, or from the oldest of a run folder, to the end of the
flight, as one: `drone replay --verify`, `--what-if`, `--retrain` and `--to`, `drone report`, `drone
tune`, `drone export` and `drone runs` do not care how many files there are. `--verify` takes each
file from its own state and compares that with the state at the end of the file before, so that it
goes on behind a file that is damaged or missing. `--recompute` needs the flight from its beginning,
since labels remember the frames before. `drone replay --repair IN OUT` makes one file of all.

A full disk ends the log where it is, and never the flight: `log_problem` of the figures says so,
and the exit code is 1.
"""

_EXPORT = f"""\
## For other tools

```console
drone replay RUN --to csv tables/                      # one table per topic
drone replay RUN --to csv tables/ --images             # and every image as a PNG file
drone replay RUN --to mcap cut.mcap --start 60 --end 90
drone replay RUN --to mcap few.mcap --topics {topics.DECISION.name},{topics.LABEL.name}
```

`--to csv` makes a new folder with one file per topic, `pilot_decision.csv` for
`{topics.DECISION.name}`. Its first line names the columns: `t_s`, seconds since the first message,
then the fields as below, whose names carry their units; of a message within a message
`command.forward_mps`, of a tuple of fixed length `position_m.0`, `.1`, `.2`. Numbers are exact,
unknown is `nan`, what is not there is empty, a tuple of any length stands in one cell with spaces.
Grids and model files are left out. `header.json` holds the header. With `--images` there are
`left/` and `right/` with the rectified images, named by their UTC in seconds, and
`calibration.toml`: `drone replay tables/` reads that as a folder of images.

`--to mcap` copies messages as they are into one new log. A tick stays together with what it
consumed and what came of it. Where `--start` cuts, the pilot's state at that moment is replayed
from the estimates and put into the new header, with the model that flew on `{topics.FLYING.name}`:
the part can be verified like the whole. Without some of the topics that the pilot consumed it
cannot be replayed, and the command says so.
"""

_OTHERS = """\
## Another version, other clocks, any size

A reader that is older than the log reads the fields and topics that it knows and says once which it
does not; a message with a value that it cannot know is passed over and counted. Where log times and
stamps are more than a millisecond apart, or the stamps of frames and vehicle do not fit to those of
the ticks, `notes` says by how much and on which topics; the stamps count. `drone replay` prints
these notes on standard error and has them under `notes` in `--json`. A foreign MCAP file is refused
with the topics that it lacks and those that it has.

Memory does not depend on the length of a log: one chunk is unpacked at a time, what was read of the
file is given back, and of the index only its length is kept.
"""

_READING = """\
## Reading

```python
from pathlib import Path

from drone import topics
from drone.flightlog import FlightLog

log = FlightLog(Path("runs/20260101-120000-room/flight.mcap"))
print(log.header.software, log.duration_s)
for tick in log.ticks():  # exactly what the pilot consumed, to the bit
    ...
for decision in log.messages(topics.DECISION):
    ...
for topic, message in log.records():  # everything in one pass
    ...
```

Without this project: any MCAP reader with protobuf support, for example `mcap` with
`mcap-protobuf-support`, decodes every message by the schema in the file.
"""


def markdown() -> str:
    """Return the whole page."""
    parts = (
        _INTRODUCTION,
        _header(),
        _topics(),
        _TICKS,
        _VIEWERS,
        _FILES,
        _DAMAGE,
        _OTHERS,
        _EXPORT,
        _READING,
    )
    return "\n".join((*parts, _messages()))


def _header() -> str:
    docs = attribute_docs(LogHeader)
    names = [field.name for field in dataclasses.fields(LogHeader) if field.name != "extra"]
    return (
        _HEADER
        + "".join(f"| `{name}` | {docs[name].removesuffix('.')} |\n" for name in names)
        + _HEADER_END
    )


def _topics() -> str:
    own = (
        (t.name, f"[{_name(t)}](#{_name(t).lower()})", t.rate, "yes" if t.consumed else "")
        for t in topics.TOPICS
    )
    images = (topics.LEFT_IMAGE, topics.RIGHT_IMAGE)
    viewer = (
        (name, f"`{schema}`", rate, "yes" if name in images else "")
        for name, schema, rate in _VIEWER_TOPICS
    )
    rows = (f"| `{n}` | {kind} | {rate} | {used} |" for n, kind, rate, used in (*own, *viewer))
    head = "| Topic | Message | Written | Consumed by the pilot |\n|---|---|---|---|"
    return "\n".join(("## Topics", "", head, *rows, ""))


def _name(topic: topics.Topic) -> str:
    return record_class(topic).__name__


def _messages() -> str:
    roots = [record_class(topic) for topic in topics.TOPICS]
    sections = [_section(cls) for cls in dict.fromkeys(_with_parts(roots))]
    grid = "### Grid\n\n`uint32 rows`, `uint32 cols`, `repeated float data` by rows: 1, 2 and 3."
    return "## Messages\n\n" + "\n\n".join((*sections, grid)) + "\n"


def _with_parts(classes: Iterable[type]) -> Iterator[type]:
    """Yield each class, followed by the message classes that it holds."""
    for cls in classes:
        yield cls
        parts = (field.of for field in fields_of(cls) if field.is_message)
        yield from _with_parts(part for part in parts if part not in (None, np.ndarray))


def _section(cls: type) -> str:
    summary = (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
    docs = _COMMON | attribute_docs(cls)
    kinds = field_types(cls)
    rows = (
        f"| {number} | `{field.name}` | {kinds[field.name]} | {_meaning(field, docs)} |"
        for number, field in enumerate(fields_of(cls), start=1)
    )
    head = "| No. | Field | Type | Meaning |\n|---|---|---|---|"
    return "\n".join((f"### {cls.__name__}", "", summary, "", head, *rows))


def _meaning(field: Field, docs: dict[str, str]) -> str:
    parts = [docs.get(field.name, "").removesuffix(".")]
    if field.of is not None and issubclass(field.of, StrEnum):
        parts.append(", ".join(f"`{value}`" for value in field.of))
    return ": ".join(part for part in parts if part)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown(), encoding="utf-8")
