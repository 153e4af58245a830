"""Messages: dated, typed facts that are never changed after they are made.

Every message has `seq` (counts up per topic), `stamp_ns` (monotonic time of capture, see
`drone.clock`) and `valid`. An unknown number is NaN, never 0 and never infinity. Frames: world NED,
body FRD, camera optical (x right, y down, z forward). `drone.codec` turns these classes into
protobuf messages by their field names; append fields, never reorder or reuse them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Grey image, (H, W) uint8."""
FloatGrid = NDArray[np.float32]
"""Values on the cells of a `GridSpec`, (rows, cols) float32, NaN where unknown."""
Vector3 = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
"""(w, x, y, z), unit length; `world_from_body` unless said otherwise."""


class Mode(StrEnum):
    """Who flies (see `docs/architecture.md`)."""

    STEREO = "stereo"
    TRAINING_WHEELS = "training_wheels"
    MONO = "mono"
    HOLD = "hold"
    LAND = "land"


class Asked(StrEnum):
    """What a person asks of the drone in flight; it can only make things safer."""

    NOTHING = "nothing"
    HOLD = "hold"
    LAND = "land"


class Cue(StrEnum):
    """Whose distance a decision rests on."""

    STEREO = "stereo"
    MONO = "mono"
    NONE = "none"
    BOTH = "both"


class Eye(StrEnum):
    """One eye, or the pair."""

    LEFT = "left"
    RIGHT = "right"
    PAIR = "pair"


@dataclass(frozen=True, slots=True, eq=False)
class StereoFrame:
    """One rectified stereo capture. An eye that delivered nothing is None.

    Attributes:
        left: (H, W) uint8 or None.
        right: (H, W) uint8 or None.
    """

    seq: int
    stamp_ns: int
    valid: bool
    left: Image | None
    right: Image | None


@dataclass(frozen=True, slots=True)
class VehicleState:
    """What the autopilot says of the vehicle: an estimate, never the truth.

    Attributes:
        position_m: NED, metres from where the estimator started.
        velocity_mps: NED, m/s.
        attitude: world (NED) from body (FRD).
        rates_radps: body rates, FRD, rad/s.
        landed: True while standing on the ground.
        battery_share: left, 0-1, NaN where unknown.
        battery_v: under load, V, NaN where unknown.
    """

    seq: int
    stamp_ns: int
    valid: bool
    position_m: Vector3
    velocity_mps: Vector3
    attitude: Quaternion
    rates_radps: Vector3 = (0.0, 0.0, 0.0)
    landed: bool = False
    battery_share: float = math.nan
    battery_v: float = math.nan


@dataclass(frozen=True, slots=True)
class VelocityCommand:
    """Velocity in the heading frame (body yaw, level): forward, right, down m/s, and yaw rate.

    Attributes:
        yaw_rate_radps: rad/s, positive turns right (clockwise seen from above).
    """

    seq: int
    stamp_ns: int
    valid: bool
    forward_mps: float
    right_mps: float
    down_mps: float
    yaw_rate_radps: float


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """Something became wrong (`active`) or right again with an eye or the pair.

    Attributes:
        kind: what is wrong, for example `dead` or `frozen`.
    """

    seq: int
    stamp_ns: int
    valid: bool
    eye: Eye
    kind: str
    active: bool


