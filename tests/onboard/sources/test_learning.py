"""Learning from every kind of recording, from the command line to the run folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from planes import wall, write_film, write_images

from drone import topics
from drone.cli import main
from drone.config import load
from drone.flightlog import FlightLog
from drone.onboard.calibration import RawStereoCalibration, rigid
from drone.onboard.calibration_toml import write_calibration
from drone.onboard.map_cache import MapCache
from drone.onboard.sources.options import RectifiedPair
from drone.replay import verify
from drone.runfolder import RunFolder

pytest.importorskip("torch", reason="learning needs the extra `train`")

COUNT = 8
PAIRS = wall(COUNT)
QUICK = [
    *("--no-report", "--json"),
    *("--set", "learner.min_frames=2", "--set", "learner.batch_size=2"),
    *("--set", "learner.steps_per_frame=1"),
]
RECTIFIED = ["--rectified", "--focal-px", "100", "--baseline-m", "0.1"]


def learn(capsys: pytest.CaptureFixture[str], runs: Path, *arguments: str) -> dict[str, object]:
    assert main(["replay", *arguments, *QUICK, "--runs", str(runs)]) == 0
    figures: dict[str, object] = json.loads(capsys.readouterr().out)
    return figures


def folder(path: Path) -> list[str]:
    names = [f"{i:02}.png" for i in range(COUNT)]
    write_images(path / "left", names, (left for left, _ in PAIRS))
    write_images(path / "right", names, (right for _, right in PAIRS))
    return [str(path), "--rate", "10", *RECTIFIED]


def kitti(path: Path) -> list[str]:
    folder(path)
    (path / "left").rename(path / "image_0")
    (path / "right").rename(path / "image_1")
    (path / "times.txt").write_text("".join(f"{0.1 * i}\n" for i in range(COUNT)))
    line = "100 0 63.5 {} 0 100 47.5 0 0 0 1 0\n"
    (path / "calib.txt").write_text(f"P0: {line.format(0)}P1: {line.format(-10)}")
    return [str(path)]


def film(path: Path) -> list[str]:
    path.mkdir()
    write_film(path / "flight.avi", (np.hstack(pair) for pair in PAIRS))
    return [str(path / "flight.avi"), *RECTIFIED]


def bag(path: Path) -> list[str]:
    pytest.importorskip("rosbags", reason="bags need the extra `bags`")
    from test_bag import Ros, content, write

    ros = Ros(one=True)
    path.mkdir()
    return [str(write(path / "flight.bag", ros, content(ros)))]


@pytest.mark.parametrize("make", [folder, kitti, film, bag])
def test_learning_from(tmp_path: Path, capsys: pytest.CaptureFixture[str], make: object) -> None:
    arguments = make(tmp_path / "input")  # type: ignore[operator]
    figures = learn(capsys, tmp_path / "runs", *arguments)
    frames = 6 if make is bag else COUNT
    assert figures["frames"] == figures["labelled"] == frames
    assert figures["model_versions"]
    assert figures["notes"] == []
    run = RunFolder(Path(str(figures["run"])))
    assert run.model.is_file()
    labels = [tick.frame for tick in FlightLog(run.log).ticks()]
    assert len(labels) == frames


def test_what_the_autopilot_logged_stands_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyulog", reason="PX4 logs need the extra `autopilot`")
    from autopilotlogs import px4

    log = px4(tmp_path / "flight.ulg")
    given = ["--vehicle-log", str(log), "--vehicle-offset", "1.8"]
    figures = learn(capsys, tmp_path / "runs", *folder(tmp_path / "input"), *given)
    found = FlightLog(RunFolder(Path(str(figures["run"]))).log)
    north_m = [tick.vehicle.position_m[0] for tick in found.ticks() if tick.vehicle]
    assert north_m == pytest.approx([2 * (1.8 + 0.1 * n) for n in range(COUNT)], abs=1e-4)
    events = [e for e in found.messages(topics.EVENT) if e.kind == "autopilot"]
    told = [(e.stamp_ns, e.detail) for e in events]
    assert told == [(0, "armed"), (0, "mode position"), (200_000_000, "mode offboard")]


def test_learning_again_from_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = learn(capsys, tmp_path / "runs", *folder(tmp_path / "input"), "--end", "0.55")
    again = learn(capsys, tmp_path / "runs", str(first["run"]), "--retrain")
    assert again["frames"] == first["frames"] == 6
    assert again["labelled"] == first["labelled"]
    assert again["valid_share"] == first["valid_share"]
    run = RunFolder(Path(str(again["run"])))
    assert run.path.name.endswith("-retrain")
    before = load(RunFolder(Path(str(first["run"]))).config)
    assert load(run.config).pilot == before.pilot  # by the log's own configuration


def test_a_second_start_reads_the_maps_of_the_first_and_damaged_ones_are_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arguments = [*folder(tmp_path / "input"), "--end", "0.35"]
    assert learn(capsys, tmp_path / "runs", *arguments)["labelled"] == 4
    (path,) = (tmp_path / "drone" / "rectify").iterdir()
    sound = path.read_bytes()
    grey = {name: np.full((96, 128, 2), 7, np.float32) for name in ("left", "right")}
    MapCache(path.parent).store(path.stem, grey)  # every pixel shows the same
    assert learn(capsys, tmp_path / "runs", *arguments)["labelled"] == 0, "it was not read"
    path.write_bytes(sound[:-50])
    assert learn(capsys, tmp_path / "runs", *arguments)["labelled"] == 4
    assert path.read_bytes() == sound


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "right is --verify to replay its decisions, or --retrain"),
        (["--verify", "--retrain"], "right is --verify"),
        (
            ["--verify", "--start", "3"],
            "--start does not go with --verify, which takes --recompute",
        ),
    ],
)
def test_what_to_do_with_a_log_must_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "flight.mcap").write_bytes(b"")
    assert main(["replay", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--retrain"], "is no flight: --verify and --retrain need a run folder or a log"),
        (["--rectified"], "--rectified needs --focal-px and --baseline-m"),
        (["--focal-px", "100"], "go with --rectified"),
        (["--topics", "/left"], "expected two names such as /cam0/image,/cam1/image"),
        (["--rate", "10"], "does not say how its cameras see"),
        (["--rate", "10", *RECTIFIED, "--swap"], "left and right look swapped"),
    ],
)
def test_options_that_do_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    where, *_ = folder(tmp_path / "input")
    assert main(["replay", where, *arguments, "--runs", str(tmp_path / "runs")]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


# What the images themselves say is wrong


def turned(path: Path, pitch_deg: float) -> Path:
    """The calibration of the wall's cameras, but for a right eye that looks up or down."""
    good = RectifiedPair(100.0, 0.1).calibration(128, 96)
    turn = cv2.Rodrigues(np.array([np.radians(pitch_deg), 0.0, 0.0]))[0]
    t = good.right_from_left
    moved = rigid(turn @ t[:3, :3], turn @ t[:3, 3])
    write_calibration(path, RawStereoCalibration.from_pair(good.left, good.right, moved))
    return path


