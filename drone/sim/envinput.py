"""What a Gymnasium environment takes in: keywords, reset's options, actions.

In: what a user or an agent gives. Out: a checked configuration, options, a `VelocityCommand`; or at
once an `EnvUseError` that says what was wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from drone.config import RoomConfig
from drone.config.env import EnvConfig
from drone.config.loading import explain
from drone.errors import UserError
from drone.messages import VelocityCommand

FORWARD_MPS, RIGHT_MPS, DOWN_MPS, YAW_RATE_RADPS = 1.0, 0.5, 0.5, 1.5
"""What an action of 1 means."""
LIMITS = (FORWARD_MPS, RIGHT_MPS, DOWN_MPS, YAW_RATE_RADPS)
SPLITS = {"train": (10_000, 2**31), "test": (0, 100)}
"""Room seeds of each split, from the first until before the last; 1000-9999 are never drawn."""
_ROOM_OPTIONS = {"difficulty": "difficulty", "obstacles": "obstacles"}
_OPTIONS = ("difficulty", "size", "obstacles", "room", "split")


class EnvUseError(UserError, ValueError):
    """An action, option or setting that an environment refuses, with the reason."""


def command_from(action: NDArray[np.float32]) -> VelocityCommand:
    """Return the velocity command that an action means.

    Raises:
        EnvUseError: it has a wrong shape or is not finite.
    """
    values = np.asarray(action)
    if values.shape != (len(LIMITS),) or values.dtype.kind not in "fiu":
        raise EnvUseError(
            f"an action is {len(LIMITS)} numbers (forward, right, down, yaw rate), not "
            f"{values.dtype} of shape {values.shape}"
        )
    if not np.all(np.isfinite(values)):
        raise EnvUseError(f"an action must be finite, not {values.tolist()}")
    forward, right, down, yaw = (
        limit * min(max(float(v), -1.0), 1.0) for v, limit in zip(values, LIMITS, strict=True)
    )
    return VelocityCommand(0, 0, True, forward, right, down, yaw)


def room_config(room: RoomConfig, options: Mapping[str, Any]) -> RoomConfig:
    """Return a room's configuration changed as `reset`'s options say.

    Raises:
        EnvUseError: a value is out of range.
    """
    changes = {field: options[name] for name, field in _ROOM_OPTIONS.items() if name in options}
    if "size" in options:
        size = options["size"]
        length, width = (size, size) if isinstance(size, int | float) else size
        changes |= {"length_m": length, "width_m": width}
    try:
        return RoomConfig.model_validate(room.model_dump(exclude_unset=True) | changes)
    except ValidationError as error:
        raise EnvUseError(f"reset options: {explain(error, RoomConfig)}") from error


def env_config(settings: Mapping[str, Any], eyes: str) -> EnvConfig:
    """Return the configuration that keywords of `gymnasium.make` mean.

    Args:
        settings: the keywords.
        eyes: what is drawn, as `sim.camera.eyes`.

    Raises:
        EnvUseError: one is unknown or out of range.
    """
    try:
        config = EnvConfig.model_validate(dict(settings))
    except ValidationError as error:
        raise EnvUseError(f"keywords: {explain(error, EnvConfig)}") from error
    camera = config.sim.camera.model_copy(update={"eyes": eyes})
    return config.model_copy(update={"sim": config.sim.model_copy(update={"camera": camera})})


def checked_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of `reset`.

    Raises:
        EnvUseError: one is unknown, or its value of the wrong kind.
    """
    for name in options:
        if name not in _OPTIONS:
            raise EnvUseError(f"reset option {name!r}: expected one of {', '.join(_OPTIONS)}")
    if options.get("split", "train") not in SPLITS:
        raise EnvUseError(f"reset option split = {options['split']!r}: expected train or test")
    room = options.get("room", 0)
    if isinstance(room, bool) or not isinstance(room, int | np.integer) or not 0 <= room < 2**31:
        raise EnvUseError(f"reset option room = {room!r}: expected a seed, 0 to {2**31 - 1}")
    size = options.get("size", 5.0)
    if not isinstance(size, int | float) and len(tuple(size)) != 2:
        raise EnvUseError(f"reset option size = {size!r}: expected m, a side or (length, width)")
    return {**options, "room": int(room)} if "room" in options else dict(options)
