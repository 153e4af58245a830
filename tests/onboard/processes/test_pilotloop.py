"""The pilot's loop: what it takes, in which order it tells; who follows knows its state."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from tinymodel import tiny_model

from drone import topics
from drone.config.onboard import OnboardConfig
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import Asked, AutopilotReport, Mode, StereoFrame, VehicleState
from drone.onboard import perception
from drone.onboard.pilot import PilotState
from drone.onboard.processes.orders import Orders, read, write
from drone.onboard.processes.pilot import PERMISSION_S, WISH_S, Inbox, PilotLoop
from drone.onboard.stereo import StereoMatcher
from drone.web.feed import Controls, Feed
from drone.web.follower import Follower, Wisher
from drone.wire import FLOWN, FRAME, STATE, WISH, Wish

S = 1_000_000_000
CALIBRATION = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)
TEXTURE = np.random.default_rng(3).integers(0, 255, (96, 128), dtype=np.uint8)
LEVEL = (1.0, 0.0, 0.0, 0.0)


class Voice:
    """Takes down what is said."""

    def __init__(self):
        self.said = []

    def send(self, topic, message):
        self.said.append((topic, message))

    def of(self, topic):
        return [message for found, message in self.said if found == topic]


def orders(tmp_path, **more):
    return Orders(OnboardConfig(), CALIBRATION, 0, tmp_path, **more)


def frame(seq, now_ns, disparity_px=6):
    left = np.roll(TEXTURE, seq, axis=0)  # what stands still is taken for frozen
    return StereoFrame(seq, now_ns, True, left, np.roll(left, -disparity_px, axis=1))


def vehicle(now_ns):
    return VehicleState(
        1, now_ns, True, (0.0,) * 3, (0.0,) * 3, LEVEL, (0.0,) * 3, False, 0.5, 11.0
    )


def permitted(permit=True):
    return (topics.AUTOPILOT, AutopilotReport(1, 0, True, permitted=permit))


@pytest.fixture
def voice():
    return Voice()


@pytest.fixture
def loop(tmp_path, voice):
    return PilotLoop(orders(tmp_path), voice)


def fly(loop, ticks, period_ns=S // 20):
    for n in range(ticks):
        now_ns = n * period_ns
        heard = [permitted(), (topics.VEHICLE, vehicle(now_ns))]
        if n % 2 == 0:
            heard.append((FRAME, frame(n // 2 + 1, now_ns)))
        loop.inbox.take(heard, now_ns)
        yield loop.tick(now_ns)


def test_the_decision_goes_out_before_its_account(loop, voice):
    list(fly(loop, 3))
    assert [topic for topic, _ in voice.said[:3]] == [topics.DECISION, topics.LABEL, FLOWN]
    assert [d.seq for d in voice.of(topics.DECISION)] == [0, 1, 2]


def test_it_flies_by_stereo_once_it_sees_and_may(loop):
    flown = list(fly(loop, 40))
    assert flown[-1].decision.mode is Mode.STEREO
    assert flown[-1].label is None  # a tick without a frame
    assert flown[-2].label is not None


def test_of_frames_only_the_newest_counts():
    inbox = Inbox()
    inbox.take([(FRAME, frame(1, 0)), (FRAME, frame(2, 1))], 0)
    assert inbox.tick(0, 0).frame.seq == 2
    assert inbox.tick(1, 1).frame is None


def test_permission_of_which_nothing_is_heard_is_none():
    inbox = Inbox()
    assert not inbox.permitted(0)
    inbox.take([permitted()], 0)
    assert inbox.permitted(0)
    assert inbox.permitted(round(PERMISSION_S * S))
    assert not inbox.permitted(round(PERMISSION_S * S) + 1)
    inbox.take([permitted(False)], 2 * S)
    assert not inbox.permitted(2 * S)


def test_a_wish_can_only_make_things_safer_and_ends_with_its_page():
    inbox = Inbox()
    inbox.take([permitted(), (WISH, Wish(1, 0, True, Asked.LAND, True))], 0)
    tick = inbox.tick(0, 0)
    assert tick.asked is Asked.LAND
    assert not tick.permitted
    later_ns = round(WISH_S * S) + 1
    inbox.take([permitted()], later_ns)
    tick = inbox.tick(1, later_ns)
    assert tick.asked is Asked.NOTHING
    assert tick.permitted


def test_a_model_waits_for_the_frame_that_it_flies_from():
    inbox = Inbox()
    inbox.model = "a model"
    assert inbox.tick(0, 0).model is None
    inbox.take([(FRAME, frame(1, 0))], 0)
    assert inbox.tick(1, 1).model == "a model"
    assert inbox.model is None


def test_a_model_is_loaded_between_frames_before_it_flies(loop, monkeypatch):
    loaded = []
    make = perception.MonoNetwork
    monkeypatch.setattr(perception, "MonoNetwork", lambda *a: loaded.append(1) or make(*a))
    list(fly(loop, 3))
    loop.inbox.take([(topics.MODEL, tiny_model(loop._perception.spec, version=4))], 0)
    assert next(fly(loop, 1)).tick.model is None  # it is not ready yet
    loop.prepare()
    assert loaded == [1]
    first = next(fly(loop, 1))
    assert (first.tick.model.seq, first.estimate.version) == (4, 4)
    assert loaded == [1]  # not once more
    loop.prepare()
    assert loaded == [1]


def test_a_model_that_is_none_is_passed_on_and_does_not_fly(loop):
    broken = replace(tiny_model(loop._perception.spec, version=4), onnx=b"none")
    loop.inbox.take([(topics.MODEL, broken)], 0)
    loop.prepare()
    first = next(fly(loop, 1))
    assert first.tick.model is broken or first.tick.model.onnx == b"none"
    assert first.estimate is None


def test_what_is_asked_and_marked_is_an_event_once(loop):
    loop.inbox.take([(WISH, Wish(1, 0, True, Asked.HOLD, False, "here"))], 0)
    events = [event for _ in range(3) for event in loop.tick(0).events]
    assert [(e.kind, e.detail) for e in events if e.kind != "mode"] == [
        ("asked", "hold, on the live page"),
        ("mark", "here"),
    ]


def test_who_follows_has_the_pilots_state_to_the_last_bit(loop, voice):
    follower = Follower(loop._config, Feed(), StereoMatcher(loop._config.stereo, CALIBRATION))
    loop.tell_state(0)
    for _ in fly(loop, 60):
        for topic, message in voice.said:
            if topic == STATE:
                follower.begin(message)
            elif topic == FLOWN:
                follower.see(message)
        voice.said.clear()
        assert follower._state.to_json() == loop._state.to_json()
    assert follower._feed.latest.decision.seq == 59
    assert follower._feed.framed.disparity_px is not None


def test_nothing_is_matched_for_a_page_that_nobody_looks_at(loop, voice):
    looks = []
    follower = Follower(
        *(loop._config, Feed(), StereoMatcher(loop._config.stereo, CALIBRATION)),
        lambda: bool(looks),
    )
    loop.tell_state(0)
    follower.begin(voice.of(STATE)[0])
    shown = []
    for n, flown in enumerate(fly(loop, 6)):
        looks += [True] if n == 4 else []
        follower.see(flown)
        shown.append(follower._feed.framed.disparity_px is not None)
    assert shown == [False, False, False, False, True, True]


def test_who_missed_a_tick_goes_on_from_the_next_state(loop, voice):
    follower = Follower(loop._config, Feed(), StereoMatcher(loop._config.stereo, CALIBRATION))
    loop.tell_state(0)
    missed = False
    for _ in fly(loop, 60):
        for topic, message in voice.said:
            if topic == STATE:
                follower.begin(message)
            elif topic == FLOWN and message.tick.seq == 7:
                missed = True
            elif topic == FLOWN:
                follower.see(message)
        voice.said.clear()
    assert missed
    assert follower._state.to_json() == loop._state.to_json()


def test_wishes_are_told_on_change_and_once_a_second():
    wisher, controls = Wisher(), Controls()
    assert len(wisher.wishes(controls.take(), True, 0)) == 1
    assert wisher.wishes(controls.take(), True, S // 2) == []
    controls.ask("hold")
    (wish,) = wisher.wishes(controls.take(), True, S // 2)
    assert wish.asked is Asked.HOLD
    assert not wish.withdraw
    controls.ask("withdraw")
    controls.ask("mark", "there")
    (wish,) = wisher.wishes(controls.take(), True, S // 2)
    assert wish.withdraw
    assert wish.mark == "there"
    assert len(wisher.wishes(controls.take(), True, 2 * S)) == 1


def test_orders_read_back_as_they_were_written(tmp_path):
    given = orders(tmp_path, shadow=True, page=("127.0.0.1", 8080, "secret-token"))
    given = replace(given, epoch_ns=12345, memory=tmp_path / "memory")
    write(given, tmp_path)
    there = read(tmp_path)
    assert there == given
    assert there.calibration.hash == CALIBRATION.hash
    assert json.loads((tmp_path / "orders.json").read_text())["shadow"] is True


def test_the_state_before_the_first_tick_is_that_of_a_new_pilot(loop, voice):
    loop.tell_state(0)
    (state,) = voice.of(STATE)
    assert state.seq == 0
    assert PilotState.from_json(state.state).to_json() == loop._state.to_json()
