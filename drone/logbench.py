"""The bench of the flight log: what it costs to write beside a flight, and how near a bare writer.

In come a rate, an image size and a duration, out come drops, the share of a core that writing took,
and the throughput beside that of a bare MCAP writer with the same chunks, both timed in turn by the
CPU's clock, which other work on the machine does not move.
"""

from __future__ import annotations

import itertools
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import foxglove
import numpy as np
from foxglove.mcap import MCAPWriteOptions
from mcap.records import Channel, Message

from drone.bench import Figure, compare
from drone.clock import NS_PER_S, SIM_EPOCH_NS
from drone.flightlog import FORMAT_VERSION, FlightLogWriter, LogHeader
from drone.geometry import Intrinsics, StereoCalibration
from drone.logqueue import QueuedLogWriter
from drone.logwriter import CHUNK_BYTES
from drone.mcapfile import mapped
from drone.mcapwalk import Walk
from drone.messages import Image, StereoFrame, Tick, VehicleState

_PICTURES = 32
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Load:
    """What is written: stereo ticks at a fixed rate; a quality of 0 keeps the images exact."""

    rate_hz: float
    width_px: int
    height_px: int
    jpeg_quality: int

    def header(self) -> LogHeader:
        """Return a log's first record for this."""
        eye = Intrinsics.from_hfov(self.width_px, self.height_px, math.radians(70))
        return LogHeader(
            *(FORMAT_VERSION, "bench", "", 0, SIM_EPOCH_NS, StereoCalibration(eye, 0.06)),
            *("{}", "bench", {}, self.jpeg_quality),
        )

    def ticks(self, count: int) -> list[Tick]:
        """Return so many ticks, each with a frame and a vehicle state."""
        eyes = _pictures(self.width_px, self.height_px)
        return [self._tick(seq, eyes) for seq in range(count)]

    def _tick(self, seq: int, eyes: list[Image]) -> Tick:
        now_ns = round(seq * NS_PER_S / self.rate_hz)
        frame = StereoFrame(seq, now_ns, True, eyes[seq % _PICTURES], eyes[(seq + 1) % _PICTURES])
        zero = (0.0, 0.0, 0.0)
        vehicle = VehicleState(seq, now_ns, True, zero, zero, (1.0, 0.0, 0.0, 0.0))
        return Tick(seq, now_ns, True, True, frame, vehicle)


LOSSLESS = Load(60.0, 128, 96, 0)
JPEG = Load(30.0, 640, 480, 90)


def _pictures(width_px: int, height_px: int) -> list[Image]:
    """Return textured pictures, about as hard to compress as a camera's."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height_px, 0:width_px]
    waves = 40 * np.sin(rows / 9) * np.cos(columns / 13) + 128
    noise = rng.normal(0, 4, (_PICTURES, height_px, width_px))
    return list((waves + noise).clip(0, 255).astype(np.uint8))


def paced(
    load: Load,
    duration_s: float,
    *,
    clock_s: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, float]:
    """Write at the load's rate; return drops, and the share of a core that the process used."""
    ticks = load.ticks(max(1, round(duration_s * load.rate_hz)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.mcap"
        cpu_s, started_s = time.process_time(), clock_s()
        longest_s = 0.0
        writer = QueuedLogWriter(path, load.header())
        with writer:
            for number, tick in enumerate(ticks):
                sleep(max(0.0, started_s + number / load.rate_hz - clock_s()))
                before_s = clock_s()
                writer.write_tick(tick)
                longest_s = max(longest_s, clock_s() - before_s)
        wall_s, cpu_s = clock_s() - started_s, time.process_time() - cpu_s
        size = path.stat().st_size
    return {
        "frames": len(ticks),
        "dropped": writer.dropped,
        "core_share": round(cpu_s / max(wall_s, 1e-9), 4),
        "longest_wait_ms": round(1e3 * longest_s, 3),
        "mb": round(size / _MB, 2),
    }


def throughput(load: Load, rounds: int, count: int = 300) -> Figure:
    """Return MB of images a second beside a bare MCAP writer that is given the encoded messages."""
    ticks = load.ticks(count)
    megabytes = 2 * count * load.width_px * load.height_px / _MB
    with tempfile.TemporaryDirectory() as folder:
        names = (Path(folder) / f"{n}.mcap" for n in itertools.count())
        encoded = _encoded(next(names), load, ticks)
        times = compare(
            lambda: _ours(next(names), load, ticks),
            lambda: _bare(next(names), encoded),
            rounds,
            clock_s=time.process_time,
        )
    value, reference = (1e3 * megabytes / ms for ms in (times.value, times.reference))
    return Figure(value, reference, value / reference, rounds)


def _encoded(path: Path, load: Load, ticks: list[Tick]) -> list[tuple[str, int, bytes]]:
    """Return topic, log time and bytes of all messages of these ticks."""
    _ours(path, load, ticks)
    names: dict[int, str] = {}
    messages = []
    with mapped(path) as data:
        for record in Walk(data).records():
            if isinstance(record, Channel):
                names[record.id] = record.topic
            elif isinstance(record, Message):
                messages.append((names[record.channel_id], record.log_time, record.data))
    return messages


def _ours(path: Path, load: Load, ticks: list[Tick]) -> None:
    with FlightLogWriter(path, load.header()) as writer:
        for tick in ticks:
            writer.write_tick(tick)


def _bare(path: Path, messages: list[tuple[str, int, bytes]]) -> None:
    context = foxglove.Context()
    schema = foxglove.Schema(name="Bytes", encoding="protobuf", data=b"")
    options = MCAPWriteOptions(chunk_size=CHUNK_BYTES, compression_threads=0)
    with foxglove.open_mcap(path, context=context, writer_options=options):
        channels = {
            name: foxglove.Channel(
                name, schema=schema, message_encoding="protobuf", context=context
            )
            for name in dict.fromkeys(name for name, _, _ in messages)
        }
        for name, time_ns, data in messages:
            channels[name].log(data, log_time=time_ns)
