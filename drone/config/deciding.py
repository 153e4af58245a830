"""The pilot's judgement: trust, avoidance, limits (switching is in `drone.config.switching`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drone.config.base import Count, NotNegative, Positive, Section, Share


class TrustConfig(Section):
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
    min_tpr_low: Share = 0.65
    """What the share of near frames caught must be for certain (lower bound, 95 %), were each
    approach one trial: of 6 approaches 97 % must have been caught, of 7 or more 95 %. The share of
    needless stops has no such limit: it costs way, not safety; its bound is in the log."""
    safety: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Mono stops already at the operating point's distance divided by this. Below 1 it stops
    earlier than it must by what it caught; the original took 0.8 later. Here it gets to the
    operating point slowly instead (`pilot.switching.mono_stop_mps`)."""
    earn_s: NotNegative = 3.0
    """The figures must stand this long before the licence is given."""
    lose_s: NotNegative = 10.0
    """Figures may speak against it this long before it is taken; meanwhile stereo guards."""
    unlabelled_s: Positive = 10.0
    """With stereo well but without a label for so long (plain walls), the figures count no more:
    nothing is earned by them, and a licence goes on as if stereo were lost."""
    max_unlabelled_s: Positive = 600.0
    """That long at most since figures last held. Half of `max_frozen_s`: stereo still guards, and
    speaks up where it can; but what it cannot answer mono has not learned from either."""
    max_overrides: Count = 3
    """Mono loses its licence where stereo overrides it more often than this ..."""
    overrides_s: Positive = 60.0
    """... within so long. At a share caught of 95 % and an approach every five seconds, that
    happens by chance about once in an hour."""
    max_frozen_s: Positive = 1200.0
    """A frozen licence ends after this."""
    max_unfamiliarity: Positive = 1.5
    """Mono's licence is withheld, frozen or not, where the images are less like what was learned
    than this; 1 is the 99th percentile of held-out frames. Models that do not say are not asked."""
    max_uncertainty: Positive = 3.0
    """Likewise where mono is less sure of the obstacle distance than this; 1 is likewise. Farther
    off than that of familiarity, since what mono is unsure of counts as nearer anyway: a far wall
    can be twice as uncertain as is normal, and makes the drone careful, not lost."""
    unfamiliar_s: Positive = 1.0
    """What counts of both is the median over the images of the latest so many seconds."""
    familiar_again_s: NotNegative = 2.0
    """Both must be normal again this long before the licence goes on."""

    @model_validator(mode="after")
    def _fits(self) -> TrustConfig:
        if self.holdout_window_s < self.window_s:
            raise ValueError("holdout_window_s must not be less than window_s")
        return self


class MemoryConfig(Section):
    """What of the obstacles that left the view is remembered, and for how long."""

    remember_s: NotNegative = 6.0
    """The vehicle's estimate drifts: what was seen longer ago is forgotten; 0 remembers nothing."""
    remember_m: Positive = 1.5
    """What is farther away is not remembered."""
    clear_m: NotNegative = 0.3
    """A later view clears a point that should show at most so far behind what it sees."""
    margin_m: NotNegative = 0.08
    """Beside the hull, where a remembered point blocks the way."""
    reach_m: Positive = 0.4
    """Ahead of the hull, likewise: what is farther comes into view again."""
    trail_s: NotNegative = 12.0
    """So long ago the way flown still leads back out of a corner."""


class AvoidanceConfig(Section):
    """How the drone gets about between obstacles."""

    kind: Literal["paper", "sectors"] = "paper"
    """Straight on, stop, turn in steps until free, a bit more, go on (van Hecke et al. 2018); or
    turn toward the freest sector while flying, slower the nearer the obstacle."""
    cruise_mps: Annotated[float, Field(gt=0, le=3)] = 0.5
    decel_mps2: Positive = 1.0
    """Assumed of the vehicle: it is never faster than what stops it within what is seen."""
    latency_s: NotNegative = 0.35
    """From the light to the beginning of the braking, likewise."""
    free_ratio: Annotated[float, Field(ge=1, le=3)] = 1.25
    """To go on, the way must be free this many times as far as what stops the drone."""
    turn_step_deg: Annotated[float, Field(gt=0, le=180)] = 45.0
    """Of `paper`."""
    extra_turn_deg: Annotated[float, Field(ge=0, le=90)] = 15.0
    """Of `paper`."""
    turn_rate_degps: Annotated[float, Field(gt=0, le=360)] = 90.0
    """Of `paper`, which looks between its steps."""
    seeing_rate_degps: Annotated[float, Field(gt=0, le=180)] = 60.0
    """Of `sectors`, which looks while it turns on the spot."""
    steer_rate_degps: Annotated[float, Field(ge=0, le=180)] = 40.0
    """Of `sectors`, at most, while it flies."""
    steer_m: Positive = 2.2
    """`sectors` flies straight on where the way is free so far, else toward the freest sector."""
    slow_ratio: Annotated[float, Field(ge=1, le=5)] = 1.6
    """`sectors` slows down where the way is free less far than this, in the measure of
    `free_ratio`."""
    settle_s: NotNegative = 0.4
    """Looking time after each step of a turn, and the least of a stop."""
    brake_s: Positive = 0.6
    short_hop_s: NotNegative = 3.0
    """A flight between two stops that is shorter than this is a short hop."""
    look_around_after: Count = 3
    """After so many short hops in a row the drone looks all around before it goes on."""
    look_around_deg: Annotated[float, Field(ge=180, le=720)] = 360.0
    """A turn so far ends in the freest direction seen, ..."""
    escape_floor: Annotated[float, Field(gt=0, le=1)] = 0.6
    """... if it has at least this share of the clearance that is asked for otherwise."""
    look_at_corners: bool | None = None
    """After a turn the drone looks beyond its way: what the hull's corner will pass lies beside the
    view. It costs `paper` a quarter of its metres. Unset: `sectors` does, `paper` does not."""
    max_turn_s: Annotated[float, Field(ge=1, le=18)] = 12.0
    """Longer on the spot it does not turn: it goes back the way it came, or waits, and looks on."""
    retreat_m: NotNegative = 0.5
    """So far back."""
    retreat_mps: Annotated[float, Field(gt=0, le=1)] = 0.25
    rest_s: Annotated[float, Field(ge=1, le=60)] = 2.0
    """So long it waits, and at most so long it takes to go back."""
    memory: MemoryConfig = MemoryConfig()


class LimitsConfig(Section):
    """Bounds that hold whatever the rest of the pilot says."""

    max_speed_mps: Positive = 1.0
    max_vertical_mps: Positive = 0.5
    max_yaw_rate_degps: Positive = 120.0
    land_mps: Annotated[float, Field(gt=0, le=1)] = 0.3
