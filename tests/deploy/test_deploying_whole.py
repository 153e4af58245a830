"""The project itself, deployed over a real sshd and examined there by its own doctor."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import smallbundle
import tinymodel
from sshserver import Server

from drone.cli import main
from drone.config import load_as
from drone.config.onboard import OnboardConfig
from drone.deploy.contents import Request, vehicle_files
from drone.deploy.target.releases import Releases
from drone.doctor.equipment import model_spec, rectifier_of
from drone.errors import UserError
from drone.geometry import Intrinsics
from drone.onboard.calibration import CameraModel
from drone.onboard.calibration_toml import write_calibration
from drone.onboard.sources.options import side_by_side

SETTINGS = '[camera]\ndevices = ["/dev/video99"]\ncalibration = "stereo.toml"\n'


@pytest.fixture
def request_of(tmp_path: Path) -> Callable[[int], Request]:
    """Return a vehicle's files, with the model of a version."""
    eye = CameraModel(Intrinsics(640, 480, 500.0, 500.0, 319.5, 239.5))
    write_calibration(tmp_path / "stereo.toml", side_by_side(eye, eye, 0.08))
    path = tmp_path / "vehicle.toml"
    path.write_text(SETTINGS)
    config = load_as(OnboardConfig, path)
    spec = model_spec(config.pilot, rectifier_of(config, tmp_path / "stereo.toml").calibration)

    def request(version: int) -> Request:
        model = tmp_path / f"model-{version}.onnx"
        model.write_bytes(tinymodel.model_bytes(spec, version))
        return Request(path, model=model)

    return request


def test_the_files_of_a_vehicle(request_of, tmp_path):
    files = vehicle_files(request_of(3))
    assert set(files) == {
        *("config.toml", "calibration.toml", "model.onnx", "onboard.env", "drone.service")
    }
    for name in ("config.toml", "calibration.toml"):
        (tmp_path / name).write_bytes(files[name])
    config = load_as(OnboardConfig, tmp_path / "config.toml")
    assert config.camera.calibration == "calibration.toml"
    assert config.learner.steps_per_frame == 0
    there = rectifier_of(config, tmp_path / "calibration.toml").calibration
    here = rectifier_of(config, tmp_path / "stereo.toml").calibration
    assert there.hash == here.hash
    assert b'ONBOARD_OPTIONS="--model current/model.onnx"' in files["onboard.env"]


def test_learning_on_board(request_of):
    from dataclasses import replace

    request = replace(request_of(1), model=None, train=True, shadow=True)
    files = vehicle_files(request)
    assert b'"--shadow --memory memory"' in files["onboard.env"]
    assert b"steps_per_frame = 0" not in files["config.toml"]


@pytest.mark.parametrize("data", [b"", b"no model", None])
def test_a_model_that_does_not_fit_is_refused_before_anything_is_sent(request_of, tmp_path, data):
    from dataclasses import replace

    request = request_of(1)
    if data is None:
        eye = CameraModel(Intrinsics(640, 480, 450.0, 450.0, 319.5, 239.5))
        write_calibration(tmp_path / "stereo.toml", side_by_side(eye, eye, 0.08))
        expected = "made for calibration"
    else:
        (tmp_path / "broken.onnx").write_bytes(data)
        request = replace(request, model=tmp_path / "broken.onnx")
        expected = "not a loadable ONNX model"
    with pytest.raises(UserError, match=expected):
        vehicle_files(request)


def test_no_calibration(request_of, tmp_path):
    request = request_of(1)
    (tmp_path / "stereo.toml").unlink()
    with pytest.raises(UserError, match=r"stereo\.toml"):
        vehicle_files(request)
    request.config.write_text(SETTINGS.replace("stereo.toml", ""))
    with pytest.raises(UserError, match=r"camera\.calibration is missing"):
        vehicle_files(request)


def deployed(companion: Server, bundle: Path, code: int = 0) -> None:
    words = ["deploy", companion.host, "--ssh", companion.ssh, "--from", str(bundle), "--json"]
    assert main(words) == code


def doctor_there(companion: Server) -> dict[str, str]:
    """Return what the current release's doctor says, as a user there would call it."""
    done = subprocess.run(
        [companion.home / "drone/current/bin/drone", "doctor", "--no-hardware", "--json"],
        env={"HOME": str(companion.home), "PATH": "/usr/bin:/bin"},
        cwd=companion.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return {f["name"]: f["what"] for f in json.loads(done.stdout)["findings"]}


def test_the_project_twice_then_with_a_broken_model(companion, request_of, tmp_path, capsys):
    for version in (1, 2):
        files = vehicle_files(request_of(version))
        deployed(companion, smallbundle.make_whole(tmp_path, f"v{version}", files).path)
    releases = Releases(companion.home / "drone")
    second = releases.current
    capsys.readouterr()

    files["model.onnx"] = files["model.onnx"][:-100]
    deployed(companion, smallbundle.make_whole(tmp_path, "broken", files).path, code=1)
    assert "not healthy: model.loads" in capsys.readouterr().err
    assert releases.current == second
    assert len(releases.names) == 2
    found = doctor_there(companion)
    assert found["model.loads"] == "version 2 fits camera and configuration"
    assert "baseline 80.0 mm" in found["calibration.file"]


@pytest.mark.slow
def test_the_project_from_the_index(companion, request_of, capsys):
    """Builds for the machine over there, downloads 150 MB, and sends all of it."""
    request = request_of(5)
    words = ["deploy", companion.host, "--ssh", companion.ssh, "--json"]
    words += ["--config", str(request.config), "--model", str(request.model)]
    code = main(words)
    out, err = capsys.readouterr()
    if code and "error sending request" in err:
        pytest.skip("the package index is out of reach")
    assert code == 0, err
    assert json.loads(out)["current"] == json.loads(out)["release"]
    assert doctor_there(companion)["model.loads"] == "version 5 fits camera and configuration"
