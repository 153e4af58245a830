"""One TOML file, one frozen tree: every setting with its range, unit and default.

An unknown key or a value out of range is refused at the start, with the valid choices. Dotted
overrides (`pilot.trust.max_fpr=0.3`) go over the file. Angles are degrees here, at the user's edge,
and radians everywhere else.
"""

from __future__ import annotations

import copy
import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drone.errors import UserError
from drone.geometry import Corridor, GridSpec

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]

SEEDS = 2**31
"""Seeds are smaller than this."""


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class GridConfig(_Section):
    """The cells on which labels and networks work."""

    rows: Annotated[int, Field(ge=2, le=96)] = 12
    cols: Annotated[int, Field(ge=2, le=128)] = 16


class CorridorConfig(_Section):
    """What the body sweeps when it flies straight (see `drone.geometry.Corridor`)."""

    hull_width_m: Positive = 0.52
    """AR.Drone 2.0 with its indoor hull."""
    hull_height_m: Positive = 0.13
    margin_m: NotNegative = 0.15
    """Added on each side, above and below."""
    percentile: Annotated[float, Field(ge=0, le=50)] = 5.0
    min_valid_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    far_m: Positive = 8.0
    sectors: Annotated[int, Field(ge=2, le=72)] = 8


class StereoConfig(_Section):
    """Matching of the two eyes."""

    near_m: Positive = 0.36
    """Nearest distance of interest; with the camera it sets the disparity range."""
    pre_blur_px: NotNegative = 0.8
    """Standard deviation of the Gaussian blur before matching."""
    block_px: Annotated[int, Field(ge=3, le=15)] = 3
    """Matched window; a small one mistakes fewer repeating patterns for near things."""
    texture_px: Annotated[int, Field(ge=3, le=31)] = 7
    """Window in which texture is judged."""
    uniqueness_percent: Annotated[int, Field(ge=0, le=50)] = 10
    left_right_px: NotNegative = 1.0
    """Largest difference between the left and the right match; farther apart is unknown."""
    speckle_px: Annotated[int, Field(ge=0)] = 30
    """Isolated patches of fewer pixels are unknown."""
    speckle_range_px: Positive = 1.0
    min_texture: NotNegative = 2.0
    """Least local standard deviation, grey levels, over `texture_px`; below it nothing is known."""


class LabelConfig(_Section):
    """From disparity to the label grid."""

    min_cell_share: Share = 0.6
    """Share of a cell's pixels that must be answered."""
    max_cell_spread: Positive = 0.25
    """Largest interquartile range over the median of a cell's inverse depth for full confidence."""
    min_valid_share: Share = 0.25
    """Share of the cells that must be known for a frame to teach."""


class MonoConfig(_Section):
    """How the network's estimate is used."""

    width_px: Annotated[int, Field(ge=32, le=1024)] = 128
    height_px: Annotated[int, Field(ge=24, le=1024)] = 96
    caution: Annotated[float, Field(ge=0, le=5)] = 1.5
    """How many of its own standard deviations nearer than it thinks mono takes things to be."""
    average_s: NotNegative = 0.25
    """The obstacle distance is averaged (as inverse distance) over this long."""


class TrustConfig(_Section):
    """Mono's licence: an operating point on the ROC of frames not yet learned from."""

    window_s: Positive = 40.0
    """Test-then-train pairs older than this are forgotten (see `min_positives`)."""
    holdout_window_s: Positive = 180.0
    """Held-out frames, scored again by every model version, stay this long."""
    min_tpr: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_fpr: Share = 0.40
    """The original system's; lower it as learners get better."""
    min_positives: Count = 30
    """Near frames needed; the latest so many stay as long as held-out frames do."""
    min_negatives: Count = 60
    min_episodes: Count = 6
    """Approaches seen: the independent evidence."""
    safety: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Mono stops already at the operating point's distance divided by this."""
    earn_s: NotNegative = 3.0
    """The figures must stand this long before the licence is given."""
    max_unlabelled_s: Positive = 10.0
    """With stereo well but without a label for so long, the figures count no more."""
    lose_s: NotNegative = 10.0
    """They may be missed this long before it is taken; meanwhile stereo guards."""
    max_frozen_s: Positive = 1200.0
    """A frozen licence ends after this."""


