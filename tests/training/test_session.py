import math
from dataclasses import replace

import numpy as np
import pytest

from drone import topics
from drone.clock import ns_from_s
from drone.config import Config
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import LearnerReport, Mode, StereoFrame, Tick, Truth, VehicleState
from drone.onboard.obstacle_memory import view_of
from drone.onboard.pilot import decide
from training import session
from training.session import Session
from training.teacher import Lesson

WIDTH, HEIGHT = 64, 48
CALIBRATION = StereoCalibration(Intrinsics.from_hfov(WIDTH, HEIGHT, math.radians(70)), 0.06)
CONFIG = Config.model_validate(
    {
        "pilot": {
            "grid": {"rows": 6, "cols": 8},
            "mono": {"width_px": WIDTH, "height_px": HEIGHT},
            "stereo": {"block_px": 5, "texture_px": 5},
            "labels": {"min_cell_share": 0.5},
            "switching": {"stereo_lost_s": 0.5, "stereo_back_s": 2.0},
        },
        "sim": {"camera": {"width_px": WIDTH, "height_px": HEIGHT}},
    }
)


class Pupil:
    """A learner that only notes what it was taught."""

    busy = False

    def __init__(self, syllabus, start, live):
        self.taught = []
        self.overridden = []

    def begin(self, frame, label, down, overridden):
        self.taught.append((frame.seq, label.obstacle_m, down))
        self.overridden.append(overridden)

    def lesson(self):
        return None

    def close(self):
        pass


class Log:
    """A log that keeps what is written."""

    def __init__(self):
        self.messages = []

    def write(self, topic, message):
        self.messages.append((topic, message))

    def between_ticks(self, state, version):
        pass

    def write_tick(self, tick):
        self.messages.append((topics.TICK, tick))

    def of(self, topic):
        return [m for t, m in self.messages if t == topic]


class Flight:
    """Frames at 10 Hz of a textured wall at 2.7 m (1 px) or 0.685 m (4 px)."""

    def __init__(self, config=CONFIG):
        self.session = Session(config, CALIBRATION)
        self.log = Log()
        self.seq = 0

    def tick(self, left=None, right=None, disparity_px=1, truth=False):
        self.seq += 1
        now_ns = ns_from_s(0.1 * self.seq)
        texture = np.random.default_rng(self.seq).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
        pair = (texture, np.roll(texture, -disparity_px, axis=1))
        clean = StereoFrame(self.seq, now_ns, True, *pair)
        seen = [
            given if given is not None else own
            for given, own in zip((left, right), pair, strict=True)
        ]
        frame = StereoFrame(self.seq, now_ns, True, *seen)
        vehicle = VehicleState(self.seq, now_ns, True, *[(0.0,) * 3] * 2, (1.0, 0.0, 0.0, 0.0))
        known = Truth(
            self.seq,
            now_ns,
            True,
            *[(0.0,) * 3] * 2,
            (1.0, 0.0, 0.0, 0.0),
            0.685,
            math.nan,
            False,
            0,
        )
        tick = Tick(self.seq, now_ns, True, True, frame, vehicle)
        return self.session.tick(self.log, tick, known if truth else None, clean if truth else None)


@pytest.fixture
def flight(monkeypatch):
    monkeypatch.setattr(session, "Learner", Pupil)
    return Flight()


def taught(flight):
    return [seq for seq, _, _ in flight.session.learner.taught]


def test_every_labelled_frame_teaches(flight):
    for _ in range(5):
        flight.tick()
    assert taught(flight) == [1, 2, 3, 4, 5]


def test_a_dark_or_missing_eye_teaches_nothing(flight):
    flight.tick()
    for _ in range(4):
        flight.tick(right=np.zeros((HEIGHT, WIDTH), np.uint8))
    assert taught(flight) == [1]


