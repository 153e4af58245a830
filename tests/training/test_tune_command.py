"""`drone tune` end to end on toy flights, and everything that it refuses."""

import json
import math
import tomllib
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tuningflights import CAMERA, Script, write_flight, write_flights

from drone.cli import main
from drone.commands import tune
from drone.config import Config, load
from drone.errors import UserError
from drone.geometry import Intrinsics, StereoCalibration
from training.tuning import confirm
from training.tuning.goal import OBJECTIVES
from training.tuning.space import KNOBS, space_of

SCRIPT = Script(duration_s=120.0)
ONE_MEMORY = (
    *("--range", "pilot.trust.window_s=40:40", "--range", "pilot.trust.min_positives=30:30"),
    *("--range", "pilot.mono.average_s=0.25:0.25"),
)
QUICK = ("--trials", "100", "--workers", "1", *ONE_MEMORY)


def with_trust(**values):
    """Return a configuration with other settings of trust."""
    tree = Config().model_dump(mode="json", exclude_none=True)
    tree["pilot"]["trust"] |= values
    return Config.model_validate(tree)


def run(capsys, *arguments):
    """Return exit code, standard output and standard error."""
    capsys.readouterr()
    try:
        code = main(["tune", *map(str, arguments)])
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def refused(capsys, *arguments):
    """Return what is said of wrong input, in one line."""
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Four flights that earn trust early."""
    return write_flights(
        tmp_path_factory.mktemp("toy") / "runs", 4, SCRIPT, with_trust(min_tpr_low=0.3)
    )


@pytest.fixture(scope="module")
def tuned(runs, tmp_path_factory):
    """The result of tuning on them, and where its files are."""
    folder = tmp_path_factory.mktemp("tuned")
    code = main(["tune", str(runs), *QUICK, "--json", "-o", str(folder)])
    assert code == 0
    return json.loads((folder / "tuning.json").read_text()), folder


def test_json_has_all_that_was_promised(runs, tmp_path, capsys):
    code, out, err = run(capsys, runs, *QUICK, "--json", "-o", tmp_path)
    assert (code, err) == (0, "")
    result = json.loads(out)
    promised = ("settings_tried", "per_minute", "front", "chosen", "before", "after", "expected")
    assert not [key for key in promised if key not in result]
    assert result["settings_tried"] > 40
    assert len(result["flights"]) == 4
    assert set(result["chosen"]) == {knob.key for knob in KNOBS}
    for figure in result["expected"].values():
        assert figure["low"] <= figure["mean"] <= figure["high"]


def test_the_same_seed_gives_the_same_on_any_number_of_processes(runs, tuned, tmp_path, capsys):
    code, out, _ = run(capsys, runs, *QUICK, "--workers", 2, "--json", "-o", tmp_path)
    assert code == 0
    one, two = tuned[0], json.loads(out)
    for key in ("settings_tried", "front", "chosen", "before", "after", "expected", "gain"):
        assert one[key] == two[key], key
    _, out, _ = run(capsys, runs, *QUICK, "--seed", 1, "--json", "-o", tmp_path)
    assert json.loads(out)["front"] != one["front"]


def test_tuned_toml_is_what_was_chosen_and_nothing_else(tuned, capsys):
    result, folder = tuned
    text = (folder / "tuned.toml").read_text()
    config = load(folder / "tuned.toml")
    for key, value in result["chosen"].items():
        _, section, name = key.split(".")
        assert getattr(getattr(config.pilot, section), name) == value, key
    changed = {key.rpartition(".")[2] for key in result["changed"]}
    assert set(tomllib.loads(text)["pilot"]["trust"]) <= changed | {"min_tpr_low"}
    assert "seed" not in tomllib.loads(text).get("flight", {})
    assert "flight-0" in text
    assert all(line.startswith("#") for line in text.split("\n\n")[0].splitlines())


def test_the_page_stands_alone_and_shows_every_flight(tuned):
    html = (tuned[1] / "tuning.html").read_text()
    assert "http" not in html.replace("http-equiv", "")
    for name in ("figures", "roc", "front", "flights", "method"):
        assert f'<section id="{name}"' in html
    assert html.count("licence before") >= 4


def test_a_person_reads_what_changes_and_where_it_lies(runs, tmp_path, capsys):
    code, out, err = run(capsys, runs, *QUICK, "-o", tmp_path, "--objective", "time_to_trust")
    assert (code, err) == (0, "")
    assert "tuned.toml" in out
    assert "time to trust" in out


def test_what_is_set_is_not_tuned(runs, tmp_path, capsys):
    code, out, _ = run(
        capsys,
        *(runs, *QUICK, "--json", "-o", tmp_path, "--set", "pilot.trust.safety=0.85"),
        *("--range", "pilot.trust.max_fpr=0.2:0.3"),
    )
    assert code == 0
    result = json.loads(out)
    assert "pilot.trust.safety" not in result["chosen"]
    assert load(tmp_path / "tuned.toml").pilot.trust.safety == 0.85
    tried = {entry["setting"]["pilot.trust.max_fpr"] for entry in result["front"]}
    assert tried <= {0.4, *[round(0.2 + 0.0125 * k, 6) for k in range(9)]}


def test_explain_needs_no_flight(capsys):
    code, out, _ = run(capsys, "--explain")
    assert code == 0
    for knob in KNOBS:
        assert knob.key in out
        assert knob.words in out
    for objective in OBJECTIVES:
        assert f"\n{objective.name} (" in out
    assert "missed (per 100 m): " in out
    code, out, _ = run(capsys, "--explain", "--json", "--range", "pilot.trust.max_fpr=0.1:0.2")
    tried = next(s for s in json.loads(out)["settings"] if s["key"] == "pilot.trust.max_fpr")
    assert (tried["now"], min(tried["tried"]), max(tried["tried"])) == (0.4, 0.1, 0.2)


def test_only_what_the_configuration_takes_is_searched():
    """The window must not be longer than that of held-out frames: 80 s does not fit 45 s."""
    values = {k.key: k.values for k in space_of(with_trust(holdout_window_s=45.0), [], []).knobs}
    usual = {k.key: k.values for k in space_of(Config(), [], []).knobs}
    assert usual == {knob.key: knob.values for knob in KNOBS}
    assert values.pop("pilot.trust.window_s") == (20.0, 40.0)
    assert values == {key: v for key, v in usual.items() if key != "pilot.trust.window_s"}
    short = with_trust(window_s=10.0, holdout_window_s=10.0)
    assert "pilot.trust.window_s" not in {k.key for k in space_of(short, [], []).knobs}


def test_a_range_is_held_against_what_flies_now():
    asked = ["pilot.trust.window_s=50:300"]
    with pytest.raises(UserError, match="holdout_window_s must not be less than window_s"):
        space_of(Config(), [], asked)
    long = space_of(with_trust(holdout_window_s=400.0), [], asked)
    assert next(k for k in long.knobs if k.key == "pilot.trust.window_s").values[-1] == 300.0


def test_runs_whose_oldest_file_was_removed_are_found(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "flight.mcap").touch()
    (tmp_path / "b" / "flight.002.mcap").touch()
    (tmp_path / "tuned.toml").touch()
    found = ["a/flight.mcap", "b/flight.002.mcap"]
    assert tune._logs([str(tmp_path)]) == [tmp_path / name for name in found]


def test_a_flown_log_is_read_from_its_oldest_file(tmp_path, monkeypatch):
    (tmp_path / "flight.001.mcap").touch()
    read = []
    monkeypatch.setattr(confirm, "counts_of", lambda log: read.append(log) or [0.0])
    tuning = SimpleNamespace(space=SimpleNamespace(config=lambda _: Config()))
    confirm.fly(tuning, [{}], [3], lambda _: iter([(3, tmp_path)]))
    assert read == [tmp_path / "flight.001.mcap"]


def test_where_no_folder_can_be_made_nothing_is_searched(capsys, tmp_path, monkeypatch):
    for step in ("_logs", "_read", "_before", "_space"):
        monkeypatch.setattr(tune, step, lambda *_: None)
    monkeypatch.setattr(tune, "_tune", lambda *_: pytest.fail("it searched before"))
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        code, out, err = run(capsys, "runs", "-o", output)
        assert (code, out) == (1, "")
        assert f"{output}: cannot be made: " in err


@pytest.mark.slow
@pytest.mark.sim
def test_the_best_is_flown_beside_what_flies_now(tmp_path, capsys):
    tree = with_trust(min_tpr_low=0.3).model_dump(mode="json", exclude_none=True)
    tree["flight"]["duration_s"] = 5.0
    toy = write_flights(tmp_path / "toy", 4, SCRIPT, Config.model_validate(tree))
    code, out, err = run(
        capsys,
        *(toy, *QUICK, "--objective", "time_to_trust", "--json", "-o", tmp_path / "tuned"),
        *("--sim", "--sim-seeds", "40-41", "--sim-best", "1", "--runs", tmp_path / "flown"),
    )
    assert (code, err) == (0, "")
    confirmed = json.loads(out)["confirmed"]
    assert confirmed["seeds"] == [40, 41]
    assert len(list((tmp_path / "flown").iterdir())) == 4  # two settings, two rooms
    for which, trust_s in (("before", 5.0), ("chosen", 5.0)):
        flights = confirmed[which]["per_flight"]
        assert [flight["time_to_trust"] for flight in flights] == [trust_s, trust_s]
    assert confirmed["within_expected"]["n"] == 2
    assert "flown" in (tmp_path / "tuned" / "tuning.html").read_text()


# Wrong input


def test_no_flight(capsys):
    assert "name flights to tune on" in refused(capsys)


def test_nothing_there(capsys, tmp_path):
    assert "found nothing there" in refused(capsys, tmp_path / "gone")


def test_a_film(capsys, tmp_path):
    (tmp_path / "film.avi").write_bytes(b"")
    assert "has no decisions to tune" in refused(capsys, tmp_path / "film.avi")


def test_without_estimates(capsys, tmp_path):
    path = write_flight(tmp_path / "a.mcap", Script(duration_s=20.0, mono_from_s=1e9))
    assert "no estimate by mono" in refused(capsys, path)


def test_one_of_many_without_estimates_is_left_out(runs, capsys, tmp_path):
    path = write_flight(
        tmp_path / "a.mcap", Script(duration_s=20.0, mono_from_s=1e9), with_trust(min_tpr_low=0.3)
    )
    code, out, err = run(capsys, runs, path, *QUICK, "--json", "-o", tmp_path)
    assert code == 0
    assert "is left out" in err
    assert len(json.loads(out)["flights"]) == 4


def test_without_near_frames(capsys, tmp_path):
    path = write_flight(tmp_path / "a.mcap", Script(duration_s=20.0, nearest_m=1.3))
    message = refused(capsys, path)
    assert "none is nearer than 1 m (near)" in message
    assert "A threshold needs both" in message


def test_too_little_says_how_much_is_missing(capsys, tmp_path):
    path = write_flight(tmp_path / "a.mcap", Script(duration_s=60.0))
    message = refused(capsys, path)
    assert "too little to tune on: 1 of 3 flights" in message
    assert "missing: 2 more flights" in message
    assert "more minutes in the air" in message


def test_another_camera(runs, capsys, tmp_path):
    other = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(90)), 0.11)
    path = write_flight(tmp_path / "a.mcap", replace(SCRIPT, duration_s=20.0), None, other)
    message = refused(capsys, runs, path)
    assert "from another camera (128 x 96 px, focal length 64.0 px, baseline 110 mm)" in message
    assert f"baseline {1000 * CAMERA.baseline_m:.0f} mm" in message


def test_another_version(runs, capsys, tmp_path):
    """A flight whose trust judged otherwise: here, one with a licence that was never given."""
    from training.tuning import replay

    path = write_flight(tmp_path / "b.mcap", replace(SCRIPT, seed=9), with_trust(min_tpr_low=0.3))
    kept = replay.licensed
    replay.licensed = lambda track, figures, eyes, banned: (banned & False, banned & False)
    try:
        message = refused(capsys, runs, path)
    finally:
        replay.licensed = kept
    assert "does not replay" in message
    assert "Needed is a flight by this version" in message


def test_settings_of_another_version(capsys, tmp_path):
    config = Config()
    text = config.to_toml().replace("max_fpr", "highest_fpr")
    changed = Config.model_construct(**dict(config))
    object.__setattr__(changed, "to_toml", lambda: text)
    path = write_flight(tmp_path / "a.mcap", replace(SCRIPT, duration_s=5.0), changed)
    assert "unknown key 'pilot.trust.highest_fpr'" in refused(capsys, path)


def test_flights_with_other_settings(runs, capsys, tmp_path):
    path = write_flight(
        tmp_path / "a.mcap",
        replace(SCRIPT, duration_s=20.0),
        with_trust(min_tpr_low=0.3, max_fpr=0.2),
    )
    message = refused(capsys, runs, path)
    assert "flown with pilot.trust.max_fpr = 0.2" in message
    assert "--config" in message


def test_what_cannot_be_replayed_cannot_be_set(runs, capsys):
    message = refused(capsys, runs, "--set", "pilot.switching.stop_m=1.5")
    assert "pilot.switching.stop_m = 1.5 cannot be judged from flights with" in message


def test_requirements_that_contradict_each_other(runs, capsys, tmp_path):
    message = refused(
        capsys,
        *(runs, *QUICK, "-o", tmp_path, "--require", "needless_stops<=0"),
        *("--require", "missed<=0", "--require", "time_to_trust<=1"),
    )
    assert "contradict each other" in message
    assert "allow more" in message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "pilot.trust.max_fpr=1.5"), "pilot.trust.max_fpr = 1.5"),
        (("--range", "pilot.trust.max_fpr=0.2:1.5"), "less than or equal to 1"),
        (("--range", "pilot.trust.min_episodes=0:4"), "greater than or equal to 1"),
        (("--range", "pilot.trust.min_episodes=1.5:4"), "whole number"),
        (("--range", "pilot.trust.max_fpr=0.3:0.2"), "lower bound comes first"),
        (("--range", "pilot.trust.max_fpr=low:0.2"), "not two numbers"),
        (("--range", "pilot.trust.max_fpr"), "expected key=low:high"),
        (("--range", "pilot.mono.caution=1:2"), "is not tuned; what can be"),
        (("--range", "pilot.trust.safety=0.8:1", "--set", "pilot.trust.safety=1.0"), "one of the"),
        (("--objective", "speed"), "no objective 'speed'"),
        (("--require", "missed>2"), "expected name<=number"),
        (("--trials", "0"), "expected 1 to"),
        (("--seed", "-1"), "expected 0 or more"),
        (("--seed", "99999999999"), "less than 2147483648"),
        (("--workers", "-1"), "number of processes"),
        (("--sim-seeds", "0-1"), "goes with --sim"),
        (("--sim-best", "0"), "expected 1 or more"),
        (("--sim", "--sim-seeds", "3"), "expected a range"),
    ],
)
def test_wrong_options_say_what_would_be_right(runs, capsys, arguments, says):
    assert says in refused(capsys, runs, *arguments)