class SwitchingConfig(_Section):
    """Who flies when."""

    strategy: Literal["training_wheels", "stereo_only"] = "training_wheels"
    stop_m: Positive = 1.0
    """Stereo's obstacle distance below which a frame is positive: the drone must stop."""
    override_m: Positive = 0.85
    """With training wheels stereo stops the drone below this distance."""
    stale_s: Positive = 0.35
    """An older label, estimate or vehicle state is no input."""
    stereo_lost_s: Positive = 0.5
    """An eye dead this long is gone."""
    stereo_back_s: Positive = 3.0
    """A recovered pair must be well this long before it is believed."""
    hold_s: Positive = 5.0
    """Time in HOLD before LAND."""


class AvoidanceConfig(_Section):
    """Straight on, stop, turn in steps until free, a bit more, go on (the paper's behaviour)."""

    cruise_mps: Annotated[float, Field(gt=0, le=3)] = 0.5
    free_ratio: Annotated[float, Field(ge=1, le=3)] = 1.25
    """To go on, the way must be free this many times as far as what stops the drone."""
    turn_step_deg: Annotated[float, Field(gt=0, le=180)] = 45.0
    extra_turn_deg: Annotated[float, Field(ge=0, le=90)] = 15.0
    turn_rate_degps: Annotated[float, Field(gt=0, le=360)] = 90.0
    settle_s: NotNegative = 0.4
    """Looking time after each step of a turn."""
    brake_s: Positive = 0.6
    short_hop_s: NotNegative = 3.0
    """A flight between two stops that is shorter than this is a short hop."""
    look_around_after: Count = 3
    """After so many short hops in a row the drone looks all around before it goes on."""
    look_around_deg: Annotated[float, Field(ge=180, le=720)] = 360.0
    """A turn so far ends in the freest direction seen, ..."""
    escape_floor: Annotated[float, Field(gt=0, le=1)] = 0.6
    """... if it has at least this share of the clearance that is asked for otherwise."""


class LimitsConfig(_Section):
    """Bounds that hold whatever the rest of the pilot says."""

    max_speed_mps: Positive = 1.0
    max_vertical_mps: Positive = 0.5
    max_yaw_rate_degps: Positive = 120.0
    land_mps: Annotated[float, Field(gt=0, le=1)] = 0.3


class PilotConfig(_Section):
    """The chain match, labels, mono, trust, switching, avoidance, limiter."""

    tick_hz: Annotated[float, Field(ge=2, le=200)] = 20.0
    grid: GridConfig = GridConfig()
    corridor: CorridorConfig = CorridorConfig()
    stereo: StereoConfig = StereoConfig()
    labels: LabelConfig = LabelConfig()
    mono: MonoConfig = MonoConfig()
    trust: TrustConfig = TrustConfig()
    switching: SwitchingConfig = SwitchingConfig()
    avoidance: AvoidanceConfig = AvoidanceConfig()
    limits: LimitsConfig = LimitsConfig()

    @property
    def grid_spec(self) -> GridSpec:
        """The grid as geometry."""
        return GridSpec(self.grid.rows, self.grid.cols)

    @property
    def corridor_spec(self) -> Corridor:
        """The corridor as geometry."""
        c = self.corridor
        return Corridor(
            half_width_m=c.hull_width_m / 2 + c.margin_m,
            half_height_m=c.hull_height_m / 2 + c.margin_m,
            percentile=c.percentile,
            min_valid_share=c.min_valid_share,
            reference_m=self.switching.stop_m,
            far_m=c.far_m,
            sectors=c.sectors,
        )

    @model_validator(mode="after")
    def _fits(self) -> PilotConfig:
        if self.mono.width_px % self.grid.cols or self.mono.height_px % self.grid.rows:
            raise ValueError(
                f"mono.width_px x height_px ({self.mono.width_px} x {self.mono.height_px}) must be "
                f"multiples of grid.cols x rows ({self.grid.cols} x {self.grid.rows})"
            )
        if self.switching.override_m > self.switching.stop_m:
            raise ValueError("switching.override_m must not exceed switching.stop_m")
        return self


