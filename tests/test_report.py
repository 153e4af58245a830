import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reportlog import Script, a_run, flight_of, report_of, write_log

from drone import cli
from drone.errors import UserError, WorkFailedError
from drone.flightlog import FlightLog
from drone.report import story, track, write_report
from drone.report.flight import Flight
from drone.report.reading import read_flight

SECTIONS = (
    *("figures", "trajectory", "licence", "distances", "roc", "overrides", "learning", "health"),
    *("moments", "latency", "events", "particulars"),
)


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
    assert found == [*SECTIONS]


def test_the_page_asks_nobody_for_anything(html: str) -> None:
    parsed = elements(html)
    assert not parsed.open
    assert {"script", "link", "iframe", "object", "use"}.isdisjoint(t for t, _ in parsed.found)
    for _, attributes in parsed.found:
        assert (attributes.get("href") or "#").startswith("#")
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
    assert found == [*SECTIONS]
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


def test_what_nobody_measures_on_a_vehicle_is_unknown(tmp_path: Path) -> None:
    flight = flight_of(tmp_path, Script(source="vehicle"))
    assert story.headline(flight) == "Mono flew 8.0 s alone"
    told = {figure.name: figure.value for figure in story.key_figures(flight)}
    assert told["collisions"] == "unknown"
    assert "collision" not in " ".join(story.sentences(flight))
    rows = {row[0]: row for row in story.mode_table(flight)}
    assert rows["mono alone"][-2:] == ["–", "–"]
    assert rows["stereo"][-1] == "–"
