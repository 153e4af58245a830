"""Learners sent through recorded flights by stereo, as tasks: plain figures, by learner.

    Task.configs[0] ─► stereo_flight ─► moments ─┐
    Task.configs[1:] ─► Student ◄────────────────┘ tested, then taught; copies are frozen
                          └─► copies ─► judged on moments that none was taught

The plan says what is asked: `compare` (copies at `at_s`, judged from the last of them on), `watch`
(the licence, where the world changes at `change_s`) or `visit` (a room, after rooms `before`).
Learners are told apart by `flight.name`. Unknown is None.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drone.clock import s_from_ns
from drone.config import Config, loads
from drone.onboard.perception import Perception
from training.course import (
    Frozen,
    Moment,
    Seen,
    Student,
    looks,
    scored,
    stereo_flight,
    stereo_m,
)
from training.experiments.design import Task
from training.store import Memory

AT_S, UNTIL_S = "at_s", "until_s"
"""In a plan: when copies are frozen, of which the last ends the lessons; when the flight ends."""
CHANGE_S = "change_s"
"""When the world changes, as the flight's configuration says."""
BEFORE, ROOM_S, VISITED = "before", "room_s", "visited_after"
"""Seeds of the rooms before; how long each is learned in; after how many of them is asked."""
WRONG_FROM_S = "wrong_from_s"
"""From then on, of ten labels three are another frame's."""
WRONG_SHARE = 0.3
RIGHT_EYE = "right_eye"
"""The last copy is judged by what the right eye sees, too."""
TIMED = "timed"
"""What learning and answering cost is asked too: the only figures that differ from run to run."""
BLIND = "mean of the past"
"""What answers the mean λ of all labels so far, and looks at no image."""
CAUGHT = np.linspace(0.0, 1.0, 41)
"""Shares of the near frames at which the ROC is given."""
Array = NDArray[np.float64]


def run(task: Task) -> dict[str, Any]:
    """Do a task."""
    asked = {name for name, _ in task.plan}
    if CHANGE_S in asked:
        return watch(task)
    return visit(task) if ROOM_S in asked else compare(task)


def planned(task: Task, name: str) -> list[float]:
    """Return all numbers of the plan that have this name, in order."""
    return [value for key, value in task.plan if key == name]


def compare(task: Task) -> dict[str, Any]:
    """Send each learner through one flight, and judge its copies on the same moments."""
    flight, *learners = _configs(task)
    at_s, wrong_from_s = planned(task, AT_S), planned(task, WRONG_FROM_S)
    moments = list(stereo_flight(flight, task.seed, task.planned(UNTIL_S)))
    lessons, test = split(moments, at_s[-1])
    if wrong_from_s:
        lessons = mislabelled(lessons, wrong_from_s[0], task.seed)
    found = past(lessons, at_s, test)
    for own in learners:
        student = Student(own, task.seed)
        found[own.flight.name] = course(student, own, lessons, at_s, test)
        if planned(task, TIMED):
            found[own.flight.name] |= cost(student, own, test)
        if planned(task, RIGHT_EYE):
            copy, other = student.course.frozen[-1], [_through_right_eye(m) for m in test]
            found[own.flight.name]["right_eye"] = judged(copy, other, own, student.perception)
    return found


def course(
    student: Student,
    config: Config,
    lessons: Sequence[Moment],
    at_s: Sequence[float],
    test: Sequence[Moment],
) -> dict[str, Any]:
    """Return what comes of one learner.

    Args:
        student: the learner, as it begins.
        config: of the learner.
        lessons: what it goes through.
        at_s: when copies are frozen.
        test: what they are judged on.
    """
    waiting = deque(at_s)
    for moment in lessons:
        while s_from_ns(moment.frame.stamp_ns) >= waiting[0]:
            student.freeze(waiting.popleft())
        student.take(moment)
    for left_s in waiting:
        student.freeze(left_s)
    done = student.course
    return {
        "time_to_trust_s": _known(done.time_to_trust_s),
        "labelled": sum(bool(m.label.valid) for m in lessons),
        "rejected": done.rejected,
        AT_S: {
            f"{copy.at_s:g}": judged(copy, test, config, student.perception) for copy in done.frozen
        },
    }


def judged(
    copy: Frozen, test: Sequence[Moment], config: Config, perception: Perception
) -> dict[str, Any]:
    """Return how a copy does on moments that it was not taught."""
    seen = looks(copy, test, config, perception)
    estimate_m = np.array([s.mean_m for s in seen])
    label_m, stop_m = np.array([stereo_m(m) for m in test]), config.pilot.switching.stop_m
    return {
        **scored(copy, estimate_m, test, config),
        **errors(lambdas(test), given(test, seen, perception)),
        "male_truth": log_error(estimate_m, np.array([m.truth_m for m in test])),
        "fpr_at_caught": roc(label_m, estimate_m, stop_m),
        "near": int((label_m < stop_m).sum()),
        "free": int((label_m >= stop_m).sum()),
    }