@dataclass(frozen=True, slots=True)
class FrameCheck:
    """What the images of one frame say about the eyes behind them.

    Attributes:
        seq: the frame's.
        left: what is wrong with the image (`missing`, `black`, `covered`, ...), empty if nothing.
        right: likewise.
        left_crc: CRC-32 of the pixels, to notice a frozen image; 0 if missing.
        right_crc: likewise.
        pair: what is wrong between the eyes (`swapped`, ...), empty if nothing.
        matches: corners found in both eyes.
        detail_ratio: the right eye's fine detail over the left's, NaN if unknown.
        strange_share: share of the image in which only one eye shows what it shows, NaN likewise.
        turn_deg: by which a turn of one eye would explain the row errors, NaN likewise.
        skew_s: exposure of the right eye minus the left's that would explain them, NaN likewise.
    """

    seq: int
    stamp_ns: int
    valid: bool
    left: str
    right: str
    left_crc: int
    right_crc: int
    pair: str = ""
    matches: int = 0
    detail_ratio: float = math.nan
    strange_share: float = math.nan
    turn_deg: float = math.nan
    skew_s: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class DistanceLabel:
    """What stereo says about one frame: the only teacher.

    Attributes:
        seq: the frame's.
        valid: False where the frame teaches nothing; `reason` says why.
        inverse_depth: (rows, cols) float32, 1/m, NaN where unknown.
        confidence: (rows, cols) float32 in 0-1, 0 where unknown.
        obstacle_m: obstacle distance, m, NaN where unknown (`drone.geometry.Corridor`).
        sectors_m: nearest range per sector, left to right, m, NaN where unknown.
        lambda_px: the paper's mean valid disparity, px, NaN where unknown.
        answered_share: share of the pixels that the matcher answered, 0-1.
        variance: (rows, cols) float32, 1/m^2, of `inverse_depth`, from the spread within the cell;
            None in old logs and where nothing could be matched, like all that follows.
        reasons: (rows, cols) float32, why a cell is unknown, numbers of `drone.onboard.labels.Why`:
            0 known, 1 the eyes disagree, 2 too little texture, 3 over-exposed, 4 too near for the
            range, 5 more than one distance in the cell, 6 refused, 7 known from a moment ago.
        right_inverse_depth: as `inverse_depth`, for the right eye's image.
        right_confidence: as `confidence`, for the right eye's image.
        answered_m: obstacle distance if what has no answer is taken for free, m; NaN unless
            `pilot.switching.unknown` says so.
        answered_sectors_m: `sectors_m` likewise, empty unless that says so.
    """

    seq: int
    stamp_ns: int
    valid: bool
    reason: str
    inverse_depth: FloatGrid
    confidence: FloatGrid
    obstacle_m: float
    sectors_m: tuple[float, ...]
    lambda_px: float
    answered_share: float
    variance: FloatGrid | None = None
    reasons: FloatGrid | None = None
    right_inverse_depth: FloatGrid | None = None
    right_confidence: FloatGrid | None = None
    answered_m: float = math.nan
    answered_sectors_m: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class MonoEstimate:
    """What the network says about one image.

    Attributes:
        seq: the frame's.
        version: of the model that answered; 0 where there was none.
        eye: whose image it saw.
        inverse_depth: (rows, cols) float32, 1/m.
        log_variance: (rows, cols) float32, log of the variance of `inverse_depth`, log(1/m^2).
        obstacle_m: obstacle distance from the same function as the label's, m, NaN where unknown.
        sectors_m: as in `DistanceLabel`, but cautious.
        cautious_m: obstacle distance where the network's own uncertainty counts as nearer: what
            trust is measured on, and what flies.
        unfamiliarity: how little the image resembles what was learned; 1 is the 99th percentile of
            the held-out frames, NaN where the model does not say.
        both_m: obstacle distance by both cues, m: by stereo's cells and, where stereo has no sure
            answer, by this estimate's; never farther than stereo's. NaN without a matched pair.
        both_sectors_m: as `sectors_m`, by both cues; empty without a matched pair.
    """

    seq: int
    stamp_ns: int
    valid: bool
    reason: str
    version: int
    eye: Eye
    inverse_depth: FloatGrid
    log_variance: FloatGrid
    obstacle_m: float
    sectors_m: tuple[float, ...]
    cautious_m: float = math.nan
    unfamiliarity: float = math.nan
    both_m: float = math.nan
    both_sectors_m: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A trained model: a whole ONNX file, and what it says about frames that it never learned from.

    Attributes:
        seq: the version number, from 1.
        onnx: the file's bytes (see the model contract in `docs/architecture.md`).
        sha256: of `onnx`, in hex.
        holdout_seq: frames held out from training, oldest first.
        holdout_obstacle_m: this model's obstacle distance for each of them, m, NaN where unknown.
        summary: JSON: samples, steps, loss, held-out error.
        normal_uncertainty: 99th percentile over these frames of the share by which this model's
            cautious distance is nearer than its plain one; NaN where unknown.
    """

    seq: int
    stamp_ns: int
    valid: bool
    onnx: bytes
    sha256: str
    holdout_seq: tuple[int, ...] = ()
    holdout_obstacle_m: tuple[float, ...] = ()
    summary: str = "{}"
    normal_uncertainty: float = math.nan


@dataclass(frozen=True, slots=True)
class Tick:
    """All that the pilot consumes at one moment. Ticks come at a fixed rate: silence is an input.

    Attributes:
        seq: counts the ticks.
        stamp_ns: now, monotonic.
        permitted: the human pilot lets this stack fly; False always wins.
        frame: a new frame, if one arrived since the last tick.
        vehicle: a new vehicle state, if one arrived.
        health: events from the camera driver (unplugged, out of sync).
        model: a new model version, if one was published.
        asked: what a person who watches asks for, as long as it is asked for.
    """

    seq: int
    stamp_ns: int
    valid: bool
    permitted: bool
    frame: StereoFrame | None = None
    vehicle: VehicleState | None = None
    health: tuple[HealthEvent, ...] = ()
    model: ModelVersion | None = None
    asked: Asked = Asked.NOTHING


@dataclass(frozen=True, slots=True)
class TrustReport:
    """Mono's licence at one moment, with the figures behind it.

    Attributes:
        held: the licence is live.
        frozen: stereo is lost and the licence of that moment goes on.
        reason: why it is (not) held, in words.
        operating_m: distance of the operating point, m, NaN where there is none.
        threshold_m: mono stops below this: the operating point with its safety, m.
        tpr: share of positives caught at the operating point, NaN without positives.
        fpr: share of free frames stopped needlessly there, NaN without negatives.
        positives: frames of the window below the stop distance by stereo.
        negatives: frames of the window free by stereo.
        episodes: runs of positives: approaches, the independent evidence.
        tpr_low: lower bound of `tpr`, each approach counting once, with 95 %, NaN without any.
        fpr_high: upper bound of `fpr`, likewise.
    """

    held: bool = False
    frozen: bool = False
    reason: str = "no estimates yet"
    operating_m: float = math.nan
    threshold_m: float = math.nan
    tpr: float = math.nan
    fpr: float = math.nan
    positives: int = 0
    negatives: int = 0
    episodes: int = 0
    tpr_low: float = math.nan
    fpr_high: float = math.nan


@dataclass(frozen=True, slots=True)
class Decision:
    """What the pilot does at one tick, and the full account of why.

    Attributes:
        seq: the tick's.
        cue: whose distance decided.
        manoeuvre: what avoidance is doing (`cruise`, `brake`, `turn`, ...).
        reason: why this mode, in words.
        obstacle_m: distance of the deciding cue, m, NaN where unknown.
        stereo_obstacle_m: latest stereo distance, NaN where unknown or stale.
        mono_obstacle_m: latest cautious mono distance, averaged over a short while, NaN likewise.
        blocked: the deciding cue says stop.
        override: stereo stops a drone that mono would have let fly on.
        event: the switching event of this tick, or empty.
        limited: what the limiter changed, or empty.
        command: what goes to the autopilot.
        trust: mono's licence.
    """

    seq: int
    stamp_ns: int
    valid: bool
    mode: Mode
    cue: Cue
    manoeuvre: str
    reason: str
    obstacle_m: float
    stereo_obstacle_m: float
    mono_obstacle_m: float
    blocked: bool
    override: bool
    event: str
    limited: str
    command: VelocityCommand
    trust: TrustReport = field(default_factory=TrustReport)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the simulator knows and the pilot never sees; for the log and the score only.

    Attributes:
        seq: the frame's.
        position_m: NED in the room, whose origin is the middle of its floor.
        velocity_mps: NED.
        attitude: world (NED) from body (FRD).
        obstacle_m: obstacle distance by true depth, m, NaN where unknown.
        stereo_obstacle_m: what healthy stereo says, also after it was cut (hidden, to score only).
        in_contact: the hull touches something.
        collisions: episodes of contact so far.
    """

    seq: int
    stamp_ns: int
    valid: bool
    position_m: Vector3
    velocity_mps: Vector3
    attitude: Quaternion
    obstacle_m: float
    stereo_obstacle_m: float
    in_contact: bool
    collisions: int


