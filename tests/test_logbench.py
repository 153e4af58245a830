"""The bench of the log: it counts what it wrote, and paces without a real clock."""

from __future__ import annotations

import json

import pytest

from drone.cli import main
from drone.logbench import JPEG, LOSSLESS, paced, throughput


def test_a_paced_run_writes_every_frame_at_its_rate() -> None:
    now_s = [0.0]
    slept = []

    def sleep(duration_s: float) -> None:
        slept.append(duration_s)
        now_s[0] += duration_s

    figures = paced(LOSSLESS, 0.5, clock_s=lambda: now_s[0], sleep=sleep)
    assert (figures["frames"], figures["dropped"]) == (30, 0)
    assert sum(slept) == pytest.approx(29 / 60)
    assert figures["mb"] > 0


def test_jpeg_is_smaller_than_the_images() -> None:
    figures = paced(JPEG, 0.1, clock_s=lambda: 0.0, sleep=lambda _: None)
    assert 0 < figures["mb"] < 0.5 * 3 * 2 * 640 * 480 / 1e6


def test_throughput_is_beside_a_bare_writer() -> None:
    figure = throughput(LOSSLESS, 1, count=20)
    assert figure.value > 0
    assert figure.reference > 0
    assert figure.n == 1


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "log", "--seconds", "0.1", "--rounds", "1", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["lossless_60hz_128x96"]["dropped"] == 0
    assert record["figures"]["throughput"]["n"] == 1
    assert main(["bench", "log", "--seconds", "0"]) == 2
