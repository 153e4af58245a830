"""The simulator: room, vehicle, camera, faults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from drone.config.base import Positive, Section
from drone.config.camera import CameraConfig
from drone.config.estimator import BatteryConfig, EstimatorConfig, WindConfig
from drone.config.faults import FaultConfig
from drone.config.room import RoomConfig
from drone.config.vehicle import VehicleConfig


class SimConfig(Section):
    """The simulator."""

    physics_hz: Annotated[int, Field(ge=120, le=1000)] = 240
    height_m: Positive = 1.1
    """Flying height above the floor."""
    room: RoomConfig = RoomConfig()
    vehicle: VehicleConfig = VehicleConfig()
    estimator: EstimatorConfig = EstimatorConfig()
    wind: WindConfig = WindConfig()
    battery: BatteryConfig = BatteryConfig()
    camera: CameraConfig = CameraConfig()
    faults: tuple[FaultConfig, ...] = ()
    renderer: Literal["auto", "tiny", "egl"] = "auto"
    """`tiny` draws on the processor, `egl` on the GPU; `auto` takes the GPU where there is one."""
