"""The gate: may a candidate fly? Nothing that a learner publishes goes around it.

candidate ─► loads? ─► finite on all held-out frames? ─► equals its learner? ─► not clearly
worse than the flying version on the same held-out frames? ─► it flies, and is the one to beat
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from drone.errors import UserError
from drone.geometry import DistanceMeter
from drone.messages import FloatGrid, Image, ModelVersion
from drone.onboard.mono import MonoNetwork, MonoSpec
from training.buffer import HoldOut

EXPORT_TOLERANCE = 1e-4
"""Largest difference between ONNX Runtime's and the learner's own outputs."""
GATE_RATIO, GATE_MARGIN = 1.15, 0.02
"""A candidate may have at most this held-out error: ratio times the flying one's plus margin."""

Answer = Callable[[Image], tuple[FloatGrid, FloatGrid]]
"""The learner's own inverse depth and log variance for an image of the network's input size."""


class Score(NamedTuple):
    """A version's obstacle distance for a held-out frame, m, NaN where unknown.

    Attributes:
        obstacle_m: as it thinks.
        cautious_m: as it flies.
    """

    obstacle_m: float
    cautious_m: float


class Verdict(NamedTuple):
    """What the gate says of a candidate.

    Attributes:
        refused: why it may not fly; empty if it may.
        scores: of the held-out frames, by their number.
        male: mean absolute log error of the obstacle distance on them, NaN without any.
    """

    refused: str
    scores: Mapping[int, Score]
    male: float


class Gate:
    """Compares candidates with the flying version on frames that no version learns from."""

    def __init__(
        self, spec: MonoSpec, meter: DistanceMeter, caution: float, holdout: HoldOut
    ) -> None:
        """Begin with nothing flying.

        Args:
            spec: what versions are made for.
            meter: measures the held-out frames' obstacle distance.
            caution: of the distances that go to trust (`MonoAnswer.near_bound`).
            holdout: the frames; it goes on being filled.
        """
        self._spec = spec
        self._meter = meter
        self._caution = caution
        self._holdout = holdout
        self._network: MonoNetwork | None = None
        self.flying: dict[int, Score] = {}
        """The flying version's scores."""

    def judge(self, model: ModelVersion, answer: Answer) -> Verdict:
        """Return the verdict on a candidate; one that passes is the flying version from now on.

        Both versions are compared on all held-out frames of today: the flying one is scored on
        those that came since it was published, or it would live on the frames that once suited it.

        Args:
            model: the candidate.
            answer: what its learner says itself; the file must say the same.
        """
        try:
            network = MonoNetwork(model, self._spec)
        except UserError as error:
            return Verdict(str(error), {}, math.nan)
        scores = self._scores(network, {})
        if len(scores) < len(self._holdout):
            return Verdict("not finite on a held-out frame", {}, math.nan)
        if not self._equal(network, answer):
            return Verdict("ONNX differs from the learner", {}, math.nan)
        if self._network is not None:
            self.flying = self._scores(self._network, self.flying)
        candidate, flying = self._male(scores, self.flying), self._male(self.flying, scores)
        if candidate > GATE_RATIO * flying + GATE_MARGIN:
            return Verdict(f"held-out error {candidate:.3f}, flying {flying:.3f}", {}, math.nan)
        self.flying, self._network = scores, network
        return Verdict("", scores, self._male(scores))

    def _scores(self, network: MonoNetwork, known: Mapping[int, Score]) -> dict[int, Score]:
        """Return a version's score for each held-out frame; none where its answer is not finite."""
        scores: dict[int, Score] = {}
        for frame in self._holdout.frames:
            if frame.seq in known:
                scores[frame.seq] = known[frame.seq]
                continue
            answer = network.estimate(frame.image)
            if answer.finite:
                scores[frame.seq] = Score(
                    *(answer.obstacle_m(self._meter, frame.down, c) for c in (0.0, self._caution))
                )
        return scores

    def _equal(self, network: MonoNetwork, answer: Answer) -> bool:
        image = self._holdout.frames[-1].image if len(self._holdout) else self._gray()
        found = network.estimate(image)
        pairs = zip((found.inverse_depth, found.log_variance), answer(image), strict=True)
        return bool(max(np.abs(f - e).max() for f, e in pairs) <= EXPORT_TOLERANCE)

    def _gray(self) -> Image:
        return np.full((self._spec.height_px, self._spec.width_px), 128, np.uint8)

    def _male(self, scores: Mapping[int, Score], among: Mapping[int, Score] | None = None) -> float:
        """Return the mean absolute log error on the held-out frames scored, NaN without any."""
        errors = [
            abs(math.log(scores[f.seq].obstacle_m / f.obstacle_m))
            for f in self._holdout.frames
            if f.seq in scores
            and (among is None or f.seq in among)
            and math.isfinite(f.obstacle_m)
            and math.isfinite(scores[f.seq].obstacle_m)
        ]
        return sum(errors) / len(errors) if errors else math.nan
