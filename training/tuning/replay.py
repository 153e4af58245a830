"""What a setting would have done on a logged flight: licence, thresholds, stops, and their cost.

    Curves ─► figures good enough? ─► hysteresis, freezing, familiarity ─► licence, tick by tick
    licence, threshold, mono, label ─► each straight stretch under mono: how would it have ended?

Whole columns at once, yet to the tick what `drone.onboard.trust` does; a test compares the two on
logged flights, and so does `drone tune` on every log it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drone.clock import NS_PER_S, ns_from_s
from drone.config import PilotConfig, TrustConfig
from drone.onboard.trust import OVERRIDE_GAP_S
from training.tuning.curves import Curves, Remembering, curves
from training.tuning.recorded import Recorded

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Counts(NamedTuple):
    """What a setting came to on one flight.

    Attributes:
        missed: straight stretches under mono in which it flew on though stereo saw an obstacle
            nearer than the stop distance.
        needless_stops: that it ended where stereo saw the way free.
        overrides: that stereo ended, since mono would have flown on although it was imminent.
        at_risk_m: metres flown straight on under mono until then.
        trust_s: until the licence was first held; of a flight in which it never was, all of it.
        trusted: the licence was held at some time.
    """

    missed: float
    needless_stops: float
    overrides: float
    at_risk_m: float
    trust_s: float
    trusted: float


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Straight stretches under mono, one entry each, and how each ended or would have.

    Attributes:
        first: tick of the beginning.
        last: tick of the end: what ended it, or the last that the log knows of it.
        flown_m: how long it was.
        missed: mono flew on though an obstacle was nearer than the stop distance.
        needless: mono ended it where the way was free.
        override: stereo ended it.
    """

    first: Ints
    last: Ints
    flown_m: Floats
    missed: Flags
    needless: Flags
    override: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A flight under a setting, one entry per tick.

    Attributes:
        held: mono's licence.
        threshold_m: what mono stops below, NaN without.
        fpr: free frames stopped needlessly at the operating point, NaN where unknown.
        mono_m: mono's averaged distance, NaN where unknown.
    """

    held: Flags
    threshold_m: Floats
    fpr: Floats
    mono_m: Floats


class Figures(NamedTuple):
    """What the window's figures say of a licence, per tick: for it, against it, else nothing."""

    good: Flags
    against: Flags


