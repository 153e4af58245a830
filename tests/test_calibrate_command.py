"""`drone calibrate` from the outside: pictures in, figures, file and picture out."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "onboard"))
from boardscene import SIZE_PX, pair, pictures, poses

from drone.cli import main
from drone.onboard.calibration_files import read_calibration

KEYS = {
    "left_error_px",
    "right_error_px",
    "pair_error_px",
    "row_error_px",
    "focal_px",
    "baseline_m",
    "baseline_squares",
    "pictures",
    "used",
    "output",
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def shots() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of pictures of the board."""
    raw = pair()
    return [pictures(raw, pose) for pose in poses(14, 1)]


@pytest.fixture
def folder(tmp_path: Path, shots: list, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with `pictures` in it."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "pictures", shots)
    return tmp_path


def save(folder: Path, shots: list) -> None:
    folder.mkdir()
    for i, (left, right) in enumerate(shots):
        cv2.imwrite(str(folder / f"left{i:02d}.png"), left)
        cv2.imwrite(str(folder / f"right{i:02d}.png"), right)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["calibrate", *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_json_has_the_figures_and_the_file_is_the_calibration(folder: Path, run: Run) -> None:
    code, out, err = run("pictures", "--board", "9x6", "--square-mm", "25", "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record.keys() >= KEYS
    assert record["pictures"] == 14
    assert record["used"] == 14 - len(record["without_board"])
    assert record["pair_error_px"] < 0.15
    assert record["row_error_px"] < 0.15
    assert record["focal_px"] == pytest.approx(262, rel=0.02)
    assert record["baseline_m"] == pytest.approx(0.075, rel=0.01)
    found = read_calibration(folder / record["output"])
    assert found.baseline_m == pytest.approx(record["baseline_m"])
    assert found.hash == record["hash"]
    picture = cv2.imread(str(folder / record["rows_picture"]))
    assert picture.shape[1] == 2 * SIZE_PX[0]


def test_people_read_figures_coverage_and_where_the_files_are(folder: Path, run: Run) -> None:
    code, out, _ = run("pictures", "--board", "9x6", "--output", "rig.toml")
    assert code == 0
    assert re.search(r"Reprojection error: left 0\.\d+ px, right 0\.\d+ px, pair 0\.\d+ px", out)
    assert "board squares (give --square-mm to have it in metres)" in out
    assert "The left eye still lacks corners:" in out
    assert "Calibration: rig.toml" in out
    assert (folder / "rig-rows.png").is_file()


def test_two_folders_and_side_by_side_give_the_same(folder: Path, run: Run, shots: list) -> None:
    for eye in ("a", "b", "both"):
        (folder / eye).mkdir()
    for i, (left, right) in enumerate(shots):
        cv2.imwrite(str(folder / "a" / f"{i:02d}.png"), left)
        cv2.imwrite(str(folder / "b" / f"{i:02d}.png"), right)
        cv2.imwrite(str(folder / "both" / f"{i:02d}.png"), np.hstack([left, right]))
    errors = [
        json.loads(run(*where, "--board", "9x6", "--json")[1])["pair_error_px"]
        for where in (("pictures",), ("a", "b"), ("both", "--side-by-side"))
    ]
    assert errors == pytest.approx([errors[0]] * 3, rel=1e-6)  # OpenCV sums in threads


def test_a_film_is_calibrated_from_as_if_live(folder: Path, run: Run, shots: list) -> None:
    film = cv2.VideoWriter(
        "board.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (2 * SIZE_PX[0], SIZE_PX[1]), False
    )
    for left, right in shots:
        for _ in range(2):
            film.write(np.hstack([left, right]))
    film.release()
    code, out, err = run("--live", "board.avi", "--board", "9x6", "--pictures", "5", "--json")
    assert code == 0
    assert "taken; still lacking" in err
    record = json.loads(out)
    assert record["used"] >= 5
    assert len(list((folder / "calibration-pictures").iterdir())) == 2 * record["pictures"]


def test_a_file_where_the_pictures_go_and_a_long_command_are_said(folder: Path, run: Run) -> None:
    (folder / "calibration-pictures").write_text("")
    command = ["--live", "pipe:cat " + "film" * 100, "--board", "9x6", "--size", "640x480"]
    code, _, err = run(*command)
    assert code == 2
    assert "calibration-pictures: is a file, and the pictures go into a folder of this name" in err
    (folder / "calibration-pictures").unlink()
    code, _, err = run(*command)
    assert code == 2
    assert "gives no pictures (cat: filmfilm" in err


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_command_is_calibrated_from_live(folder: Path, run: Run, shots: list) -> None:
    film = cv2.VideoWriter(
        "live.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (2 * SIZE_PX[0], SIZE_PX[1]), False
    )
    for left, right in shots:
        for _ in range(2):
            film.write(np.hstack([left, right]))
    film.release()
    camera = "pipe:ffmpeg -nostdin -loglevel error -i {} -pix_fmt gray -f rawvideo pipe:1"
    live = ["--board", "9x6", "--pictures", "5", "--json", "--output", "piped.toml"]
    size = ["--size", f"{SIZE_PX[0]}x{SIZE_PX[1]}"]
    code, out, _ = run("--live", camera.format("live.avi"), *live, *size)
    assert code == 0
    assert json.loads(out)["used"] >= 5
    live[-1] = "other.toml"
    code, _, err = run("--live", camera.format("nowhere.avi"), *live, *size)
    assert code == 2
    assert "gives no pictures (nowhere.avi: No such file or directory)" in err
    code, _, err = run("--live", camera.format("live.avi"), *live)
    assert code == 2
    assert "does not say the size of its pictures; right is --size WxH" in err


def test_conversion(folder: Path, run: Run) -> None:
    run("pictures", "--board", "9x6", "--square-mm", "25", "--json")
    code, out, _ = run("calibration.toml", "--output", "copy.toml", "--json")
    assert code == 0
    assert json.loads(out)["baseline_m"] == pytest.approx(0.075, rel=0.01)
    same = [read_calibration(folder / name).hash for name in ("calibration.toml", "copy.toml")]
    assert same[0] == same[1]
    assert "is the input too" in run("calibration.toml")[2]


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "name a folder of pictures"),
        (["pictures"], "--board is missing"),
        (["pictures", "--board", "nine"], "such as 9x6"),
        (["pictures", "--board", "1x1"], "each side 3 to 30"),
        (["pictures", "--board", "9x6", "--square-mm", "nan"], "expected a length in mm"),
        (["pictures", "--board", "9x6", "--square-mm", "0"], "expected a length in mm"),
        (["pictures", "--board", "9x6", "--output", "a.txt"], "ends in .toml"),
        (["pictures", "--board", "9x6", "--output", "no/a.toml"], "no such folder no"),
        (["pictures", "--board", "9x6", "--charuco", "best"], "no such dictionary"),
        (["missing", "--board", "9x6"], "missing: no such file or folder"),
        (["pictures", "--board", "10x7"], "9 x 6 inner corners: try --board 9x6"),
        (["pictures", "--board", "7x5"], "try --board 9x6"),
        (["pictures", "--board", "9x6", "--charuco", "4X4_50"], "found in both eyes in 0 of 14"),
        (["pictures", "--live", "x", "--board", "9x6"], "goes without a folder"),
        (["--live", "/dev/video99", "--board", "9x6"], "no such camera or film; cameras here:"),
        (["--live", "a", "b", "c", "--board", "9x6"], "3 cameras"),
        (["--live", "pictures/left00.png", "--board", "9x6"], "no picture was taken"),
    ],
)
def test_wrong_use_is_one_clear_line(
    folder: Path, run: Run, arguments: list[str], expected: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert expected in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (folder / "calibration.toml").exists()


def break_folder(kind: str, shots: list) -> None:
    pictures = Path("pictures")
    if kind == "unpaired":
        (pictures / "right03.png").unlink()
    elif kind == "other size":
        cv2.imwrite(str(pictures / "right03.png"), np.zeros((100, 100), np.uint8))
    elif kind == "other pair size":
        for eye in ("left", "right"):
            cv2.imwrite(str(pictures / f"{eye}03.png"), np.zeros((100, 100), np.uint8))
    elif kind == "no picture":
        (pictures / "left03.png").write_bytes(b"not a picture")
    elif kind == "no name":
        (pictures / "left03.png").rename(pictures / "03.png")
    elif kind == "too few":
        for i in range(4, 14):
            for eye in ("left", "right"):
                (pictures / f"{eye}{i:02d}.png").unlink()
    elif kind == "empty":
        for path in pictures.iterdir():
            path.unlink()
    elif kind == "swapped":
        for i, (left, right) in enumerate(shots):
            cv2.imwrite(str(pictures / f"left{i:02d}.png"), right)
            cv2.imwrite(str(pictures / f"right{i:02d}.png"), left)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("unpaired", "left03.png: has no partner for the other eye (1 pictures are unpaired)"),
        ("other size", "both eyes must have the same size"),
        ("other pair size", "left03.png: 100 x 100 px, the pictures before 320 x 240"),
        ("no picture", "left03.png: cannot be read as a picture"),
        ("no name", "03.png: neither left nor right by its name"),
        ("too few", "5 are the fewest"),
        ("empty", "no pictures in this folder"),
        ("swapped", "left and right are swapped"),
    ],
)
def test_wrong_pictures_are_one_clear_line(
    folder: Path, run: Run, shots: list, kind: str, expected: str
) -> None:
    break_folder(kind, shots)
    code, out, err = run("pictures", "--board", "9x6")
    assert (code, out) == (2, "")
    assert expected in err
    assert len(err.splitlines()) == 1


