"""From a frame to what each cue says about it: the part of the pilot that sees.

    frame ─► check ─► match ─► label          (both eyes are there)
         └─► mono network ─► estimate         (a model has been published)
                  label ──────┴─► distance by both cues

It holds engines (matcher, ONNX session) and nothing that decides: given the same frame, attitude
and model version, it says the same. Only check and label remember the frames before: given the same
frames from the first on, they say the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from drone.clock import ns_from_s
from drone.config import PilotConfig
from drone.errors import UserError
from drone.geometry import DistanceMeter, StereoCalibration
from drone.messages import (
    DistanceLabel,
    Eye,
    FloatGrid,
    FrameCheck,
    ModelVersion,
    MonoEstimate,
    StereoFrame,
    Vector3,
    VehicleState,
)
from drone.onboard.bothcues import nearer
from drone.onboard.checker import PairChecker
from drone.onboard.fusion import TemporalFusion
from drone.onboard.health import HealthState
from drone.onboard.labels import Labeller, row_step
from drone.onboard.mono import MonoAnswer, MonoNetwork, MonoSpec
from drone.onboard.stereo import StereoMatcher

HEALTHY = HealthState()
STALE = "frame stale"
"""Why the label of a frame older than `pilot.switching.stale_s` is not valid."""


@dataclass(frozen=True, slots=True)
class Percept:
    """What was seen at one tick; all None where no frame came."""

    check: FrameCheck | None = None
    label: DistanceLabel | None = None
    estimate: MonoEstimate | None = None


@dataclass
class StageTimes:
    """Seconds spent per stage, one entry per frame; never part of a decision."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, stage: str, duration_s: float) -> None:
        """Note one duration."""
        self.seconds.setdefault(stage, []).append(duration_s)


