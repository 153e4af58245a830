"""Learning in flight."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drone.config.base import NotNegative, Positive, Section

PRETRAINED_WIDTH = 16
"""Of the network whose weights ship with the project."""


class LearnerConfig(Section):
    """Learning in lockstep: a fixed number of steps per labelled frame."""

    kind: Literal["cnn", "texton-knn", "texton-linear", "texton-gp", "texton-mlp", "random"] = "cnn"
    """The network, one of the paper's learners, or, to compare with, one that guesses: its answers
    are labels that it saw, in any order."""
    start: Literal["warm", "fresh"] = "warm"
    """Of the network: from weights pre-trained in other rooms, or from none."""
    width: Annotated[int, Field(ge=4, le=64)] = PRETRAINED_WIDTH
    """Of the network: channels after its first layer. Its cost grows with the square. Weights are
    pre-trained for the default alone."""
    both_eyes: bool = True
    """The network learns from the right image too, so that either eye can carry the flight."""
    two_heads: bool = True
    """The network says the obstacle distance itself, beside the grid."""
    balanced: bool = True
    """Memory is kept and drawn from evenly over distance, place and age; else the latest, alike."""
    augmented: bool = True
    """Pictures are learned from with other exposure, blur and noise, and mirrored."""
    weighted: bool = True
    """What stereo is less sure of counts less; else every cell that it knows counts alike."""
    gated: bool = True
    """Only versions that are no worse on the held-out frames fly; else all that load, to compare
    with."""
    steps_per_frame: Annotated[int, Field(ge=0, le=1000)] = 1
    batch_size: Annotated[int, Field(ge=2, le=512)] = 10
    learning_rate: Positive = 4e-3
    """From a fresh start."""
    warm_learning_rate: Positive = 5e-4
    """From a warm one: large steps would forget what was pre-trained."""
    weight_decay: NotNegative = 1e-4
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay per step of the running average of the weights, which is what flies."""
    buffer_frames: Annotated[int, Field(ge=16)] = 6000
    """Images in memory; both eyes count."""
    min_frames: Annotated[int, Field(ge=2)] = 30
    """Labelled frames before the first step."""
    publish_s: Positive = 5.0
    """Seconds of flight between model versions."""
    holdout_block_s: Positive = 2.0
    """Length of the contiguous blocks that are held out from training ..."""
    holdout_every: Annotated[int, Field(ge=2)] = 5
    """... one block in so many."""
    holdout_frames: Annotated[int, Field(ge=8)] = 300
    save_s: Positive = 45.0
    """Seconds of flight between savings of the memory, where one is kept (`--memory`)."""
    cpu_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Live: of one core. The flight comes first: where it needs the core, learning gets less."""
    active: bool = False
    """Of the paper's learners: only frames that mono decides wrongly are learned from."""

    @model_validator(mode="after")
    def _weights_are_there(self) -> LearnerConfig:
        other_width = self.kind == "cnn" and self.width != PRETRAINED_WIDTH
        if other_width and self.start == "warm":
            raise ValueError(
                f"width = {self.width} has no pre-trained weights, only {PRETRAINED_WIDTH} has: "
                'set start = "fresh" too'
            )
        return self
