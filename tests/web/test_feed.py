"""What passes between a flight and who watches it."""

import json
import math
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from drone.errors import UserError
from drone.messages import (
    Asked,
    Cue,
    Decision,
    FlightEvent,
    Mode,
    StereoFrame,
    Tick,
    TrustReport,
    VelocityCommand,
)
from drone.onboard.evidence import Pair, evidence_of
from drone.onboard.perception import Percept
from drone.onboard.pilotstate import PilotState
from drone.web.feed import MOST_POINTS, Controls, Feed, Glimpse, Pace, Scene
from drone.web.payload import Cursor, Painter, hello, message, roc

SCENE = Scene("a flight", (((1.0, 1.0), (-1.0, 1.0)),), (-0.7, 0.7), 16.0, 32)


def glimpse(seq, frame=True, disparity_px=None, left=None):
    stamp_ns = seq * 100_000_000
    command = VelocityCommand(seq, stamp_ns, True, 0.5, 0.0, 0.0, 0.0)
    decision = Decision(
        *(seq, stamp_ns, True, Mode.STEREO, Cue.STEREO, "cruise", "why", 2.0, 2.0, math.nan),
        *(False, False, "", "", command, TrustReport()),
    )
    image = np.full((96, 128), seq % 256, np.uint8) if left is None else left
    eyes = StereoFrame(seq, stamp_ns, True, image, image) if frame else None
    tick = Tick(seq, stamp_ns, True, True, eyes)
    where = (float(seq), 0.0, -1.0)
    return Glimpse(tick, Percept(), decision, PilotState(), disparity_px, where)


def read(data):
    (length,) = struct.unpack_from("<I", data)
    facts, at, parts = json.loads(data[4 : 4 + length]), 4 + length, {}
    for name, width, height, size in facts.get("parts", ()):
        parts[name] = (width, height, data[at : at + size])
        at += size
    assert at == len(data)
    return facts, parts


def test_a_page_is_told_the_whole_course_first_and_then_only_what_is_new():
    feed, cursor, painter = Feed(), Cursor(), Painter(SCENE)
    for seq in range(5):
        feed.see(glimpse(seq))
    feed.note(FlightEvent(1, 0, True, "mark", "x"))
    facts, parts = read(message(feed, painter, cursor, True))
    assert [p[0] for p in facts["course"]] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert [e["detail"] for e in facts["events"]] == ["x"]
    assert (facts["mode"], facts["mono_m"], facts["roc"]) == ("stereo", None, [])
    assert list(parts) == ["left"]
    feed.see(glimpse(5))
    feed.see(glimpse(6, frame=False))
    facts, _ = read(message(feed, painter, cursor, False))
    assert [p[0] for p in facts["course"]] == [0.5]
    assert facts["events"] == []
    assert (facts["frame"], facts["time_s"]) == (5, 0.6)
    assert "roc" not in facts


def test_the_course_stays_bounded():
    feed = Feed()
    for seq in range(MOST_POINTS + 10):
        feed.see(glimpse(seq))
    points = feed.points(-math.inf)
    assert MOST_POINTS // 2 <= len(points) <= MOST_POINTS
    assert points[-1].time_s == pytest.approx((MOST_POINTS + 9) / 10)
    feed_facts, _ = read(message(feed, Painter(SCENE), Cursor(), False))
    assert len(feed_facts["course"]) <= 3000


def test_pictures_are_what_the_drone_saw():
    disparity = np.array([[np.nan, 16.0], [32.0, 64.0]], np.float32)
    left = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 255, (96, 128), np.uint8), (5, 5), 2
    )
    feed = Feed()
    feed.see(glimpse(1, disparity_px=disparity, left=left))
    _, parts = read(message(feed, Painter(SCENE), Cursor(), False))
    assert parts["disparity"] == (2, 2, bytes([0, 128, 255, 255]))
    shown = cv2.imdecode(np.frombuffer(parts["left"][2], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(shown.astype(int) - left).mean() < 4


def test_wide_images_are_sent_smaller():
    feed = Feed()
    disparity = np.ones((480, 640), np.float32)
    feed.see(glimpse(1, disparity_px=disparity, left=np.zeros((480, 640), np.uint8)))
    _, parts = read(message(feed, Painter(SCENE), Cursor(), False))
    assert parts["left"][:2] == (480, 360)
    assert parts["disparity"][:2] == (160, 120)


def test_the_first_message_names_the_flight():
    facts, _ = read(hello(SCENE))
    assert (facts["name"], facts["view"]) == ("a flight", [-0.7, 0.7])


def test_the_curve_goes_from_one_corner_to_the_other_through_the_operating_point():
    near = [Pair(k, k, 0.5, 0.6 + k / 100, 0.6 + k / 100) for k in range(20)]
    free = [Pair(k + 20, k + 20, 2.0, 0.7 + k / 50, 0.7 + k / 50) for k in range(30)]
    curve = roc(evidence_of(near + free, 1.0))
    assert curve[0] == [0.0, 0.0]
    assert curve[-1] == [1.0, 1.0]
    assert curve == sorted(curve)
    assert [0.1, 0.7] in curve or any(tpr >= 0.7 and fpr <= 0.2 for fpr, tpr in curve)


# Controls


def test_wishes_only_make_things_safer_and_are_logged_once():
    controls = Controls()
    assert controls.take() == controls.take()
    for what in ("hold", "hold", "land", "hold"):
        controls.ask(what)
    controls.ask("mark", "  a \n pillar " + "x" * 500)
    wishes = controls.take()
    assert (wishes.permitted, wishes.asked) == (True, Asked.LAND)
    assert [kind for kind, _ in wishes.events] == ["asked", "asked", "mark"]
    assert wishes.events[2][1].startswith("a pillar xxx")
    assert len(wishes.events[2][1]) == 200
    assert controls.take().events == ()
    assert controls.take().asked is Asked.LAND


def test_only_the_human_pilot_takes_a_wish_back():
    controls = Controls()
    controls.ask("withdraw")
    controls.ask("hold")
    assert not controls.take().permitted
    assert not controls.take().permitted
    assert not controls.take(permitted=False).permitted
    assert (controls.take().permitted, controls.take().asked) == (True, Asked.NOTHING)


@pytest.mark.parametrize("what", ["", "fly", "permit", "nothing", "HOLD"])
def test_nothing_else_can_be_asked_for(what):
    controls = Controls()
    with pytest.raises(UserError, match="expected hold, land, withdraw or mark"):
        controls.ask(what)
    assert controls.take().asked is Asked.NOTHING


def test_nobody_can_flood_the_log():
    controls = Controls()
    for k in range(1000):
        controls.ask("mark", str(k))
    assert len(controls.take().events) == 100


# Pace


def test_a_flight_goes_by_in_real_time_and_is_not_hurried_after_a_delay():
    clock = SimpleNamespace(now=100.0, slept=[])

    def sleep(duration_s):
        clock.slept.append(round(duration_s, 6))
        clock.now += duration_s

    pace = Pace(lambda: clock.now, sleep)
    pace.wait(1_000_000_000)
    clock.now += 0.01
    pace.wait(1_050_000_000)
    assert clock.slept == [0.04]
    clock.now += 5.0
    pace.wait(1_100_000_000)
    pace.wait(1_150_000_000)
    assert clock.slept == [0.04, 0.05]
