"""The simulated room as Gymnasium environments: `RoomFlight-v0` and `RoomFlightStereo-v0`.

Importing this module registers both, so that either of these works:

    import drone.sim.env; gymnasium.make("RoomFlight-v0")
    gymnasium.make("drone.sim.env:RoomFlight-v0")
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from drone.config import PilotConfig, SimConfig
from drone.errors import UserError
from drone.geometry import DistanceMeter
from drone.sim.cameras import calibration_of
from drone.sim.chase import ChaseView, Hud, Window, display
from drone.sim.envinput import (
    LIMITS,
    SPLITS,
    EnvUseError,
    checked_options,
    command_from,
    env_config,
    room_config,
)
from drone.sim.observing import Observation, Observer
from drone.sim.rewards import Reward
from drone.sim.simulator import RoomSimulator, SimOutput
from drone.sim.vehicle import Kinematics


class RoomFlightEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """A quadrotor that shall fly about a furnished room by one eye, without touching anything.

    ## Action

    `Box(-1, 1, (4,), float32)`: a velocity command, held for one camera period (0.1 s). The
    autopilot in the simulator turns it into motor thrusts at 240 Hz.

    | # | of | -1 | +1 |
    |---|---|---|---|
    | 0 | forward speed, level, along the heading | -1.0 m/s | 1.0 m/s |
    | 1 | speed to the right, level | -0.5 m/s | 0.5 m/s |
    | 2 | speed down (the drone sinks) | -0.5 m/s | 0.5 m/s |
    | 3 | yaw rate (clockwise seen from above) | -1.5 rad/s | 1.5 rad/s |

    Values beyond -1 and 1 count as -1 and 1. NaN, infinity and a wrong shape are refused.

    ## Observation

    `Dict`:

    | key | space | what |
    |---|---|---|
    | `image` | uint8 (48, 64, 1), 0-255 | left eye, grey, with sensor noise and faults |
    | `sectors` | float32 (8,), 0-8 m | horizontal range of the nearest thing at flying height, per eighth of the field of view, left to right, by true depth; 8 means 8 m or more |
    | `sectors_known` | int8 (8,), 0 or 1 | 0: too little of that sector is in view (banked steeply); it then reads 8 m |
    | `scalars` | float32 (7,) | what the vehicle says of itself, as below |
    | `scalars_known` | int8 (7,), 0 or 1 | 0: it does not know (a fault); the value then reads 0 |

    | # of `scalars` | unit | within |
    |---|---|---|
    | 0 height above the floor | m | -1 to 7 |
    | 1, 2 level speed forward, right | m/s | -5 to 5 |
    | 3 speed down | m/s | -5 to 5 |
    | 4 roll | rad | -pi to pi |
    | 5 pitch | rad | -pi/2 to pi/2 |
    | 6 yaw rate (body z) | rad/s | -10 to 10 |

    An eye that delivers nothing shows its last image again, as a driver's buffer does; before the
    first it is black.

    ## Reward

    A sum of three terms, each also in `info["reward"]`: what is paid for (`reward=`, below),
    `closeness`: -0.5 per second times 1 - d/1 m for the nearest sector d below 1 m, and `crash`:
    -10, once.

    | `reward=` | pays |
    |---|---|
    | `progress` (default) | metres flown forward along the heading, backward negative |
    | `explore` | 0.5 for each new cell of 0.5 x 0.5 m of the floor plan |
    | `survive` | seconds in flight times speed / 0.5 m/s, at most 1 |

    ## Start

    Hovering at rest 1.1 m above the floor, at a random free place with 1.5 m free ahead, in a room
    that the seed names. `reset(seed=...)` makes all that follows repeatable, bit for bit; in a room
    that an option names, too, another seed means another place and other noise.

    ## End

    `terminated`: a crash, which is contact of the hull with anything, the floor too, even gently.
    `truncated`: `duration_s` (60 s) is over. Never both.

    ## Rooms and splits

    `split="train"` draws room seeds from 10,000 up, `split="test"` from 0-99; no room is in both,
    and 1000-9999 are never drawn. A room serves `episodes_per_room` episodes (5), each from another
    place, since building one takes a few hundred steps' time. `options` of `reset`, which hold until
    the next `reset` with a seed or options: `difficulty` (as `sim.room.difficulty`), `size` (m, a side
    or length and width), `obstacles` (how many), `room` (exactly this room seed), `split`, `flight`
    (exactly this place and noise: with `room` the same episode again and again). An option that is
    refused changes nothing.

    A room written out (`sim.room.layout`, as `drone room --save` writes it) is always the same room,
    which only `flight` may be said of; the place of the start is random there too, not the file's.

    ## Keywords of `gymnasium.make`

    `render_mode`, `reward`, `split`, `duration_s`, `episodes_per_room`, and `sim`: a
    `drone.config.SimConfig` for another room, vehicle, camera or for faults.

    ## Copies

    A deep copy, or one from a pickle, has the settings and the random state, but no room: it is in
    no episode, and its first `reset` builds a room of its own.

    ## Render

    `rgb_array`: the drone from behind with what it sees and how it flies, (360, 480, 3).
    `human`: the same in a window; only where there is a display.
    """  # noqa: E501 (a table's rows cannot be broken)

    # Gymnasium declares it so; an instance has its own.
    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"], "render_fps": 10}  # noqa: RUF012
    images: ClassVar[dict[str, str]] = {"image": "left"}

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        """Check the settings; the first `reset` builds a room.

        Args:
            render_mode: None, `rgb_array` or `human`.
            **settings: fields of `drone.config.env.EnvConfig`.

        Raises:
            EnvUseError: a setting is unknown or out of range, or there is no display to show on.
        """
        self._config = env_config(settings, "pair" if len(self.images) > 1 else "left")
        self.render_mode = _checked_mode(render_mode)
        shown = ["rgb_array"] + (["human"] if display() else [])
        self.metadata = {"render_modes": shown, "render_fps": self._config.rate_hz}
        calibration = calibration_of(self._config.sim.camera)
        pilot = PilotConfig()
        meter = DistanceMeter(calibration.left, pilot.grid_spec, pilot.corridor_spec)
        self._observer = Observer(calibration, meter, self.images)
        self._reward = Reward(self._config.reward, 1 / self._config.rate_hz)
        self.observation_space = self._observer.space
        self.action_space = spaces.Box(-1.0, 1.0, (len(LIMITS),), np.float32)
        self._options: Mapping[str, Any] = {}
        self._simulator: RoomSimulator | None = None
        self._place: tuple[int, SimConfig] | None = None
        self._chase: ChaseView | None = None
        self._window: Window | None = None
        self._flights = 0
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode (see the class).

        Raises:
            EnvUseError: an option is unknown or its value impossible.
        """
        super().reset(seed=seed)
        self._running = False
        anew = seed is not None or options is not None
        used_up = self._flights >= self._config.episodes_per_room
        if self._simulator is None or anew or used_up:
            wanted = checked_options({} if options is None else options) if anew else self._options
            self._enter_room(wanted)
            self._options = wanted
        assert self._simulator is not None
        output = self._simulator.reset(self._flight())
        self._flights += 1
        self._steps, self._return = 0, 0.0
        motion = self._simulator.motion
        self._observer.reset()
        self._reward.reset(motion)
        observation = self._observer.observe(output)
        self._running = True
        self._remember(output, motion)
        return observation, self._info(motion)

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Fly one camera period (see the class).

        Raises:
            EnvUseError: the action has a wrong shape or is not finite.
            gymnasium.error.ResetNeeded: the episode is over, or none has begun.
        """
        command = command_from(action)
        if not self._running or self._simulator is None:
            raise gymnasium.error.ResetNeeded("no episode is running: call reset first")
        output = self._simulator.step(command)
        self._steps += 1
        motion = self._simulator.motion
        crash = _crash(output)
        observation = self._observer.observe(output)
        terms = self._reward.terms(motion, self._observer.nearest_m, bool(crash))
        reward = math.fsum(terms.values())
        terminated = bool(crash)
        time_is_over = self._steps >= round(self._config.duration_s * self._config.rate_hz)
        self._running = not (terminated or time_is_over)
        self._return += reward
        self._remember(output, motion)
        info = self._info(motion) | {"reward": terms, "crash": crash}
        return observation, reward, terminated, time_is_over and not terminated, info

    def render(self) -> NDArray[np.uint8] | None:
        """Return the picture of now (`rgb_array`), or show it (`human`)."""
        if self.render_mode is None or self._simulator is None:
            return None
        if self._chase is None:
            self._chase = ChaseView(self._simulator.world, self._config.sim.vehicle)
        picture = self._chase.draw(self._hud)
        if self.render_mode == "rgb_array":
            return picture
        self._window = self._window or Window(f"drone: {type(self).__name__}")
        self._window.show(picture)
        return None

    def close(self) -> None:
        """Leave the room; a second call does nothing."""
        self._leave_room()
        if self._window is not None:
            self._window.close()
        self._window = None
        self._running = False

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy has: all but the room, whose physics client is this one's alone."""
        own = {"_simulator": None, "_chase": None, "_window": None, "_running": False}
        return self.__dict__ | own

    def _enter_room(self, options: Mapping[str, Any]) -> None:
        """Build the next room, or stay where it is the same."""
        split = options.get("split", self._config.split)
        first, last = SPLITS[split]
        drawn = int(self.np_random.integers(first, last))
        room: int = options.get("room", drawn)
        config = self._config.sim.model_copy(
            update={"room": room_config(self._config.sim.room, options)}
        )
        if self._simulator is None or self._place != (room, config):
            self._leave_room()
            self._simulator = self._built(config, room)
            self._place = room, config
        self._flights = 0

    def _built(self, config: SimConfig, room: int) -> RoomSimulator:
        try:
            return RoomSimulator(
                config, None, seed=room, tick_hz=self._config.rate_hz, put_back=False
            )
        except UserError as error:
            raise EnvUseError(str(error)) from error

    def _leave_room(self) -> None:
        if self._simulator is not None:
            self._simulator.close()
        self._simulator = self._chase = None

    def _flight(self) -> int:
        """Return what names, with the room, the next episode's start and noise.

        A drawn room's episodes are counted; in one that an option names the random state decides.
        """
        if "flight" in self._options:
            return int(self._options["flight"])
        if "room" in self._options:
            return int(self.np_random.integers(2**31))
        return self._flights

    def _remember(self, output: SimOutput, motion: Kinematics) -> None:
        """Keep for `render` what it shows; a picture is made only when asked for."""
        left = None if output.frame is None else output.frame.left
        t_s, nearest_m = self._steps / self._config.rate_hz, self._observer.nearest_m
        self._hud = Hud(motion, left, t_s, self._return, nearest_m, bool(_crash(output)))
        if self.render_mode == "human":
            self.render()

    @property
    def _room_seed(self) -> int | None:
        """What names the room; None where it is written out."""
        written = self._config.sim.room.layout is not None
        return None if self._place is None or written else self._place[0]

    def _info(self, motion: Kinematics) -> dict[str, Any]:
        """Return what an agent may not know and a person wants to."""
        return {
            "room": self._room_seed,
            "t_s": self._steps / self._config.rate_hz,
            "position_m": tuple(motion.position_m),
            "velocity_mps": tuple(motion.velocity_mps),
            "nearest_m": self._observer.nearest_m,
        }


