"""The score of parts of a logged flight, on a flight by script."""

import pytest
from reportlog import Script, write_log

from drone.config import Config
from drone.flightlog import FlightLog
from drone.logscore import counts_of, scores_of

SUMS = (
    *("seconds", "flying_s", "mono_s", "held_s", "metres", "turning_s"),
    *("collisions", "stops", "needless_stops", "open_stops", "overrides"),
    *("caught_stereo", "missed_stereo", "needless_stereo", "free_stereo"),
    *("caught_truth", "missed_truth", "needless_truth", "free_truth"),
    *("log_error_sum", "log_error_n"),
)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return FlightLog(write_log(tmp_path_factory.mktemp("log") / "flight.mcap", Script()))


def counts(log, *from_s):
    return [counts_of(score) for score in scores_of(log, Config(), from_s)]


def test_parts_by_hand(log):
    """Licence at 8 s, mono alone from 12 s on, a collision at 15 s; 0.5 m/s, 20 s in all."""
    before, after = counts(log, 0.0, 12.0)
    assert before["seconds"] == pytest.approx(12.0, abs=0.11)
    assert after["seconds"] == after["mono_s"] + 0.1 == pytest.approx(8.0, abs=0.11)
    assert (before["collisions"], after["collisions"]) == (0, 1)
    assert before["overrides"] == 1
    assert before["time_to_trust_s"] == pytest.approx(8.0)
    assert before["metres"] == pytest.approx(6.0, abs=0.06)
    assert after["metres"] == pytest.approx(4.0, abs=0.11), "being put back is no way flown"
    assert before["stops"] + after["stops"] == 8, "one approach every 2.5 s"


@pytest.mark.parametrize("at_s", [0.05, 1.25, 8.0, 9.1, 12.0, 14.95, 15.0, 19.95, 40.0])
def test_parts_add_up_to_the_whole_wherever_it_is_cut(log, at_s):
    """In the middle of an override, of a stop, right at a collision, and after the end."""
    (whole,) = counts(log, 0.0)
    parts = counts(log, 0.0, at_s)
    for name in SUMS:
        assert sum(part[name] for part in parts) == pytest.approx(whole[name], abs=2e-3), name


def test_three_parts_are_three(log):
    (whole,) = counts(log, 0.0)
    parts = counts(log, 0.0, 9.1, 12.0)
    assert len(parts) == 3
    for name in SUMS:
        assert sum(part[name] for part in parts) == pytest.approx(whole[name], abs=2e-3), name


def test_what_never_happened_is_unknown(log):
    assert counts(log, 0.0, 40.0)[1]["seconds"] == 0
    assert counts(log, 0.0, 5.0)[0]["time_to_trust_s"] is None
