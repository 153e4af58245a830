"""The drone from behind, with what it sees and how it flies: pictures of an episode for people.

In: the world and, per picture, a `Hud`. Out: an RGB picture, or a window that shows it. The vehicle
has no visual shape in the world (no camera of its own sees it), so it is drawn over the picture.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.config import VehicleConfig
from drone.errors import WorkFailedError
from drone.geometry import Intrinsics, Matrix, euler_from_quaternion, rotation_from_quaternion
from drone.messages import Image
from drone.sim.cameras import projection_matrix, view_matrix
from drone.sim.preview import Colour
from drone.sim.textures import Rgb
from drone.sim.vehicle import Kinematics
from drone.sim.world import World

if TYPE_CHECKING:
    import tkinter

WIDTH_PX, HEIGHT_PX = 480, 360
_CAMERA = Intrinsics.from_hfov(WIDTH_PX, HEIGHT_PX, math.radians(75))
_BEHIND_M, _ABOVE_M, _DOWN_RAD = 1.2, 0.5, math.radians(20)
_ROOM_TO_EYE_M = 0.12
_BODY: Colour = (35, 38, 43)
_NOSE: Colour = (230, 80, 40)
_FREE: Colour = (120, 200, 140)
_INK: Colour = (245, 245, 245)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True, eq=False)
class Hud:
    """What a picture tells.

    Attributes:
        motion: how the drone truly moves.
        image: (H, W) uint8, what the left eye delivered; None where nothing.
        t_s: since the episode began.
        earned: reward of the episode so far.
        nearest_m: distance of the nearest thing in view.
        crashed: whether the episode ended in a crash.
    """

    motion: Kinematics
    image: Image | None
    t_s: float
    earned: float
    nearest_m: float
    crashed: bool


class ChaseView:
    """A viewer that flies behind the drone."""

    def __init__(self, world: World, vehicle: VehicleConfig) -> None:
        self._world = world
        self._vehicle = vehicle
        self._projection = projection_matrix(_CAMERA, world.pixel_middle)

    def draw(self, hud: Hud) -> Rgb:
        """Return the picture, (HEIGHT_PX, WIDTH_PX, 3) uint8."""
        rotation, eye = self._viewpoint(hud.motion)
        shot = self._world.render(
            view_matrix(rotation, eye), self._projection, (WIDTH_PX, HEIGHT_PX)
        )
        picture = np.ascontiguousarray(shot.rgba[:, :, :3])
        self._draw_vehicle(picture, hud.motion, rotation, eye)
        _draw_inset(picture, hud.image)
        _draw_words(picture, hud)
        return picture

    def _viewpoint(self, motion: Kinematics) -> tuple[Matrix, NDArray[np.float64]]:
        """Return world from optical (3, 3) and the eye's position (3,), inside the room."""
        yaw = euler_from_quaternion(motion.attitude)[2]
        c, s = math.cos(yaw), math.sin(yaw)
        level, down = math.cos(_DOWN_RAD), math.sin(_DOWN_RAD)
        forward = np.array([c * level, s * level, down])
        right = np.array([-s, c, 0.0])
        rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
        north, east, z = motion.position_m
        room = self._world.room
        for behind in np.linspace(_BEHIND_M, 0.0, 14):
            spot = north - behind * c, east - behind * s
            if room.clearance_m(*spot) > _ROOM_TO_EYE_M:
                break
        height = min(-z + _ABOVE_M, room.height_m - _ROOM_TO_EYE_M)
        return rotation, np.array([*spot, -height])

    def _draw_vehicle(
        self, picture: Rgb, motion: Kinematics, rotation: Matrix, eye: NDArray[np.float64]
    ) -> None:
        """Draw arms, rotors and the nose over a picture, in place."""
        body = rotation_from_quaternion(motion.attitude)
        arm = self._vehicle.arm_m * math.sqrt(0.5)
        motors = np.array([[arm, -arm, 0], [arm, arm, 0], [-arm, arm, 0], [-arm, -arm, 0]])
        angles = np.linspace(0, 2 * math.pi, 17)
        ring = 0.1 * np.stack([np.cos(angles), np.sin(angles), np.full_like(angles, -0.3)], axis=1)
        lines = [(np.stack([motors[k], motors[k + 2]]), _BODY, 3) for k in (0, 1)]
        lines += [(motor + ring, _NOSE if k < 2 else _BODY, 2) for k, motor in enumerate(motors)]
        for points, colour, thickness in lines:
            seen = (points @ body.T + np.array(motion.position_m) - eye) @ rotation
            if np.all(seen[:, 2] > 0.05):
                pixels = seen[:, :2] / seen[:, 2:] * _CAMERA.fx + (_CAMERA.cx, _CAMERA.cy)
                shape = np.rint(pixels).astype(np.int32).reshape(-1, 1, 2)
                cv2.polylines(picture, [shape], False, colour, thickness, cv2.LINE_AA)


