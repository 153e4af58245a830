"""One table of what a flight log carries: topic, message class, rate, who reads it.

Images, calibration and poses use Foxglove's protobuf schemas, so that Foxglove and Rerun open a log
directly; everything else is one of `drone.messages`.
"""

from __future__ import annotations

from dataclasses import dataclass

from drone import messages

LEFT_IMAGE = "/camera/left/image"
RIGHT_IMAGE = "/camera/right/image"
LEFT_CALIBRATION = "/camera/left/calibration"
RIGHT_CALIBRATION = "/camera/right/calibration"
POSE = "/vehicle/pose"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of our own messages.

    Attributes:
        name: as it stands in the log.
        message: the class from `drone.messages`.
        rate: how often it is written, in words.
        consumed: the pilot consumed it (an input of exact replay).
    """

    name: str
    message: type
    rate: str
    consumed: bool


TICK = Topic("/pilot/tick", messages.Tick, "every tick", True)
VEHICLE = Topic("/vehicle/state", messages.VehicleState, "every tick that had one", True)
HEALTH = Topic("/camera/health", messages.HealthEvent, "on change", True)
MODEL = Topic("/learner/model", messages.ModelVersion, "on every new version", True)
FLYING = Topic(
    "/learner/flying", messages.ModelVersion, "at the start of every file but a log's first", False
)
CHECK = Topic("/camera/check", messages.FrameCheck, "every frame", False)
FOUND = Topic("/pilot/health", messages.HealthEvent, "on change", False)
LABEL = Topic("/stereo/label", messages.DistanceLabel, "every frame", False)
MONO = Topic("/mono/estimate", messages.MonoEstimate, "every frame once there is a model", False)
DECISION = Topic("/pilot/decision", messages.Decision, "every tick", False)
LEARNER = Topic("/learner/report", messages.LearnerReport, "on every new version", False)
TRUTH = Topic("/sim/truth", messages.Truth, "every frame, in simulation only", False)
EVENT = Topic("/flight/event", messages.FlightEvent, "on change", False)
AUTOPILOT = Topic(
    "/autopilot/report", messages.AutopilotReport, "every second and on change, on a vehicle", False
)
GAP = Topic("/log/gap", messages.LogGap, "where messages are missing", False)

TOPICS = (
    *(TICK, VEHICLE, HEALTH, MODEL, FLYING, CHECK, FOUND, LABEL, MONO, DECISION, LEARNER),
    *(TRUTH, EVENT, AUTOPILOT, GAP),
)
