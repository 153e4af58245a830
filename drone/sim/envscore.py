"""What a policy scores in the Gymnasium environments: one episode in each of the given rooms.

In: a policy and rooms. Out: mean, 95 % interval and number of episodes of each measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gymnasium

from drone.bench import with_interval
from drone.sim.env import register_envs
from drone.sim.observing import Observation
from drone.sim.policies import Action, RandomPolicy, ScriptedPolicy

POLICIES = ("random", "scripted")


class Episode(NamedTuple):
    """How one episode went.

    Attributes:
        reward: sum over the episode.
        flown_m: length of the way.
        flown_s: until the crash, or until time was over.
        crashed: 1 or 0.
    """

    reward: float
    flown_m: float
    flown_s: float
    crashed: float


def baseline(
    name: str, rooms: Sequence[int], reward: str, on_episode: Callable[[], object]
) -> dict[str, dict[str, float]]:
    """Return the score of a policy of `POLICIES`.

    Args:
        name: which.
        rooms: seeds of the rooms; one episode each.
        reward: `progress`, `explore` or `survive`.
        on_episode: called after each.
    """
    register_envs()
    env = gymnasium.make("RoomFlight-v0", reward=reward)
    episodes = []
    for room in rooms:
        policy = RandomPolicy(room) if name == "random" else ScriptedPolicy()
        episodes.append(fly(env, policy, room))
        on_episode()
    env.close()
    return {
        field: with_interval([getattr(e, field) for e in episodes]) for field in Episode._fields
    }


def fly(
    env: gymnasium.Env[Observation, Action], policy: Callable[[Observation], Action], room: int
) -> Episode:
    """Fly one episode in a room, the same each time."""
    observation, info = env.reset(seed=room, options={"room": room, "flight": 0})
    total, flown_m, ended = 0.0, 0.0, False
    while not ended:
        before: tuple[float, ...] = info["position_m"]
        observation, reward, crashed, over, info = env.step(policy(observation))
        total += float(reward)
        flown_m += math.dist(before, info["position_m"])
        ended = crashed or over
    return Episode(total, flown_m, float(info["t_s"]), float(crashed))
