"""The few files of a bundle that are this vehicle's own: configuration, calibration, model, unit.

In: what the user names. Out: their bytes by name, which fit each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drone.config import launch_folder, load_as
from drone.config.onboard import OnboardConfig
from drone.deploy.target.services import OPTIONS, SHADOW, UNIT
from drone.doctor.equipment import model_spec, rectifier_of
from drone.errors import UserError
from drone.onboard.calibration_files import read_calibration
from drone.onboard.calibration_toml import CalibrationNotes, to_toml
from drone.onboard.mono import MonoNetwork, model_from_bytes

CONFIG, CALIBRATION, MODEL = "config.toml", "calibration.toml", "model.onnx"

NOT_LEARNING = "learner.steps_per_frame=0"


@dataclass(frozen=True, slots=True)
class Request:
    """What the user names.

    Attributes:
        config: a configuration of `drone onboard`.
        overrides: `dotted.key=value`, over it.
        model: an ONNX file; None: it learns on board, or stereo flies alone.
        calibration: over the one that the configuration names.
        train: the release can learn, and does, as far as the configuration says.
        shadow: the service commands nothing.
    """

    config: Path
    overrides: Sequence[str] = ()
    model: Path | None = None
    calibration: Path | None = None
    train: bool = False
    shadow: bool = False


def vehicle_files(request: Request) -> dict[str, bytes]:
    """Return the vehicle's own files by their names in the bundle.

    Raises:
        UserError: a file is missing or wrong, or they do not fit each other.
    """
    overrides = [*request.overrides, *([] if request.train else [NOT_LEARNING])]
    config = load_as(OnboardConfig, request.config, overrides)
    files = {UNIT: (launch_folder() / UNIT).read_bytes(), OPTIONS: _options(request).encode()}
    calibration = request.calibration
    if calibration is None and config.camera.calibration:
        calibration = config.calibration_path(request.config.parent)
    if calibration is not None and not calibration.exists():
        raise UserError(
            f"{calibration}: no such calibration; right is --calibration FILE (made by drone "
            "calibrate), or camera.calibration with the name of one"
        )
    if calibration is None and config.camera.devices:
        raise UserError(
            f"{request.config}: camera.calibration is missing, and without it no distance is known;"
            " right is --calibration FILE (made by drone calibrate)"
        )
    if calibration is not None:
        text = to_toml(read_calibration(calibration), CalibrationNotes())
        files[CALIBRATION] = text.encode()
        config = _with_calibration(config)
    files[CONFIG] = config.to_toml().encode()
    if request.model is not None:
        files[MODEL] = _model(request.model, config, calibration)
    return files


def _options(request: Request) -> str:
    """Return what the service says to `drone onboard`, as systemd reads it."""
    words = [SHADOW] if request.shadow else []
    if request.model is not None:
        words += ["--model", f"current/{MODEL}"]
    elif request.train:
        words += ["--memory", "memory"]
    return f'# More for `drone onboard`, by the service.\nONBOARD_OPTIONS="{" ".join(words)}"\n'


def _with_calibration(config: OnboardConfig) -> OnboardConfig:
    """Return the configuration that names the calibration beside it."""
    camera = config.camera.model_copy(update={"calibration": CALIBRATION})
    return config.model_copy(update={"camera": camera})


def _model(path: Path, config: OnboardConfig, calibration: Path | None) -> bytes:
    """Return a model that fits camera and configuration."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"--model {path}: cannot be read: {error.strerror}") from error
    model = model_from_bytes(data, f"--model {path}")
    if calibration is not None:
        rectified = rectifier_of(config, calibration).calibration
        try:
            MonoNetwork(model, model_spec(config.pilot, rectified))
        except UserError as error:
            raise UserError(f"--model {path}: {error}") from error
    return data
