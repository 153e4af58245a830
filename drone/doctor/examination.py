"""Looks at the whole vehicle: measures what is configured, group by group, and judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drone.config.onboard import OnboardConfig
from drone.doctor import autopilot, cameras, computer, flying, models, rows, software
from drone.doctor.equipment import model_spec, rectifier_of, source_options
from drone.doctor.finding import Finding, fail, ok, skipped
from drone.errors import UserError
from drone.messages import AutopilotReport, StereoFrame
from drone.onboard.rectification import Rectifier
from drone.onboard.sources.liveopening import LiveRequest, open_live
from drone.onboard.sources.options import KEYS

LOOK_S = 3.0
"""So long the cameras are looked at."""


@dataclass
class Vehicle:
    """What is looked at.

    Attributes:
        config: of it.
        folder: of the configuration's file.
        model: that is to fly, None if there is none.
        runs: where flights are written to.
        hardware: cameras and autopilot may be opened.
    """

    config: OnboardConfig
    folder: Path
    model: Path | None
    runs: Path
    hardware: bool = True

    @property
    def calibration(self) -> Path | None:
        """The calibration's file, None if there is none configured."""
        named = self.config.camera.calibration
        return self.config.calibration_path(self.folder) if named else None

    @cached_property
    def report(self) -> AutopilotReport | None:
        """What the link of a `drone onboard` that runs here says, None where none does."""
        return flying.latest_report(flying.service_buses())

    @property
    def untouched(self) -> str:
        """Why cameras and autopilot are left alone; empty if they may be opened."""
        if not self.hardware:
            return "not touched (--no-hardware)"
        busy = "drone onboard runs here and has it; stop it first (systemctl stop drone)"
        return busy if self.report is not None else ""

    @cached_property
    def rectifier(self) -> Rectifier | UserError:
        """Of the configured calibration, which there must be; or what is wrong with it."""
        assert self.calibration is not None
        try:
            return rectifier_of(self.config, self.calibration)
        except UserError as error:
            return error

    @cached_property
    def frames(self) -> tuple[list[StereoFrame], dict[str, float]]:
        """Frames of some seconds, and what the source measured.

        Raises:
            UserError: the cameras cannot be opened.
        """
        assert self.calibration is not None
        camera = self.config.camera
        skew_s = camera.max_skew_ms / 1000
        request = LiveRequest(camera.devices, _size(self.config), skew_s, camera.delay_s, KEYS)
        options = source_options(self.config, self.calibration, LOOK_S)
        with open_live(request, options, self.config.pilot.grid_spec) as source:
            frames = [sample.frame for sample in source.samples()]
            return frames, dict(source.measures)


def _size(config: OnboardConfig) -> tuple[int, int] | None:
    camera = config.camera
    return (camera.width_px, camera.height_px) if camera.width_px else None


def examine(vehicle: Vehicle, groups: Sequence[str]) -> Iterator[Finding]:
    """Yield what each group's checks find."""
    for name in groups:
        yield from GROUPS[name](vehicle)


def _cameras(vehicle: Vehicle) -> list[Finding]:
    name = f"{cameras.GROUP}.open"
    why = _why_no_frames(vehicle)
    if why:
        return [skipped(name, why)]
    try:
        frames, measures = vehicle.frames
    except UserError as error:
        fix = "is it plugged in, and is this its name (v4l2-ctl --list-devices)?"
        return [fail(name, str(error), fix)]
    config = vehicle.config
    if sum(frame.valid for frame in frames) < 3:
        return [fail(name, f"hardly a frame in {LOOK_S:g} s", "is it another program's?")]
    found = cameras.facts_of(frames, measures)
    return cameras.check(found, config.camera, config.pilot.health)


def _why_no_frames(vehicle: Vehicle) -> str:
    if not vehicle.config.camera.devices:
        return "camera.devices is empty: frames come from another process"
    if vehicle.untouched:
        return vehicle.untouched
    if vehicle.calibration is None:
        return "camera.calibration is not configured"
    return "see calibration" if isinstance(vehicle.rectifier, UserError) else ""


