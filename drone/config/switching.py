"""Who flies when: the strategy, its times, and the distances at which stereo stops the drone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drone.config.base import NotNegative, Positive, Section

StrategyName = Literal["training_wheels", "dagger", "cold_turkey", "stereo_only", "mono_only"]

COLD_TURKEY_S = 120.0
"""When cold turkey hands over, unless `handover_s` says otherwise."""


class SwitchingConfig(Section):
    """Who flies when (docs/switching.md)."""

    strategy: StrategyName = "training_wheels"
    handover_s: NotNegative | None = None
    """For comparing strategies: after so much time of flight mono flies alone, in every strategy
    that lets it fly, and its licence is never asked for, before that neither. Without it the
    licence decides; cold_turkey, which never asks for one, then hands over after 120 s."""
    dagger_half_s: Positive = 60.0
    """With dagger, the probability that stereo flies halves in this time, from 1 at the start."""
    dagger_turn_s: Annotated[float, Field(ge=1)] = 5.0
    """With dagger, who flies is drawn anew after this time."""
    dagger_seed: Annotated[int, Field(ge=0)] = 0
    """Of dagger's draws."""
    stop_m: Positive = 1.0
    """Stereo's obstacle distance below which a frame is positive: the drone must stop."""
    override_m: Positive = 0.7
    """With training wheels stereo stops the drone where this would be left once it stands: below
    this, plus the way in `react_s` and the way of braking by `brake_mps2` at the present speed."""
    react_s: NotNegative = 0.2
    """From a frame to the beginning of braking, as an override counts it."""
    brake_mps2: Positive = 1.5
    """Deceleration, as an override counts it."""
    unknown: Literal["stop", "free"] = "stop"
    """What way is that stereo has no answer for. "free" is what common planners do, for comparison,
    and unsafe: on a plain wall stereo has no answer."""
    mono_speed: Annotated[float, Field(gt=0, le=1)] = 0.6
    """Share of the cruising speed at which mono flies alone with the least trust that flies; the
    fewer its needless stops, and the surer it is of what is ahead, the faster."""
    mono_stop_mps: Annotated[float, Field(gt=0, le=3)] = 0.2
    """Where mono decides, the drone is no faster than this when it comes to where mono stops it:
    what mono is less sure of than stereo it makes up for in braking way."""
    stale_s: Positive = 0.35
    """An older label, estimate or vehicle state is no input."""
    stereo_lost_s: Positive = 0.5
    """An eye dead this long is gone."""
    stereo_back_s: Positive = 3.0
    """A recovered pair must be well this long, and prove itself in it, before it is believed."""
    blind_s: Annotated[float, Field(gt=0, le=2)] = 0.4
    """Where no trusted cue has seen anything for longer than this, the drone holds."""
    back_s: Annotated[float, Field(gt=0, le=10)] = 0.5
    """An estimate, a vehicle state or sight at all that was missing must be there this long before
    it counts again: no mode changes back and forth faster."""
    hold_s: Positive = 5.0
    """Time in HOLD before LAND ..."""
    search_s: Positive = 12.0
    """... and where mono flew, sees, and is only unsure of what it sees, or has not learned it:
    then the drone turns on the spot to see something else."""
    search_rate_degps: Annotated[float, Field(ge=0, le=90)] = 40.0
    """At which it turns then; 0: it stands still."""

    @property
    def handed_over_s(self) -> float | None:
        """When mono is given control for good, s of flight; None where the licence decides."""
        if self.strategy == "mono_only":
            return 0.0
        if self.strategy == "cold_turkey" and self.handover_s is None:
            return COLD_TURKEY_S
        return self.handover_s

    @property
    def asks_for_licence(self) -> bool:
        """Mono flies only while it is trusted."""
        return self.handed_over_s is None

    @model_validator(mode="after")
    def _hands_over_to_someone(self) -> SwitchingConfig:
        if self.handover_s is not None and self.strategy in ("stereo_only", "mono_only"):
            raise ValueError(
                f"handover_s is for strategies in which stereo hands over to mono, which "
                f"{self.strategy} never does"
            )
        return self