class Perception:
    """Matcher, labeller and network of one camera.

    Attributes:
        disparity_px: of the latest match, to look at, (H, W) float32, NaN where unknown; None
            where nothing was matched.
    """

    def __init__(
        self,
        config: PilotConfig,
        calibration: StereoCalibration,
        perf_s: Callable[[], float] | None = None,
    ) -> None:
        """Prepare the engines.

        Args:
            config: of the pilot.
            calibration: of the rectified frames.
            perf_s: a clock for `times`, or None for no measuring.

        Raises:
            UserError: the camera's image does not divide into the grid's cells.
        """
        camera, grid = calibration.left, config.grid
        if camera.width % grid.cols or camera.height % grid.rows:
            raise UserError(
                f"images of {camera.width} x {camera.height} px do not divide into pilot.grid's "
                f"{grid.cols} x {grid.rows} cells"
            )
        self.calibration = calibration
        self.meter = DistanceMeter(calibration.left, config.grid_spec, config.corridor_spec)
        self.spec = MonoSpec(
            config.mono.width_px, config.mono.height_px, config.grid_spec, calibration.hash
        )
        self.times = StageTimes()
        self.disparity_px: NDArray[np.float32] | None = None
        self._matcher = StereoMatcher(
            config.stereo, calibration, row_step=row_step(camera.height, self.meter.grid)
        )
        self._checker = PairChecker(config.health, calibration)
        self._labeller = Labeller(config.labels, self.meter, calibration.disparity_metres)
        self._fusion = TemporalFusion(config.labels, self.meter, calibration)
        self._network: MonoNetwork | None = None
        self._prepared: MonoNetwork | None = None
        self._caution = config.mono.caution
        self._answered: DistanceMeter | None = None
        if config.switching.unknown == "free":
            heedless = replace(config.corridor_spec, min_valid_share=0.0)
            self._answered = DistanceMeter(calibration.left, config.grid_spec, heedless)
        self._stale_ns = ns_from_s(config.switching.stale_s)
        self._perf_s = perf_s

    @property
    def disparities(self) -> int:
        """Disparity range of the matcher, px."""
        return self._matcher.disparities

    def load(self, model: ModelVersion) -> None:
        """Let this version fly from now on.

        Raises:
            UserError: it is damaged or made for something else; the present one stays.
        """
        prepared, self._prepared = self._prepared, None
        fits = prepared is not None and prepared.sha256 == model.sha256
        self._network = prepared if fits else MonoNetwork(model, self.spec)

    def prepare(self, model: ModelVersion) -> None:
        """Make a version ready beforehand, so that no frame waits while it is loaded.

        Raises:
            UserError: as of `load`.
        """
        self._prepared = None
        network = MonoNetwork(model, self.spec)
        network.estimate(np.zeros((self.spec.height_px, self.spec.width_px), np.uint8))
        self._prepared = network

    def perceive(
        self,
        frame: StereoFrame | None,
        vehicle: VehicleState | None,
        health: HealthState = HEALTHY,
        now_ns: int | None = None,
        mono_scale: float = 1.0,
    ) -> Percept:
        """Return what stereo and mono say about a frame.

        Args:
            frame: of this tick, or None.
            vehicle: the latest state, for the attitude; None flies level.
            health: of the eyes before this frame; mono looks through one that sees.
            now_ns: of this tick; a frame much older than it has no valid label. None: just taken.
            mono_scale: what turns mono's distances into stereo's, where both count together.
        """
        if frame is None or not frame.valid:
            return Percept()
        attitude = vehicle.attitude if vehicle is not None and vehicle.valid else None
        down = self.calibration.down_in_camera(attitude)
        self.disparity_px = None
        started = self._now_s()
        check = self._checker.check(frame, vehicle)
        self._note("check", started)
        started = self._now_s()
        if now_ns is not None and now_ns - frame.stamp_ns > self._stale_ns:
            label = self._labeller.unknown(frame, STALE)
        else:
            label = self.label(frame, check, down)
        label = self._heedless(self._fusion.support(label, vehicle, down), down)
        self._note("stereo", started)
        started = self._now_s()
        estimate, near = self._estimate(frame, check, health, down)
        if estimate is not None and estimate.valid and label.reasons is not None:
            by_both = nearer(label, near / np.float32(mono_scale), self.meter, down)
            estimate = replace(estimate, both_m=by_both[0], both_sectors_m=by_both[1])
        self._note("mono", started)
        return Percept(check, label, estimate)

    def label(self, frame: StereoFrame, check: FrameCheck, down: Vector3) -> DistanceLabel:
        """Return stereo's label of a frame by itself, without memory."""
        verdicts = (("left eye", check.left), ("right eye", check.right), ("eyes", check.pair))
        wrong = ", ".join(f"{name} {verdict}" for name, verdict in verdicts if verdict)
        if frame.left is None or frame.right is None or wrong:
            return self._labeller.unknown(frame, wrong)
        matched = self._matcher.match(frame.left, frame.right)
        self.disparity_px = matched.disparity_px
        return self._labeller.label(frame, matched, down)

    def _heedless(self, label: DistanceLabel, down: Vector3) -> DistanceLabel:
        """Return the label with the distances that take silence for free way, where configured."""
        if self._answered is None or label.reasons is None:
            return label
        answered_m, sectors_m = self._answered.distances(label.inverse_depth, down)
        return replace(label, answered_m=answered_m, answered_sectors_m=sectors_m)

    def _estimate(
        self, frame: StereoFrame, check: FrameCheck, health: HealthState, down: Vector3
    ) -> tuple[MonoEstimate | None, FloatGrid]:
        """Return mono's estimate, and its cautious inverse depth."""
        if self._network is None:
            return None, self.meter.grid.unknown()
        left_sees = not check.left and health.left.sees
        right_sees = not check.right and health.right.sees
        eye = Eye.RIGHT if right_sees and not left_sees else Eye.LEFT
        image, verdict = (
            (frame.right, check.right) if eye is Eye.RIGHT else (frame.left, check.left)
        )
        if image is None or verdict:
            return self._message(frame, eye, None, down, "no eye")
        answer = self._network.estimate(image)
        if not answer.finite:
            return self._message(frame, eye, None, down, "the network's answer is not finite")
        return self._message(frame, eye, answer, down, "")

    def _message(
        self,
        frame: StereoFrame,
        eye: Eye,
        answer: MonoAnswer | None,
        down: Vector3,
        reason: str,
    ) -> tuple[MonoEstimate, FloatGrid]:
        assert self._network is not None
        inverse_depth = answer.inverse_depth if answer else self.meter.grid.unknown()
        near = answer.near_bound(self._caution) if answer else inverse_depth
        estimate = MonoEstimate(
            seq=frame.seq,
            stamp_ns=frame.stamp_ns,
            valid=answer is not None,
            reason=reason,
            version=self._network.version,
            eye=eye,
            inverse_depth=inverse_depth,
            log_variance=answer.log_variance if answer else inverse_depth,
            obstacle_m=answer.obstacle_m(self.meter, down) if answer else math.nan,
            sectors_m=self.meter.sectors_m(near, down),
            cautious_m=answer.obstacle_m(self.meter, down, self._caution) if answer else math.nan,
            unfamiliarity=answer.unfamiliarity if answer else math.nan,
        )
        return estimate, near

    def _now_s(self) -> float:
        return self._perf_s() if self._perf_s else 0.0

    def _note(self, stage: str, started_s: float) -> None:
        if self._perf_s:
            self.times.add(stage, self._perf_s() - started_s)
