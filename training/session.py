"""One flight's pilot, learner, log and score, and what happens between them at one tick.

    tick ─► perceive ─► decide ─► command
               │            └─► log, score
               └─► label ─► learn, beside the flight ─► model version ─► the next frame's tick

The frame is tested before it is learned from. Learning goes on in a process of its own until the
next frame, which waits for it: that uses a second core, and when a version arrives depends on the
clock of the flight alone. A simulated flight and a replayed data set run through the same session.
"""

from __future__ import annotations

import time
from dataclasses import replace

from drone import topics
from drone.config import Config
from drone.flightlog import FlightLogWriter
from drone.geometry import StereoCalibration
from drone.messages import (
    Decision,
    DistanceLabel,
    FlightEvent,
    ModelVersion,
    StereoFrame,
    Tick,
    Truth,
    Vector3,
)
from drone.onboard import health, trust
from drone.onboard.health import check_frame
from drone.onboard.obstacle_memory import view_of
from drone.onboard.perception import Percept, Perception
from drone.onboard.pilot import Pilot, PilotState, decide, handed_over
from drone.runfolder import FRAME_TO_COMMAND
from drone.scoring import FlightScore
from drone.web.feed import Feed, Glimpse
from training.teacher import FROM_CONFIGURATION, Ending, Learner, Opening, Start
from training.trainer import Syllabus


