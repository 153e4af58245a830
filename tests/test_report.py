import base64
import itertools
import json
import math
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from drone import cli, topics
from drone.clock import SIM_EPOCH_NS, ns_from_s
from drone.config import Config
from drone.errors import UserError, WorkFailedError
from drone.flightlog import FORMAT_VERSION, FlightLog, FlightLogWriter, LogHeader
from drone.geometry import Intrinsics, StereoCalibration
from drone.messages import (
    Cue,
    Decision,
    DistanceLabel,
    Eye,
    FlightEvent,
    LearnerReport,
    Mode,
    ModelVersion,
    MonoEstimate,
    StereoFrame,
    Tick,
    TrustReport,
    Truth,
    VehicleState,
    VelocityCommand,
)
from drone.report import charts, story, svg, track, write_report
from drone.report.flight import Flight, Mark, put_there, read_flight
from drone.report.moments import choose, fetch
from drone.report.pictures import colours
from drone.report.roc import roc_curves

STEP_S, STEP_M = 0.1, 0.05
SECTIONS = ("figures", "trajectory", "licence", "distances", "roc", "learning", "moments")
PLAN = [[[12, 4], [-1, 4], [-1, -4], [12, -4]], [[3, 1], [2, 1], [2, 2], [3, 2]]]


@dataclass(frozen=True)
class Script:
    """A flight of 20 s: licence at 8 s, stereo gone at 12 s, a collision at 15 s."""

    end_s: float = 20.0
    network: bool = True
    truth: bool = True
    frames: bool = True
    positions: bool = True
    vehicle: bool = True
    permitted: bool = True
    trusted: bool = True
    end: str = "time is over"
    source: str = "sim"
    detail: str = "touched a wall"


def mode_at(t_s: float, script: Script) -> Mode:
    if not (script.network and script.trusted):
        return Mode.STEREO
    return Mode.MONO if t_s >= 12 else Mode.TRAINING_WHEELS if t_s >= 8 else Mode.STEREO


def obstacle_m(t_s: float) -> float:
    """Approaches: from 3 m down to 0.5 m, every 2.5 s."""
    return 3.0 - t_s % 2.5


def decision_at(k: int, script: Script) -> Decision:
    t_s, now_ns = k * STEP_S, ns_from_s(k * STEP_S)
    mode, told = mode_at(t_s, script), script.network and t_s >= 2
    distance_m = obstacle_m(t_s)
    trust = TrustReport(reason="no estimates yet")
    if told:
        held = script.trusted and t_s >= 8
        trust = TrustReport(
            *(held, mode is Mode.MONO, "too few approaches" if not held else "figures hold"),
            *(1.0, 1.1, 0.95, 0.2, 70, 90, 7),
        )
    return Decision(
        *(k, now_ns, True, mode, Cue.MONO if mode is Mode.MONO else Cue.STEREO),
        *("brake" if distance_m < 1 else "cruise", "reason", distance_m),
        *(distance_m if t_s < 12 or not script.trusted else math.nan,),
        *(distance_m if told else math.nan, distance_m < 1),
        override=mode is Mode.TRAINING_WHEELS and 9.0 <= t_s < 9.3,
        event="",
        limited="",
        command=VelocityCommand(k, now_ns, True, 0.5, 0.0, 0.0, 0.0),
        trust=trust,
    )


def position_at(k: int, script: Script) -> tuple[float, float, float]:
    """North at 0.5 m/s; after the collision at 15 s the drone is put 3 m to the east."""
    if not script.positions:
        return (math.nan, math.nan, math.nan)
    jumped = script.trusted and script.network and k * STEP_S >= 15
    if not script.vehicle:
        return (0.0, 0.0, 0.0)
    return (k * STEP_M, 3.0 if jumped else 0.0, -1.1)


