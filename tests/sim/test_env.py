"""The Gymnasium environments: contract, determinism, splits, rewards' bookkeeping, wrong use."""

from __future__ import annotations

import copy
import math
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

import drone.sim.env
from drone.config import CameraConfig, FaultConfig, RoomConfig, SimConfig
from drone.config.room import StartConfig
from drone.errors import UserError
from drone.sim.env import RoomFlightEnv
from drone.sim.envinput import SPLITS, EnvUseError, checked_options, command_from, room_config
from drone.sim.furnish import room_of
from drone.sim.layout import layout_of

pytestmark = pytest.mark.sim
IDS = ("RoomFlight-v0", "RoomFlightStereo-v0")
EMPTY = SimConfig(camera=CameraConfig(width_px=64, height_px=48), room=RoomConfig(obstacles=0))
AHEAD = np.array([0.5, 0, 0, 0], np.float32)
HOVER = np.zeros(4, np.float32)


def make(**keywords: Any) -> RoomFlightEnv:
    env = gymnasium.make("RoomFlight-v0", **keywords).unwrapped
    assert isinstance(env, RoomFlightEnv)
    return env


@pytest.fixture
def env() -> Iterator[RoomFlightEnv]:
    env = make()
    yield env
    env.close()


def fly(
    env: RoomFlightEnv, action: NDArray[np.float32], steps: int
) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
    for _ in range(steps):
        out = env.step(action)
        if out[2] or out[3]:
            break
    return out


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_finds_nothing_to_warn_of(env_id: str) -> None:
    env = gymnasium.make(env_id)
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_stable_baselines3_finds_nothing_to_warn_of(env_id: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gymnasium.make(env_id)
    checker.check_env(env)
    env.close()


def test_the_module_may_be_named_with_the_id() -> None:
    env = gymnasium.make("drone.sim.env:RoomFlight-v0")
    assert env.spec is not None
    assert env.spec.id == "RoomFlight-v0"
    drone.sim.env.register_envs()  # again: no warning


def test_the_readmes_snippet_runs() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    snippet = re.search(r"```python\n(import gymnasium\n.*?)```", readme, re.DOTALL)
    assert snippet is not None
    ran: dict[str, Any] = {}
    exec(snippet.group(1), ran)
    assert ran["observation"]["image"].shape == (48, 64, 1)


def test_the_observation_is_what_the_datasheet_says(env: RoomFlightEnv) -> None:
    observation, info = env.reset(seed=20)
    assert observation["image"].shape == (48, 64, 1)
    assert observation["image"].dtype == np.uint8
    assert observation["image"].std() > 5, "something is seen"
    assert observation["sectors"].shape == (8,)
    assert observation["sectors_known"].all()
    assert observation["scalars"] == pytest.approx([1.1, 0, 0, 0, 0, 0, 0], abs=0.12), "an estimate"
    assert info["nearest_m"] == observation["sectors"].min()
    after, *_ = fly(env, np.array([0.5, 0, 0, 0.4], np.float32), 12)
    assert after["scalars"][1] == pytest.approx(0.5, abs=0.15), "forward, m/s"
    assert after["scalars"][6] == pytest.approx(0.6, abs=0.15), "yaw rate, rad/s"


def test_sectors_are_true_distances_in_an_empty_room() -> None:
    env = make(sim=EMPTY)
    observation, info = env.reset(seed=21)
    place = env._simulator
    assert place is not None
    north, east, _ = info["position_m"]
    nearest = place.room.clearance_m(north, east)
    farthest = math.hypot(place.room.length_m, place.room.width_m)
    assert nearest - 0.15 <= observation["sectors"].min()
    assert observation["sectors"].max() <= farthest
    env.close()


def test_both_eyes_see_the_same_room_from_two_places() -> None:
    env = gymnasium.make("RoomFlightStereo-v0")
    observation, _ = env.reset(seed=20)
    left, right = observation["left"].astype(float), observation["right"].astype(float)
    assert np.abs(left - right).mean() > 1.0
    shifted = min(np.abs(left[:, d:] - right[:, :-d]).mean() for d in range(1, 6))
    assert shifted < np.abs(left - right).mean(), "the right image fits when moved to the right"
    env.close()


def test_the_same_seed_repeats_the_episode_bit_for_bit() -> None:
    runs = []
    for _ in range(2):
        env = make()
        env.reset(seed=22)
        rng = np.random.default_rng(0)
        outs = []
        for _ in range(25):
            out = env.step(rng.uniform(-1, 1, 4).astype(np.float32))
            outs.append(out)
            if out[2]:
                env.reset()
        runs.append(outs)
        env.close()
    for one, other in zip(*runs, strict=True):
        for key in one[0]:
            np.testing.assert_array_equal(one[0][key], other[0][key])
        assert one[1:] == other[1:]


def test_a_room_serves_several_episodes_from_other_places() -> None:
    env = make(episodes_per_room=2)
    infos = [env.reset(seed=23)[1], *(env.reset()[1] for _ in range(3))]
    rooms = [info["room"] for info in infos]
    assert rooms[0] == rooms[1]
    assert rooms[2] == rooms[3]
    assert rooms[0] != rooms[2]
    assert len({info["position_m"] for info in infos}) == 4
    env.close()


def test_a_wall_ends_the_episode_as_a_crash_and_not_by_time() -> None:
    env = make(sim=EMPTY)
    env.reset(seed=24)
    observation, reward, terminated, truncated, info = fly(env, AHEAD * 2, 200)
    assert terminated
    assert not truncated
    assert info["crash"] == "collision"
    assert info["reward"]["crash"] == -10
    assert reward == pytest.approx(math.fsum(info["reward"].values()))
    assert info["nearest_m"] < 0.5, "the last picture is of what it met, not of a new start"
    assert observation["sectors"].min() < 0.5
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(AHEAD)
    env.reset()
    assert not env.step(HOVER)[2]
    env.close()


def test_touching_the_floor_gently_is_a_crash_too(env: RoomFlightEnv) -> None:
    env.reset(seed=25)
    _, _, terminated, truncated, info = fly(env, np.array([0, 0, 0.6, 0], np.float32), 100)
    assert terminated
    assert not truncated
    assert info["crash"] == "landed"


def test_time_truncates_and_does_not_terminate() -> None:
    env = make(duration_s=1.0)
    env.reset(seed=26)
    ends = [env.step(HOVER)[2:4] for _ in range(10)]
    assert ends == [(False, False)] * 9 + [(False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(HOVER)
    env.close()


def test_progress_is_the_way_flown_ahead() -> None:
    env = make(sim=EMPTY)
    _, start = env.reset(seed=27)
    outs = [env.step(AHEAD) for _ in range(20)]
    flown_m = math.dist(start["position_m"], outs[-1][4]["position_m"])
    assert sum(o[4]["reward"]["progress"] for o in outs) == pytest.approx(flown_m, abs=0.04)
    env.close()


def test_splits_share_no_room_and_neither_draws_what_is_kept_for_judging() -> None:
    kept = range(1000, 10_000)
    for first, last in SPLITS.values():
        assert not set(kept) & set(range(first, min(last, 20_000)))
    assert SPLITS["test"][1] <= SPLITS["train"][0]
    for split, (first, last) in SPLITS.items():
        env = make(split=split, episodes_per_room=1)
        rooms = {env.reset(seed=28 + k)[1]["room"] for k in range(3)}
        assert len(rooms) > 1
        assert all(first <= room < last for room in rooms)
        env.close()


def test_options_choose_the_room_until_the_next_reset_with_options(env: RoomFlightEnv) -> None:
    options = {"room": 7, "size": (6.0, 4.0), "obstacles": 1}
    assert env.reset(seed=29, options=options)[1]["room"] == 7
    assert env._simulator is not None
    room = env._simulator.room
    assert (room.length_m, room.width_m, len(room.obstacles)) == (6.0, 4.0, 1)
    for _ in range(6):
        assert env.reset()[1]["room"] == 7
    assert env.reset(options={"split": "test", "size": 5})[1]["room"] < 100
    assert env.reset(seed=29)[1]["room"] >= 10_000, "a seed alone forgets options"


def test_in_a_named_room_seeds_differ_and_no_start_comes_again(env: RoomFlightEnv) -> None:
    options = {"room": 7, "obstacles": 0}

    def starts(seed: int) -> list[tuple[float, ...]]:
        infos = [env.reset(seed=seed, options=options)[1], *(env.reset()[1] for _ in range(6))]
        assert {info["room"] for info in infos} == {7}
        return [info["position_m"] for info in infos]

    one, other = starts(1), starts(2)
    assert one == starts(1)
    assert len({*one, *other}) == 14


def test_a_named_flight_is_one_episode_whatever_the_seed(env: RoomFlightEnv) -> None:
    options = {"room": 7, "obstacles": 0, "flight": 0}
    first, info = env.reset(seed=1, options=options)
    for again in (env.reset(), env.reset(seed=2, options=options)):
        np.testing.assert_array_equal(again[0]["image"], first["image"])
        assert again[1]["position_m"] == info["position_m"]
    other = env.reset(options=options | {"flight": 1})[1]
    assert other["position_m"] != info["position_m"]


def test_a_refused_option_changes_nothing(env: RoomFlightEnv) -> None:
    env.reset(seed=3, options={"room": 7, "obstacles": 0})
    for wrong in ({"size": 500}, {"room": 3, "size": 3, "obstacles": 20}):
        with pytest.raises(EnvUseError):
            env.reset(options=wrong)
        assert env.reset()[1]["room"] == 7
        assert env._simulator is not None
        assert not env._simulator.room.obstacles


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_has_no_room_until_it_builds_its_own(env: RoomFlightEnv, copied: Any) -> None:
    _, start = env.reset(seed=4, options={"obstacles": 0})
    other = copied(env)
    with pytest.raises(gymnasium.error.ResetNeeded):
        other.step(HOVER)
    other.reset(seed=4, options={"obstacles": 0})
    assert env._simulator is not None
    assert other._simulator.world.client != env._simulator.world.client
    fly(other, AHEAD, 3)
    other.close()
    _, _, terminated, _, info = env.step(HOVER)  # whose drone stayed where it was
    assert not terminated
    assert math.dist(info["position_m"], start["position_m"]) < 0.02


def test_numbers_of_numpy_count_as_numbers() -> None:
    given = {
        "size": np.array([6, 4]),
        "obstacles": np.int64(2),
        "room": np.int32(7),
        "flight": np.uint8(1),
    }
    options = checked_options(given)
    assert options == {"size": (6, 4), "obstacles": 2, "room": 7, "flight": 1}
    for size in (np.int64(5), np.float32(5), [5, 5], 5):
        room = room_config(RoomConfig(), checked_options({"size": size}))
        assert (room.length_m, room.width_m) == (5.0, 5.0)


def test_a_written_room_starts_anywhere_and_takes_no_other_size() -> None:
    room = room_of(RoomConfig(obstacles=0), 5)
    start = StartConfig(north_m=0.0, east_m=0.0)
    layout = layout_of(room).model_copy(update={"start": start})
    sim = EMPTY.model_copy(update={"room": RoomConfig(layout=layout)})
    env = make(sim=sim)
    infos = [env.reset(seed=seed)[1] for seed in (1, 2, 1)]
    assert infos[0]["position_m"] == infos[2]["position_m"]
    assert infos[0]["position_m"] != infos[1]["position_m"]
    assert {info["room"] for info in infos} == {None}
    for name, value in (("difficulty", "plain"), ("size", 5), ("room", 3), ("split", "test")):
        with pytest.raises(EnvUseError, match=f"'{name}': the room is written out"):
            env.reset(options={name: value})
    env.close()


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (np.array([0, 0, math.nan, 0]), "finite"),
        (np.array([math.inf, 0, 0, 0]), "finite"),
        (np.zeros(3), "shape"),
        (np.zeros((1, 4)), "shape"),
        (np.array(["a"] * 4), "4 numbers"),
        (np.zeros(4, complex), "4 numbers"),
        ([[0, 0], 0, 0, 0], "4 numbers"),
    ],
)
def test_a_wrong_action_is_refused_at_once(action: NDArray[Any], says: str) -> None:
    for kind in (UserError, ValueError):
        with pytest.raises(kind, match=says):
            command_from(action)


def test_an_action_beyond_its_limits_counts_as_the_limit() -> None:
    command = command_from(np.array([3, -3, 0.5, 2], np.float32))
    speeds = (command.forward_mps, command.right_mps, command.down_mps, command.yaw_rate_radps)
    assert speeds == (1.0, -0.5, 0.25, 1.5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rooms": 3}, "expected one of difficulty"),
        ({"split": "judge"}, "train or test"),
        ({"room": -1}, "expected a seed"),
        ({"room": 1.5}, "expected a seed"),
        ({"size": 500}, "length_m = 500"),
        ({"size": "big"}, "expected m"),
        ({"size": (1, 2, 3)}, "expected m"),
        ({"size": None}, "expected m"),
        ({"size": 1j}, "expected m"),
        ({"size": (5, None)}, "expected m"),
        ({"size": np.float32(500)}, "length_m = 500"),
        ({"size": math.nan}, "length_m = nan"),
        ({"split": ["train"]}, "train or test"),
        ({"flight": -1}, "expected a seed"),
        ({"obstacles": -1}, "obstacles = -1"),
        ({"size": 2, "obstacles": 20}, "do not fit"),
        (5, "expected a dict"),
    ],
)
def test_wrong_options_are_refused(env: RoomFlightEnv, options: dict[str, Any], says: str) -> None:
    with pytest.raises(EnvUseError, match=says):
        env.reset(options=options)


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"reward": "speed"}, "progress"),
        ({"durations_s": 3}, "did you mean 'duration_s'"),
        ({"duration_s": 0}, "greater than 0"),
        ({"sim": {"camera": {"rate_hz": 7}}}, "must divide"),
        ({"sim": {"camera": {"width_px": 100}}}, "multiples"),
        (
            {"sim": {"room": {"length_m": 2, "width_m": 2, "obstacles": 20}}},
            "keyword sim: .*do not fit",
        ),
    ],
)
def test_wrong_keywords_are_refused(keywords: dict[str, Any], says: str) -> None:
    with pytest.raises(EnvUseError, match=says):
        RoomFlightEnv(**keywords)


