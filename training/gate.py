"""The gate: may a candidate fly? Nothing that a learner publishes goes around it.

candidate ─► loads? ─► finite on all held-out frames? ─► equals its learner? ─► not clearly
worse than the better of the flying version and the best before it? ─► it flies
   └─ no ─► is the flying version now clearly worse than the best before it?
                └─ yes ─► that one flies again

All are compared on the held-out frames of today, in the mean and in the median frame, and in the
mean of the frames by which the version to beat once passed: what gets better on frames with wrong
labels, and worse on the others, does not pass. The best version before the flying one is kept, so
that many steps down, each within the margin, do not add up to a bad model.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drone.clock import ns_from_s
from drone.errors import UserError
from drone.geometry import DistanceMeter
from drone.messages import Image, ModelVersion
from drone.onboard import trust
from drone.onboard.mono import MonoAnswer, MonoNetwork, MonoSpec
from training.buffer import GUARD_S, HoldOut

EXPORT_TOLERANCE = 1e-4
"""Largest difference between ONNX Runtime's and the learner's own outputs."""
GATE_RATIO, GATE_MARGIN = 1.05, 0.005
"""A candidate may have at most this held-out error: ratio times the one's to beat plus margin."""
MIN_REVIEW_FRAMES = 20
"""Held-out frames with a known distance that it takes to roll back a flying version, or to refuse
one for its error in the median frame."""
MIN_PROVEN_BLOCKS = 3
"""Held-out blocks that it takes to refuse one for its error on the frames by which another passed:
the frames of a block are almost one observation, and who passed by one may suit it by chance."""
MIN_NORMAL_FRAMES = 20
"""Held-out frames that it takes to say what is a normal uncertainty."""