class LearnerConfig(_Section):
    """Learning in lockstep: a fixed number of steps per labelled frame."""

    kind: Literal["cnn"] = "cnn"
    steps_per_frame: Annotated[int, Field(ge=0, le=1000)] = 1
    batch_size: Annotated[int, Field(ge=2, le=512)] = 8
    learning_rate: Positive = 4e-3
    weight_decay: NotNegative = 1e-4
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay per step of the running average of the weights, which is what flies."""
    buffer_frames: Annotated[int, Field(ge=16)] = 3000
    min_frames: Annotated[int, Field(ge=2)] = 30
    """Labelled frames before the first step."""
    publish_s: Positive = 5.0
    """Seconds of flight between model versions."""
    holdout_block_s: Positive = 2.0
    """Length of the contiguous blocks that are held out from training ..."""
    holdout_every: Annotated[int, Field(ge=2)] = 5
    """... one block in so many."""
    holdout_frames: Annotated[int, Field(ge=8)] = 300


class RoomConfig(_Section):
    """A box-shaped room with obstacles, made from the flight's seed."""

    length_m: Annotated[float, Field(ge=3, le=12)] = 5.0
    width_m: Annotated[float, Field(ge=3, le=12)] = 5.0
    height_m: Annotated[float, Field(ge=2, le=6)] = 2.5
    obstacles: Annotated[int, Field(ge=0, le=20)] = 3


class VehicleConfig(_Section):
    """AR.Drone 2.0 with its indoor hull; sources in `drone/sim/vehicle.py`."""

    mass_kg: Positive = 0.436
    inertia_kgm2: tuple[Positive, Positive, Positive] = (2.1e-3, 1.85e-3, 3.4e-3)
    arm_m: Positive = 0.178
    hull_length_m: Positive = 0.52
    hull_width_m: Positive = 0.52
    hull_height_m: Positive = 0.13
    motor_lag_s: Positive = 0.04
    max_thrust_ratio: Annotated[float, Field(gt=1.1, le=5)] = 1.8
    """Full thrust over weight."""
    max_tilt_deg: Annotated[float, Field(gt=1, le=45)] = 15.0
    drag_per_s: NotNegative = 0.3
    """Linear drag: deceleration per speed."""


class CameraConfig(_Section):
    """The simulated stereo camera."""

    width_px: Annotated[int, Field(ge=32, le=1024)] = 128
    height_px: Annotated[int, Field(ge=24, le=1024)] = 96
    hfov_deg: Annotated[float, Field(ge=30, le=120)] = 70.0
    baseline_m: Positive = 0.06
    rate_hz: Positive = 10.0
    noise_levels: NotNegative = 1.5
    """Standard deviation of the sensor noise, grey levels."""
    forward_m: float = 0.12
    """Position of the pair ahead of the body's middle."""


class FaultConfig(_Section):
    """One fault of the simulator's outputs."""

    kind: Literal["black", "white", "frozen", "dropped"]
    eye: Literal["left", "right", "pair"] = "right"
    start_s: NotNegative
    end_s: Positive | None = None
    """Missing: for the rest of the flight."""

    @model_validator(mode="after")
    def _ends_after_start(self) -> FaultConfig:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError(f"end_s = {self.end_s:g} must be later than start_s")
        return self


class SimConfig(_Section):
    """The simulator."""

    physics_hz: Annotated[int, Field(ge=120, le=1000)] = 240
    height_m: Positive = 1.1
    """Flying height above the floor."""
    room: RoomConfig = RoomConfig()
    vehicle: VehicleConfig = VehicleConfig()
    camera: CameraConfig = CameraConfig()
    faults: tuple[FaultConfig, ...] = ()