def test_obstacles_that_do_not_fit_are_refused(env: RoomFlightEnv) -> None:
    with pytest.raises(UserError, match="do not fit"):
        env.reset(options={"room": 3, "size": 3, "obstacles": 20})


def test_a_dead_eye_and_a_lost_imu_are_told_by_masks_and_never_by_nan() -> None:
    faults = (
        FaultConfig(kind="dropped", eye="left", start_s=0.2),
        FaultConfig(kind="imu_dropout", start_s=0.2),
    )
    env = make(sim=EMPTY.model_copy(update={"faults": faults}))
    env.reset(seed=30)
    before = env.step(AHEAD)[0]
    after = fly(env, AHEAD, 5)[0]
    assert before["scalars_known"].all()
    assert not after["scalars_known"].any()
    np.testing.assert_array_equal(after["scalars"], 0)
    np.testing.assert_array_equal(after["image"], before["image"])
    assert after in env.observation_space
    env.close()


def test_a_late_camera_shows_what_was_and_says_so_before_anything_arrives() -> None:
    camera = EMPTY.camera.model_copy(update={"delay_s": 0.2, "noise_levels": 0.0})
    late = make(sim=EMPTY.model_copy(update={"camera": camera}))
    first, info = late.reset(seed=35)
    assert not first["sectors_known"].any()
    np.testing.assert_array_equal(first["sectors"], 8.0)
    assert first["image"].max() == 0
    assert info["nearest_m"] == 8.0
    assert not late.step(AHEAD)[0]["sectors_known"].any()
    third = late.step(AHEAD)[0]
    assert third["sectors_known"].all()
    assert third["image"].max() > 0
    late.close()