@pytest.mark.parametrize(("pitch_deg", "labelled"), [(0.0, COUNT), (3.0, 0)])
def test_a_wrong_calibration_of_the_right_size_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pitch_deg: float, labelled: int
) -> None:
    where, *_ = folder(tmp_path / "input")
    given = turned(tmp_path / "turned.toml", pitch_deg)
    figures = learn(capsys, tmp_path / "runs", where, "--rate", "10", "--calibration", str(given))
    assert figures["labelled"] == labelled
    wrong = ["no frame has a valid label", "eyes lost calibration from 0.2 s on"]
    assert figures["notes"] == ([] if labelled else wrong)


def test_eyes_that_are_swapped_on_the_way_teach_nothing_and_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = wall(16)
    names = [f"{i:02}.png" for i in range(16)]
    for eye, side in enumerate(("left", "right")):
        shown = (pair[eye if i < 8 else 1 - eye] for i, pair in enumerate(pairs))
        write_images(tmp_path / "input" / side, names, shown)
    arguments = [str(tmp_path / "input"), "--rate", "10", *RECTIFIED]
    figures = learn(capsys, tmp_path / "runs", *arguments)
    assert figures["labelled"] == 8
    assert figures["notes"] == ["eyes swapped from 1.0 s on"]  # told after three such frames