class Flight:
    """One flight, and its curves for every way of remembering that was asked for."""

    def __init__(self, recorded: Recorded, shares: tuple[float, ...]) -> None:
        """Keep a flight.

        Args:
            recorded: as logged.
            shares: values of `pilot.trust.min_tpr` that can be asked for.
        """
        self.recorded = recorded
        self._shares = shares
        self._curves: dict[Remembering, Curves] = {}
        ticks = recorded.ticks
        self._t_ns: Ints = ticks["t_ns"]
        self._stereo_ok: Flags = ticks["stereo_ok"]
        self._ready: Flags = ticks["flying"] & ticks["stereo_ok"]
        self._goes_straight_on: Flags = np.append(ticks["cruising"][1:], False)
        self._way_m: Floats = np.cumsum(ticks["flown_m"])

    def counts(self, pilot: PilotConfig) -> Counts:
        """Return what a setting comes to."""
        course = self.course(pilot)
        flown = self.stretches(course, pilot)
        held = np.flatnonzero(course.held)
        last = held[0] if len(held) else len(self._t_ns) - 1
        return Counts(
            missed=float(np.count_nonzero(flown.missed)),
            needless_stops=float(np.count_nonzero(flown.needless)),
            overrides=float(np.count_nonzero(flown.override)),
            at_risk_m=float(flown.flown_m.sum()),
            trust_s=float(self._t_ns[last] - self._t_ns[0]) / NS_PER_S,
            trusted=float(len(held) > 0),
        )

    def course(self, pilot: PilotConfig) -> Course:
        """Return licence and threshold under a setting, tick by tick."""
        seen, share = self._seen(pilot)
        row = np.searchsorted(seen.tick, np.arange(len(self._t_ns)), side="right") - 1
        operating_m = _at(seen.operating_m[:, share], row)
        figures = self._figures(seen, share, row, pilot.trust)
        newest = np.maximum.accumulate(np.where(figures.good, np.arange(len(row)), -1))
        threshold_m = operating_m / pilot.trust.safety
        standing_m = np.fmax(_at(threshold_m, newest), operating_m)
        mono_m = _at(seen.mono_m, self.recorded.ticks["latest"])
        fpr = _at(seen.fpr[:, share], row)
        banned = np.zeros(len(row), np.bool_)
        while True:
            track = Licence(self._t_ns, self.recorded.begun_ns, pilot.trust)
            earned, stands = licensed(track, figures, self._stereo_ok, banned)
            held = self._normal(earned, pilot.trust)
            flown_m = np.where(stands, standing_m, threshold_m)
            course = Course(held, flown_m, fpr, mono_m)
            overriding = self._overriding(course, pilot)
            more = too_many(self._t_ns, overriding, banned, pilot.trust)
            if not more.any():
                return course
            banned |= more

    def _under_mono(self, course: Course, pilot: PilotConfig) -> Flags:
        """Return when mono has the say, and stereo guards."""
        mono = course.held & self.recorded.ticks["mono_fresh"]
        return self._ready & self._lasting(mono, pilot.switching.back_s)

    def _overriding(self, course: Course, pilot: PilotConfig) -> Flags:
        """Return when stereo stops a drone that mono would have let fly on."""
        imminent = self.recorded.ticks["label_m"] < self.recorded.ticks["imminent_m"]
        goes_on = course.mono_m >= course.threshold_m
        return imminent & goes_on & self._under_mono(course, pilot)

    def stretches(self, course: Course, pilot: PilotConfig) -> Stretches:
        """Return how each straight stretch under mono ended, or would have.

        The log knows a stretch only until the logged flight left it. Where the drone was stopped
        there although this setting would have flown on, mono's error is taken to stay the share of
        the distance that it was: such a stretch ends where mono's distance meets the threshold.
        """
        rules, ticks = pilot.switching, self.recorded.ticks
        label_m, mono_m, threshold_m = ticks["label_m"], course.mono_m, course.threshold_m
        risk: Flags = self._under_mono(course, pilot) & ticks["cruising"]
        goes_on, stops = mono_m >= threshold_m, mono_m < threshold_m
        imminent = goes_on & (label_m < ticks["imminent_m"])
        unseen = ~goes_on & ~stops & ~(label_m >= rules.stop_m)
        first, last, ended = _runs(risk, stops | imminent | unseen | ticks["guarded"])
        near: Flags = goes_on & (label_m < rules.stop_m)
        so_far = np.cumsum(near)
        missed = so_far[last] - so_far[first] + near[first]
        flown_m = self._way_m[last] - self._way_m[first]
        open_ = ~ended & goes_on[last] & ticks["blocked"][last] & ~self._goes_straight_on[last]
        meets_m = np.where(open_, label_m[last] * threshold_m[last] / mono_m[last], np.nan)
        free_m = pilot.go_m
        imminent_m = ticks["imminent_m"][last]
        further_m = label_m[last] - np.maximum(meets_m, imminent_m)
        return Stretches(
            first=first,
            last=last,
            flown_m=flown_m + np.where(further_m > 0, further_m, 0.0),
            missed=(missed > 0) | (meets_m < rules.stop_m),
            needless=(ended & stops[last] & (label_m[last] >= free_m)) | (meets_m >= free_m),
            override=(ended & imminent[last]) | (meets_m < imminent_m),
        )

    def _seen(self, pilot: PilotConfig) -> tuple[Curves, int]:
        trust = pilot.trust
        how = Remembering(
            trust.window_s, trust.holdout_window_s, trust.min_positives, pilot.mono.average_s
        )
        if how not in self._curves:
            self._curves[how] = curves(self.recorded, how, self._shares)
        return self._curves[how], self._shares.index(trust.min_tpr)

    def _figures(self, seen: Curves, share: int, row: Ints, trust: TrustConfig) -> Figures:
        """Return what the figures say of a licence, per tick."""
        if not len(seen.tick):
            nothing = np.zeros(len(row), np.bool_)
            return Figures(nothing, nothing)
        enough = (
            (seen.positives >= trust.min_positives)
            & (seen.negatives >= trust.min_negatives)
            & (seen.episodes >= trust.min_episodes)
            & (seen.tpr_low[:, share] >= trust.min_tpr_low)
        )
        fine = seen.fpr[:, share] <= trust.max_fpr
        recent = self._t_ns - seen.newest_ns[row] <= ns_from_s(trust.unlabelled_s)
        said = (row >= 0) & enough[row] & recent
        return Figures(said & fine[row], said & ~fine[row])

    def _normal(self, held: Flags, trust: TrustConfig) -> Flags:
        """Return the licence less where mono is out of its depth, or was a moment ago."""
        ticks = self.recorded.ticks
        strange = ticks["unfamiliarity"] > trust.max_unfamiliarity
        strange |= ticks["uncertainty"] > trust.max_uncertainty
        return held & self._lasting(~strange, trust.familiar_again_s)

    def _lasting(self, there: Flags, lasts_s: float) -> Flags:
        """Return what is there, and has been for so long since it last was not."""
        never = np.iinfo(np.int64).min // 2
        missing_ns = np.maximum.accumulate(np.where(there, never, self._t_ns))
        return there & (self._t_ns - missing_ns >= ns_from_s(lasts_s))


