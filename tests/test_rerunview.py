"""A log told to Rerun: written, read back, and seen."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rerun", reason="needs the extra view")

import rerun as rr

from drone import cli, topics
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.messages import Decision, Tick, Truth
from drone.rerunview import BATCH, need_display, save_view

GOLDEN = Path(__file__).parent / "golden" / "golden.mcap"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("view") / "golden.rrd"
    told = []
    assert save_view(FlightLog(GOLDEN), path, told.append) == 201
    assert told[-1] == pytest.approx(20.0)
    return path


@pytest.fixture(scope="module")
def rows(saved):
    """Entity and component to times (ns since the first tick) and values."""
    found = {}
    for chunk in rr.chunk.RrdReader(saved).stream():
        batch = chunk.to_record_batch()
        times = batch["flight"].cast("int64").to_pylist() if not chunk.is_static else None
        for name in batch.schema.names:
            if ":" in name:
                values = batch[name].to_pylist()
                found.setdefault((chunk.entity_path, name), []).append((times, values))
    return {
        key: ([t for ts, _ in parts for t in ts or ()], [v for _, vs in parts for v in vs])
        for key, parts in found.items()
    }


def logged(cls):
    return [m for _, m in FlightLog(GOLDEN).records() if isinstance(m, cls)]


def test_everything_is_in_it(rows):
    entities = {entity for entity, _ in rows}
    for entity in (
        *("/world/drone", "/world/path", "/world/plan", "/world/drone/left/image"),
        *("/world/drone/right/image", "/depth/stereo", "/depth/mono", "/events"),
        *("/distance/stereo", "/distance/mono", "/distance/true", "/trust/held"),
    ):
        assert entity in entities


def test_images_are_those_of_the_log(rows):
    ticks = [t for t in logged(Tick) if t.frame is not None and t.frame.left is not None]
    times, buffers = rows["/world/drone/left/image", "Image:buffer"]
    order = np.argsort(times, kind="stable")
    epoch_ns = logged(Tick)[0].stamp_ns
    assert [times[k] for k in order] == [t.stamp_ns - epoch_ns for t in ticks]
    for k, tick in zip(order, ticks, strict=True):
        assert np.array(buffers[k][0], np.uint8).tobytes() == tick.frame.left.tobytes()


def test_distances_are_those_that_were_decided_on(rows):
    decisions = logged(Decision)
    assert len(decisions) > BATCH, "more than is sent at a time"
    for entity, field in (("stereo", "stereo_obstacle_m"), ("mono", "mono_obstacle_m")):
        times, values = rows[f"/distance/{entity}", "Scalars:scalars"]
        order = np.argsort(times, kind="stable")
        told = [values[k][0] for k in order]
        assert told == pytest.approx([getattr(d, field) for d in decisions], nan_ok=True)


def test_the_drone_stands_where_it_was(rows):
    _, places = rows["/world/drone", "Transform3D:translation"]
    truth = [t.position_m for t in logged(Truth)]
    known = np.array([p[0] for p in places])
    assert known[-1] == pytest.approx(truth[-1], abs=1e-5)
    assert rows["/world/path", "LineStrips3D:strips"][1][0]


def test_depth_is_depth_and_empty_where_unknown(rows):
    labels = [m for m in FlightLog(GOLDEN).messages(topics.LABEL) if m.valid]
    times, buffers = rows["/depth/stereo", "DepthImage:buffer"]
    order = np.argsort(times, kind="stable")
    assert len(order) == len(labels)
    for k, label in zip(order, labels, strict=True):
        depth_m = np.frombuffer(np.array(buffers[k][0], np.uint8).tobytes(), np.float32)
        wanted = label.inverse_depth.ravel()
        assert np.array_equal(depth_m == 0, ~np.isfinite(wanted))
        known = depth_m > 0
        assert depth_m[known] == pytest.approx(1 / wanted[known], rel=1e-5)


def test_changes_of_mode_are_told(rows):
    _, texts = rows["/events", "TextLog:text"]
    assert any(text[0].startswith("mode ") for text in texts)


# The command


def test_the_command_writes_a_file(tmp_path, capsys):
    out = tmp_path / "flight.rrd"
    assert cli.main(["replay", str(GOLDEN), "--view", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"frames": 201, "damaged": None, "view": str(out)}
    assert out.stat().st_size > 1e5


def test_a_cut_log_is_shown_as_far_as_it_goes(tmp_path, capsys):
    cut = tmp_path / "cut.mcap"
    data = GOLDEN.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    out = str(tmp_path / "flight.rrd")
    assert cli.main(["replay", str(cut), "--view", out, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["damaged"]
    assert 10 < told["frames"] < 201


def test_what_cannot_be_viewed_is_an_error_in_words(tmp_path, capsys):
    (tmp_path / "mav0").mkdir()
    wrong = {
        (str(GOLDEN), "--view", "x.mcap"): "expected a file .rrd",
        (str(GOLDEN), "--view", "x.rrd", "--verify"): "--verify does not go with --view",
        (str(tmp_path), "--view", "x.rrd"): "is no flight",
        (str(GOLDEN), "--view", str(tmp_path / "no" / "x.rrd")): "cannot be written",
    }
    for arguments, words in wrong.items():
        assert cli.main(["replay", *arguments]) in (1, 2)
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1


def test_without_a_display_nothing_is_opened():
    with pytest.raises(UserError, match=r"--view FILE\.rrd"):
        need_display({}, "linux")
    need_display({"DISPLAY": ":0"}, "linux")
    need_display({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    need_display({}, "darwin")
