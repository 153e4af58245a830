"""Run folders, and what kind of recorded input an argument names.

A run is one folder, `runs/<stamp>-<name>/`, with `flight.mcap` (perhaps in several files),
`report.html`, `model.onnx`, `config.toml`, `result.json` and, of the network,
`weights.safetensors`. Every command that takes recorded input takes one argument, which
`resolve_input` makes into an `Input`: a run folder, a log, a film, a bag or a data-set folder.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from drone.errors import UserError, WorkFailedError
from drone.eyefiles import eye_folders, is_image, is_video, pairs_by_name
from drone.logfiles import all_of, oldest_of

LOG_NAME = "flight.mcap"
REPORT_NAME = "report.html"
MODEL_NAME = "model.onnx"
CONFIG_NAME = "config.toml"
RESULT_NAME = "result.json"
WEIGHTS_NAME = "weights.safetensors"
FRAME_TO_COMMAND = "frame_to_command"
"""Name in the result's timing of the time from a frame's arrival to the command by it."""
_NAMES = (LOG_NAME, REPORT_NAME, MODEL_NAME, CONFIG_NAME, RESULT_NAME, WEIGHTS_NAME)
_TEMPORARY = ".tmp"
_MCAP_PROFILE_AT = 17
"""Where the profile's length and text begin in an MCAP file."""
_EXPECTED = (
    f"a run folder (with {LOG_NAME}), a flight log (.mcap), a film (.avi, .mp4, ...), a ROS bag "
    "(.bag, or a folder with metadata.yaml), or a data-set folder: EuRoC (with mav0), KITTI "
    "odometry (with image_0, image_1 and calib.txt), or images (left/ and right/)"
)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run; a file of it exists once the run has written it."""

    path: Path

    @property
    def log(self) -> Path:
        """The flight log; of one in several files the oldest, by which all are read."""
        return oldest_of(self.path / LOG_NAME)

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.path / REPORT_NAME

    @property
    def model(self) -> Path:
        """The last model version that passed its checks."""
        return self.path / MODEL_NAME

    @property
    def weights(self) -> Path:
        """The learner's own weights of that version, where it has any: what `export` checks by."""
        return self.path / WEIGHTS_NAME

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / CONFIG_NAME

    @property
    def result(self) -> Path:
        """The figures of the run."""
        return self.path / RESULT_NAME

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write the figures as strict JSON, all or nothing.

        Raises:
            TypeError: a value that JSON does not know.
            WorkFailedError: the file cannot be written.
        """
        text = strict_json(result) + "\n"
        temporary = self.path / f"{RESULT_NAME}.{os.getpid()}{_TEMPORARY}"
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.result)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise WorkFailedError(f"{self.result}: cannot be written: {error.strerror}") from error

    def discard(self) -> None:
        """Remove a half-written run: the files of a run, then the folder unless more is in it."""
        own = (*map(self.path.joinpath, _NAMES), *all_of(self.path / LOG_NAME))
        for file in (*own, *self.path.glob(f"*{_TEMPORARY}")):
            file.unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()


def create(runs: Path, name: str, now: datetime) -> RunFolder:
    """Make the folder of a new run; of many that start at once each gets its own.

    Args:
        runs: the folder of all runs, made if missing.
        name: what the run is called, a plain file name.
        now: local wall time.

    Raises:
        UserError: the name is no plain file name.
        WorkFailedError: the folder cannot be made.
    """
    if not name or name.strip(".") != name or set(name) & set("/\\\0"):
        raise UserError(f"run name {name!r}: expected a plain name such as 'room', without / or \\")
    stem = f"{now:%Y%m%d-%H%M%S}-{name}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            path = runs / (stem if number == 1 else f"{stem}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunFolder(path)
    except OSError as error:
        raise WorkFailedError(f"{runs}: no run folder can be made: {error.strerror}") from error
    raise AssertionError("itertools.count ends never")


def strict_json(value: Any) -> str:
    """Return JSON in which every number that is not finite is null, as strict parsers want it.

    Raises:
        TypeError: a value or a key that JSON does not know.
    """
    return json.dumps(_plain(value), allow_nan=False, indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's, which takes too long to import for a folder
        return _plain(value.tolist())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of a result must be a string, not {key!r}")
    return key


class InputKind(StrEnum):
    """What recorded input an argument names."""

    RUN = "run"
    LOG = "log"
    EUROC = "euroc"
    KITTI = "kitti"
    FOLDER = "folder"
    VIDEO = "video"
    BAG = "bag"


@dataclass(frozen=True, slots=True)
class Input:
    """Recorded input.

    Attributes:
        kind: of it.
        path: the run folder, the log, the film or bag, or the data set's folder.
        right: the film of the right eye, in a folder with one film for each eye.
    """

    kind: InputKind
    path: Path
    right: Path | None = None

    @property
    def log(self) -> Path | None:
        """The flight log, None for anything else."""
        if self.kind == InputKind.RUN:
            return RunFolder(self.path).log
        return self.path if self.kind == InputKind.LOG else None

    @property
    def run(self) -> RunFolder | None:
        """The run folder, None for anything else."""
        return RunFolder(self.path) if self.kind == InputKind.RUN else None


def resolve_input(argument: str) -> Input:
    """Say what recorded input a command's argument names.

    Raises:
        UserError: nothing is there, or nothing that can be read.
    """
    path = Path(argument)
    try:
        if path.is_dir():
            return _resolve_folder(path)
        kind = _kind_of_file(path) if path.is_file() else None
        if kind is not None:
            return Input(kind, path)
        found = _file(path)
    except (OSError, ValueError) as error:
        found = f"nothing that can be opened ({error})"
    raise UserError(f"{argument}: expected {_EXPECTED}; found {found}")


def _kind_of_file(path: Path) -> InputKind | None:
    if path.suffix == ".mcap":
        return InputKind.BAG if _is_of_ros(path) else InputKind.LOG
    if path.suffix in (".bag", ".db3"):
        return InputKind.BAG
    return InputKind.VIDEO if is_video(path.name) else None


def _is_of_ros(path: Path) -> bool:
    """Return whether an MCAP file's header names the profile of ROS (magic, opcode, length)."""
    with path.open("rb") as file:
        start = file.read(_MCAP_PROFILE_AT + 8)
    return start[_MCAP_PROFILE_AT:].startswith((b"\x04\0\0\0ros1", b"\x04\0\0\0ros2"))