class Session:
    """Everything of one flight but the world it flies in.

    Attributes:
        feed: takes what goes on, for who watches; None if nobody does.
    """

    def __init__(
        self,
        config: Config,
        calibration: StereoCalibration,
        start: Start = FROM_CONFIGURATION,
        waits: bool = True,
    ) -> None:
        """Prepare pilot and learner.

        Args:
            config: of the flight.
            calibration: of the rectified frames.
            start: what the learner starts from.
            waits: each frame waits for the lesson of the one before, for the sake of repeatability;
                live it does not, and what comes meanwhile is not learned from.

        Raises:
            UserError: the camera does not fit the grid; nothing can start from this.
            WorkFailedError: the memory's folder cannot be used.
        """
        self.config = config
        self._waits = waits
        self.perception = Perception(config.pilot, calibration, time.perf_counter)
        self.pilot = Pilot(config.pilot, self.perception)
        self.state = PilotState(view=view_of(calibration))
        self.learner = Learner(
            Syllabus(
                config.learner,
                self.perception.spec,
                self.perception.meter,
                config.flight.seed,
                config.pilot.mono.caution,
                calibration.disparity_metres,
            ),
            start,
            live=not waits,
        )
        self.score = FlightScore(config.pilot.switching.stop_m, config.pilot.go_m)
        self.model: ModelVersion | None = None
        self.opening = Opening() if start == FROM_CONFIGURATION else self._opening()
        self.state = self.state._replace(
            trust=trust.remembering(self.opening.labels, config.pilot.switching.stop_m)
        )
        self._first = self.opening.model
        self.feed: Feed | None = None
        self._events = 0
        self._true_m: Vector3 | None = None
        self._health_events = 0

    def _opening(self) -> Opening:
        try:
            return self.learner.opening()
        except BaseException:
            self.close()
            raise

    def end(self) -> Ending:
        """Let the learner save what it remembers, and return what is left; the flight is over."""
        return self.learner.end()

    def close(self) -> None:
        """End the learner; the lesson that still goes on comes too late to fly."""
        self.learner.close()

    def tick(
        self,
        log: FlightLogWriter,
        tick: Tick,
        truth: Truth | None = None,
        clean: StereoFrame | None = None,
    ) -> Decision:
        """Fly and learn for one tick.

        Args:
            log: takes down what was consumed and decided.
            tick: without a model; the session adds the one that was learned since the last frame.
            truth: of this tick's frame, in simulation.
            clean: this tick's frame before faults: hidden stereo, for scoring only.
        """
        if tick.frame is not None:
            tick = replace(tick, model=self._learned(log) or self._begun(log, tick.stamp_ns))
        arrived_s = time.perf_counter()
        percept = self.pilot.perceive(self.state, tick)
        disparity_px = self.perception.disparity_px
        started_s = time.perf_counter()
        before = self.state
        self.state, decision = decide(self.state, tick, percept, self.config.pilot)
        done_s = time.perf_counter()
        self.perception.times.add("decide", done_s - started_s)
        if tick.frame is not None:
            self.perception.times.add(FRAME_TO_COMMAND, done_s - arrived_s)
        log.between_ticks(before.to_json, before.model)
        self._account(log, tick, percept, decision)
        for found in health.events(
            before.health, self.state.health, decision.stamp_ns, self._health_events
        ):
            self._health_events += 1
            log.write(topics.FOUND, found)
        # A label of a frozen or otherwise spoilt pair neither teaches nor scores.
        label = percept.label if self.state.health.stereo_sees else None
        if truth is not None:
            truth = replace(truth, stereo_obstacle_m=self._hidden_m(tick, label, clean))
            log.write(topics.TRUTH, truth)
        if tick.frame is not None:
            self.score.see(label, percept.estimate, truth)
        self.score.decided(decision, self._position_m(truth), tick.frame is not None)
        if decision.mode != before.mode:
            self.event(log, decision.stamp_ns, "mode", f"{decision.mode}: {decision.reason}")
        self._learn(tick, label, decision.override)
        if self.feed is not None:
            where = self._position_m(None)
            self.feed.see(Glimpse(tick, percept, decision, self.state, disparity_px, where))
        return decision

    def event(
        self,
        log: FlightLogWriter,
        stamp_ns: int,
        kind: str,
        detail: str,
        position_m: Vector3 | None = None,
    ) -> None:
        """Log an event, and count a collision."""
        if kind == "collision":
            self.score.collided()
        self._events += 1
        where = position_m or self._position_m(None)
        event = FlightEvent(self._events, stamp_ns, True, kind, detail, where)
        log.write(topics.EVENT, event)
        if self.feed is not None:
            self.feed.note(event)

    def _account(
        self, log: FlightLogWriter, tick: Tick, percept: Percept, decision: Decision
    ) -> None:
        log.write_tick(tick)
        seen = (
            (topics.CHECK, percept.check),
            (topics.LABEL, percept.label),
            (topics.MONO, percept.estimate),
        )
        for topic, message in seen:
            if message is not None:
                log.write(topic, message)
        log.write(topics.DECISION, decision)

    def _hidden_m(
        self, tick: Tick, label: DistanceLabel | None, clean: StereoFrame | None
    ) -> float:
        """Return what healthy stereo says of this frame."""
        if label is not None and label.valid:
            return label.obstacle_m
        if clean is None:
            return float("nan")
        vehicle = tick.vehicle or self.state.vehicle
        down = self.perception.calibration.down_in_camera(vehicle.attitude if vehicle else None)
        return self.perception.label(clean, check_frame(clean), down).obstacle_m

    def _position_m(self, truth: Truth | None) -> Vector3:
        """Return where the drone is: by truth, of the latest frame, where there is any."""
        if truth is not None:
            self._true_m = truth.position_m
        if self._true_m is not None:
            return self._true_m
        vehicle = self.state.vehicle
        return vehicle.position_m if vehicle is not None else (0.0, 0.0, 0.0)

    def _learn(self, tick: Tick, label: DistanceLabel | None, overridden: bool) -> None:
        """Begin the lesson of a labelled frame, unless stereo was let go for good."""
        if handed_over(self.state, tick.stamp_ns, self.config.pilot):
            return
        if tick.frame is None or label is None or not label.valid or self.learner.busy:
            return
        vehicle = tick.vehicle or self.state.vehicle
        attitude = vehicle.attitude if vehicle is not None and vehicle.valid else None
        down = self.perception.calibration.down_in_camera(attitude)
        self.learner.begin(tick.frame, label, down, overridden)

    def _begun(self, log: FlightLogWriter, now_ns: int) -> ModelVersion | None:
        """Return the version that flies from the first frame on, if there is one."""
        first, self._first = self._first, None
        facts = self.opening.facts
        if first is None:
            return None
        if facts:
            told = f"version {first.seq}, {facts['labelled_frames']} labelled frames"
            self.event(log, now_ns, "memory", f"goes on from {told} of {facts['flights']} flights")
        self.model = replace(first, stamp_ns=now_ns)
        return self.model

    def _learned(self, log: FlightLogWriter) -> ModelVersion | None:
        """Fetch the lesson of the last frame, and return the version it may have brought."""
        if not (self._waits or self.learner.ready):
            return None
        lesson = self.learner.lesson()
        if lesson is None:
            return None
        self.perception.times.add("learn", lesson.duration_s)
        if lesson.problem:
            self.event(log, lesson.report.stamp_ns, "memory", lesson.problem)
        if lesson.model is not None:
            self.model = lesson.model
            self.score.published(lesson.model)
        if lesson.model is not None or lesson.report.reason:
            log.write(topics.LEARNER, lesson.report)
        return lesson.model