def cost(student: Student, config: Config, test: Sequence[Moment]) -> dict[str, Any]:
    """Return the processor time of learning per second of flight, and of an answer, ms."""
    started_s = time.process_time()
    looks(student.course.frozen[-1], test, config, student.perception)
    answers_s = time.process_time() - started_s
    return {
        "core_s_per_s": _known(student.course.learn_s / max(student.course.flown_s, 1e-9)),
        "answer_ms": _known(1e3 * answers_s / max(len(test), 1)),
    }


def split(moments: Sequence[Moment], at_s: float) -> tuple[list[Moment], list[Moment]]:
    """Return the moments before a time, and those from then on."""
    before = [m for m in moments if s_from_ns(m.frame.stamp_ns) < at_s]
    return before, list(moments[len(before) :])


def mislabelled(moments: Sequence[Moment], from_s: float, seed: int) -> list[Moment]:
    """Return moments of which, from a time on, some have an earlier one's label."""
    rng = np.random.default_rng([seed, 5])
    found: list[Moment] = []
    for moment in moments:
        wrong = rng.random() < WRONG_SHARE
        if wrong and found and s_from_ns(moment.frame.stamp_ns) >= from_s:
            other = moments[int(rng.integers(len(found)))].label
            own = moment.label
            other = replace(other, seq=own.seq, stamp_ns=own.stamp_ns)
            moment = moment._replace(label=other)
        found.append(moment)
    return found


def roc(label_m: Array, estimate_m: Array, stop_m: float) -> list[float] | None:
    """Return the share of free frames stopped at each share of `CAUGHT`, None without a class."""
    score = np.where(np.isnan(estimate_m), 0.0, estimate_m)
    near, free = np.sort(score[label_m < stop_m]), score[label_m >= stop_m]
    if not len(near) or not len(free):
        return None
    ranks = np.ceil(CAUGHT * len(near) - 1e-9).astype(int)
    return [round(float((free <= near[r - 1]).mean()), 4) if r else 0.0 for r in ranks]


def lambdas(moments: Sequence[Moment]) -> Array:
    """Return stereo's λ of each moment, px, NaN without a valid label."""
    return np.array([m.label.lambda_px if m.label.valid else math.nan for m in moments])


def given(moments: Sequence[Moment], seen: Sequence[Seen], perception: Perception) -> Array:
    """Return a copy's λ of each moment, px: the mean over the cells that stereo knows."""
    metres = perception.calibration.disparity_metres
    return np.array([_lambda(m, s, metres) for m, s in zip(moments, seen, strict=True)])


def _lambda(moment: Moment, seen: Seen, metres: float) -> float:
    known = np.isfinite(moment.label.inverse_depth)
    return metres * float(np.mean(seen.inverse_depth[known])) if known.any() else math.nan


def errors(wanted: Array, found: Array) -> dict[str, float | None]:
    """Return mean absolute error and correlation of λ."""
    known = np.isfinite(wanted) & np.isfinite(found)
    a, b = wanted[known], found[known]
    varied = len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0
    return {
        "lambda_mae_px": _known(float(np.abs(a - b).mean())) if len(a) else None,
        "lambda_correlation": _known(float(np.corrcoef(a, b)[0, 1])) if varied else None,
    }


def past(
    lessons: Sequence[Moment], at_s: Sequence[float], test: Sequence[Moment]
) -> dict[str, Any]:
    """Return the figures of the mean of the past, beside which learners stand."""
    return {BLIND: {AT_S: {f"{t:g}": blind(lessons, t, test) for t in at_s}}}


def blind(lessons: Sequence[Moment], at_s: float, test: Sequence[Moment]) -> dict[str, Any]:
    """Return the error of always answering the mean λ of the lessons until a time."""
    past = lambdas(split(lessons, at_s)[0])
    mean = float(np.nanmean(past)) if np.isfinite(past).any() else math.nan
    wanted = lambdas(test)
    return errors(wanted, np.full(len(wanted), mean))


def log_error(estimate_m: Array, reference_m: Array) -> float | None:
    """Return the mean absolute log error over what both know."""
    found = np.where(estimate_m > 0, estimate_m, np.nan) / reference_m
    known = np.isfinite(found) & (found > 0)
    return _known(float(np.abs(np.log(found[known])).mean())) if known.any() else None


