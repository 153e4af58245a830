"""`drone onboard`: what it refuses before anything starts, and a rehearsal as a whole."""

import json
import math
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drone import topics
from drone.cli import main
from drone.flightlog import FlightLog
from drone.geometry import Intrinsics, StereoCalibration
from drone.onboard.processes.orders import tree_of
from drone.replay import verify
from drone.runfolder import RunFolder

GOLDEN = Path(__file__).parent / "golden" / "golden.mcap"
CALIBRATION = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)

LEARNING = ("--set", "learner.steps_per_frame=1")


@pytest.fixture
def vehicle(tmp_path):
    (tmp_path / "seen.json").write_text(json.dumps(tree_of(CALIBRATION)))
    path = tmp_path / "vehicle.toml"
    path.write_text('[camera]\ncalibration = "seen.json"\n[learner]\nsteps_per_frame = 0\n')
    return path


def refused(capsys, *arguments):
    code = main(["onboard", *map(str, arguments)])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--minutes", "0"), "--minutes 0: expected more than 0"),
        (("--set", "camera.devices=['a','b','c']"), "right is one that shows both eyes"),
        (("--set", "camera.calibration=other.json"), "other.json: no such calibration"),
        (("--set", "camera.calibration=vehicle.toml"), "no calibration of rectified"),
        (("--set", "camera.calibration="), "right is a file of drone calibrate"),
        (("--set", "autopilot.url=com3"), "expected serial:///dev/ttyAMA0"),
        (("--set", "processes.pilot.nice=99"), "processes.pilot.nice"),
        (("--set", "sim.height_m=3"), "unknown key 'sim'"),
        (("--model", "none.onnx"), "--model none.onnx: cannot be read"),
        (("--model", "a.onnx", "--memory", "b"), "exclude each other"),
        (("--rehearse", "nothing-here"), "nothing-here"),
        (("--web-token", "x"), "--web-host and --web-token go with --web"),
        (("--bus", "{}/vehicle.toml"), "vehicle.toml: no folder can be made here (File exists)"),
        (("--bus", "{}/vehicle.toml/x"), "no folder can be made here (Not a directory)"),
        (("--bus", "/proc/foo"), "--bus /proc/foo: no folder can be made here"),
        (("--bus", "{}/" + 9 * "long-name/"), "too long for a Unix socket"),
        ((*LEARNING, "--memory", "{}/vehicle.toml"), "vehicle.toml: no folder can be made here"),
    ],
)
def test_a_mistake_is_said_before_anything_starts(vehicle, tmp_path, capsys, arguments, said):
    runs = tmp_path / "runs"
    words = [word.replace("{}", str(tmp_path)) for word in arguments]
    code, err = refused(capsys, "--config", vehicle, "--runs", runs, *words)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert not runs.exists()


def test_a_model_that_is_none_is_refused(vehicle, tmp_path, capsys):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    code, err = refused(capsys, "--config", vehicle, "--model", tmp_path / "broken.onnx")
    assert code == 2
    assert "broken.onnx" in err


def test_a_folder_in_which_no_orders_can_be_left_leaves_no_run_either(vehicle, tmp_path, capsys):
    runs = tmp_path / "runs"
    code, err = refused(capsys, "--config", vehicle, "--runs", runs, "--bus", "/proc")
    assert (code, list(runs.iterdir())) == (1, [])
    assert "/proc/onboard.toml: cannot be written" in err


def test_a_memory_without_learning_is_said_to_be_none(vehicle, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("drone.commands.onboard._fly", lambda orders, folder, args: None)
    monkeypatch.setattr("drone.commands.onboard._tell", lambda folder, flown, args: 0)
    words = ("--config", vehicle, "--runs", tmp_path / "runs", "--memory", tmp_path / "memory")
    code, err = refused(capsys, *words)
    assert code == 0
    assert "is neither read nor kept, since nothing is learned" in err
    assert not (tmp_path / "memory").exists()


def test_what_runs_keeps_the_calibration_of_its_release(vehicle, tmp_path, monkeypatch, capsys):
    """`current` may point to another release while this flies (drone deploy without --service)."""
    release = tmp_path / "release"
    release.mkdir()
    (tmp_path / "current").symlink_to("release")
    for path in (vehicle, tmp_path / "seen.json"):
        path.rename(release / path.name)
    told = []
    monkeypatch.setattr(
        "drone.commands.onboard._fly", lambda orders, folder, args: told.append(orders)
    )
    monkeypatch.setattr("drone.commands.onboard._tell", lambda folder, flown, args: 0)
    words = ("--config", tmp_path / "current/vehicle.toml", "--runs", tmp_path / "runs")
    assert refused(capsys, *words) == (0, "")
    assert told[0].config.camera.calibration == str(release / "seen.json")


def test_a_rehearsal_plays_a_recording_and_logs_what_was_decided(vehicle, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"udpout://127.0.0.1:{nobody.getsockname()[1]}"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "drone", "onboard", "--config", str(vehicle)),
                *("--rehearse", str(GOLDEN), "--runs", str(tmp_path / "runs"), "--json"),
                *("--no-report", "--set", f"autopilot.url={url}"),
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            run = _logged(tmp_path / "runs", 150_000)
        finally:
            process.terminate()  # a test that was started in the background hears no Ctrl-C
            out, _ = process.communicate(timeout=60)
    figures = json.loads(out)
    assert process.returncode == 0
    assert figures["frames"] > 5
    assert figures["mode_s"]["stereo"] == 0.0  # nobody permits
    assert figures["restarts"] == {}
    result = verify(run.log)
    assert result.mismatches == 0
    assert not any(d.command.forward_mps for d in FlightLog(run.log).messages(topics.DECISION))


def _logged(runs, size_bytes, most_s=60.0):
    """Wait for a log that is so large."""
    end_s = time.monotonic() + most_s
    while time.monotonic() < end_s:
        for path in runs.glob("*/flight.mcap"):
            if path.stat().st_size > size_bytes:
                return RunFolder(path.parent)
        time.sleep(0.2)
    raise AssertionError("nothing was logged")
