"""The page that compares flights."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reportlog import Script, a_run, write_log

from drone import cli
from drone.config import loads
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.report import comparecharts, comparison, write_comparison
from drone.report.comparison import Side
from drone.report.reading import read_flight


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("comparison")
    found = []
    for name, script in (("one", Script()), ("two", Script(trusted=False, end_s=10.0))):
        (folder / name).mkdir()
        found.append(a_run(folder / name, script).rename(folder / f"run-{name}"))
    return found


@pytest.fixture(scope="module")
def sides(runs: list[Path]) -> list[Side]:
    logs = [FlightLog(run / "flight.mcap") for run in runs]
    return [Side(k, f"run-{k}", read_flight(log)) for k, log in enumerate(logs)]


def test_three_sentences_say_what_sets_them_apart(sides: list[Side]) -> None:
    assert comparison.sentences(sides) == [
        "Mono earned its licence in A after 8.0 s, and never in B.",
        "Collisions: 1 in A and 0 in B; overrides by stereo: 1 in A and 0 in B.",
        "A flew 9.95 m in 20 s (29.9 m/min) and B flew 5.00 m in 10 s (30.0 m/min).",
    ]


def test_where_nothing_happened_it_is_said_in_short(sides: list[Side]) -> None:
    other = replace(sides[1], number=2)
    told = comparison.sentences([sides[1], other])
    assert told[0] == "Mono earned its licence in none of them."
    assert told[1] == "None collided; stereo never overrode mono."


def rows_of(sides: list[Side]) -> dict[tuple[str, str], list[str]]:
    return {
        (heading, row.name): row.values
        for heading, rows in comparison.figure_rows(sides)
        for row in rows
    }


def test_figures_stand_side_by_side(sides: list[Side]) -> None:
    rows = rows_of(sides)
    assert rows["the flight", "flown"] == ["9.95 m", "5.00 m"]
    assert rows["the flight", "collisions"] == [
        "1: 10.1 /100 m (0.3 to 56.0)",
        "0: 0.0 /100 m (0.0 to 73.8)",
    ]
    assert rows["mono's licence", "earned after"] == ["8.0 s", "never"]
    assert rows["mono's licence", "held"] == ["60%", "–"]
    assert rows["share of time", "mono alone"] == ["40%, 8.0 s", "–"]
    assert ("share of time", "hold") not in rows
    assert rows["metres a minute", "stereo"] == ["30 m", "30 m"]


def test_a_rate_has_its_exact_interval() -> None:
    """Of 4 events the 95 % Poisson interval is 1.09 to 10.24; of none, 0 to 3.69."""
    assert comparison.rate(4, 100.0) == "4: 4.0 /100 m (1.1 to 10.2)"
    assert comparison.rate(0, 100.0) == "0: 0.0 /100 m (0.0 to 3.7)"
    assert comparison.rate(0, 0.0) == "–"
    assert comparison.rate(2, math.nan) == "2"


def test_settings_that_differ_are_listed_and_no_others(sides: list[Side]) -> None:
    assert comparison.setting_rows(sides) == []
    config = loads("[pilot.trust]\nmax_fpr = 0.3\n[flight]\nname = 'x'\n", "here")
    other = replace(sides[1], flight=replace(sides[1].flight, config=config))
    (row,) = comparison.setting_rows([sides[0], other])
    assert (row.name, row.values) == ("pilot.trust.max_fpr", ["0.4", "0.3"])


def test_what_should_not_be_compared_is_said(sides: list[Side]) -> None:
    assert comparison.cautions(sides) == []
    flight = sides[1].flight
    header = replace(flight.header, extra={"plan": "[]"}, software="9.9")
    other = replace(sides[1], flight=replace(flight, header=header, damaged="cut"))
    told = " ".join(comparison.cautions([sides[0], other]))
    for words in ("not of one room", "0.1.0, 9.9", "The log of B is damaged: cut"):
        assert words in told
    assert len(comparecharts.maps([sides[0], other])) == 2


def test_paths_in_one_room_lie_over_one_another(sides: list[Side]) -> None:
    ((letters, drawn),) = comparecharts.maps(sides)
    assert letters == "A, B"
    assert re.findall(r'class="path (f-\d)"', drawn) == ["f-0", "f-1"]
    assert drawn.count('class="contact f-0"') == 1


def test_no_way_is_flown_where_the_drone_was_put(sides: list[Side]) -> None:
    t_s, way_m = comparecharts.way_over_time(sides[0].flight)
    assert way_m[-1] == pytest.approx(9.95)
    assert np.diff(way_m).max() < 0.06
    assert len(t_s) == len(way_m)


def test_the_page_is_complete_in_itself(runs: list[Path]) -> None:
    told = write_comparison(runs)
    assert told["report"] == runs[0].parent / "comparison.html"
    html = told["report"].read_text(encoding="utf-8")
    found = re.findall(r'<section id="([a-z]+)"', html)
    assert found == ["figures", "timeline", "paths", "courses", "settings"]
    assert not re.search(r"https?://|@import|url\(|<script|\bnan\b|\binf\b", html)
    assert "run-one" in html
    assert "run-two" in html


@pytest.mark.parametrize(
    "script",
    [
        Script(positions=False),
        Script(network=False),
        Script(frames=False),
        Script(end_s=0.0),
        Script(permitted=False, trusted=False, truth=False, source="euroc", end=""),
    ],
    ids=str,
)
def test_whatever_is_missing_there_is_a_page(
    runs: list[Path], tmp_path: Path, script: Script
) -> None:
    told = write_comparison([runs[0], a_run(tmp_path, script)], tmp_path / "out.html")
    html = told["report"].read_text(encoding="utf-8")
    assert not re.search(r"\bnan\b|\binf\b", html)


def test_many_flights_have_each_their_letter_and_line(sides: list[Side]) -> None:
    many = [replace(sides[0], number=k) for k in range(16)]
    assert "".join(side.letter for side in many) == "ABCDEFGHIJKLMNOP"
    assert len({side.classes for side in many}) == 16


# The command


def test_the_command_compares(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    out = runs[0].parent / "both.html"
    assert cli.main(["report", *map(str, runs), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(out)
    assert told["bytes"] == out.stat().st_size
    assert [f["flight"] for f in told["figures"]] == ["A", "B"]
    assert [f["overrides"] for f in told["figures"]] == [1, 0]


def test_a_log_alone_is_called_by_its_name(runs: list[Path], tmp_path: Path) -> None:
    log = write_log(tmp_path / "other.mcap", Script(end_s=1.0))
    told = write_comparison([log, runs[0] / "flight.mcap"], tmp_path / "out.html")
    assert [f["name"] for f in told["figures"]] == ["other", "run-one"]


def test_what_cannot_be_compared_is_an_error_in_words(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_log(tmp_path / "empty.mcap", Script(end_s=-0.1, end=""))
    one = str(runs[0])
    wrong = {
        (one, str(tmp_path / "nowhere")): "nothing there",
        (one, str(tmp_path / "empty.mcap")): "holds no tick",
        (one,) * 17: "expected 2 to 16",
        (one, "--out", "x.html"): "--out goes with several flights",
    }
    for arguments, words in wrong.items():
        assert cli.main(["report", *arguments]) == UserError.exit_code
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