@dataclass(frozen=True, slots=True)
class FlightEvent:
    """Something worth marking on a time line: collision, override, mode change, fault, landing.

    Attributes:
        kind: `collision`, `override`, `mode`, `fault`, `landed`, `end`, `room`,
            `memory`; by a person who watches: `asked`, `mark`; by the autopilot's own log:
            `autopilot`.
        position_m: where, NED, NaN where unknown.
    """

    seq: int
    stamp_ns: int
    valid: bool
    kind: str
    detail: str
    position_m: Vector3 = (math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class AutopilotReport:
    """How the link to the autopilot stands, and what was last sent over it.

    Attributes:
        connected: a heartbeat came within the configured time.
        armed: by the heartbeat.
        flight_mode: in the autopilot's own words (`GUIDED`, `OFFBOARD`, ...), empty if unknown.
        commanded: set-points of the pilot chain go out: the mode takes them, and permission stands.
        permitted: the human pilot lets this stack fly.
        reason: why no set-points go out, or only zero; empty where they do.
        reaction: what a loss made the link do instead: `hold`, `land`, or empty.
        velocity_mps: NED, of the latest set-point, NaN where none was sent.
        yaw_rate_radps: likewise, positive turns right.
        clock_offset_s: the autopilot's clock minus the companion's, NaN where unknown.
    """

    seq: int
    stamp_ns: int
    valid: bool
    connected: bool = False
    armed: bool = False
    flight_mode: str = ""
    commanded: bool = False
    permitted: bool = False
    reason: str = ""
    reaction: str = ""
    velocity_mps: Vector3 = (math.nan, math.nan, math.nan)
    yaw_rate_radps: float = math.nan
    clock_offset_s: float = math.nan


@dataclass(frozen=True, slots=True)
class LogGap:
    """Messages are missing here in the log; nothing can be replayed exactly across a gap.

    Attributes:
        stamp_ns: of the last message before the gap.
        kind: `dropped` by the writer, whose disk was too slow, or `damaged` in the file.
        messages: how many are missing, 0 where that is unknown.
        lost_bytes: of the file, 0 where the messages were never in it.
        detail: more, in words.
    """

    seq: int
    stamp_ns: int
    valid: bool
    kind: str
    messages: int
    lost_bytes: int
    detail: str


@dataclass(frozen=True, slots=True)
class LearnerReport:
    """How learning stands, once per candidate: published, refused or rolled back.

    Attributes:
        sgd_steps: steps so far.
        buffer_frames: labelled frames held for training.
        holdout_frames: labelled frames held out.
        train_loss: running mean of the loss, NaN before the first step.
        holdout_male: mean absolute log error of the held-out obstacle distance, NaN if unknown.
        version: the latest published version, 0 if none.
        reason: why the candidate of this moment does not fly, or what was rolled back; empty if
            the candidate flies.
        rejected: candidates refused so far.
        rolled_back: how often an earlier version was published again.
    """

    seq: int
    stamp_ns: int
    valid: bool
    sgd_steps: int
    buffer_frames: int
    holdout_frames: int
    train_loss: float
    holdout_male: float
    version: int
    reason: str = ""
    rejected: int = 0
    rolled_back: int = 0