def watch(task: Task) -> dict[str, Any]:
    """Watch each learner's licence through a flight in which the world changes."""
    flight, *learners = _configs(task)
    moments = list(stereo_flight(flight, task.seed, task.planned(UNTIL_S)))
    change_s = task.planned(CHANGE_S)
    return {own.flight.name: watched(own, task.seed, moments, change_s) for own in learners}


def watched(
    config: Config, seed: int, moments: Sequence[Moment], change_s: float
) -> dict[str, Any]:
    """Return when the licence was withdrawn and came back, and what was decided under it."""
    student, trace = Student(config, seed), []
    for moment in moments:
        licence = student.licence
        label_m, estimate_m = stereo_m(moment), student.take(moment)
        now_s = s_from_ns(moment.frame.stamp_ns)
        trace.append((now_s, bool(licence.held), licence.threshold_m, estimate_m, label_m))
    return licence_figures(trace, change_s, config.pilot.switching.stop_m)


Trace = tuple[float, bool, float, float, float]
"""Of one frame: s, licence held, its threshold, mono's distance, stereo's, m."""


def licence_figures(trace: Sequence[Trace], change_s: float, stop_m: float) -> dict[str, Any]:
    """Return the figures of a licence around a change."""
    before = [row for row in trace if row[0] < change_s]
    after = trace[len(before) :]
    lost_s = next((row[0] for row in after if not row[1]), math.nan)
    back_s = next((row[0] for row in after if row[0] > lost_s and row[1]), math.nan)
    held_before = [row for row in before if row[1]]
    lost_before = sum(a[1] and not b[1] for a, b in pairwise(before))
    return {
        "held_before": bool(before and before[-1][1]),
        "held_before_n": len(held_before),
        "withdrawn_before": lost_before,
        "withdrawn_after_s": _known(lost_s - change_s),
        "regained_after_s": _known(back_s - change_s),
        "held": _by_second(trace, change_s),
        "before": decisions(held_before, stop_m),
        "after": decisions([row for row in after if row[1]], stop_m),
    }


def decisions(rows: Sequence[Trace], stop_m: float) -> dict[str, int]:
    """Return the confusion of what mono decides, and of what stereo would."""
    stops = [bool(not row[3] >= row[2]) for row in rows]
    near = [bool(row[4] < stop_m) for row in rows]
    free = [bool(row[4] >= stop_m) for row in rows]
    return {
        "caught": sum(s and n for s, n in zip(stops, near, strict=True)),
        "missed": sum(n and not s for s, n in zip(stops, near, strict=True)),
        "needless": sum(s and f for s, f in zip(stops, free, strict=True)),
        "passed": sum(f and not s for s, f in zip(stops, free, strict=True)),
    }


def _by_second(trace: Sequence[Trace], change_s: float) -> dict[str, float]:
    """Return the share of each second's frames with a licence, by second from the change on."""
    seconds: dict[int, list[bool]] = {}
    for row in trace:
        seconds.setdefault(math.floor(row[0] - change_s), []).append(row[1])
    return {str(s): round(sum(held) / len(held), 2) for s, held in sorted(seconds.items())}


def visit(task: Task) -> dict[str, Any]:
    """Learn in rooms with one memory; ask, between them, how a new room goes, and the first."""
    config = _configs(task)[0]
    at_s, until_s = planned(task, AT_S), task.planned(UNTIL_S)
    room_s, before = task.planned(ROOM_S), [int(seed) for seed in planned(task, BEFORE)]
    lessons, test = split(list(stereo_flight(config, task.seed, until_s)), at_s[-1])
    first_s = room_s + until_s - at_s[-1]
    first, first_test = split(list(stereo_flight(config, before[0], first_s)), room_s)
    memory: Memory | None = None
    visits, again = {}, {}
    for done in range(len(before) + 1):
        if done in planned(task, VISITED):
            student = Student(config, task.seed, memory)
            visits[str(done)] = course(student, config, lessons, at_s, test)
        if done < len(before):
            student = Student(config, before[done], memory)
            for moment in stereo_flight(config, before[done], room_s) if done else first:
                student.take(moment)
            memory = student.remembered()
            copy = student.freeze(room_s)
            again[str(done + 1)] = judged(copy, first_test, config, student.perception)
    return {"visits": visits, "first_room": again}


def _configs(task: Task) -> list[Config]:
    return [loads(text, f"{task.experiment}, seed {task.seed}") for text in task.configs]


def _through_right_eye(moment: Moment) -> Moment:
    return moment._replace(frame=replace(moment.frame, left=moment.frame.right))


def _known(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
