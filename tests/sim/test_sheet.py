from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from plainroom import a_pillar, a_room

from drone.cli import main
from drone.commands.room import _write
from drone.config import Config
from drone.errors import WorkFailedError
from drone.sim import sheet

pytestmark = pytest.mark.sim


def test_a_portrait_shows_the_room_from_above_and_from_inside() -> None:
    picture = sheet.portrait(a_room(a_pillar(1.0, 0.5)), Config(), 2, (64, 48))
    assert picture.shape == (48, 3 * 64, 3)
    white = (picture == 255).all(axis=2)
    assert white[:, :64].mean() > 0.2, "around the room"
    assert white[:, 64:].mean() < 0.02, "and none within"


def test_the_command_makes_saves_and_draws_a_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, drawn = tmp_path / "room.toml", tmp_path / "room.png"
    arguments = ["room", "--seed", "22", "--difficulty", "cluttered", "--json"]
    assert main([*arguments, "--save", str(saved), "--picture", str(drawn)]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["difficulty"] == "cluttered"
    assert cv2.imread(str(drawn)).shape == (360, 4 * 480, 3)
    assert main(["room", "--room", str(saved), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["obstacles"] == first["obstacles"]
    assert again["seed"] is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--picture", "room.txt"], "a picture ends in .png or .jpg"),
        (["--save", "room.txt"], "a room file ends in .toml or .json"),
        (["--seed", "x"], "flight.seed = 'x'"),
        (["--set", "sim.height_m=4"], "must fly between"),
        (["--set", "sim.room.obstacles=100"], "do not fit"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["room", *arguments]) == 2
    assert expected in capsys.readouterr().err


def test_where_no_folder_can_be_made_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkFailedError, match="file: cannot be made: "):
        _write(tmp_path / "file" / "room.png", np.zeros((4, 4, 3), np.uint8))


def test_views_look_in_different_directions() -> None:
    poses = [sheet.Pose(0.0, 0.0, yaw) for yaw in (0.0, 0.1, 0.2, 2.0)]
    chosen = sheet._apart(poses, [0, 1, 2, 3], 2)
    assert [pose.yaw_rad for pose in chosen] == [0.0, 2.0]
    assert len(sheet._apart(poses, [0, 1, 2, 3], 3)) == 3
    assert np.isfinite(sheet._HFOV_RAD)
