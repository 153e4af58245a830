import base64
import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from reportlog import STEP_S, Script, a_run, decision_at, header_of, write_tick

from drone import topics
from drone.clock import SIM_EPOCH_NS, ns_from_s
from drone.config import Config, loads
from drone.flightlog import FORMAT_VERSION, FlightLog, FlightLogWriter, LogHeader
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import (
    Eye,
    HealthEvent,
    LearnerReport,
    Mode,
    ModelVersion,
    StereoFrame,
    Tick,
    VelocityCommand,
)
from drone.report import charts, eyes, fan, latency, story, svg, track, write_report
from drone.report.comparison import Side, cautions
from drone.report.flight import Flight, Mark, put_there
from drone.report.moments import choose, choose_overrides, fetch
from drone.report.particulars import changed_settings
from drone.report.pictures import colours
from drone.report.reading import read_flight
from drone.report.roc import roc_curves, roc_stretches


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run(tmp_path_factory.mktemp("report"), Script())


@pytest.fixture(scope="module")
def flight(run: Path) -> Flight:
    return read_flight(FlightLog(run / "flight.mcap"))


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def test_columns_hold_what_was_logged(flight: Flight) -> None:
    assert len(flight.ticks) == len(flight.frames) == 201
    row = flight.frames[100]
    told = (row["t_s"], row["label_m"], row["raw_m"], row["flown_m"], row["true_m"])
    assert told == pytest.approx((10.0, 3.0, 3.3, 3.0, 3.0))
    assert math.isnan(flight.frames["label_m"][150])
    assert [round(span.start_s, 3) for span in flight.overrides] == [9.0]
    assert flight.in_mode(Mode.MONO)[0].end_s == pytest.approx(20.0)


def test_candidates_that_were_refused_are_no_versions(tmp_path: Path) -> None:
    refused, again = "worse than the version that flies", "two in a row were worse"
    candidates = ((1, "", 0), (1, refused, 0), (2, again, 1), (2, refused, 1), (3, "", 1))
    path = tmp_path / "flight.mcap"
    with FlightLogWriter(path, header_of(Script(), 0)) as log:
        for k, (version, reason, rolled_back) in enumerate(candidates):
            write_tick(log, k, Script())
            now_ns = ns_from_s(k * STEP_S)
            said = LearnerReport(k, now_ns, True, 30, 20, 5, -1.5, 0.2, version, reason, 0)
            log.write(topics.LEARNER, replace(said, rolled_back=rolled_back))
    flight = read_flight(FlightLog(path))
    assert (flight.figures["model_versions"], len(flight.learning)) == (3, 5)


def test_a_log_whose_beginning_is_not_here_says_so(tmp_path: Path) -> None:
    """A later file of a rotated log, or a part cut out: a model flies in it from the start."""
    path = tmp_path / "part.mcap"
    model = ModelVersion(4, ns_from_s(1.0), True, b"onnx", "abcdef0123456789")
    with FlightLogWriter(path, header_of(Script(), 0)) as log:
        log.write(topics.FLYING, model)
        for k in range(30, 60):
            write_tick(log, k, Script())
        log.write(topics.FLYING, model)
        write_tick(log, 60, Script())
    flight = read_flight(FlightLog(path))
    assert [(swap.t_s, swap.version) for swap in flight.swaps] == [(0.0, 4)]
    told = " ".join(story.warnings(flight))
    assert "begins at tick 30: what came before is not in it" in told
    assert "No network ever flew" not in " ".join(story.sentences(flight))
    assert "<title>Flight part</title>" in write_report(path).read_text(encoding="utf-8")


def test_a_gap_is_told_also_where_the_file_is_sound(flight: Flight) -> None:
    gap = Mark(4.0, "gap", "messages missing (damaged)", (math.nan,) * 3)
    torn = replace(flight, marks=(*flight.marks, gap, replace(gap, t_s=9.0)))
    told = "messages missing (damaged) after 4.0 s, and once more"
    assert told in story.warnings(torn)[0]
    sides = [Side(0, "a", flight), Side(1, "b", torn)]
    assert [told in words for words in cautions(sides)] == [True]


