from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pybullet
import pytest
from codedwall import still
from plainroom import a_room

from drone.config import CameraConfig, RoomConfig
from drone.errors import UserError
from drone.geometry import BODY_FROM_OPTICAL, Intrinsics, quaternion_from_euler
from drone.messages import Vector3
from drone.sim import egl
from drone.sim.cameras import StereoCamera, StereoCapture, projection_matrix, view_matrix
from drone.sim.furnish import room_from_seed
from drone.sim.scene import Quad
from drone.sim.world import World

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def driver() -> str:
    """The driver that EGL draws with here, be it on the processor."""
    name = egl.driver()
    if name is None:
        pytest.skip("EGL does not start here: no libEGL, or no driver")
    return name


def pictures(renderer: str, seed: int, light_level: float = 1.0) -> list[StereoCapture]:
    room = room_from_seed(RoomConfig(), seed)
    rng = np.random.default_rng(seed)
    shots = []
    with World(room, renderer=renderer) as world:
        world.light_level *= light_level
        camera = StereoCamera(world, CameraConfig(noise_levels=0.0), rng)
        for k in range(4):
            pose = room.free_pose(rng)
            attitude = quaternion_from_euler(0.1 * k, -0.1, pose.yaw_rad)
            shots.append(camera.capture(still((pose.north_m, pose.east_m, -1.1), attitude)))
    return shots


def assert_same_pictures(one: list[StereoCapture], other: list[StereoCapture]) -> None:
    """Equal but for the texture filter: EGL smooths what TinyRenderer picks single texels of."""
    for a, b in zip(one, other, strict=True):
        depth = np.abs(a.inverse_depth / b.inverse_depth - 1)
        assert np.median(depth) < 1e-3
        assert np.mean(depth < 0.01) > 0.97, "edges may fall to either side"
        for left, right in ((a.left, b.left), (a.right, b.right)):
            assert left.mean() == pytest.approx(right.mean(), abs=3)
            soft = [cv2.GaussianBlur(i.astype(np.float32), (0, 0), 2.0) for i in (left, right)]
            assert np.abs(soft[0] - soft[1]).mean() < 3


def offset_px(one: list[StereoCapture], other: list[StereoCapture]) -> float:
    """How far pictures are moved against others, by the phase of their correlation, on average."""
    window = cv2.createHanningWindow(one[0].left.shape[::-1], cv2.CV_32F)
    shifts = []
    for a, b in zip(one, other, strict=True):
        for pair in ((a.left, b.left), (a.right, b.right)):
            soft = [cv2.GaussianBlur(i.astype(np.float32), (0, 0), 1.0) for i in pair]
            shifts.append(cv2.phaseCorrelate(*soft, window)[0])
    return math.hypot(*np.mean(shifts, axis=0))


@pytest.mark.parametrize("seed", [20, 22, 23])
def test_egl_draws_the_pictures_that_tinyrenderer_draws(seed: int, driver: str) -> None:
    assert_same_pictures(pictures("tiny", seed), pictures("egl", seed))


def test_egl_dims_with_the_light(driver: str) -> None:
    dim, tiny = pictures("egl", 20, 0.4), pictures("tiny", 20, 0.4)
    assert_same_pictures(tiny, dim)
    assert dim[0].left.mean() < 0.5 * pictures("egl", 20)[0].left.mean()


@pytest.mark.device
def test_a_gpu_draws_by_itself_and_the_same_pictures(driver: str) -> None:
    assert egl.gpu_present(), "this test is for a machine with a GPU"
    assert not egl.is_software(driver)
    assert egl.chosen("auto")
    for seed in (20, 21):
        assert_same_pictures(pictures("tiny", seed), pictures("auto", seed))


@pytest.mark.parametrize("share", [0.55, 0.67, 0.76, 0.9, 1.0])
def test_shading_normals_light_as_asked(share: float, driver: str, tmp_path: Path) -> None:
    """A wall of grey 200 whose normal is bent shows that share of it."""
    light = (-0.36, 0.48, -0.8)
    wall = Quad(((1.0, -9.0, 9.0), (1.0, 9.0, 9.0), (1.0, 9.0, -9.0), (1.0, -9.0, -9.0)))
    assert math.hypot(*light) == pytest.approx(1.0)
    assert lit_grey(wall, egl.shading_normal(share, light), light, tmp_path) == pytest.approx(
        200 * share, abs=3
    )