def write_tick(log: FlightLogWriter, k: int, script: Script) -> None:
    t_s, now_ns = k * STEP_S, ns_from_s(k * STEP_S)
    where = position_at(k, script)
    vehicle = VehicleState(k, now_ns, script.vehicle, where, (0.5, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
    image = np.full((24, 32), 10 + k % 200, np.uint8)
    frame = StereoFrame(k, now_ns, True, image, image) if script.frames else None
    model = None
    if script.network and k == 20:
        model = ModelVersion(1, now_ns, True, b"onnx", "abcdef0123456789")
    log.write_tick(Tick(k, now_ns, True, script.permitted, frame, vehicle, (), model))
    decision = decision_at(k, script)
    if script.frames:
        write_frame(log, k, script, decision)
    log.write(topics.DECISION, decision)
    if script.truth and script.frames:
        true_m = obstacle_m(t_s)
        attitude = (1.0, 0.0, 0.0, 0.0)
        truth = (where, (0.5, 0.0, 0.0), attitude, true_m, true_m, False, 0)
        log.write(topics.TRUTH, Truth(k, now_ns, True, *truth))


def write_frame(log: FlightLogWriter, k: int, script: Script, decision: Decision) -> None:
    now_ns, distance_m = ns_from_s(k * STEP_S), obstacle_m(k * STEP_S)
    seen = decision.mode is not Mode.MONO
    grid = np.full((12, 16), 1 / distance_m, np.float32)
    label = (grid, np.ones_like(grid), distance_m if seen else math.nan, (), 9.0, 1.0)
    reason = "" if seen else "right eye black"
    log.write(topics.LABEL, DistanceLabel(k, now_ns, seen, reason, *label))
    if script.network and k >= 20:
        told = (grid, grid, 1.1 * distance_m, ())
        log.write(topics.MONO, MonoEstimate(k, now_ns, True, "", 1, Eye.LEFT, *told))


def write_log(path: Path, script: Script) -> Path:
    camera = Intrinsics.from_hfov(128, 96, math.radians(70))
    header = LogHeader(
        *(FORMAT_VERSION, "0.1.0", Config().to_toml(), 3, SIM_EPOCH_NS),
        *(StereoCalibration(camera, 0.06), "{}", script.source, {"plan": json.dumps(PLAN)}),
    )
    events = {
        80: ("mode", "training_wheels: mono is trusted"),
        120: ("mode", "mono: right eye black"),
        150: ("collision", script.detail),
    }
    with FlightLogWriter(path, header) as log:
        count = round(script.end_s / STEP_S) + 1
        for k in range(count):
            write_tick(log, k, script)
            if script.network and script.trusted and k + 1 in events:
                stamp_ns = ns_from_s((k + 1) * STEP_S)
                log.write(topics.EVENT, FlightEvent(k, stamp_ns, True, *events[k + 1]))
            if script.network and k == 19:
                report = LearnerReport(1, ns_from_s(1.9), True, 30, 20, 5, -1.5, 0.2, 1)
                log.write(topics.LEARNER, report)
        if script.end:
            stamp_ns = ns_from_s(script.end_s)
            log.write(topics.EVENT, FlightEvent(9, stamp_ns, True, "end", script.end))
    return path


def a_run(tmp_path: Path, script: Script) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    write_log(run / "flight.mcap", script)
    return run


def flight_of(tmp_path: Path, script: Script) -> Flight:
    return read_flight(FlightLog(write_log(tmp_path / "flight.mcap", script)))


def report_of(tmp_path: Path, script: Script) -> str:
    return write_report(a_run(tmp_path, script)).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run(tmp_path_factory.mktemp("report"), Script())


@pytest.fixture(scope="module")
def flight(run: Path) -> Flight:
    return read_flight(FlightLog(run / "flight.mcap"))


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


# What happened


def test_three_sentences_say_what_the_log_says(flight: Flight) -> None:
    assert story.sentences(flight) == [
        "Mono earned its licence after 8.0 s and kept it.",
        "Stereo was lost at 12 s (right eye black), and mono flew 8.0 s alone: "
        "3.95 m with 1 collision.",
        "In all 9.95 m in 20 s with 1 collision; stereo overrode mono once; "
        "it ended when its time was over.",
    ]
    assert story.headline(flight) == "Mono flew 8.0 s alone, 1 collision"
    assert story.warnings(flight) == ["The flight is short: 20 s of 360 s."]


def test_the_sentences_and_figures_stand_in_the_page(flight: Flight, html: str) -> None:
    for words in (
        *story.sentences(flight),
        "touched a wall",
        "black",
        "7.9 s: just",
        "abcdef012345",
    ):
        assert words in html
    rows = story.mode_table(flight)
    assert [row[:3] for row in rows] == [
        ["stereo", "8.0 s", "4.00 m"],
        ["training wheels", "4.0 s", "2.00 m"],
        ["mono alone", "8.0 s", "3.95 m"],
    ]


def test_without_a_network(tmp_path: Path) -> None:
    flight = flight_of(tmp_path, Script(network=False))
    assert story.sentences(flight) == [
        "No network ever flew: no model version was published in 20 s.",
        "Stereo was there to the end and flew all the way.",
        "In all 10 m in 20 s with 0 collisions; it ended when its time was over.",
    ]


def test_without_trust(tmp_path: Path) -> None:
    flight = flight_of(tmp_path, Script(trusted=False))
    assert story.sentences(flight)[0] == (
        "Mono did not earn its licence in 20 s: too few approaches."
    )
    assert story.headline(flight) == "Mono did not earn its licence"


def test_an_interrupted_flight_says_so(tmp_path: Path) -> None:
    flight = flight_of(tmp_path, Script(end_s=10.0, end="interrupted"))
    assert story.warnings(flight) == ["The flight was interrupted before its end."]
    assert "mono flew 2.0 s under its guard" in story.sentences(flight)[1]


def test_a_flight_without_end_says_so(tmp_path: Path) -> None:
    assert "breaks off" in story.warnings(flight_of(tmp_path, Script(end="")))[0]


def test_a_recorded_flight_was_not_flown(tmp_path: Path) -> None:
    script = Script(truth=False, permitted=False, trusted=False, source="euroc", end="")
    flight = flight_of(tmp_path, script)
    first, second, third = story.sentences(flight)
    assert first == (
        "A recorded flight of 20 s was watched: 201 frames, 201 of them labelled by stereo, "
        "1 model version."
    )
    assert "off by a factor of 1.10" in second
    assert third == "Nothing was flown: the human pilot had control throughout."
    assert story.way_m(flight) == pytest.approx(10.0)
    assert not story.warnings(flight)


def test_a_live_camera_was_watched_and_its_unknown_place_is_not_the_origin(tmp_path: Path) -> None:
    script = Script(
        truth=False, permitted=False, trusted=False, vehicle=False, source="live /dev/video0"
    )
    flight = flight_of(tmp_path, script)
    assert story.headline(flight) == "Mono learned from a live camera"
    assert story.sentences(flight)[0].startswith("A live camera was watched for 20 s: 201 frames,")
    assert not len(flight.track)
    assert not track.trajectories(flight)
    assert story.key_figures(flight)[0].note == "no position known"


# The page


class Elements(HTMLParser):
    """Collects the elements, and checks that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements(html: str) -> Elements:
    parser = Elements()
    parser.feed(html)
    return parser


def test_sections_come_in_order(html: str) -> None:
    found = re.findall(r'<section id="([a-z]+)"', html)
    assert found == [*SECTIONS, "events", "particulars"]


def test_the_page_asks_nobody_for_anything(html: str) -> None:
    parsed = elements(html)
    assert not parsed.open
    assert {"script", "link", "iframe", "object", "use"}.isdisjoint(t for t, _ in parsed.found)
    for _, attributes in parsed.found:
        assert "href" not in attributes
        assert (attributes.get("src") or "data:").startswith("data:")
    assert not re.search(r"https?://|@import|url\(", html)
    assert "default-src 'none'" in html


def test_pictures_have_a_description(html: str) -> None:
    for tag, attributes in elements(html).found:
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


def test_light_and_dark(html: str) -> None:
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize(
    "script",
    [
        Script(truth=False),
        Script(network=False),
        Script(trusted=False, truth=False),
        Script(positions=False),
        Script(positions=False, truth=False),
        Script(frames=False),
        Script(end_s=0.0),
        Script(end_s=0.1, network=False),
        Script(permitted=False, trusted=False, truth=False, source="euroc", end=""),
    ],
    ids=str,
)
def test_whatever_is_missing_there_is_a_page(tmp_path: Path, script: Script) -> None:
    html = report_of(tmp_path, script)
    found = re.findall(r'<section id="([a-z]+)"', html)
    assert found == [*SECTIONS, "events", "particulars"]
    assert not re.search(r"\bnan\b|\binf\b", html)
    assert ("true 0.5" in html or ">true<" in html) == (script.truth and script.frames)


def test_an_empty_log_has_a_page(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write_log(run / "flight.mcap", Script(end_s=-0.1, end=""))
    html = write_report(run).read_text(encoding="utf-8")
    assert "Nothing was flown" in html
    assert "The log holds no tick" in html


def test_a_cut_log_is_reported_as_far_as_it_goes(tmp_path: Path) -> None:
    run = a_run(tmp_path, Script())
    data = (run / "flight.mcap").read_bytes()
    (run / "flight.mcap").write_bytes(data[: len(data) // 2])
    html = write_report(run).read_text(encoding="utf-8")
    assert "The log is damaged" in html
    assert "it breaks off" in html


def test_words_of_the_log_are_no_markup(tmp_path: Path) -> None:
    html = report_of(tmp_path, Script(detail="<script>alert(1)</script>"))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_result_adds_timing_and_a_broken_one_nothing(tmp_path: Path) -> None:
    run = a_run(tmp_path, Script(network=False, end_s=1.0))
    stage = {"p50_ms": 1.25, "p99_ms": 6.5, "share": 0.75, "n": 11}
    timing = {"stereo": stage, "mono": {"p50_ms": None}}
    (run / "result.json").write_text(json.dumps({"timing": timing}), encoding="utf-8")
    assert "6.50 ms" in write_report(run).read_text(encoding="utf-8")
    (run / "result.json").write_text("{", encoding="utf-8")
    assert "6.50 ms" not in write_report(run).read_text(encoding="utf-8")


def test_a_log_alone_has_its_report_beside_it(tmp_path: Path) -> None:
    log = write_log(tmp_path / "other.mcap", Script(end_s=1.0))
    assert write_report(log) == tmp_path / "other.html"


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    run = a_run(tmp_path, Script(end_s=0.5))
    (run / "report.html").mkdir()
    with pytest.raises(WorkFailedError, match=r"report\.html: cannot be written"):
        write_report(run)
    assert not list(run.glob("*.tmp"))


# The command


def test_the_command_says_where_the_report_lies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path, Script(end_s=1.0))
    assert cli.main(["report", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(run / "report.html")
    assert told["bytes"] == (run / "report.html").stat().st_size


def test_wrong_input_is_an_error_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set" / "mav0").mkdir(parents=True)
    (tmp_path / "bad.mcap").write_bytes(b"no log")
    wrong = {"nowhere": "nothing there", "set": "drone replay", "bad.mcap": "not an MCAP file"}
    for name, words in wrong.items():
        assert cli.main(["report", str(tmp_path / name)]) == UserError.exit_code
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1


# The parts


def test_columns_hold_what_was_logged(flight: Flight) -> None:
    assert len(flight.ticks) == len(flight.frames) == 201
    row = flight.frames[100]
    told = (row["t_s"], row["label_m"], row["raw_m"], row["flown_m"], row["true_m"])
    assert told == pytest.approx((10.0, 3.0, 3.3, 3.0, 3.0))
    assert math.isnan(flight.frames["label_m"][150])
    assert [round(span.start_s, 3) for span in flight.overrides] == [9.0]
    assert flight.in_mode(Mode.MONO)[0].end_s == pytest.approx(20.0)


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


def test_moments_tell_something(run: Path, flight: Flight) -> None:
    moments = choose(flight)
    assert len(moments) <= 8
    times = [moment.t_s for moment in moments]
    assert times == sorted(times)
    why = {moment.why: moment.t_s for moment in moments}
    assert why["first frame"] == 0.0
    assert why["end"] == pytest.approx(20.0)
    assert why["just before the licence"] == pytest.approx(7.9)
    assert why["stereo overrides mono"] == pytest.approx(9.0)
    assert why["0.6 s before a collision"] == pytest.approx(14.4)
    shots = fetch(FlightLog(run / "flight.mcap"), moments)
    assert [shot.moment for shot in shots] == moments
    for shot in shots:
        assert shot.left is not None
        assert shot.left[0, 0] == 10 + shot.moment.seq % 200
        assert (shot.stereo_grid is None) == (shot.moment.t_s >= 12)


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