def test_a_frozen_eye_teaches_nothing(flight):
    """What stereo makes of a live and a frozen image is a label, and a wrong one."""
    frozen = np.random.default_rng(99).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    for _ in range(3):
        flight.tick()
    for _ in range(20):
        flight.tick(right=np.roll(frozen, -2, axis=1))
    assert set(taught(flight)) <= {1, 2, 3, 4}, "the first repeat is only known when it comes"
    assert flight.session.state.mode is Mode.HOLD


def test_an_eye_that_recovers_teaches_only_once_it_is_believed(flight):
    flight.tick()
    for _ in range(10):
        flight.tick(right=np.zeros((HEIGHT, WIDTH), np.uint8))
    start = flight.seq
    for _ in range(30):
        flight.tick()
    after = [seq for seq in taught(flight) if seq > start]
    assert after[0] - start == pytest.approx(2.0 / 0.1, abs=2)


@pytest.mark.parametrize("trouble", ["black", "frozen"])
def test_hidden_stereo_sees_the_frames_before_the_fault(flight, trouble):
    """The score must not depend on what a spoilt pair happens to give."""
    black = np.zeros((HEIGHT, WIDTH), np.uint8)
    frozen = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    for _ in range(12):
        flight.tick(right=black if trouble == "black" else frozen, disparity_px=4, truth=True)
    hidden = [t.stereo_obstacle_m for t in flight.log.of(topics.TRUTH)]
    assert hidden[4:] == pytest.approx([0.685] * 8, rel=0.05)


def test_everything_is_logged_in_order(flight):
    flight.tick(truth=True)
    assert [t for t, _ in flight.log.messages] == [
        topics.TICK,
        topics.CHECK,
        topics.LABEL,
        topics.DECISION,
        topics.TRUTH,
    ]


def test_a_change_of_mode_is_an_event(flight):
    for _ in range(12):
        flight.tick(right=np.zeros((HEIGHT, WIDTH), np.uint8))
    events = flight.log.of(topics.EVENT)
    assert [(e.kind, e.detail.split(":")[0]) for e in events] == [("mode", "hold")]
    assert "right eye black" in events[0].detail


def test_why_a_candidate_was_refused_is_logged(flight):
    """And nothing where no candidate was due."""
    report = LearnerReport(1, 0, True, 1, 1, 1, 0.5, 0.1, 2, "held-out error 0.3", 1)
    lessons = [
        Lesson(None, report, 0.0),
        Lesson(None, LearnerReport(*([2, 0, True] + [0] * 6)), 0.0),
    ]
    flight.session.learner.lesson = lambda: lessons.pop(0) if lessons else None
    for _ in range(3):
        flight.tick()
    assert flight.log.of(topics.LEARNER) == [report]


@pytest.mark.parametrize("override", [False, True])
def test_the_learner_hears_where_stereo_overrode_mono(flight, monkeypatch, override):
    def decided(*args):
        state, decision = decide(*args)
        return state, replace(decision, override=override)

    monkeypatch.setattr(session, "decide", decided)
    flight.tick()
    assert flight.session.learner.overridden == [override]


def test_what_was_let_go_teaches_no_more(monkeypatch):
    monkeypatch.setattr(session, "Learner", Pupil)
    switching = CONFIG.pilot.switching.model_copy(
        update={"strategy": "cold_turkey", "handover_s": 0.5}
    )
    pilot = CONFIG.pilot.model_copy(update={"switching": switching})
    flight = Flight(CONFIG.model_copy(update={"pilot": pilot}))
    for _ in range(20):
        flight.tick()
    assert [seq for seq, *_ in flight.session.learner.taught] == [1, 2, 3, 4, 5]


def test_the_pilot_knows_where_its_own_camera_looks(monkeypatch):
    monkeypatch.setattr(session, "Learner", Pupil)
    wide = replace(CALIBRATION, left=replace(CALIBRATION.left, fx=60.0, fy=60.0))
    other = session.Session(Config(), wide)
    try:
        assert other.state.view == view_of(wide)
        assert view_of(wide) != view_of(CALIBRATION)
    finally:
        other.close()