def lit_grey(wall: Quad, normal: Vector3, light: Vector3, folder: Path) -> float:
    """The grey in which EGL draws a facing wall of grey 200, lit by this normal."""
    client = pybullet.connect(pybullet.DIRECT)
    with egl.silenced():
        egl.load(client)
        shape = egl.mesh(client, folder / "wall.obj", (wall,), [normal])
        body = pybullet.createMultiBody(0.0, -1, shape, physicsClientId=client)
        cv2.imwrite(str(folder / "wall.png"), np.full((8, 8, 3), 200, np.uint8))
        texture = pybullet.loadTexture(str(folder / "wall.png"), physicsClientId=client)
        pybullet.changeVisualShape(body, -1, textureUniqueId=texture, physicsClientId=client)
        picture = pybullet.getCameraImage(
            *(32, 32, view_matrix(BODY_FROM_OPTICAL, np.zeros(3))),
            projection_matrix(Intrinsics.from_hfov(32, 32, 1.0), 0.5),
            lightDirection=egl.far_light(light),
            shadow=0,
            renderer=pybullet.ER_BULLET_HARDWARE_OPENGL,
            physicsClientId=client,
        )[2]
        pybullet.disconnect(physicsClientId=client)
    return float(np.reshape(picture, (32, 32, 4))[:, :, 0].mean())


def test_a_simulator_says_nothing_on_the_standard_output(driver: str) -> None:
    """`--json` prints one object there and nothing else; the driver would talk."""
    code = (
        "from drone.sim.furnish import room_from_seed; from drone.config import RoomConfig\n"
        "from drone.sim.world import World\n"
        "world = World(room_from_seed(RoomConfig(), 20), renderer='egl')\n"
        "world.render([1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [1.0] * 16, (32, 24))\n"
        "world.render([1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [1.0] * 16, (64, 24))\n"
        "world.close(); print('done')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout == "done\n"


def test_where_egl_does_not_start_it_is_refused_or_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(egl, "driver", lambda: None)
    monkeypatch.setattr(egl, "gpu_present", lambda: True)
    with pytest.raises(
        UserError, match=r"sim\.renderer = 'egl': EGL does not start here; it needs"
    ):
        World(a_room(), renderer="egl")
    assert not egl.chosen("auto")
    assert not egl.chosen("tiny")


@pytest.mark.parametrize(
    ("name", "gpu", "drawn"),
    [
        ("NVIDIA H100 PCIe/PCIe/SSE2", True, True),
        ("NVIDIA H100 PCIe/PCIe/SSE2", False, False),
        ("llvmpipe (LLVM 15.0.6, 256 bits)", True, False),
        ("softpipe", True, False),
    ],
)
def test_auto_draws_on_a_gpu_only(
    name: str, gpu: bool, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egl, "driver", lambda: name)
    monkeypatch.setattr(egl, "gpu_present", lambda: gpu)
    assert egl.chosen("auto") == drawn
    assert egl.chosen("egl"), "asked for, it may draw on the processor"


def test_a_gpu_shows_by_its_device_files(tmp_path: Path) -> None:
    assert not egl.gpu_present(tmp_path)
    (tmp_path / "dri").mkdir()
    (tmp_path / "dri" / "card0").touch()
    assert not egl.gpu_present(tmp_path), "a display alone draws nothing"
    (tmp_path / "dri" / "renderD128").touch()
    assert egl.gpu_present(tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert egl.gpu_present(tmp_path)


def test_textures_get_a_width_that_opengl_takes() -> None:
    picture = np.full((5, 6, 3), 200, np.uint8)
    ready = egl.texture(picture, 1.1)
    assert ready.shape == (5, 8, 3)
    assert (ready == 220).all()
    assert (egl.texture(picture, 2.0) == 255).all()