@pytest.mark.parametrize(
    ("reason", "mode", "words"),
    [
        ("asked to land", Mode.LAND, "the drone was asked to land: it landed"),
        ("asked to hold", Mode.HOLD, "the drone was asked to hold: it held still for"),
        ("both eyes dead", Mode.HOLD, "nobody was fit to fly (both eyes dead): it held still"),
    ],
)
def test_why_nothing_was_flown_any_more(
    flight: Flight, reason: str, mode: Mode, words: str
) -> None:
    ticks = flight.ticks.copy()
    ticks["mode"] = list(Mode).index(Mode.STEREO)
    ticks["mode"][100:] = list(Mode).index(mode)
    mark = Mark(float(ticks["t_s"][100]), "mode", f"{mode.value}: {reason}", (math.nan,) * 3)
    mode_s = {**{m.value: 0.0 for m in Mode}, "hold": 10.0 if mode is Mode.HOLD else 0.0}
    asked = replace(
        flight, ticks=ticks, marks=(mark,), figures={**flight.figures, "mode_s": mode_s}
    )
    assert words in story.sentences(asked)[1]
    headline = story.headline(asked)
    assert ("nobody" in headline) == (mode is Mode.LAND and not reason.startswith("asked"))


def test_a_licence_held_from_the_start_was_not_earned_after_no_time(flight: Flight) -> None:
    ticks = flight.ticks.copy()
    ticks["held"] = True
    held = replace(flight, ticks=ticks)
    assert story.sentences(held)[0] == "Mono held its licence from the start and kept it."
    assert {f.name: f.value for f in story.key_figures(held)}["licence earned"] == "before"


def test_a_flight_handed_over_did_not_lose_stereo(flight: Flight) -> None:
    (span,) = flight.in_mode(Mode.MONO)
    detail = "mono: handed over: mono flies alone, without a licence"
    mark = Mark(span.start_s, "mode", detail, (math.nan,) * 3)
    told = story.sentences(replace(flight, marks=(mark,)))[1]
    assert told.startswith("At 12 s mono was handed the flight, without a licence, and mono flew")


def test_where_the_drone_was_put_no_line_leads(flight: Flight) -> None:
    apart = put_there(flight, flight.track)
    assert np.flatnonzero(apart).tolist() == [0, 150]
    drawn = dict(track.trajectories(flight))["mono alone: 3.95 m, 1 collision"]
    mono = re.search(r'class="path m-mono" d="([^"]*)"', drawn)
    assert mono is not None
    assert mono[1].count("M") == 2


def test_the_map_is_to_scale_and_north_is_up(flight: Flight) -> None:
    room = track.Map.around([(12, 4), (-1, -4)])
    (x, y), (x2, y2) = room.px((0.0, 0.0)), room.px((1.0, 1.0))
    assert x2 - x == pytest.approx(y - y2)
    assert x2 - x == pytest.approx(room.px_per_m)


def told(t_s: float, kind: str, detail: str) -> Mark:
    return Mark(t_s, kind, detail, (math.nan,) * 3)


def strip(drawn: str) -> list[tuple[float, float, str]]:
    """Left and right end of each text beside a fault, px, and the text."""
    found = re.findall(r'x="([0-9.]+)" y="114\.0" text-anchor="(start|end)">([^<]*)', drawn)
    return [
        (float(x) - (6 * len(words) if anchor == "end" else 0), float(x), words)
        if anchor == "end"
        else (float(x), float(x) + 6 * len(words), words)
        for x, anchor, words in found
    ]


def test_texts_of_faults_at_one_moment_are_one_text(flight: Flight) -> None:
    marks = (
        told(5.0, "fault", "black right begins"),
        told(5.0, "camera", "right black begins"),
        told(12.0, "fault", "black right ends"),
    )
    texts = strip(charts.overview(replace(flight, marks=marks)))
    assert [words for _, _, words in texts] == [
        "black right begins, right black begins",
        "black right ends",
    ]
    assert texts[0][0] == pytest.approx(96 + 886 * 5 / 20 + 5, abs=0.1)


@pytest.mark.parametrize("seed", range(20, 30))
def test_no_text_of_a_fault_overprints_another(flight: Flight, seed: int) -> None:
    rng = np.random.default_rng(seed)
    marks = tuple(
        told(t_s, kind, "left blurred begins"[: rng.integers(5, 20)])
        for t_s in rng.uniform(0, 20, rng.integers(1, 30))
        for kind in ("fault", "camera")
    )
    drawn = charts.overview(replace(flight, marks=marks))
    texts = strip(drawn)
    ends = sorted((left, right) for left, right, _ in texts)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ends))
    assert ends[0][0] >= 96, "the name of the row stands before that"
    assert ends[-1][1] <= charts.RIGHT
    named = sum(2 if ", " in words else 1 for _, _, words in texts)
    more = sum(int(n) for n in re.findall(r"and (\d+) more", drawn))
    assert named + more == len(marks), "each is told or counted"


