"""One TOML file, one frozen tree: every setting with its range, unit and default.

An unknown key or a value out of range is refused at the start, with the valid choices. Dotted
overrides (`pilot.trust.max_fpr=0.3`) go over the file. Angles are degrees here, at the user's edge,
and radians everywhere else.
"""

from drone.config.base import SEEDS
from drone.config.camera import CameraConfig
from drone.config.deciding import AvoidanceConfig, LimitsConfig, MemoryConfig, TrustConfig
from drone.config.estimator import BatteryConfig, EstimatorConfig, WindConfig
from drone.config.faults import FaultConfig
from drone.config.health import HealthConfig
from drone.config.learner import LearnerConfig
from drone.config.loading import launch_folder, load, load_as, loads
from drone.config.pilot import PilotConfig
from drone.config.room import RoomConfig
from drone.config.seeing import CorridorConfig, GridConfig, LabelConfig, MonoConfig, StereoConfig
from drone.config.sim import SimConfig
from drone.config.switching import SwitchingConfig
from drone.config.tree import Config, FlightConfig
from drone.config.vehicle import VehicleConfig

__all__ = [
    "SEEDS",
    "AvoidanceConfig",
    "BatteryConfig",
    "CameraConfig",
    "Config",
    "CorridorConfig",
    "EstimatorConfig",
    "FaultConfig",
    "FlightConfig",
    "GridConfig",
    "HealthConfig",
    "LabelConfig",
    "LearnerConfig",
    "LimitsConfig",
    "MemoryConfig",
    "MonoConfig",
    "PilotConfig",
    "RoomConfig",
    "SimConfig",
    "StereoConfig",
    "SwitchingConfig",
    "TrustConfig",
    "VehicleConfig",
    "WindConfig",
    "launch_folder",
    "load",
    "load_as",
    "loads",
]