def test_pictures_of_different_moments_are_refused(folder: Path, run: Run, shots: list) -> None:
    for i in range(14):
        cv2.imwrite(f"pictures/right{i:02d}.png", shots[(i + 1) % 14][1])
    code, out, err = run("pictures", "--board", "9x6")
    assert (code, out) == (1, "")
    assert "taken at the same moment" in err


# Real pictures


@pytest.fixture(scope="session")
def real_record(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = real_data / "chessboard"
    output = tmp_path_factory.mktemp("real") / "c.toml"
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        main(["calibrate", str(folder), "--board", "9x6", "--json", "--output", str(output)])
    return dict(json.loads(text.getvalue()))


def test_real_pictures_fit_to_a_fifth_of_a_pixel(real_record: dict) -> None:
    assert real_record["pictures"] == real_record["used"] == 13
    assert real_record["rejected"] == []
    assert real_record["left_error_px"] <= 0.20
    assert real_record["right_error_px"] <= 0.21
    assert real_record["pair_error_px"] <= 0.22
    assert real_record["row_error_px"] <= 0.2
    assert real_record["focal_px"] == pytest.approx(533, abs=2)
    assert real_record["baseline_squares"] == pytest.approx(3.33, abs=0.02)
    assert real_record["baseline_m"] is None
