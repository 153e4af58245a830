"""How the room looks different in flight: light that dims, surfaces that get other pictures.

In: the changes of `sim.room.changes` and the time. Out: what a `World` shows from then on, and a
line for each change. Nothing moves, so that nothing else depends on it. State: what was shown last.
"""

from __future__ import annotations

from dataclasses import replace

from drone.clock import NS_PER_S
from drone.config.room import RoomChangeConfig, RoomConfig
from drone.sim.furnish import redecorated
from drone.sim.room import Room
from drone.sim.world import World

_SURFACES = ("walls", "floor", "ceiling", "obstacles")


class Appearance:
    """The schedule of a room's looks."""

    def __init__(self, world: World, config: RoomConfig) -> None:
        """Take in the schedule; the world shows the room it was built from.

        Args:
            world: shows the room.
            config: of the room.
        """
        self._world = world
        self._changes = sorted(config.changes, key=lambda change: change.at_s)
        self._difficulty = config.difficulty
        self._done = 0

    def reset(self) -> None:
        """Show the room as it was built."""
        self._done = 0
        self._world.show(self._world.room)

    def advance(self, stamp_ns: int) -> list[str]:
        """Make the changes that are due and say which they were."""
        told = []
        while self._done < len(self._changes):
            change = self._changes[self._done]
            if round(change.at_s * NS_PER_S) > stamp_ns:
                break
            self._world.show(changed(self._world.shown, change, self._difficulty))
            self._done += 1
            told.append(_words(change))
        return told


def changed(room: Room, change: RoomChangeConfig, difficulty: str) -> Room:
    """Return a room as it looks after a change."""
    if change.level is not None:
        return replace(room, light_level=change.level)
    surfaces = _SURFACES if change.surface == "all" else (change.surface,)
    return redecorated(room, difficulty, surfaces, change.seed or 0)


def _words(change: RoomChangeConfig) -> str:
    if change.level is not None:
        return f"light at {change.level:.0%}"
    where = "all surfaces" if change.surface == "all" else f"the {change.surface}"
    return f"new pictures on {where}, seed {change.seed}"