@pytest.mark.parametrize("text", [None, "", "[]", "{", "[[1]]", '[["a", "b"]]', "7"])
def test_a_broken_plan_is_no_plan(text: str | None) -> None:
    assert track.room_plan(text) == []


def test_errors_are_those_of_the_score(flight: Flight) -> None:
    errors = charts.learning_errors(flight)
    figures = flight.figures["measures"]["obstacle_distance"]
    both = np.isfinite(errors["mono"]) & np.isfinite(errors["mean"])
    for name in ("mono", "mean", "last"):
        assert errors[name][both].mean() == pytest.approx(figures[f"{name}_male"])
    assert figures["mono_male"] == pytest.approx(math.log(1.1))


def test_a_perfect_estimate_has_a_perfect_roc(flight: Flight) -> None:
    curves = roc_curves(flight)
    assert [curve.alone for curve in curves] == [False, False, True]
    for curve in curves:
        assert (curve.fpr[0], curve.tpr[0]) == (0, 0)
        assert (curve.fpr[-1], curve.tpr[-1]) == (1, 1)
        assert curve.tpr[curve.fpr == 0].max() == 1.0
        assert curve.point[1] == 1.0
    frames = flight.frames[120:]
    needless = ((frames["true_m"] >= 1.0) & (frames["true_m"] < 1.1)).sum()
    assert curves[-1].point[0] == pytest.approx(needless / (frames["true_m"] >= 1.0).sum())


def test_a_useless_estimate_has_none_of_it(flight: Flight) -> None:
    frames = flight.frames.copy()
    frames["flown_m"] = 2.0
    for curve in roc_curves(replace(flight, frames=frames)):
        assert curve.point == (0.0, 0.0)
        assert set(zip(curve.fpr, curve.tpr, strict=True)) == {(0.0, 0.0), (1.0, 1.0)}


def test_without_a_licence_mono_stops_where_the_pilot_does(flight: Flight) -> None:
    """Handed over, it was never measured: it stops at stereo's distance, not nowhere."""
    frames = flight.frames.copy()
    measured = frames["threshold_m"].copy()
    frames["threshold_m"] = math.nan
    (curve,) = [c for c in roc_curves(replace(flight, frames=frames)) if c.alone]
    pilot = flight.config.pilot
    frames["threshold_m"] = pilot.switching.stop_m / pilot.trust.safety
    (same,) = [c for c in roc_curves(replace(flight, frames=frames)) if c.alone]
    assert curve.point == same.point
    assert curve.point[1] > 0
    assert np.isfinite(measured).any()


def test_moments_tell_something(run: Path, flight: Flight) -> None:
    moments = choose(flight)
    assert len(moments) <= 8
    times = [moment.t_s for moment in moments]
    assert times == sorted(times)
    why = {moment.why: moment.t_s for moment in moments}
    assert why["first frame"] == 0.0
    assert why["end"] == pytest.approx(20.0)
    assert why["just before the licence"] == pytest.approx(7.9)
    assert why["0.6 s before a collision"] == pytest.approx(14.4)
    shots = fetch(FlightLog(run / "flight.mcap"), moments)
    assert [shot.moment for shot in shots] == moments
    for shot in shots:
        assert shot.left is not None
        assert shot.left[0, 0] == 10 + shot.moment.seq % 200
        assert (shot.stereo_grid is None) == (shot.moment.t_s >= 12)


def test_every_override_is_shown_with_its_decision(run: Path, flight: Flight, html: str) -> None:
    (moment,) = choose_overrides(flight)
    assert moment.t_s == pytest.approx(9.0)
    (shot,) = fetch(FlightLog(run / "flight.mcap"), [moment])
    assert shot.decision.override
    assert (shot.left is not None, shot.stereo_grid is not None) == (True, True)
    overrides = re.search(r'<section id="overrides">(.*?)</section>', html, re.DOTALL)
    assert overrides is not None
    assert "Stereo overrode mono once" in overrides[1]
    assert overrides[1].count('class="shot"') == 1
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', overrides[1])
    assert alts[1:] == ["left image", "stereo: inverse depth", "mono: inverse depth"]
    assert 'aria-label="decision: cruise; 0.50 m/s ahead"' in overrides[1]


def test_of_many_overrides_some_are_shown_spread_over_the_flight(flight: Flight) -> None:
    ticks = flight.ticks.copy()
    ticks["override"] = np.arange(len(ticks)) % 4 == 0
    moments = choose_overrides(replace(flight, ticks=ticks))
    assert len(moments) == 12
    assert (moments[0].t_s, moments[-1].t_s) == pytest.approx((0.0, 20.0))
    assert [m.t_s for m in moments] == sorted({m.t_s for m in moments})
    ticks["override"] = False
    assert choose_overrides(replace(flight, ticks=ticks)) == []


