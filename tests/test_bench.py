"""The bench record, and the suites of the simulator at their smallest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drone.bench import Figure, compare, per_second
from drone.cli import main
from drone.commands.bench import parser


def test_rounds_alternate_and_what_lies_between_is_not_timed() -> None:
    done: list[str] = []
    clock = iter(range(100))

    def step(name: str) -> None:
        done.append(name)

    figure = compare(
        lambda: step("ours"),
        lambda: step("floor"),
        2,
        between=lambda: step("between"),
        clock_s=lambda: float(next(clock)),
    )
    assert done == ["ours", "between", "floor"] * 3
    assert figure == Figure(1000.0, 1000.0, 1.0, 2)


def test_times_become_rates_and_the_larger_ratio_the_better() -> None:
    assert per_second(Figure(4.0, 2.0, 2.0, 7)) == Figure(250.0, 500.0, 0.5, 7)


def test_an_options_place_is_behind_its_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert parser().parse_args([]).rounds == parser().parse_args(["stack"]).rounds
    with pytest.raises(SystemExit):
        parser().parse_args(["--rounds", "10", "sim"])
    assert "--rounds" not in parser().format_usage()
    assert "'10' (choose from" in capsys.readouterr().err


def test_a_bench_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "sim", "--rounds", "0"]) == 2
    assert "--rounds 0: expected at least 1" in capsys.readouterr().err
    assert main(["bench", "env", "--episodes", "101"]) == 2
    assert "number of test rooms" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["--json --save X env", "env --json --save X", "--json env --save X", "--save X env --json"],
)
def test_output_options_hold_before_the_suite_and_behind_it(line: str) -> None:
    args = parser().parse_args(line.split())
    assert (args.suite, args.json, args.save) == ("env", True, Path("X"))
    without = parser().parse_args(["env"])
    assert (without.json, without.save) == (False, None)


@pytest.mark.sim
def test_the_simulators_suite_answers_with_every_figure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "sim", "--rounds", "10", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    names = {"stereo_128x96", "stereo_64x48", "vector_speedup_2", "real_time_factor"}
    assert names < record.keys()
    for figure in map(record.get, names):
        assert figure.keys() == {"value", "reference", "ratio", "n"}
        assert figure["ratio"] == pytest.approx(figure["value"] / figure["reference"], rel=1e-2)
    assert record["stereo_128x96"]["ratio"] < 1.1, "no step is faster than its renders"


@pytest.mark.sim
def test_the_policies_suite_answers_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "env", "--episodes", "2", "--json"]) == 0
    policies = json.loads(capsys.readouterr().out)["policies"]
    for scores in policies.values():
        assert scores.keys() == {"reward", "flown_m", "flown_s", "crashed"}
        for score in scores.values():
            assert score["low"] <= score["mean"] <= score["high"]
            assert score["n"] == 2
    assert policies["random"]["reward"]["mean"] < policies["scripted"]["reward"]["mean"]
