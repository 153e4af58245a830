"""The camera's process: stereo frames as they come, and what goes wrong with an eye.

devices ─► LiveSource ─┐
a recording, in its own time ─┼─► FRAME, HEALTH
another process (the room) ───┘
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2

from drone import topics
from drone.bus import Subscriber
from drone.clock import s_from_ns
from drone.config.onboard import OnboardConfig
from drone.messages import HealthEvent, StereoFrame
from drone.onboard.processes.orders import Orders, read
from drone.onboard.processes.shell import Shell
from drone.onboard.sources.liveopening import LiveRequest, open_live
from drone.onboard.sources.livesource import LiveSource
from drone.onboard.sources.opening import open_source
from drone.onboard.sources.options import KEYS, Layout, SourceOptions
from drone.runfolder import resolve_input
from drone.wire import FRAME

ROOM = "room"
"""Who publishes frames where no device is configured; its stamps are the machine's own clock."""
LISTEN_S = 0.1
Seen = tuple[StereoFrame | None, tuple[HealthEvent, ...]]


def live_source(config: OnboardConfig, calibration: Path) -> LiveSource:
    """Return the configured devices as a source; nothing is opened yet.

    Raises:
        UserError: no such camera, or the calibration does not fit.
    """
    c = config.camera
    size = (c.width_px, c.height_px) if c.width_px else None
    # Started anew in flight, it must not wait for an eye that died: the other one flies on.
    request = LiveRequest(c.devices, size, c.max_skew_ms / 1e3, c.delay_s, KEYS, alone=True)
    options = SourceOptions(
        rate_hz=c.rate_hz,
        scale=c.scale,
        calibration=calibration,
        layout=Layout(c.layout),
        swap=c.swap,
    )
    return open_live(request, options, config.pilot.grid_spec)


def run(folder: Path) -> None:
    """Run as the camera's process until told to end."""
    orders = read(folder)
    cv2.setNumThreads(1)
    with Shell("camera", folder, orders.clock_ns) as shell:
        frames, seq = 0, 0
        for frame, events in _seen(orders, folder, shell):
            for event in events:
                seq += 1
                shell.voice.send(topics.HEALTH, replace(event, seq=seq))
            if frame is not None:
                frames += 1
                shell.voice.send(FRAME, frame)
            shell.alive(f"{frames} frames")
            if shell.ending:
                return


def _seen(orders: Orders, folder: Path, shell: Shell) -> Iterator[Seen]:
    if orders.rehearse is not None:
        return _recorded(orders, orders.rehearse, shell)
    if orders.config.camera.devices:
        return _live(orders, folder, shell)
    return _relayed(orders, folder)


def _live(orders: Orders, folder: Path, shell: Shell) -> Iterator[Seen]:
    source = live_source(orders.config, Path(orders.config.camera.calibration))
    with source:
        offset_ns, told = source.first_ns - orders.epoch_ns, ""
        for sample in source.samples():
            frame = sample.frame
            stamped = replace(frame, stamp_ns=frame.stamp_ns + offset_ns) if frame.valid else None
            trouble = source.trouble
            if trouble:
                shell.alive(trouble)
            if trouble not in ("", told):
                print(f"drone onboard: camera: {trouble}", file=sys.stderr)  # noqa: T201
            told = trouble
            yield (
                stamped,
                tuple(replace(e, stamp_ns=e.stamp_ns + offset_ns) for e in sample.health),
            )


def _relayed(orders: Orders, folder: Path) -> Iterator[Seen]:
    with closing(Subscriber(folder, {ROOM: [FRAME, topics.HEALTH]})) as ears:
        while True:
            frame, events = None, []
            for topic, message in ears.receive(LISTEN_S):
                mine = replace(message, stamp_ns=message.stamp_ns - orders.epoch_ns)
                if topic == FRAME:
                    frame = mine
                else:
                    events.append(mine)
            yield frame, tuple(events)


def _recorded(orders: Orders, recording: Path, shell: Shell) -> Iterator[Seen]:
    """Play a recording in its own time, from now on; after its end there is silence."""
    source = open_source(resolve_input(str(recording)), None, orders.config.pilot.grid_spec)
    first_ns: int | None = None
    begun_ns = shell.clock_ns()
    for sample in source.samples():
        stamp_ns = sample.frame.stamp_ns
        first_ns = stamp_ns if first_ns is None else first_ns
        due_ns = begun_ns + stamp_ns - first_ns
        while (wait_s := s_from_ns(due_ns - shell.clock_ns())) > 0 and not shell.ending:
            time.sleep(min(wait_s, LISTEN_S))
            yield None, ()
        yield replace(sample.frame, stamp_ns=due_ns), sample.health
    while True:
        time.sleep(LISTEN_S)
        yield None, ()