def test_an_override_between_two_frames_has_its_own_decision(tmp_path: Path) -> None:
    path = tmp_path / "flight.mcap"
    camera = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)
    header = (FORMAT_VERSION, "0.1.0", Config().to_toml(), 3, SIM_EPOCH_NS, camera, "{}", "sim")
    image = np.zeros((24, 32), np.uint8)
    with FlightLogWriter(path, LogHeader(*header, {})) as log:
        for k in range(6):
            now_ns = ns_from_s(0.05 * k)
            frame = StereoFrame(k, now_ns, True, image, image) if k % 2 == 0 else None
            log.write_tick(Tick(k, now_ns, True, True, frame))
            decision = replace(decision_at(0, Script()), seq=k, stamp_ns=now_ns, override=k == 3)
            log.write(topics.DECISION, decision)
    flight = read_flight(FlightLog(path))
    (shot,) = fetch(FlightLog(path), choose_overrides(flight))
    assert (shot.decision.seq, shot.decision.override) == (3, True)
    assert shot.moment.seq == 2


def test_a_decision_is_drawn_to_scale(run: Path, flight: Flight) -> None:
    (shot,) = fetch(FlightLog(run / "flight.mcap"), choose_overrides(flight))
    assert shot.label is not None
    label = replace(shot.label, sectors_m=(math.nan, 1.0, *(9.0,) * 6))
    drawn = fan.fan(flight, replace(shot, label=label))
    wedges = re.search(r'class="wedge m-stereo" d="([^"]*)"', drawn)
    assert wedges is not None
    assert wedges[1].count("z") == 7
    radii = [float(r) for r in re.findall(r"A([0-9.]+) ", wedges[1])]
    assert radii[0] * fan.RANGE_M == pytest.approx(radii[1], abs=0.2)
    (x, y), (x1, y1) = (
        tuple(float(v) for v in at.split())
        for at in re.findall(r"[ML]([0-9.]+ [0-9.]+)", wedges[1])[:2]
    )
    tangent = (128 / 8 - 64) / flight.header.calibration.left.fx
    assert (x1 - x) / (y - y1) == pytest.approx(tangent, abs=0.02)


@pytest.mark.parametrize(
    ("forward", "yaw", "words"),
    [
        (0.5, 0.0, "0.50 m/s ahead"),
        (-0.2, 0.0, "0.20 m/s back"),
        (0.0, 0.0, "standing still"),
        (0.0, math.radians(45), "turning right at 45°/s"),
        (0.3, math.radians(-20), "0.30 m/s ahead, turning left at 20°/s"),
    ],
)
def test_a_command_in_words(forward: float, yaw: float, words: str) -> None:
    assert fan.words_of(VelocityCommand(1, 1, True, forward, 0.0, 0.0, yaw)) == words


def test_the_curve_over_the_flight_is_cut_into_stretches(flight: Flight) -> None:
    frames = np.tile(flight.frames, 10)
    frames["t_s"] = np.arange(len(frames)) * STEP_S
    frames["labelled"] = True
    frames["label_m"] = frames["true_m"]
    frames["raw_m"] = frames["flown_m"]
    late = frames["t_s"] > 100
    frames["flown_m"][late] = frames["true_m"][late]
    frames["flown_m"][~late] = np.where(frames["true_m"] < 1, 0.8, 0.7)[~late]
    curves = roc_stretches(replace(flight, frames=frames))
    assert len(curves) == 5
    assert [c.style for c in curves] == [f"m-mono age-{k}" for k in range(5)]
    assert curves[0].needless(0.95) == 1.0
    assert curves[-1].needless(0.95) == 0.0
    assert curves[0].area < 0.1
    assert curves[-1].area == pytest.approx(1.0)


def test_health_says_what_was_wrong_and_why_there_was_no_label(tmp_path: Path) -> None:
    path = tmp_path / "flight.mcap"
    camera = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)
    header = (FORMAT_VERSION, "0.1.0", Config().to_toml(), 3, SIM_EPOCH_NS, camera, "{}", "sim")
    with FlightLogWriter(path, LogHeader(*header, {})) as log:
        for k in range(101):
            write_tick(log, k, Script())
            told = {30: (Eye.RIGHT, "dark", True), 50: (Eye.RIGHT, "dark", False)}
            told |= {80: (Eye.PAIR, "swapped", True)}
            if k in told:
                log.write(topics.FOUND, HealthEvent(k, ns_from_s(k * STEP_S), True, *told[k]))
    flight = read_flight(FlightLog(path))
    spans = [(a.eye, a.kind, a.span.start_s, a.span.end_s) for a in flight.ailments]
    assert spans == [
        (Eye.RIGHT, "dark", pytest.approx(3.0), pytest.approx(5.0)),
        (Eye.PAIR, "swapped", pytest.approx(8.0), pytest.approx(10.0)),
    ]
    assert "Right eye dark from 3.0 s to 5.0 s and 1 more" in eyes.health_section(flight)
    assert "swapped, 8.0 s to 10 s" in eyes.health_section(flight)


