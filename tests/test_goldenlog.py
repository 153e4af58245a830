"""A log of an earlier version stays readable: what it holds is written down beside it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from drone import topics
from drone.flightlog import FlightLog
from drone.logrepair import repair

GOLDEN = Path(__file__).parent / "golden"


def _maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_golden_log_reads_as_it_was_written() -> None:
    maker = _maker()
    expected = json.loads((GOLDEN / maker.FACTS_NAME).read_text(encoding="utf-8"))
    assert maker.facts(GOLDEN / maker.LOG_NAME) == expected
    assert expected["duration_s"] >= 19.9


def test_the_golden_log_is_whole_and_small() -> None:
    path = GOLDEN / _maker().LOG_NAME
    log = FlightLog(path)
    assert sum(1 for _ in log.ticks()) > 200
    assert log.damaged is None
    assert path.stat().st_size < 500_000


def test_it_can_be_copied_and_nothing_changes(tmp_path: Path) -> None:
    maker = _maker()
    repair(GOLDEN / maker.LOG_NAME, tmp_path / "copy.mcap")
    assert maker.facts(tmp_path / "copy.mcap") == maker.facts(GOLDEN / maker.LOG_NAME)


def test_negative_control_another_value_is_noticed(tmp_path: Path) -> None:
    maker = _maker()
    log = FlightLog(GOLDEN / maker.LOG_NAME)
    with maker.FlightLogWriter(tmp_path / "other.mcap", log.header) as writer:
        for topic, message in log.records():
            if topic == topics.TICK:
                writer.write_tick(maker.replace(message, permitted=False))
            elif not topic.consumed:
                writer.write(topic, message)
    facts, other = maker.facts(GOLDEN / maker.LOG_NAME), maker.facts(tmp_path / "other.mcap")
    assert facts["counts"] == other["counts"]
    assert facts["values_sha256"] != other["values_sha256"]