# A live camera


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_learning_from_a_camera_that_is_unplugged_in_flight(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = write_film(tmp_path / "film.avi", (np.hstack(p) for p in wall(20)), codec="MJPG")
    flags = f"-nostdin -loglevel error -re -stream_loop -1 -i {film} -pix_fmt gray -f rawvideo"
    camera = f"pipe:ffmpeg {flags} -frames:v 15 pipe:1"  # unplugged after so many pictures
    options = ["--size", "128x96", "--end", "8", *RECTIFIED]
    assert main(["replay", "--live", camera, *options, *QUICK, "--runs", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    figures = json.loads(out)
    assert figures["camera"]["reconnects"] >= 1
    assert figures["labelled"] >= 5
    assert figures["frames"] <= figures["camera"]["delivered"]
    assert "pair unplugged begins" in err
    assert "pair unplugged ends" in err
    assert "unplugged and back again" in figures["notes"][0]
    log = FlightLog(RunFolder(Path(figures["run"])).log)
    ticks = list(log.ticks())
    events = [(e.kind, e.active) for tick in ticks for e in tick.health]
    assert events[:2] == [("unplugged", True), ("unplugged", False)]
    assert any(tick.frame is None for tick in ticks), "silence is a tick"
    assert verify(log.path, recompute=True).mismatches == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--live", "/dev/video97", *RECTIFIED, "--size", "128x96"], "no such camera or film; c"),
        (["--live", "/dev/null", *RECTIFIED, "--size", "128x96"], "cannot be opened; is it a cam"),
        (["--live", "/dev/video97", *RECTIFIED, "--size", "big"], "expected width and height"),
        (["--live", "/dev/video97"], "nobody says how the cameras see"),
        (["--live", "/dev/video97", "--right", "x"], "--right is of recorded input"),
        (["x", "--live", "/dev/video97"], "--live goes without recorded input"),
        (["--live", "/dev/video97", "--retrain"], "--live goes without recorded input"),
        (["x", "--size", "1x1"], "--size, --max-skew-ms and --delay go with --live"),
        ([], "name recorded input (drone replay film.avi), or a camera with --live"),
    ],
)
def test_a_camera_that_cannot_be_is_an_error_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    pytest.importorskip("pybullet")  # which says when it was built, once a process
    capfd.readouterr()
    assert main(["replay", *arguments, "--runs", str(tmp_path / "runs")]) == 2
    err = capfd.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_recording_can_be_learned_from_with_the_memory_of_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*folder(tmp_path / "input"), "--memory", str(tmp_path / "memory")]
    first, second = (learn(capsys, tmp_path / "runs", *arguments) for _ in range(2))
    kept = [figures["memory"] for figures in (first, second)]
    assert [(k["from"], k["saved"]) for k in kept] == [(None, 1), (1, 2)]  # type: ignore[index]
    logs = [FlightLog(RunFolder(Path(str(f["run"]))).log) for f in (first, second)]
    answered = [sum(1 for _ in log.messages(topics.MONO)) for log in logs]
    assert answered[0] < answered[1] == COUNT


def test_a_memory_does_not_go_with_verifying(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(learn(capsys, tmp_path / "runs", *folder(tmp_path / "input"))["run"])
    assert main(["replay", run, "--verify", "--memory", str(tmp_path / "memory")]) == 2
    assert "--memory does not go with --verify" in capsys.readouterr().err
