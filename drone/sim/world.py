"""The PyBullet scene of one room: what collides, and what the cameras see.

In: a `Room`. Out: a physics client with the room's bodies, and pictures of it. PyBullet's world
frame *is* our NED room frame (gravity along +z), so nothing is ever converted. Every call names its
client: several worlds live in one process.

Measured of TinyRenderer (and held by `tests/sim/test_world.py`): a triangle is drawn only from the
side on which its corners run counter-clockwise; texture rows count from the bottom up; a body
without a visual shape is drawn as what it collides with.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import cv2
import numpy as np
import pybullet
from numpy.typing import NDArray

from drone.errors import WorkFailedError
from drone.messages import Vector3
from drone.sim import egl
from drone.sim.canvas import Rgb
from drone.sim.room import Room
from drone.sim.scene import Part, Quad, parts

GRAVITY_MPS2 = 9.81
_AMBIENT, _DIFFUSE = 0.75, 0.35
"""Share of the light from everywhere, and from `Room.light`. No highlights: they would sit at
different places for the two eyes."""


class Picture(NamedTuple):
    """What TinyRenderer draws.

    Attributes:
        rgba: (H, W, 4) uint8.
        z_buffer: (H, W) float32 in 0-1, not a depth (`drone.sim.cameras.inverse_depth`).
    """

    rgba: NDArray[np.uint8]
    z_buffer: NDArray[np.float32]


class World:
    """One room in a physics client of its own.

    Attributes:
        room: what it was built from.
        shown: the same room as it looks now (`show`).
        light_level: of what is shown; 1 as usual, 0.3 dimmed to 30 %.
        client: PyBullet's physicsClientId.
        floor: PyBullet's body id of the floor.
        pixel_middle: where within a pixel the renderer samples: 0 (TinyRenderer) or 1/2 (EGL).
    """

    def __init__(
        self, room: Room, *, ceiling: bool = True, tops: bool = False, renderer: str = "tiny"
    ) -> None:
        """Build the scene.

        Args:
            room: what to build.
            ceiling: draw the ceiling (it always collides).
            tops: draw also the tops of what reaches the ceiling.
            renderer: `tiny`, `egl` or `auto` (`drone.sim.egl`).

        Raises:
            UserError: EGL is asked for and does not start.
            WorkFailedError: PyBullet starts no further physics server.
        """
        self.room = room
        self.shown = room
        self.light_level = room.light_level
        self._egl = egl.chosen(renderer)
        self.pixel_middle = 0.5 if self._egl else 0.0
        self._seen_parts = {"ceiling": ceiling, "tops": tops}
        self._drawn: list[tuple[int, int]] = []
        self._looks: dict[Room, list[int]] = {}
        self.client: int = pybullet.connect(pybullet.DIRECT)
        if self.client < 0:
            raise WorkFailedError("PyBullet could not start another physics server")
        try:
            with egl.silenced() if self._egl else nullcontext():
                if self._egl:
                    egl.load(self.client)
                self.floor = self._build(parts(room, ceiling=ceiling, tops=tops))
                if self._egl:
                    self._render_twice()
        except BaseException:
            self.close()
            raise

    def render(self, view: list[float], projection: list[float], size: tuple[int, int]) -> Picture:
        """Draw the room.

        Args:
            view: 16 numbers, OpenGL's view matrix, column by column.
            projection: 16 numbers, OpenGL's projection matrix, column by column.
            size: width and height, px.
        """
        width, height, rgba, z_buffer, _ = self.bare_call(view, projection, size)()
        # Without NumPy support compiled in, PyBullet answers with tuples.
        pixels = np.asarray(rgba, np.uint8).reshape(height, width, 4)
        if self._egl and self.light_level != 1.0:  # EGL knows no coefficients
            pixels = np.asarray(cv2.convertScaleAbs(pixels, alpha=self.light_level), np.uint8)
        return Picture(
            pixels,
            np.asarray(z_buffer, np.float32).reshape(height, width),
        )

    def bare_call(
        self, view: list[float], projection: list[float], size: tuple[int, int]
    ) -> Callable[[], Any]:
        """Return the call of PyBullet's renderer by which `render` draws, to be made."""
        return partial(
            pybullet.getCameraImage,
            *size,
            view,
            projection,
            lightDirection=egl.far_light(self.room.light) if self._egl else self.room.light,
            lightAmbientCoeff=_AMBIENT * self.light_level,
            lightDiffuseCoeff=_DIFFUSE * self.light_level,
            lightSpecularCoeff=0.0,
            shadow=0,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
            renderer=pybullet.ER_BULLET_HARDWARE_OPENGL if self._egl else pybullet.ER_TINY_RENDERER,
            physicsClientId=self.client,
        )

    def show(self, room: Room) -> None:
        """Put another room's pictures and light on what stands here.

        Args:
            room: as the one this world was built from, but for its surfaces and its light.
        """
        for (body, _), texture in zip(self._drawn, self._pictures_of(room), strict=True):
            self._cover(body, texture)
        self.shown, self.light_level = room, room.light_level

    def _pictures_of(self, room: Room) -> list[int]:
        """Return the texture of every drawn body; each is painted only once."""
        surfaces = replace(room, light_level=self.room.light_level)
        if surfaces == self.room:
            return [texture for _, texture in self._drawn]
        if surfaces not in self._looks:
            drawn = [part for part in parts(room, **self._seen_parts) if part.quads]
            with tempfile.TemporaryDirectory(prefix="drone-textures-") as folder:
                self._looks[surfaces] = [
                    self._texture(Path(folder) / f"{number}.png", self._picture(part))
                    for number, part in enumerate(drawn)
                ]
        return self._looks[surfaces]

    def _cover(self, body: int, texture: int) -> None:
        pybullet.changeVisualShape(body, -1, textureUniqueId=texture, physicsClientId=self.client)

    def invisible(self) -> int:
        """Return a visual shape of no extent, for a body that must not be seen."""
        if self._egl:
            return int(
                pybullet.createVisualShape(
                    pybullet.GEOM_BOX, halfExtents=(1e-6,) * 3, physicsClientId=self.client
                )
            )
        return int(
            pybullet.createVisualShape(
                pybullet.GEOM_MESH,
                vertices=[(0.0, 0.0, 0.0)] * 3,
                indices=[0, 1, 2],
                uvs=[(0.0, 0.0)] * 3,
                normals=[(0.0, 0.0, 1.0)] * 3,
                physicsClientId=self.client,
            )
        )

    def close(self) -> None:
        """End the physics client; a second call does nothing."""
        if self.client >= 0:
            with egl.silenced() if self._egl else nullcontext():
                pybullet.disconnect(physicsClientId=self.client)
            self.client = -1

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _render_twice(self) -> None:
        """Let the driver say its name, as it does with each of the first two pictures."""
        for _ in range(2):
            self.render([0.0] * 16, [0.0] * 16, (2, 2))

    def _build(self, room_parts: tuple[Part, ...]) -> int:
        """Create all parts and return the floor's body."""
        pybullet.setGravity(0, 0, GRAVITY_MPS2, physicsClientId=self.client)
        # Textures are read when they are loaded: the files need not outlive this block.
        with tempfile.TemporaryDirectory(prefix="drone-textures-") as folder:
            bodies = [
                self._create(part, Path(folder) / f"{number}.png")
                for number, part in enumerate(room_parts)
            ]
        return bodies[[part.name for part in room_parts].index("floor")]

    def _create(self, part: Part, file: Path) -> int:
        """Create one part. Its body sits at the origin: boxes and quads are given in the room."""
        turns = [box.yaw_rad / 2 for box in part.boxes]
        shape = pybullet.createCollisionShapeArray(
            [pybullet.GEOM_BOX] * len(part.boxes),
            halfExtents=[box.half_m for box in part.boxes],
            collisionFramePositions=[box.middle_m for box in part.boxes],
            collisionFrameOrientations=[(0, 0, math.sin(t), math.cos(t)) for t in turns],
            physicsClientId=self.client,
        )
        visual = self._look(part, file)
        body = pybullet.createMultiBody(0.0, shape, visual, physicsClientId=self.client)
        if part.quads:
            texture = self._texture(file, self._picture(part))
            self._cover(body, texture)
            self._drawn.append((body, texture))
        return int(body)

    def _look(self, part: Part, file: Path) -> int:
        """Return the visual shape of a part."""
        if not part.quads:
            return self.invisible()
        if not self._egl:
            return self._mesh(part.quads)
        lit = self._lit(part)
        normals = [egl.shading_normal(share / max(lit), self.room.light) for share in lit]
        return egl.mesh(self.client, file.with_suffix(".obj"), part.quads, normals)

    def _picture(self, part: Part) -> Rgb:
        """Return the texture of a part, as its renderer needs it."""
        return egl.texture(part.picture, max(self._lit(part))) if self._egl else part.picture

    def _lit(self, part: Part) -> list[float]:
        """Return how TinyRenderer lights each quad, of which EGL needs to be told."""
        toward = np.array(self.room.light) / np.linalg.norm(self.room.light)
        cosines = [float(toward @ quad.normal) for quad in part.quads]
        return [_AMBIENT + _DIFFUSE * max(0.0, c) for c in cosines]

    def _mesh(self, quads: tuple[Quad, ...]) -> int:
        vertices: list[Vector3] = []
        uvs: list[tuple[float, float]] = []
        normals: list[Vector3] = []
        indices: list[int] = []
        for quad in quads:
            k, top = len(vertices), quad.top
            vertices += quad.corners
            uvs += [(quad.left, 0.0), (quad.right, 0.0), (quad.right, top), (quad.left, top)]
            normals += [quad.normal] * 4
            indices += [k, k + 1, k + 2, k, k + 2, k + 3]
        return int(
            pybullet.createVisualShape(
                pybullet.GEOM_MESH,
                vertices=vertices,
                indices=indices,
                uvs=uvs,
                normals=normals,
                rgbaColor=(1.0, 1.0, 1.0, 1.0),
                physicsClientId=self.client,
            )
        )

    def _texture(self, file: Path, picture: Rgb) -> int:
        if not cv2.imwrite(str(file), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
            raise WorkFailedError(f"the texture {file} could not be written")
        return int(pybullet.loadTexture(str(file), physicsClientId=self.client))