def _resolve_folder(path: Path) -> Input:
    names = {entry.name for entry in path.iterdir()}
    if "metadata.yaml" in names and any(name.endswith((".db3", ".mcap")) for name in names):
        return Input(InputKind.BAG, path)
    if RunFolder(path).log.is_file():
        return Input(InputKind.RUN, path)
    if "mav0" in names:
        return Input(InputKind.EUROC, path)
    if path.resolve().name == "mav0" and "cam0" in names:
        return Input(InputKind.EUROC, path.resolve().parent)
    if "calib.txt" in names and names & {"image_0", "image_2"}:
        return Input(InputKind.KITTI, path)
    films, _ = pairs_by_name(name for name in names if is_video(name))
    if len(films) == 1:
        return Input(InputKind.VIDEO, path / films[0][0], path / films[0][1])
    if eye_folders(names) or pairs_by_name(name for name in names if is_image(name))[0]:
        return Input(InputKind.FOLDER, path)
    raise UserError(f"{path}: expected {_EXPECTED}; found {_content(path)}")


def _file(path: Path) -> str:
    if not path.exists():
        return "nothing there"
    return f"a {path.suffix} file" if path.suffix else "a file without a suffix"


def _content(path: Path) -> str:
    names = sorted(entry.name for entry in path.iterdir())
    if not names:
        return "an empty folder"
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    logs = [name for name in names if name.endswith(".mcap")]
    hint = f"; did you mean {path / logs[0]}?" if logs else ""
    return f"a folder with {listed}{hint}"
