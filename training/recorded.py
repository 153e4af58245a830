"""What a finished flight has to check a model by: its last version, and frames with their labels.

log ─► once through: last version, which frames have a label ─► a few hundred of them, evenly
log ─► once more: their images, of the network's input size
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from drone import config, topics
from drone.config import Config
from drone.errors import UserError
from drone.flightlog import FlightLog
from drone.geometry import DistanceMeter, StereoCalibration
from drone.messages import (
    DistanceLabel,
    Eye,
    Image,
    ModelVersion,
    MonoEstimate,
    Tick,
    TrustReport,
    Vector3,
    VehicleState,
)
from drone.onboard.mono import MonoSpec

LABELLED, ANSWERED = 400, 50
"""At most so many frames with a label, and with an answer of the last version."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One frame of a flight.

    Attributes:
        image: the left one, or the one that mono looked at, of the network's input size.
        down: unit vector along gravity in the optical frame.
        label: stereo's, None where it is not valid.
        estimate: what the last version answered in flight, None where another one flew.
    """

    image: Image
    down: Vector3
    label: DistanceLabel | None
    estimate: MonoEstimate | None


@dataclass(frozen=True, eq=False)
class Recorded:
    """A finished flight.

    Attributes:
        path: of its log.
        config: it flew by.
        calibration: of its frames.
        model: the last version that flew.
        trust: mono's licence at the end.
        sights: some of its frames, in order.
    """

    path: Path
    config: Config
    calibration: StereoCalibration
    model: ModelVersion
    trust: TrustReport
    sights: list[Sight]

    @property
    def spec(self) -> MonoSpec:
        """What its models are made for."""
        return _spec(self.config, self.calibration)

    @property
    def meter(self) -> DistanceMeter:
        """What its distances are measured by."""
        pilot = self.config.pilot
        return DistanceMeter(self.calibration.left, pilot.grid_spec, pilot.corridor_spec)


@dataclass
class _Overview:
    """What one pass tells without an image."""

    model: ModelVersion | None = None
    labelled: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    trust: TrustReport = TrustReport()


def recorded(path: Path) -> Recorded:
    """Read a flight's log.

    Raises:
        UserError: no log, no model in it, or no frame to check one by.
    """
    log = FlightLog(path)
    tree = config.loads(log.header.config_toml, f"{path} (its configuration)")
    overview = _overview(log)
    if overview.model is None:
        raise UserError(
            f"{path}: no model flew in this flight: its learner published none "
            f"({len(overview.labelled)} labelled frames); right is a longer flight"
        )
    wanted = {*_evenly(overview.labelled, LABELLED), *_evenly(overview.answered, ANSWERED)}
    if not wanted:
        raise UserError(f"{path}: no frame in it has a label or an answer to check a model by")
    calibration = log.header.calibration
    spec = _spec(tree, calibration)
    sights = list(_sights(log, frozenset(wanted), spec, overview.model.seq))
    return Recorded(path, tree, calibration, overview.model, overview.trust, sights)


def _spec(tree: Config, calibration: StereoCalibration) -> MonoSpec:
    mono, grid = tree.pilot.mono, tree.pilot.grid_spec
    return MonoSpec(mono.width_px, mono.height_px, grid, calibration.hash)


def _overview(log: FlightLog) -> _Overview:
    found = _Overview()
    for topic, message in log.records():
        if topic == topics.TICK and message.model is not None:
            found.model, found.answered = message.model, []
        elif topic == topics.FLYING and (found.model is None or found.model.seq != message.seq):
            found.model, found.answered = message, []
        elif topic == topics.LABEL and message.valid:
            found.labelled.append(message.seq)
        elif topic == topics.MONO and found.model is not None:
            if message.valid and message.version == found.model.seq:
                found.answered.append(message.seq)
        elif topic == topics.DECISION:
            found.trust = message.trust
    return found


def _evenly(numbers: list[int], count: int) -> list[int]:
    """Return at most so many of the numbers, evenly over all."""
    places = np.unique(np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(int))
    return [numbers[i] for i in places]


def _sights(
    log: FlightLog, wanted: frozenset[int], spec: MonoSpec, version: int
) -> Iterator[Sight]:
    vehicle: VehicleState | None = None
    tick: Tick | None = None
    label: DistanceLabel | None = None
    estimate: MonoEstimate | None = None
    for topic, message in log.records():
        if topic == topics.TICK:
            tick, label, estimate = message, None, None
            vehicle = message.vehicle or vehicle
        elif topic == topics.LABEL:
            label = message if message.valid else None
        elif topic == topics.MONO:
            estimate = message if message.valid and message.version == version else None
        elif topic == topics.DECISION and tick is not None and tick.frame is not None:
            right = estimate is not None and estimate.eye is Eye.RIGHT
            image = tick.frame.right if right else tick.frame.left
            if tick.frame.seq in wanted and image is not None:
                attitude = vehicle.attitude if vehicle is not None and vehicle.valid else None
                down = log.header.calibration.down_in_camera(attitude)
                yield Sight(_resized(image, spec), down, None if right else label, estimate)


def _resized(image: Image, spec: MonoSpec) -> Image:
    size = (spec.width_px, spec.height_px)
    if image.shape[::-1] == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