def test_health_of_sound_eyes_and_of_lost_labels(flight: Flight) -> None:
    drawn = eyes.health_section(flight)
    assert "Nothing was wrong with the eyes; 60% of the frames labelled" in drawn
    assert "<td>right eye black</td><td>81</td><td>40%</td>" in drawn
    assert "12 s to 20 s" in drawn


def test_latency_leads_with_the_way_from_frame_to_command() -> None:
    stage = {"p50_ms": 1.25, "p99_ms": 6.5, "share": 1.0, "n": 11}
    whole = {"p50_ms": 12.0, "p99_ms": 34.5, "share": None, "n": 11}
    drawn = latency.latency_section({"stereo": stage, "frame_to_command": whole})
    assert "From frame to command 12 ms in the median, 34 ms at the 99th percentile" in drawn
    assert drawn.index("frame to command") < drawn.index("match and label")
    for broken in (None, [], {"stereo": 1}, {"stereo": {**stage, "p50_ms": "x"}}):
        assert "Latency is unknown" in latency.latency_section(broken)


def test_settings_unlike_the_default_stand_with_the_default() -> None:
    config = loads("[learner]\nsteps_per_frame = 0\n[flight]\nseed = 5\n", "here")
    changed = {key: (value, default) for key, value, default in changed_settings(config)}
    assert changed["flight.seed"] == ("5", "0")
    assert changed["learner.steps_per_frame"][0] == "0"
    assert set(changed) == {"flight.seed", "learner.steps_per_frame"}


def test_depth_colours_are_the_ones_in_the_page(html: str) -> None:
    unknown = colours(np.array([[math.nan, 2.0, 0.125]], np.float32))
    assert unknown[0, :, 3].tolist() == [0, 255, 255]
    near, far = unknown[0, 1, :3].astype(int).sum(), unknown[0, 2, :3].astype(int).sum()
    assert near > far
    first = re.search(r'class="cells" src="data:image/png;base64,([^"]*)"', html)
    assert first is not None
    data = np.frombuffer(base64.b64decode(first[1]), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_UNCHANGED).shape == (12, 16, 4)


def test_lines_break_where_nothing_is_known() -> None:
    y = np.array([1.0, 2.0, math.nan, 3.0, math.nan, 4.0, 5.0])
    assert svg.line(np.arange(7), y, "c") == (
        '<path class="c" d="M0.0 1.0L1.0 2.0M3.0 3.0h0M5.0 4.0L6.0 5.0"/>'
    )
    assert svg.line([], [], "c") == ""


def test_thinning_keeps_every_peak() -> None:
    y = np.zeros(10_000)
    y[4567], y[8000] = 9.0, -7.0
    x, kept = svg.thinned(np.arange(10_000.0), y, 500)
    assert len(x) <= 500
    assert (kept.max(), kept.min()) == (9.0, -7.0)
    assert x[kept.argmax()] == 4567
    assert np.isnan(svg.thinned(x, np.full(len(x), math.nan), 50)[1]).all()


def test_ticks_are_round() -> None:
    assert svg.round_ticks(0, 360, 9) == [0, 50, 100, 150, 200, 250, 300, 350]
    assert svg.round_ticks(-0.3, 0.3, 3) == pytest.approx([-0.2, 0, 0.2])
    assert svg.round_ticks(2, 2, 3) == [2]


def test_a_scale_clips_and_knows_logarithms() -> None:
    scale = svg.Scale(0.5, 8, 100, 0, log=True)
    assert scale.px([0.1, 0.5, 2, 8, 99]) == pytest.approx([100, 100, 50, 0, 0])
    assert math.isnan(scale.at(math.nan))


def test_the_running_median_needs_a_third_of_its_window() -> None:
    t_s = np.arange(0, 10, 0.5)
    values = np.where(t_s < 5, math.nan, t_s)
    moments, medians = charts.running_median(t_s, values, 2.0)
    assert moments.tolist() == t_s.tolist()
    assert np.isnan(medians[t_s < 5]).all()
    assert medians[-1] == pytest.approx(8.5)