class FlightConfig(_Section):
    """One flight."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "room"
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] = 0
    duration_s: Annotated[float, Field(gt=0, le=86400)] = 360.0


class Config(_Section):
    """The whole tree."""

    flight: FlightConfig = FlightConfig()
    pilot: PilotConfig = PilotConfig()
    learner: LearnerConfig = LearnerConfig()
    sim: SimConfig = SimConfig()

    @model_validator(mode="after")
    def _camera_divides(self) -> Config:
        camera, grid = self.sim.camera, self.pilot.grid
        if camera.width_px % grid.cols or camera.height_px % grid.rows:
            raise ValueError(
                f"sim.camera.width_px x height_px ({camera.width_px} x {camera.height_px}) must be "
                f"multiples of pilot.grid.cols x rows ({grid.cols} x {grid.rows})"
            )
        return self

    @model_validator(mode="after")
    def _rates_divide(self) -> Config:
        physics, tick, camera = (
            float(self.sim.physics_hz),
            self.pilot.tick_hz,
            self.sim.camera.rate_hz,
        )
        for name, whole, part in (
            ("pilot.tick_hz", physics, tick),
            ("sim.camera.rate_hz", tick, camera),
        ):
            if not math.isclose(whole / part, round(whole / part)):
                raise ValueError(f"{name} = {part:g} must divide {whole:g} Hz")
        return self

    def to_toml(self) -> str:
        """Return the resolved tree as TOML that `load` reads back equal."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def launch_folder() -> Path:
    """Return the folder with the situations that ship with the project."""
    here = Path(__file__).resolve().parent
    return here / "launch" if (here / "launch").is_dir() else here.parent / "launch"


def load(path: Path | str | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration.

    Args:
        path: a TOML file, or None for the defaults.
        overrides: `dotted.key=value` with a TOML value (bare words count as strings).

    Raises:
        UserError: the file is missing or malformed, a key unknown, or a value out of range.
    """
    tree = {} if path is None else _read_toml(Path(path))
    where = "the built-in defaults" if path is None else str(path)
    if not overrides:
        return _validate(tree, where)
    merged = copy.deepcopy(tree)
    for override in overrides:
        _apply(merged, override)
    try:
        return _validate(merged, f"override {', '.join(overrides)}")
    except UserError:
        _validate(tree, where)  # a mistake of the file itself is told first
        raise


def loads(text: str, where: str) -> Config:
    """Read a configuration from TOML text, such as a log's first record.

    Raises:
        UserError: as `load`.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not valid TOML: {error}") from error
    return _validate(tree, where)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.name for p in launch_folder().glob("*.toml")))
        raise UserError(
            f"no configuration file {path}; those that ship are in {launch_folder()}: {known}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(f"override {override!r}: expected dotted.key=value, such as flight.seed=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UserError(f"override {override!r}: {section!r} is a value, not a section")
    tree[last] = value


def _validate(tree: Mapping[str, Any], where: str) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{where}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        message = f"unknown key {key!r}{_near_keys(first['loc'])}"
    elif first["type"] == "value_error":
        message = f"{key + ': ' if key else ''}{first['ctx']['error']}"
    else:
        message = f"{key} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
    more = error.error_count() - 1
    return message + (f" (and {more} more)" if more else "")


def _near_keys(loc: tuple[int | str, ...]) -> str:
    section: type[BaseModel] | None = Config
    for part in loc[:-1]:
        if section is None or isinstance(part, int):
            continue
        section = _model_in(section.model_fields[part].annotation) if section else None
    if section is None:
        return ""
    names = sorted(section.model_fields)
    near = difflib.get_close_matches(str(loc[-1]), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid here: {', '.join(names)}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found:
            return found
    return cast("type[BaseModel] | None", None)
