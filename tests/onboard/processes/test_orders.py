"""What the processes are told stays true while a deployment turns `current` to another release."""

import math

from drone.config.onboard import OnboardConfig
from drone.geometry import Intrinsics, StereoCalibration
from drone.onboard.processes.orders import Orders, read, write

CALIBRATION = StereoCalibration(Intrinsics.from_hfov(128, 96, math.radians(70)), 0.06)


def test_a_process_that_is_started_anew_finds_the_model_of_the_old_release(tmp_path):
    for release in ("old", "new"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "model.onnx").write_text(release)
    current = tmp_path / "current"
    current.symlink_to("old")
    orders = Orders(OnboardConfig(), CALIBRATION, 0, tmp_path, model=current / "model.onnx")
    write(orders, tmp_path)
    current.unlink()
    current.symlink_to("new")
    model = read(tmp_path).model
    assert model is not None
    assert model.read_text() == "old"
