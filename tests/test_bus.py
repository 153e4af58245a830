"""The bus: every kind of message crosses it whole, and a process that comes back is heard."""

import math
import time
from contextlib import closing

import numpy as np
import pytest

from drone import topics, wire
from drone.bus import MOST_WAITING, Publisher, Subscriber, address
from drone.codec import CodecError
from drone.errors import UserError
from drone.messages import (
    Asked,
    Cue,
    Decision,
    Eye,
    FlightEvent,
    HealthEvent,
    Mode,
    ModelVersion,
    StereoFrame,
    Tick,
    VehicleState,
    VelocityCommand,
)
from drone.wire import Flown, StateBefore, Wish

ZERO = (0.0, 0.0, 0.0)
LEFT = np.arange(12, dtype=np.uint8).reshape(3, 4)


def frame(left=LEFT, right=LEFT[::-1]):
    return StereoFrame(5, 7, True, left, right)


def decision(seq=3):
    command = VelocityCommand(seq, 9, True, 0.5, 0.0, 0.0, 0.1)
    return Decision(
        *(seq, 9, True, Mode.STEREO, Cue.STEREO, "cruise", "why", 1.5, 1.5, math.nan),
        blocked=False,
        override=False,
        event="",
        limited="",
        command=command,
    )


def flown():
    vehicle = VehicleState(4, 8, True, ZERO, ZERO, (1.0, 0.0, 0.0, 0.0), ZERO, False, 0.5, 11.0)
    health = (HealthEvent(1, 2, True, Eye.LEFT, "dead", True),)
    model = ModelVersion(2, 3, True, b"onnx", "aa")
    tick = Tick(3, 9, True, True, frame(), vehicle, health, model, Asked.HOLD)
    found = (HealthEvent(2, 2, True, Eye.PAIR, "turned", True),)
    events = (FlightEvent(1, 9, True, "mark", "here"),)
    return Flown(tick, None, None, None, decision(), found, events)


def crossed(topic, message):
    return wire.unpack(topic, wire.pack(topic, message))


def same_frame(a, b):
    for one, other in ((a.left, b.left), (a.right, b.right)):
        assert (one is None) == (other is None)
        assert one is None or (one.dtype == other.dtype and np.array_equal(one, other))
    assert (a.seq, a.stamp_ns, a.valid) == (b.seq, b.stamp_ns, b.valid)


@pytest.mark.parametrize("images", [(LEFT, LEFT[::-1]), (None, LEFT), (LEFT, None), (None, None)])
def test_a_frame_crosses_whole_whichever_eye_delivers(images):
    same_frame(crossed(wire.FRAME, frame(*images)), frame(*images))


def test_a_tick_crosses_with_all_it_consumed_and_led_to():
    there, here = crossed(wire.FLOWN, flown()), flown()
    same_frame(there.tick.frame, here.tick.frame)
    for name in ("seq", "stamp_ns", "permitted", "vehicle", "health", "asked"):
        assert getattr(there.tick, name) == getattr(here.tick, name)
    assert there.tick.model.onnx == b"onnx"
    assert there.found == here.found
    assert there.decision.command == here.decision.command
    assert math.isnan(there.decision.mono_obstacle_m)
    assert there.events[0].detail == "here"
    assert there.check is None
    assert there.label is None


def test_a_silent_tick_crosses():
    silent = Flown(Tick(1, 2, True, False), None, None, None, decision())
    assert crossed(wire.FLOWN, silent).tick == silent.tick


@pytest.mark.parametrize(
    "spoil",
    [
        lambda parts: parts[:-1],
        lambda parts: [*parts, b"more"],
        lambda parts: [b"x", *parts[1:]],
        lambda parts: [parts[0], b"\xff\xff", *parts[2:]],
        lambda parts: [*parts[:-1], b"too short"],
    ],
)
def test_what_is_no_such_message_is_refused(spoil):
    with pytest.raises(CodecError):
        wire.unpack(wire.FLOWN, spoil(wire.pack(wire.FLOWN, flown())))


def listening(folder, wanted):
    return closing(Subscriber(folder, wanted))


def until_heard(voice, ears, topic, message, most_s=5.0):
    """Say it again until it is heard: who connects late has missed the first ones."""
    end_s = time.monotonic() + most_s
    while time.monotonic() < end_s:
        voice.send(topic, message)
        if found := ears.receive(0.02):
            return found
    raise AssertionError("not heard")


def test_who_listens_hears_what_it_asked_for_alone(tmp_path):
    wish = Wish(1, 2, True, Asked.LAND, True, "note")
    with (
        listening(tmp_path, {"web": [wire.WISH]}) as ears,
        closing(Publisher(tmp_path, "web")) as web,
    ):
        until_heard(web, ears, wire.WISH, wish)
        ears.receive(0.1)
        web.send(topics.DECISION, decision())
        web.send(wire.WISH, wish)
        heard = ears.receive(1.0)
        assert heard == [(wire.WISH, wish)]


def test_a_process_that_comes_back_is_heard_again(tmp_path):
    state = StateBefore(1, 2, True, "{}", 0)
    with listening(tmp_path, {"pilot": [wire.STATE]}) as ears:
        for _ in range(2):
            with closing(Publisher(tmp_path, "pilot")) as voice:
                assert until_heard(voice, ears, wire.STATE, state)[0] == (wire.STATE, state)
            while ears.receive(0.05):
                pass


def test_who_does_not_listen_holds_nobody_up_and_loses_the_oldest(tmp_path):
    with (
        listening(tmp_path, {"a": [wire.WISH]}) as ears,
        closing(Publisher(tmp_path, "a")) as voice,
    ):
        until_heard(voice, ears, wire.WISH, Wish(0, 0, True))
        started_s = time.monotonic()
        for seq in range(20 * MOST_WAITING):
            voice.send(wire.WISH, Wish(seq, 0, True))
        assert time.monotonic() - started_s < 5.0
        assert len(ears.receive(1.0)) <= MOST_WAITING


def test_a_spoilt_message_is_counted_and_passed_over(tmp_path):
    with (
        listening(tmp_path, {"a": [wire.WISH]}) as ears,
        closing(Publisher(tmp_path, "a")) as voice,
    ):
        until_heard(voice, ears, wire.WISH, Wish(0, 0, True))
        ears.receive(0.1)
        voice._socket.send_multipart([wire.WISH.name.encode(), b"\xff\xff\xff"])
        assert ears.receive(1.0) == []
        assert ears.refused == 1


def test_a_folder_with_too_long_a_name_is_refused(tmp_path):
    with pytest.raises(UserError, match="too long for a Unix socket"):
        address(tmp_path / ("x" * 120), "pilot")
