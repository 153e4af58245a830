"""What a vehicle's configuration says of its camera, and what a model must be made for."""

from __future__ import annotations

from pathlib import Path

from drone.config.onboard import OnboardConfig
from drone.config.pilot import PilotConfig
from drone.geometry import StereoCalibration
from drone.onboard.calibration_files import read_calibration
from drone.onboard.mono import MonoSpec
from drone.onboard.rectification import Rectifier
from drone.onboard.sources.options import Layout, SourceOptions
from drone.onboard.sources.recording import rectifier_for


def source_options(config: OnboardConfig, calibration: Path, end_s: float) -> SourceOptions:
    """Return how the vehicle's camera is read, for so long."""
    camera = config.camera
    return SourceOptions(
        end_s=end_s,
        rate_hz=camera.rate_hz,
        scale=camera.scale,
        calibration=calibration,
        layout=Layout(camera.layout),
        swap=camera.swap,
    )


def rectifier_of(config: OnboardConfig, calibration: Path) -> Rectifier:
    """Return the rectifier of the vehicle's camera.

    Raises:
        UserError: no such calibration, or one that cannot be used.
    """
    camera = config.camera
    size_px = (camera.width_px, camera.height_px) if camera.width_px else None
    raw = read_calibration(calibration, size_px)
    options = source_options(config, calibration, 1.0)
    return rectifier_for(raw, options, config.pilot.grid_spec, str(calibration))


def model_spec(pilot: PilotConfig, rectified: StereoCalibration) -> MonoSpec:
    """Return what a model must be made for."""
    mono = pilot.mono
    return MonoSpec(mono.width_px, mono.height_px, pilot.grid_spec, rectified.hash)