def _calibration(vehicle: Vehicle) -> list[Finding]:
    name = f"{rows.GROUP}.file"
    if vehicle.calibration is None:
        return [skipped(name, "camera.calibration is not configured")]
    if not vehicle.config.camera.devices:
        return [skipped(name, "camera.devices is empty: whoever sends frames knows them")]
    rectifier = vehicle.rectifier
    if isinstance(rectifier, UserError):
        return [fail(name, str(rectifier), "drone calibrate makes one")]
    c = rectifier.calibration
    found = [
        ok(
            name,
            f"{c.left.width} x {c.left.height} px rectified, focal length {c.left.fx:.0f} px, "
            f"baseline {1000 * c.baseline_m:.1f} mm",
        )
    ]
    why = _why_no_frames(vehicle)
    if why:
        return [*found, skipped(f"{rows.GROUP}.rows", why)]
    health = vehicle.config.pilot.health
    try:
        return [*found, *rows.check(rows.facts_of(vehicle.frames[0], c, health), health)]
    except UserError:
        return [*found, skipped(f"{rows.GROUP}.rows", "the cameras cannot be opened")]


def _model(vehicle: Vehicle) -> list[Finding]:
    name = f"{models.GROUP}.loads"
    if vehicle.model is None:
        return [skipped(name, "no --model: it learns on board, or stereo flies alone")]
    if vehicle.calibration is None or not vehicle.config.camera.devices:
        spec = models.spec_of_file(vehicle.model)
    elif isinstance(vehicle.rectifier, UserError):
        return [skipped(name, "what it must fit is unknown: see calibration")]
    else:
        spec = model_spec(vehicle.config.pilot, vehicle.rectifier.calibration)
    if isinstance(spec, UserError):
        return models.check(models.ModelFacts(str(spec)), 1.0)
    facts = models.facts_of(vehicle.model, spec)
    return models.check(facts, vehicle.config.camera.rate_hz)


def _cpu(vehicle: Vehicle) -> list[Finding]:
    return computer.check_cpu(computer.read_cpu())


def _disk(vehicle: Vehicle) -> list[Finding]:
    return computer.check_disk(computer.read_disk(vehicle.runs, log_mbps(vehicle)))


def log_mbps(vehicle: Vehicle) -> float:
    """Return what a flight writes at most, MB/s: both rectified images, uncompressed."""
    size = (vehicle.config.pilot.mono.width_px, vehicle.config.pilot.mono.height_px)
    live = vehicle.calibration is not None and vehicle.config.camera.devices
    if live and not isinstance(vehicle.rectifier, UserError):
        size = (vehicle.rectifier.width_px, vehicle.rectifier.height_px)
    return 2 * size[0] * size[1] * vehicle.config.camera.rate_hz / 1e6


def _clock(vehicle: Vehicle) -> list[Finding]:
    return computer.check_clock(computer.read_clock(bool(vehicle.config.autopilot.signing_key)))


def _autopilot(vehicle: Vehicle) -> list[Finding]:
    if vehicle.untouched:
        return [skipped(f"{autopilot.GROUP}.connected", vehicle.untouched)]
    from drone.doctor.asking import ask_autopilot

    config = vehicle.config.autopilot
    return autopilot.check(ask_autopilot(config), config)


def _flight(vehicle: Vehicle) -> list[Finding]:
    return flying.check(vehicle.report)


def _software(vehicle: Vehicle) -> list[Finding]:
    return software.check(software.import_problems(software.modules_of(vehicle.config)))


GROUPS: dict[str, Callable[[Vehicle], list[Finding]]] = {
    "flight": _flight,
    "software": _software,
    "cameras": _cameras,
    "calibration": _calibration,
    "model": _model,
    "cpu": _cpu,
    "disk": _disk,
    "clock": _clock,
    "autopilot": _autopilot,
}
