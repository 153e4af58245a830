"""`drone doctor` looks through a camera: a program that shows a textured plane to both eyes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from drone.cli import main
from drone.geometry import Intrinsics
from drone.onboard.calibration import CameraModel
from drone.onboard.calibration_toml import write_calibration
from drone.onboard.sources.options import side_by_side

CAMERA = """
import sys, time
import cv2, numpy as np
down = int(sys.argv[1])
random = np.random.default_rng(0)
start = time.monotonic()
for k in range(1000):
    noise = random.integers(0, 256, (180, 240)).astype(np.uint8)
    plane = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)
    left, right = plane[20:140, 20:180], plane[20 + down:140 + down, 28:188]
    sys.stdout.buffer.write(np.hstack([left, right]).tobytes())
    sys.stdout.buffer.flush()
    time.sleep(max(0.0, start + k / 20 - time.monotonic()))
"""


def look(folder: Path, capsys, down_px: int) -> dict[str, dict[str, str]]:
    """Return what the doctor finds where the right eye shows everything so many rows too high."""
    eye = CameraModel(Intrinsics(160, 120, 120.0, 120.0, 79.5, 59.5))
    write_calibration(folder / "calibration.toml", side_by_side(eye, eye, 0.08))
    (folder / "camera.py").write_text(CAMERA)
    config = folder / "vehicle.toml"
    command = f"pipe:{sys.executable} {folder}/camera.py {down_px}"
    config.write_text(
        f"[camera]\ndevices = [{json.dumps(command)}]\ncalibration = 'calibration.toml'\n"
    )
    words = ["--config", str(config), "--only", "cameras", "--only", "calibration", "--json"]
    main(["doctor", *words])
    out, err = capsys.readouterr()
    assert err == ""
    return {f["name"]: f for f in json.loads(out)["findings"]}


@pytest.mark.parametrize(("down_px", "verdict"), [(0, "ok"), (2, "fail")])
def test_through_a_camera(tmp_path, capsys, down_px, verdict):
    found = look(tmp_path, capsys, down_px)
    assert found["calibration.rows"]["verdict"] == verdict, found["calibration.rows"]
    for name in ("eyes", "skew", "focus", "exposure"):
        assert found[f"cameras.{name}"]["verdict"] == "ok", found[f"cameras.{name}"]
    assert "frames a second of 10" in found["cameras.rate"]["what"]