class Window:
    """A window that shows pictures, by Python's own tkinter."""

    def __init__(self, title: str) -> None:
        """Open it.

        Raises:
            WorkFailedError: this Python has no tkinter, or the display does not answer.
        """
        try:
            import tkinter

            self._root: tkinter.Tk = tkinter.Tk()
        except ImportError as error:
            raise WorkFailedError("this Python has no tkinter: use 'rgb_array'") from error
        except tkinter.TclError as error:
            raise WorkFailedError(f"no window could be opened: {error}") from error
        self._root.title(title)
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self._open = True
        self._root.protocol("WM_DELETE_WINDOW", self.close)

    def show(self, picture: Rgb) -> None:
        """Show a picture; nothing where the window was closed."""
        if not self._open:
            return
        import tkinter

        height, width, _ = picture.shape
        data = f"P6 {width} {height} 255 ".encode() + picture.tobytes()
        # Tk forgets a picture that nobody else holds.
        self._picture = tkinter.PhotoImage(master=self._root, data=data, format="PPM")
        self._label.configure(image=self._picture)
        self._root.update()

    def close(self) -> None:
        """Close it; a second call does nothing."""
        if self._open:
            self._open = False
            self._root.destroy()


def display() -> bool:
    """Return whether there is a display to show a window on."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _draw_inset(picture: Rgb, image: Image | None) -> None:
    """Draw what the left eye delivered into the upper right corner."""
    width, height = 128, 96
    left, top = WIDTH_PX - width - 8, 8
    box = picture[top : top + height, left : left + width]
    if image is None:
        box[:] = 0
    else:
        grey = cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST)
        box[:] = grey[:, :, None]
    cv2.rectangle(picture, (left - 1, top - 1), (left + width, top + height), _INK, 1)


def _draw_words(picture: Rgb, hud: Hud) -> None:
    """Draw time, speed, height, nearest distance and reward along the lower edge."""
    north, east, _ = hud.motion.velocity_mps
    words = (
        f"{hud.t_s:5.1f} s   {math.hypot(north, east):.2f} m/s   "
        f"height {-hud.motion.position_m[2]:.2f} m   nearest {hud.nearest_m:.2f} m   "
        f"reward {hud.earned:+.2f}"
    )
    bar = picture[HEIGHT_PX - 26 :]
    bar[:] = bar // 4
    colour = _FREE if hud.nearest_m > 1.0 else _NOSE
    share = min(hud.nearest_m / 4.0, 1.0)
    cv2.rectangle(
        picture, (0, HEIGHT_PX - 29), (round(share * WIDTH_PX), HEIGHT_PX - 27), colour, -1
    )
    cv2.putText(picture, words, (8, HEIGHT_PX - 9), _FONT, 0.4, _INK, 1, cv2.LINE_AA)
    if hud.crashed:
        cv2.putText(picture, "CRASH", (12, 34), _FONT, 1.0, _NOSE, 2, cv2.LINE_AA)
