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

from drone.config import RoomConfig, SimConfig
from drone.config.env import EnvConfig
from drone.config.loading import explain
from drone.errors import UserError
from drone.messages import VelocityCommand
from drone.sim.furnish import room_of
from drone.sim.layout import require_flyable

FORWARD_MPS, RIGHT_MPS, DOWN_MPS, YAW_RATE_RADPS = 1.0, 0.5, 0.5, 1.5
"""What an action of 1 means."""
LIMITS = (FORWARD_MPS, RIGHT_MPS, DOWN_MPS, YAW_RATE_RADPS)
SPLITS = {"train": (10_000, 2**31), "test": (0, 100)}
"""Room seeds of each split, from the first until before the last; 1000-9999 are never drawn."""
_ROOM_OPTIONS = {"difficulty": "difficulty", "obstacles": "obstacles"}
_OPTIONS = ("difficulty", "size", "obstacles", "room", "split", "flight")
_SEEDS = 2**31


class EnvUseError(UserError, ValueError):
    """An action, option or setting that an environment refuses, with the reason."""


def command_from(action: NDArray[np.float32]) -> VelocityCommand:
    """Return the velocity command that an action means.

    Raises:
        EnvUseError: it has a wrong shape or is not finite.
    """
    try:
        values = np.asarray(action)
    except ValueError as error:
        raise EnvUseError(f"an action is {len(LIMITS)} numbers, not {action!r}") from error
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
    """Return a room's configuration changed as `reset`'s (checked) options say.

    Raises:
        EnvUseError: a value is out of range, or the room is written out.
    """
    for name in options:
        if room.layout is not None and name != "flight":
            raise EnvUseError(
                f"reset option {name!r}: the room is written out in sim.room.layout; expected "
                "flight, or a sim without a layout"
            )
    changes = {field: options[name] for name, field in _ROOM_OPTIONS.items() if name in options}
    if "size" in options:
        changes["length_m"], changes["width_m"] = options["size"]
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
        EnvUseError: one is unknown or out of range, or no drone can fly in such a room.
    """
    try:
        config = EnvConfig.model_validate({name: _plain(v) for name, v in settings.items()})
    except ValidationError as error:
        raise EnvUseError(f"keywords: {explain(error, EnvConfig)}") from error
    sim = config.sim
    camera = sim.camera.model_copy(update={"eyes": eyes})
    room = sim.room
    if room.layout is not None:  # each episode starts elsewhere
        layout = room.layout.model_copy(update={"start": None})
        room = room.model_copy(update={"layout": layout})
    sim = sim.model_copy(update={"camera": camera, "room": room})
    if "sim" in settings:
        _require_a_room(sim, SPLITS[config.split][0])
    return config.model_copy(update={"sim": sim})


def _require_a_room(sim: SimConfig, seed: int) -> None:
    """Check that one room, of many that may be drawn, can be built and flown in."""
    try:
        room = room_of(sim.room, seed)
        require_flyable(room, sim.height_m, sim.vehicle.hull_height_m)
    except UserError as error:
        raise EnvUseError(f"keyword sim: {error}") from error


def checked_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of `reset`, NumPy's numbers as Python's and `size` as two sides.

    Raises:
        EnvUseError: one is unknown, or its value of the wrong kind.
    """
    if not isinstance(options, Mapping):
        raise EnvUseError(f"reset options {options!r}: expected a dict")
    checked: dict[str, Any] = {}
    for name, given in options.items():
        if name not in _OPTIONS:
            raise EnvUseError(f"reset option {name!r}: expected one of {', '.join(_OPTIONS)}")
        checked[name] = value = _plain(given)
        if name == "split" and not (isinstance(value, str) and value in SPLITS):
            raise EnvUseError(f"reset option split = {given!r}: expected train or test")
        if name in ("room", "flight") and not (_is_whole(value) and 0 <= value < _SEEDS):
            raise EnvUseError(
                f"reset option {name} = {given!r}: expected a seed, 0 to {_SEEDS - 1}"
            )
        if name == "size":
            checked[name] = _sides(value)
    return checked


def _sides(size: Any) -> tuple[float, float]:
    sides = size if isinstance(size, tuple) else (size, size)
    if len(sides) != 2 or not all(isinstance(s, float) or _is_whole(s) for s in sides):
        raise EnvUseError(f"reset option size = {size!r}: expected m, a side or (length, width)")
    return sides


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's, and what lists them as a tuple."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
