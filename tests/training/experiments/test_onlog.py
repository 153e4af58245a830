"""The comparison of learners on a log: what is taken from it, and what is refused."""

import json
import math

import pytest
from test_courses import SMALL, moment

from drone.errors import UserError
from training.course import stereo_flight
from training.experiments import onlog
from training.experiments.courses import BLIND
from training.experiments.design import configured
from training.experiments.learners import LEARNERS


def test_a_flight_counts_from_its_first_frame():
    found = onlog.from_zero([moment(70), moment(72)])
    assert [m.frame.stamp_ns for m in found] == [0, 200_000_000]
    assert [m.label.stamp_ns for m in found] == [0, 200_000_000]
    assert [m.frame.seq for m in found] == [70, 72]
    assert onlog.from_zero([]) == []


def test_what_is_no_log_is_refused_in_words(tmp_path, capsys):
    with pytest.raises(UserError):
        onlog.logged(tmp_path / "flight.mcap")
    with pytest.raises(SystemExit) as ended:
        onlog.main([str(tmp_path / "flight.mcap")])
    assert ended.value.code == 2
    assert "flight.mcap" in capsys.readouterr().err


@pytest.mark.slow
def test_every_learner_is_judged_on_the_last_third():
    config = configured(30, 9.0, *SMALL)
    moments = [m._replace(truth_m=math.nan) for m in stereo_flight(config, 30, 9.0)]
    found = onlog.compare(config, moments)
    assert list(found) == [BLIND, *LEARNERS]
    assert found["cnn"]["near"] + found["cnn"]["free"] <= 31
    assert found["cnn"]["fpr_at_tpr95_truth"] is None
    json.dumps(found, allow_nan=False)