Answer = Callable[[Image], MonoAnswer]
"""The learner's own answer to an image of the network's input size."""


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
        scores: of the held-out frames, by their number; the earlier version's if it flies again.
        male: mean absolute log error of the obstacle distance on them, NaN without any.
        again: the earlier version that flies again, since the flying one turned out worse.
    """

    refused: str
    scores: Mapping[int, Score]
    male: float
    again: ModelVersion | None = None


class _Accepted(NamedTuple):
    """A version that has passed.

    Attributes:
        scores: of the held-out frames of today.
        proven: the held-out frames by which it passed.
    """

    model: ModelVersion
    network: MonoNetwork
    scores: dict[int, Score]
    proven: frozenset[int] = frozenset()


class Gate:
    """Compares candidates with the flying version on frames that no version learns from."""

    def __init__(
        self,
        spec: MonoSpec,
        meter: DistanceMeter,
        caution: float,
        holdout: HoldOut,
        compares: bool = True,
    ) -> None:
        """Begin with nothing flying.

        Args:
            spec: what versions are made for.
            meter: measures the held-out frames' obstacle distance.
            caution: of the distances that go to trust (`MonoAnswer.near_bound`).
            holdout: the frames; it goes on being filled.
            compares: candidates with what flies; else all that load fly, for comparison.
        """
        self._spec = spec
        self._meter = meter
        self._caution = caution
        self._holdout = holdout
        self._compares = compares
        self._flying: _Accepted | None = None
        self._best: _Accepted | None = None
        """The best of those before the flying one."""

    @property
    def flying(self) -> Mapping[int, Score]:
        """The flying version's scores."""
        return self._flying.scores if self._flying else {}

    @property
    def accepted(self) -> tuple[ModelVersion | None, ModelVersion | None]:
        """The flying version, and the best before it."""
        flying, best = self._flying, self._best
        return (flying.model if flying else None, best.model if best else None)

    def today(self) -> Mapping[int, Score]:
        """Return the flying version's scores of all held-out frames of today."""
        self._flying = self._today(self._flying)
        return self.flying

    def adopt(self, flying: ModelVersion, best: ModelVersion | None) -> None:
        """Let versions of an earlier flight be those to beat.

        Raises:
            UserError: one is damaged, or made for something else.
        """
        self._flying = _Accepted(flying, MonoNetwork(flying, self._spec), {})
        self._best = _Accepted(best, MonoNetwork(best, self._spec), {}) if best else None

    def judge(self, model: ModelVersion, answer: Answer) -> Verdict:
        """Return the verdict on a candidate; one that passes is the flying version from now on.

        All versions are compared on all held-out frames of today: the accepted ones are scored on
        those that came since they were published, or they would live on the frames that once
        suited them.

        Args:
            model: the candidate.
            answer: what its learner says itself; the file must say the same.
        """
        self._flying, self._best = self._today(self._flying), self._today(self._best)
        candidate = self._loaded(model, answer)
        if isinstance(candidate, str):
            return self._refused(candidate)
        for other in (self._flying, self._best):
            if other is not None and self._clearly_worse(candidate, other):
                errors = self._errors(candidate, other)
                return self._refused(
                    f"held-out error {errors[0]:.3f}, version {other.model.seq}'s {errors[1]:.3f}; "
                    f"in the median frame {self._apart(candidate, other):+.3f}"
                )
        self._flying, self._best = candidate, self._to_beat()
        return Verdict("", candidate.scores, self._male(candidate.scores))

    def _refused(self, why: str) -> Verdict:
        """Return the verdict on what may not fly; perhaps an earlier version flies again."""
        flying, best = self._flying, self._best
        if flying is None or best is None or not self._rolls_back(flying, best):
            return Verdict(why, {}, math.nan)
        now, before = self._errors(flying, best)
        why = (
            f"version {flying.model.seq} turned out worse (held-out error {now:.3f}, version "
            f"{best.model.seq}'s {before:.3f}): rolled back to version {best.model.seq}; "
            f"the candidate: {why}"
        )
        self._flying = best
        return Verdict(why, best.scores, self._male(best.scores), best.model)

    def _rolls_back(self, flying: _Accepted, best: _Accepted) -> bool:
        if flying is best:
            return False
        common = flying.scores.keys() & best.scores.keys()
        known = sum(f.seq in common and math.isfinite(f.obstacle_m) for f in self._holdout.frames)
        return known >= MIN_REVIEW_FRAMES and self._clearly_worse(flying, best)

    def _loaded(self, model: ModelVersion, answer: Answer) -> _Accepted | str:
        """Return the candidate with its scores, or why it cannot be compared at all."""
        try:
            network = MonoNetwork(model, self._spec)
        except UserError as error:
            return str(error)
        scores = self._scores(network, {})
        if len(scores) < len(self._holdout):
            return "not finite on a held-out frame"
        if not self._equal(network, answer):
            return "ONNX differs from the learner"
        return _Accepted(model, network, scores, frozenset(scores))

    def _today(self, version: _Accepted | None) -> _Accepted | None:
        if version is None:
            return None
        return version._replace(scores=self._scores(version.network, version.scores))

    def _to_beat(self) -> _Accepted | None:
        """Return the better of the flying version and the best before it; the older if alike."""
        if self._flying is None or self._best is None:
            return self._flying
        flying, best = self._errors(self._flying, self._best)
        better = flying < best and self._apart(self._flying, self._best) <= 0
        return self._flying if better else self._best

    def _clearly_worse(self, version: _Accepted, other: _Accepted) -> bool:
        """Return whether a version is clearly worse than another, in any of three ways.

        In the mean of all frames; once there are enough, in the median frame; and in the mean of
        those by which the other passed, since what came later may be wrong.
        """
        if not self._compares:
            return False
        error, to_beat = self._errors(version, other)
        allowed = (GATE_RATIO - 1) * to_beat + GATE_MARGIN
        if error - to_beat > allowed:
            return True
        known = self._by_frame(other.scores).keys()
        if len(known) >= MIN_REVIEW_FRAMES and self._apart(version, other) > allowed:
            return True
        if self._blocks(other.proven & known) < MIN_PROVEN_BLOCKS:
            return False
        before, then = (self._male(v.scores, other.proven) for v in (version, other))
        return before - then > (GATE_RATIO - 1) * then + GATE_MARGIN

    def _blocks(self, seqs: Container[int]) -> int:
        """Return how many blocks of the held-out frames these are of."""
        stamps = [f.stamp_ns for f in self._holdout.frames if f.seq in seqs]
        apart = (later - sooner > ns_from_s(GUARD_S) for sooner, later in pairwise(stamps))
        return bool(stamps) + sum(apart)

    def _apart(self, one: _Accepted, other: _Accepted) -> float:
        """Return by how much one's error is greater in the median frame; 0 without any frame."""
        errors, others = (self._by_frame(v.scores) for v in (one, other))
        apart = [errors[seq] - others[seq] for seq in errors.keys() & others.keys()]
        return statistics.median(apart) if apart else 0.0

    def _errors(self, one: _Accepted, other: _Accepted) -> tuple[float, float]:
        """Return both errors, on the frames that both have scored."""
        return self._male(one.scores, other.scores), self._male(other.scores, one.scores)

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
        found, wanted = _numbers(network.estimate(image)), _numbers(answer(image))
        return len(found) == len(wanted) and bool(np.abs(found - wanted).max() <= EXPORT_TOLERANCE)

    def _gray(self) -> Image:
        return np.full((self._spec.height_px, self._spec.width_px), 128, np.uint8)

    def _male(self, scores: Mapping[int, Score], among: Container[int] | None = None) -> float:
        """Return the mean absolute log error on the held-out frames scored, NaN without any."""
        errors = [e for seq, e in self._by_frame(scores).items() if among is None or seq in among]
        return sum(errors) / len(errors) if errors else math.nan

    def _by_frame(self, scores: Mapping[int, Score]) -> dict[int, float]:
        """Return the absolute log error on each held-out frame that is scored and has a label."""
        return {
            f.seq: abs(math.log(scores[f.seq].obstacle_m / f.obstacle_m))
            for f in self._holdout.frames
            if f.seq in scores
            and math.isfinite(f.obstacle_m)
            and math.isfinite(scores[f.seq].obstacle_m)
        }


def with_scores(model: ModelVersion, scores: Mapping[int, Score]) -> ModelVersion:
    """Return a version that says what trust asks of it: how it does on the held-out frames."""
    shares = np.array([trust.uncertainty(*score) for score in scores.values()])
    shares = shares[np.isfinite(shares)]
    enough = len(shares) >= MIN_NORMAL_FRAMES
    return replace(
        model,
        holdout_seq=tuple(scores),
        holdout_obstacle_m=tuple(score.cautious_m for score in scores.values()),
        normal_uncertainty=float(np.quantile(shares, 0.99)) if enough else math.nan,
    )


def _numbers(answer: MonoAnswer) -> NDArray[np.float64]:
    """Return all that an answer says of distance, in one row."""
    grids = (answer.inverse_depth.ravel(), answer.log_variance.ravel())
    return np.concatenate([*grids, answer.obstacle or ()]).astype(np.float64)
