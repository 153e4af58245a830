"""`drone experiment`, with an experiment that flies nothing."""

import json
from pathlib import Path

import ownexperiment
import pytest

from drone.cli import main
from training.experiments import EXPERIMENTS

pytestmark = pytest.mark.usefixtures("workdir")
OWN = ownexperiment.WHERE


def run(capsys, *arguments):
    code = main(["experiment", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_it_lists_what_there_is(capsys):
    code, out, err = run(capsys, "--list")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == list(EXPERIMENTS)
    code, out, err = run(capsys, "--list", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)["experiments"]
    assert list(told) == list(EXPERIMENTS)
    assert told["strategies"]["factors"]["learner"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which experiment? there are: learners, strategies"),
        (["bogus"], "no experiment 'bogus'; there are: learners, strategies"),
        (["strategies", "bogus"], "no experiment 'bogus'"),
        ([OWN, "--only", "colour"], "expected FACTOR=LEVEL"),
        ([OWN, "--only", "size=big"], "its factors: colour"),
        ([OWN, "--only", "colour=green"], "there are: red, blue"),
        ([OWN, "--seeds", "3"], "expected a range such as 0-9"),
        ([OWN, "--workers", "-1"], "--workers -1"),
        ([OWN, "--address", "here:1"], "give --engine ray too"),
        ([OWN, "--no-fly"], "no rows there; leave --no-fly out"),
    ],
)
def test_wrong_use_is_one_clear_line_and_nothing_is_written(capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("drone experiment: ")
    assert said in err
    assert err.count("\n") == 1
    assert list(Path.cwd().iterdir()) == []


def test_it_runs_tells_the_cost_before_and_writes_a_page(capsys):
    code, out, err = run(capsys, OWN, "--workers", "1")
    assert code == 0
    assert "own: 0 of 6 tasks done, about 3 processor minutes left (3 min on 1 core)" in err
    assert "Metres, by colour" in out
    assert "Red goes" in out
    assert "results/own.md" in out
    assert f"drone experiment {OWN} -o results\n" in Path("results/own.md").read_text()
    assert "[own](own.md)" in Path("results/index.md").read_text()
    page = Path("results/own.md").read_bytes()
    code, out, err = run(capsys, OWN, "--json")
    assert "own: 6 of 6 tasks done\n" in err
    told = json.loads(out)["experiments"]["own"]
    assert set(told) == {"page", "rows", "code", "red", "blue"}
    assert told["rows"] == 6
    assert set(told["red"]) == {"mean", "low", "high", "n"}
    assert Path("results/own.md").read_bytes() == page, "nothing was run again"
    code, out, err = run(capsys, OWN, OWN, "--no-fly", "--seeds", "0-1", "--only", "colour=red")
    assert (code, err) == (0, "")
    assert (
        "drone experiment ownexperiment:EXPERIMENT --seeds 0-1 --only colour=red"
        in Path("results/own.md").read_text()
    )
    code, out, err = run(capsys, OWN, "--no-fly", "--seeds", "50-51")
    assert code == 2
    assert "the rows there are of other settings, seeds or arms" in err


def test_a_quick_run_is_kept_apart(capsys):
    code, out, _ = run(capsys, OWN, "--quick", "--workers", "1", "--json")
    assert code == 0
    assert json.loads(out)["experiments"]["own"]["page"] == "results/quick/own.md"
    assert not Path("results/own.md").exists()


def test_what_failed_is_said_and_what_is_done_is_kept(capsys):
    Path("red-0").write_text("refuse")
    code, out, err = run(capsys, OWN, "--workers", "1", "--json")
    assert (code, out) == (1, "")
    assert "1 of 6 tasks failed; the first: seed 0 (colour red): this cannot be flown" in err
    code, _, err = run(capsys, OWN, "--workers", "1", "--json")
    assert code == 0
    assert "own: 5 of 6 tasks done" in err


@pytest.mark.parametrize("columns", [60, 80])
def test_its_table_fits_a_terminal(capsys, monkeypatch, columns):
    from drone.commands.experiment import _show
    from training.experiments.arms import MEASURES
    from training.experiments.design import Findings, Table

    monkeypatch.setenv("COLUMNS", str(columns))
    titles = [measure.title for measure in MEASURES.values()]
    arms = ("texton-knn, training wheels", "guesses (reference)")
    rows = tuple((arm, "20", *("0.83 [0.20, 1.30]" for _ in titles)) for arm in arms)
    _show(Findings("", (), (Table("After", ("arm", "n", *titles), rows),), (), {}), Path("x.md"))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= columns
    assert "…" not in out
    assert "training wheels" in out
    assert "more columns, and the intervals, are on the page" in out