def test_one_eye_is_drawn_where_one_is_shown() -> None:
    env = make()
    env.reset(seed=36)
    assert env._simulator is not None
    frame = env._simulator.step(command_from(HOVER)).frame
    assert frame is not None
    assert frame.right is None
    env.close()


def test_rendering_shows_the_episode_and_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    env = make(render_mode="rgb_array")
    assert "human" not in env.metadata["render_modes"]
    env.reset(seed=31)
    first = env.render()
    fly(env, AHEAD, 5)
    second = env.render()
    assert first is not None
    assert second is not None
    assert first.shape == second.shape == (360, 480, 3)
    assert np.abs(first.astype(int) - second.astype(int)).mean() > 1.0
    env.close()
    assert env.render() is None
    with pytest.raises(EnvUseError, match="needs a display"):
        RoomFlightEnv(render_mode="human")
    with pytest.raises(EnvUseError, match="rgb_array, human"):
        RoomFlightEnv(render_mode="ansi")


def test_two_workers_with_shared_memory_fly_as_one_does() -> None:
    envs = gymnasium.make_vec(
        "RoomFlight-v0",
        num_envs=2,
        vectorization_mode="async",
        vector_kwargs={"shared_memory": True},
    )
    observation, info = envs.reset(seed=[32, 33])
    assert observation["image"].shape == (2, 48, 64, 1)
    for _ in range(3):
        together = envs.step(np.stack([AHEAD, AHEAD]))[0]
    envs.close()
    for k, seed in enumerate((32, 33)):
        env = make()
        assert env.reset(seed=seed)[1]["room"] == info["room"][k]
        alone = fly(env, AHEAD, 3)[0]
        for key in alone:
            np.testing.assert_array_equal(alone[key], together[key][k])
        env.close()


@pytest.mark.slow
def test_ppo_takes_2000_steps() -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    env = gymnasium.make("RoomFlight-v0")
    model = sb3.PPO(
        "MultiInputPolicy", env, n_steps=500, batch_size=100, n_epochs=2, seed=0, device="cpu"
    )
    model.learn(2000)
    assert model.num_timesteps == 2000
    observation, _ = env.reset(seed=34)
    action, _ = model.predict(observation, deterministic=True)
    assert env.action_space.contains(action)
    env.close()