def licensed(
    track: Licence, figures: Figures, stereo_ok: Flags, banned: Flags
) -> tuple[Flags, Flags]:
    """Return the licence per tick, whatever the images are like, and where old figures bear it.

    Args:
        track: the licence, before the first tick.
        figures: what they say.
        stereo_ok: both eyes are believed.
        banned: too many overrides forbid it.
    """
    facts = np.stack([figures.good, figures.against, stereo_ok, banned])
    edges = np.flatnonzero((facts[:, 1:] != facts[:, :-1]).any(axis=0)) + 1
    for begin, end in zip([0, *edges], [*edges, len(banned)], strict=True):
        if begin < end:
            good, against, eyes, ban = facts[:, begin].tolist()
            track.go_on(int(begin), int(end), good, against, eyes, ban)
    return track.held, track.stands


class Licence:
    """The licence over time, through stretches in which nothing changes."""

    def __init__(self, t_ns: Ints, begun_ns: int, trust: TrustConfig) -> None:
        """Begin without a licence.

        Args:
            t_ns: of the ticks.
            begun_ns: since when figures and licence can differ.
            trust: hysteresis, and how long a licence goes on without figures.
        """
        self._t_ns, self._trust = t_ns, trust
        self.held, self.stands = (np.zeros(len(t_ns), np.bool_) for _ in range(2))
        self._earned = False
        self._changed_ns, self._frozen_ns, self._good_ns = begun_ns, -1, 0

    def go_on(
        self, begin: int, end: int, good: bool, against: bool, eyes: bool, banned: bool
    ) -> None:
        """Go through ticks in which figures and eyes stay as they are."""
        if banned or eyes:
            self._frozen_ns = -1
        if banned:
            self._earned, self._changed_ns = False, int(self._t_ns[end - 1])
        elif not eyes:
            if self._frozen_ns < 0:
                self._frozen_ns = int(self._t_ns[begin])
            self._stand(begin, end, self._frozen_ns, self._trust.max_frozen_s)
        elif self._earned and not good and not against:
            self._stand(begin, end, self._good_ns, self._trust.max_unlabelled_s)
        else:
            self._agree(begin, end, good)
        if good:
            self._good_ns = int(self._t_ns[end - 1])

    def _stand(self, begin: int, end: int, since_ns: int, longest_s: float) -> None:
        """Let a licence go on as it was, until it is too old."""
        limit_ns = since_ns + ns_from_s(longest_s)
        over = begin + int(np.searchsorted(self._t_ns[begin:end], limit_ns, side="right"))
        self.held[begin:over] = self.stands[begin:over] = self._earned
        self._earned = self._earned and over == end
        self._changed_ns = int(self._t_ns[end - 1])

    def _agree(self, begin: int, end: int, wanted: bool) -> None:
        """Let the licence become what the figures say, once they have said so for long enough."""
        turn = end
        if wanted != self._earned:
            lasted_s = (self._t_ns[begin:end] - self._changed_ns) / NS_PER_S
            waits_s = self._trust.earn_s if wanted else self._trust.lose_s
            turn = begin + int(np.searchsorted(lasted_s, waits_s))
        self.held[begin:turn] = self._earned
        self.held[turn:end] = wanted
        if turn < end:
            self._earned = wanted
        if wanted == self._earned:
            self._changed_ns = int(self._t_ns[end - 1])


def too_many(t_ns: Ints, overriding: Flags, banned: Flags, trust: TrustConfig) -> Flags:
    """Return the ticks of the first time, not yet banned, after too many overrides.

    Args:
        t_ns: of the ticks.
        overriding: stereo overrides mono.
        banned: what follows from earlier overrides.
        trust: how many are too many.
    """
    at_ns = t_ns[overriding]
    before_ns = np.concatenate([at_ns[:1] - ns_from_s(OVERRIDE_GAP_S), at_ns[:-1]])
    began_ns = at_ns[at_ns - before_ns >= ns_from_s(OVERRIDE_GAP_S)]
    lasts_ns = ns_from_s(trust.overrides_s)
    for oldest_ns, newest_ns in zip(began_ns, began_ns[trust.max_overrides :], strict=False):
        new: Flags = (t_ns > newest_ns) & (t_ns < oldest_ns + lasts_ns) & ~banned
        if new.any():
            return new
    return np.zeros(len(t_ns), np.bool_)


def _at(values: Floats, row: Ints) -> Floats:
    """Return values by row, NaN where there is no row yet."""
    if not len(values):
        return np.full(len(row), np.nan)
    return np.where(row >= 0, values[row], np.nan)


def _runs(risk: Flags, over: Flags) -> tuple[Ints, Ints, Flags]:
    """Return of each run its first tick, the tick that ends it or else its last, and which."""
    before, after = np.concatenate([[False], risk[:-1]]), np.concatenate([risk[1:], [False]])
    first, last = np.flatnonzero(risk & ~before), np.flatnonzero(risk & ~after)
    if not len(first):
        return first, last, np.zeros(0, np.bool_)
    index = np.where(risk & over, np.arange(len(risk)), len(risk))
    end = np.minimum.reduceat(index, first)
    ended = end <= last
    return first, np.where(ended, end, last), ended
