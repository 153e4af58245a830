"""`drone doctor`: what is configured is looked at, the rest is skipped with words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import tinymodel

from drone.cli import main
from drone.commands.doctor import GROUPS as NAMED
from drone.config import launch_folder, load_as
from drone.config.onboard import OnboardConfig
from drone.doctor import autopilot
from drone.doctor.equipment import model_spec, rectifier_of
from drone.doctor.examination import GROUPS
from drone.geometry import Intrinsics
from drone.onboard.calibration import CameraModel
from drone.onboard.calibration_toml import write_calibration
from drone.onboard.sources.options import side_by_side

DOCS = Path(__file__).parents[2] / "docs"
CALM = ["--only", "calibration", "--only", "model", "--only", "disk", "--no-hardware"]


def doctor(capsys, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "--json", *words])
    out, err = capsys.readouterr()
    assert err == ""
    return code, {f["name"]: f for f in json.loads(out)["findings"]}


@pytest.fixture
def vehicle(tmp_path) -> tuple[Path, OnboardConfig]:
    """A configuration with a calibration beside it."""
    eye = CameraModel(Intrinsics(640, 480, 500.0, 500.0, 319.5, 239.5))
    write_calibration(tmp_path / "calibration.toml", side_by_side(eye, eye, 0.08))
    path = tmp_path / "vehicle.toml"
    path.write_text('[camera]\ndevices = ["/dev/video99"]\ncalibration = "calibration.toml"\n')
    return path, load_as(OnboardConfig, path)


def test_the_groups_that_are_named_are_those_there_are():
    assert tuple(GROUPS) == NAMED


def test_nothing_configured_is_skipped_with_words(capsys, tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("")
    code, found = doctor(capsys, "--config", str(path), *CALM, "--runs", str(tmp_path))
    skipped = [f for f in found.values() if f["verdict"] == "skipped"]
    assert {f["name"] for f in skipped} == {"calibration.file", "model.loads"}
    assert all(f["what"] for f in skipped)
    assert code == 0


def test_a_model_that_fits(capsys, vehicle):
    path, config = vehicle
    spec = model_spec(
        config.pilot, rectifier_of(config, path.parent / "calibration.toml").calibration
    )
    model = path.with_name("model.onnx")
    model.write_bytes(tinymodel.model_bytes(spec, 7))
    words = ["--config", str(path), *CALM[:-3], "--no-hardware", "--model", str(model)]
    code, found = doctor(capsys, *words)
    assert found["calibration.file"]["verdict"] == "ok"
    assert found["model.loads"]["what"] == "version 7 fits camera and configuration"
    assert code == (1 if found["model.speed"]["verdict"] == "fail" else 0)


@pytest.mark.parametrize("data", [b"", b"no model at all", None])
def test_a_model_that_does_not(capsys, vehicle, data):
    path, config = vehicle
    rectified = rectifier_of(config, path.parent / "calibration.toml").calibration
    other = model_spec(config.pilot, rectified)
    object.__setattr__(other, "calibration", "0123456789abcdef")
    model = path.with_name("model.onnx")
    model.write_bytes(tinymodel.model_bytes(other) if data is None else data)
    code, found = doctor(capsys, "--config", str(path), *CALM[:-3], "--model", str(model))
    assert (code, found["model.loads"]["verdict"]) == (1, "fail")
    assert found["model.loads"]["fix"]


def test_cameras_that_are_not_there(capsys, vehicle):
    code, found = doctor(capsys, "--config", str(vehicle[0]), "--only", "cameras")
    assert (code, found["cameras.open"]["verdict"]) == (1, "fail")
    assert "/dev/video99" in found["cameras.open"]["what"]


def test_a_calibration_that_is_not_there(capsys, vehicle):
    vehicle[0].with_name("calibration.toml").unlink()
    words = ["--config", str(vehicle[0]), "--only", "cameras", "--only", "calibration"]
    code, found = doctor(capsys, *words)
    assert (code, found["calibration.file"]["verdict"]) == (1, "fail")
    assert found["cameras.open"]["verdict"] == "skipped"


def test_a_table_for_people(capsys, tmp_path):
    (tmp_path / "x.toml").write_text("")
    words = ["doctor", "--config", str(tmp_path / "x.toml"), *CALM, "--runs", str(tmp_path)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "skipped" in out
    assert "model.loads" in out


@pytest.mark.parametrize("words", [["--only", "wings"], ["--model", "gone.onnx"]])
def test_wrong_use(capsys, words):
    try:
        code = main(["doctor", *words])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2


@pytest.mark.parametrize("name", ["companion_rpi5.toml", "companion_jetson.toml"])
def test_the_situations_that_ship_are_whole(name):
    config = load_as(OnboardConfig, launch_folder() / name)
    assert config.camera.devices
    assert config.camera.calibration == "calibration.toml"
    assert config.autopilot.address.kind == "serial"


def test_the_page_says_which_parameters_of_its_tables_the_doctor_does_not_read():
    section = (
        (DOCS / "companion.md").read_text().partition("## Parameters")[2].partition("\n## ")[0]
    )
    said, *tables = section.split("\n###")
    rows = [line.split("|")[1] for table in tables for line in table.splitlines() if "|" in line]
    named = {name for row in rows for name in re.findall(r"`([A-Z0-9_]+n?)`", row)}
    read = {
        n for kind in (autopilot.ARDUPILOT, autopilot.PX4) for n in autopilot.parameters_of(kind)
    }
    assert named - read == set(re.findall(r"`([A-Z0-9_]+n?)`", said))


def test_the_page_names_every_parameter_that_the_doctor_reads():
    page = (DOCS / "companion.md").read_text()
    for kind in (autopilot.ARDUPILOT, autopilot.PX4):
        for name in autopilot.parameters_of(kind):
            assert f"`{name}`" in page, name
