"""All that the pilot remembers from one tick to the next: one frozen value.

PilotState ─► to_json ─► text ─► from_json ─► an equal PilotState, to the last bit

The state and its parts are named tuples, since each tick makes them anew, and a frozen dataclass is
made in three times the time. In JSON they are objects, by the names of their fields; of another
version's text what this version does not know is left out.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import asdict
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from drone.errors import UserError
from drone.messages import Mode, TrustReport, VehicleState
from drone.onboard.avoidance import AvoidanceState
from drone.onboard.health import HealthState
from drone.onboard.obstacle_memory import Memory, View
from drone.onboard.trust import TrustState
from drone.onboard.watch import Watch

Recent = tuple[tuple[int, float], ...]
"""(stamp_ns, obstacle_m) of the frames that are averaged, oldest first."""


class Sight(NamedTuple):
    """The latest of one cue.

    Attributes:
        stamp_ns: of the frame, -1 before the first.
        obstacle_m: m, NaN where unknown.
        sectors_m: m, left to right.
        certainty: of mono, its cautious distance over the plain one, 0-1, NaN where unknown.
    """

    stamp_ns: int = -1
    obstacle_m: float = math.nan
    sectors_m: tuple[float, ...] = ()
    certainty: float = math.nan


class PilotState(NamedTuple):
    """All that the pilot remembers.

    Attributes:
        mode: who flies.
        mode_ns: since when; in HOLD at most since the pilot gave control back.
        vehicle: the latest vehicle state.
        stereo: the latest label's distances.
        mono: the latest estimate's distances, of that frame alone.
        both: by both cues together.
        mono_recent: of mono, the frames that are averaged.
        mono_known_ns: stamp of the latest frame for which mono had a distance, -1 before the first.
        model: the model version that flies, 0 if none.
        memory: of obstacles that left the view.
        view: where the camera's sectors lie; a flight starts with its camera's.
        watch: what has been there since when.
    """

    mode: Mode = Mode.STEREO
    mode_ns: int = 0
    vehicle: VehicleState | None = None
    stereo: Sight = Sight()
    mono: Sight = Sight()
    both: Sight = Sight()
    mono_recent: Recent = ()
    mono_known_ns: int = -1
    model: int = 0
    watch: Watch = Watch()
    health: HealthState = HealthState()
    trust: TrustState = TrustState()
    avoidance: AvoidanceState = AvoidanceState()
    memory: Memory = Memory()
    view: View = View()

    def to_json(self) -> str:
        """Return the state as JSON that `from_json` reads back equal, to the last bit."""
        return json.dumps(_plain(self))

    @classmethod
    def from_json(cls, text: str) -> PilotState:
        """Restore a state.

        Raises:
            UserError: the text is not a pilot's state.
        """
        try:
            value = json.loads(text)
            if not isinstance(value, dict):
                raise ValueError("it is no object")
            return _state_type().validate_python(_known(PilotState, value))
        except ValueError as error:
            first = str(error).splitlines()[0]
            raise UserError(f"not the state of this version's pilot: {first}") from error


@functools.cache
def _state_type() -> TypeAdapter[PilotState]:
    return TypeAdapter(PilotState)


_hints = functools.cache(get_type_hints)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: named tuples are objects, other tuples arrays."""
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return asdict(value) if isinstance(value, VehicleState | TrustReport) else value


def _known(kind: Any, value: Any) -> Any:
    """Return what of a value from JSON this version knows, by the names of the fields."""
    if hasattr(kind, "_fields") and isinstance(value, dict):
        hints = _hints(kind)
        return {name: _known(hints[name], part) for name, part in value.items() if name in hints}
    if get_origin(kind) is tuple and isinstance(value, list):
        return [_known(get_args(kind)[0], part) for part in value]
    return value