class RoomFlightStereoEnv(RoomFlightEnv):
    """`RoomFlight-v0` with two eyes: `left` and `right` in place of `image`, all else alike.

    | key | space | what |
    |---|---|---|
    | `left`, `right` | uint8 (48, 64, 1), 0-255 | both eyes, grey, 6 cm apart, taken at once |

    For action, the rest of the observation, reward, start and end see `RoomFlightEnv`.
    """

    images: ClassVar[dict[str, str]] = {"left": "left", "right": "right"}


def _checked_mode(mode: str | None) -> str | None:
    known = RoomFlightEnv.metadata["render_modes"]
    if mode is not None and mode not in known:
        raise EnvUseError(f"render_mode {mode!r}: expected one of {', '.join(known)}, or None")
    if mode == "human" and not display():
        raise EnvUseError(
            "render_mode 'human' needs a display and there is none (DISPLAY and WAYLAND_DISPLAY "
            "are not set): use 'rgb_array'"
        )
    return mode


def _crash(output: SimOutput) -> str:
    """Return what ended the flight: `collision`, `landed`, or nothing."""
    kinds = [e.kind for e in output.events if e.kind in ("collision", "landed")]
    return kinds[0] if kinds else ""


def register_envs() -> None:
    """Tell Gymnasium the ids; again does nothing."""
    for name in ("RoomFlight", "RoomFlightStereo"):
        if f"{name}-v0" not in gymnasium.registry:
            gymnasium.register(f"{name}-v0", entry_point=f"drone.sim.env:{name}Env")


register_envs()
