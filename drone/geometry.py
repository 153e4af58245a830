"""Frames, pinhole camera, label grid, corridor, and the one function that measures distance.

Frames: world NED, body FRD, camera optical (x right, y down, z forward), level (the camera's frame
turned so that z is horizontal and y points along gravity). A rotation `a_from_b` turns coordinates
in b into coordinates in a. Depth is z along the optical axis; range is the length of the ray.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from drone.messages import FloatGrid, Quaternion, Vector3

Matrix = NDArray[np.float64]
Pixel = TypeVar("Pixel", bound=np.generic)

BODY_FROM_OPTICAL: Matrix = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""(3, 3): a camera that looks along the body's forward axis, upright."""


def rotation_from_quaternion(q: Quaternion) -> Matrix:
    """Return the (3, 3) rotation of a unit quaternion (w, x, y, z)."""
    w, x, y, z = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_euler(roll_rad: float, pitch_rad: float, yaw_rad: float) -> Quaternion:
    """Return (w, x, y, z) of the aerospace sequence yaw, pitch, roll (Z-Y'-X'')."""
    cr, sr = math.cos(roll_rad / 2), math.sin(roll_rad / 2)
    cp, sp = math.cos(pitch_rad / 2), math.sin(pitch_rad / 2)
    cy, sy = math.cos(yaw_rad / 2), math.sin(yaw_rad / 2)
    return (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )


def quaternion_from_rotation(rotation: Matrix) -> Quaternion:
    """Return (w, x, y, z), w >= 0, of a proper (3, 3) rotation (Shepperd's method)."""
    m = rotation
    candidates = np.array(
        [
            1 + m[0, 0] + m[1, 1] + m[2, 2],
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
        ]
    )
    largest = int(np.argmax(candidates))
    s = 2 * math.sqrt(candidates[largest])
    wx, wy, wz = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    quaternions = (
        (s / 4, wx / s, wy / s, wz / s),
        (wx / s, s / 4, xy / s, xz / s),
        (wy / s, xy / s, s / 4, yz / s),
        (wz / s, xz / s, yz / s, s / 4),
    )
    q = quaternions[largest]
    sign = 1.0 if q[0] >= 0 else -1.0
    return (
        float(sign * q[0]),
        float(sign * q[1]),
        float(sign * q[2]),
        float(sign * q[3]),
    )


def euler_from_quaternion(q: Quaternion) -> Vector3:
    """Return (roll, pitch, yaw) in rad, of the aerospace sequence yaw, pitch, roll."""
    w, x, y, z = q
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    # In this order NaN passes both, and stays unknown.
    pitch = math.asin(max(min(2 * (w * y - z * x), 1.0), -1.0))
    return roll, pitch, yaw_from_quaternion(q)


def yaw_from_quaternion(q: Quaternion) -> float:
    """Return the yaw of `euler_from_quaternion` alone, rad."""
    w, x, y, z = q
    return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def optical_rotation(roll_deg: float, pitch_deg: float, yaw_deg: float) -> Matrix:
    """Return the (3, 3) rotation from a turned optical frame to the one that it was turned from.

    Args:
        roll_deg: about the optical axis (z), clockwise as the eye sees.
        pitch_deg: upward (about x).
        yaw_deg: to the right (about y); yaw is applied first, then pitch, then roll.
    """
    roll, pitch, yaw = (math.radians(angle) for angle in (roll_deg, pitch_deg, yaw_deg))
    about_z = np.array(
        [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1.0]]
    )
    about_x = np.array(
        [
            [1.0, 0, 0],
            [0, math.cos(pitch), -math.sin(pitch)],
            [0, math.sin(pitch), math.cos(pitch)],
        ]
    )
    about_y = np.array(
        [[math.cos(yaw), 0, math.sin(yaw)], [0, 1.0, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    )
    turned: Matrix = about_y @ about_x @ about_z
    return turned


def wrap_angle(angle_rad: float) -> float:
    """Return the same direction in (-pi, pi]."""
    wrapped = math.remainder(angle_rad, 2 * math.pi)
    return math.pi if wrapped == -math.pi else wrapped


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole of a rectified camera; pixel centres lie at whole numbers (OpenCV's convention).

    Attributes:
        width: px.
        height: px.
        fx: px.
        fy: px.
        cx: px.
        cy: px.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def from_hfov(cls, width: int, height: int, hfov_rad: float) -> Intrinsics:
        """Return square pixels, the axis through the image's middle, and this field of view."""
        f = width / 2 / math.tan(hfov_rad / 2)
        return cls(width, height, f, f, (width - 1) / 2, (height - 1) / 2)

    @property
    def matrix(self) -> Matrix:
        """The (3, 3) camera matrix."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def scaled(self, width: int, height: int) -> Intrinsics:
        """Return the same camera for its image resized to width x height px."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            width,
            height,
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
        )


@dataclass(frozen=True)
class StereoCalibration:
    """A rectified stereo pair: same intrinsics, right eye displaced along the left's x axis.

    Attributes:
        left: intrinsics of both rectified images.
        baseline_m: > 0.
        body_from_left: rotation from the left optical into the body frame, row-major (9).
        left_in_body_m: position of the left eye in the body frame (FRD).
    """

    left: Intrinsics
    baseline_m: float
    body_from_left: tuple[float, ...] = tuple(BODY_FROM_OPTICAL.ravel())
    left_in_body_m: Vector3 = (0.0, 0.0, 0.0)

    @cached_property
    def rotation(self) -> Matrix:
        """(3, 3) body from left optical."""
        return np.array(self.body_from_left).reshape(3, 3)

    @property
    def disparity_metres(self) -> float:
        """Focal length times baseline, px m: disparity = this / depth."""
        return self.left.fx * self.baseline_m

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that name this calibration."""
        c = self.left
        numbers = (
            *(c.width, c.height, c.fx, c.fy, c.cx, c.cy, self.baseline_m),
            *self.body_from_left,
            *self.left_in_body_m,
        )
        text = " ".join(f"{float(n):.9g}" for n in numbers)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def down_in_camera(self, attitude: Quaternion | None) -> Vector3:
        """Return the unit vector along gravity in the left optical frame.

        Without an attitude the body is taken as level.
        """
        down_body = (
            np.array([0.0, 0.0, 1.0])
            if attitude is None
            else rotation_from_quaternion(attitude).T[:, 2]
        )
        x, y, z = self.rotation.T @ down_body
        return float(x), float(y), float(z)


@dataclass(frozen=True)
class GridSpec:
    """A grid of equal cells over the image, on which labels and networks work.

    Attributes:
        rows: cells from top to bottom.
        cols: cells from left to right.
    """

    rows: int = 12
    cols: int = 16

    def rays(self, camera: Intrinsics) -> Matrix:
        """Return the rays through the cell centres at unit depth, (rows, cols, 3), optical."""
        u = (np.arange(self.cols) + 0.5) * camera.width / self.cols - 0.5
        v = (np.arange(self.rows) + 0.5) * camera.height / self.rows - 0.5
        x, y = np.meshgrid((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy)
        return np.stack([x, y, np.ones_like(x)], axis=-1)

    def unknown(self) -> FloatGrid:
        """Return a grid of which nothing is known, (rows, cols) of NaN."""
        return np.full((self.rows, self.cols), np.nan, np.float32)


def level_from_camera(down: Vector3) -> Matrix:
    """Return the (3, 3) rotation from the optical to the level frame.

    Args:
        down: unit vector along gravity in the optical frame.

    Raises:
        ValueError: the camera looks straight up or down, so that no forward direction is level.
    """
    # In plain floats: NumPy takes ten times as long for three numbers, and this is in every tick.
    a, b, c = (float(d) for d in down)
    length = math.sqrt((c * a) ** 2 + (c * b) ** 2 + (1 - c * c) ** 2)
    if length < 1e-6:
        raise ValueError("the camera looks along gravity: it has no level forward direction")
    p, q, r = -c * a / length, -c * b / length, (1 - c * c) / length
    return np.array([[b * r - c * q, c * p - a * r, a * q - b * p], [a, b, c], [p, q, r]])


@dataclass(frozen=True)
class Corridor:
    """What the vehicle's body, widened by a margin, sweeps when it flies straight and level.

    Attributes:
        half_width_m: of the cross-section.
        half_height_m: of the cross-section.
        percentile: near percentile of depth that counts as the obstacle's, in 0-100.
        min_valid_share: of the cells that look into the corridor; with fewer the answer is unknown.
        reference_m: distance at which "looks into the corridor" is judged: the stop distance.
        far_m: what is farther, or leaves the corridor unhindered, counts as this far.
        sectors: number of equal sectors over the field of view.
    """

    half_width_m: float = 0.41
    half_height_m: float = 0.215
    percentile: float = 5.0
    min_valid_share: float = 0.5
    reference_m: float = 1.0
    far_m: float = 8.0
    sectors: int = 8


class _Seen(NamedTuple):
    """A grid as points.

    Attributes:
        rays: (3, cells), the cells' rays in the level frame.
        aside: (2, cells), how far they lead aside and up or down.
        known: (cells,).
        depth: (cells,), m, 0 where unknown.
    """

    rays: Matrix
    aside: Matrix
    known: NDArray[np.bool_]
    depth: Matrix


@dataclass(frozen=True)
class DistanceMeter:
    """Obstacle distance and sectors of an inverse-depth grid, for one camera and one corridor.

    The one function for stereo, mono and simulated truth, so that errors compare.
    """

    camera: Intrinsics
    grid: GridSpec = field(default_factory=GridSpec)
    corridor: Corridor = field(default_factory=Corridor)

    @cached_property
    def _rays(self) -> Matrix:
        return self.grid.rays(self.camera).reshape(-1, 3)

    def _level_rays(self, down: Vector3) -> Matrix:
        """Return the rays in the level frame; NaN, which looks nowhere, where there is none."""
        try:
            return self._rays @ level_from_camera(down).T
        except ValueError:
            return np.full_like(self._rays, math.nan)

    def distances(
        self, inverse_depth: FloatGrid, down: Vector3 = (0.0, 1.0, 0.0)
    ) -> tuple[float, tuple[float, ...]]:
        """Return `obstacle_m` and `sectors_m` of one grid, in less time than one by one."""
        seen = self._seen(inverse_depth, down)
        return self._obstacle_m(seen), self._sectors_m(seen)

    def obstacle_m(self, inverse_depth: FloatGrid, down: Vector3 = (0.0, 1.0, 0.0)) -> float:
        """Return the obstacle distance: how far the corridor is free along the level forward axis.

        The cells whose rays meet the corridor's cross-section at `reference_m` are the corridor's
        cells; where fewer than `min_valid_share` of them are known, so is nothing. Of all known
        cells those whose point lies inside the corridor count, the nearest first, up to the rank
        that is `percentile` of the corridor's known cells; if fewer lie inside, it is free. Far
        away, where the corridor is narrower than a cell, the cells straight ahead stand for it.

        Args:
            inverse_depth: (rows, cols), 1/m along the optical axis, NaN where unknown.
            down: unit vector along gravity in the optical frame.

        Returns:
            Distance in m, at most `far_m`; NaN where unknown.
        """
        return self._obstacle_m(self._seen(inverse_depth, down))

    def _seen(self, inverse_depth: FloatGrid, down: Vector3) -> _Seen:
        rays = np.ascontiguousarray(self._level_rays(down).T)
        return _Seen(rays, np.abs(rays[:2]), *_known_depth(inverse_depth))

    def _obstacle_m(self, seen: _Seen) -> float:
        c = self.corridor
        rays, aside, known, depth = seen
        ahead = rays[2] > 1e-3
        at_reference = c.reference_m / np.where(ahead, rays[2], 1.0)
        looks_in = ahead & self._inside(aside * at_reference)
        n_looks, n_known = np.count_nonzero(looks_in), np.count_nonzero(looks_in & known)
        if n_looks == 0 or n_known < c.min_valid_share * n_looks:
            return math.nan
        inside = self._inside(aside * depth) | self._straight_ahead(seen)
        ahead &= known
        ahead &= inside
        near_first = np.sort((rays[2] * depth)[ahead])
        rank = max(1, math.ceil(c.percentile / 100 * n_known))
        return float(min(near_first[rank - 1], c.far_m)) if len(near_first) >= rank else c.far_m

    def sectors_m(
        self, inverse_depth: FloatGrid, down: Vector3 = (0.0, 1.0, 0.0)
    ) -> tuple[float, ...]:
        """Return the near percentile of horizontal range per sector, left to right.

        Counted are the known cells whose point lies within the corridor's height. A sector with
        fewer known cells than `min_valid_share` of those that look into that height at
        `reference_m` is unknown.

        Args:
            inverse_depth: (rows, cols), 1/m, NaN where unknown.
            down: unit vector along gravity in the optical frame.

        Returns:
            `sectors` ranges in m, at most `far_m`, NaN where unknown.
        """
        return self._sectors_m(self._seen(inverse_depth, down))

    def _sectors_m(self, seen: _Seen) -> tuple[float, ...]:
        c = self.corridor
        rays, aside, known, depth = seen
        horizontal = np.hypot(rays[0], rays[2])
        looks_in = aside[1] * c.reference_m <= c.half_height_m * horizontal
        inside = known & (aside[1] * depth <= c.half_height_m)
        mine, padding, members = self._sector_cells
        near_first = np.sort(np.where(inside, horizontal * depth, np.inf)[mine] + padding, axis=1)
        n_looks, n_known = np.stack((looks_in, looks_in & known)).astype(np.float32) @ members
        rank = np.maximum(1, np.ceil(c.percentile / 100 * n_known)).astype(np.int64)
        ranges = np.minimum(near_first[np.arange(c.sectors), rank - 1], c.far_m)
        ranges[(n_looks == 0) | (n_known < c.min_valid_share * n_looks)] = np.nan
        return tuple(ranges.tolist())

    @cached_property
    def _sector_cells(self) -> tuple[NDArray[np.int64], Matrix, NDArray[np.float32]]:
        """Return each sector's cells.

        Returns:
            Their numbers, (sectors, most cells); infinity where there is none, likewise; and 1
            where a cell is a sector's, (cells, sectors).
        """
        c = self.corridor
        column = np.tile(np.arange(self.grid.cols), self.grid.rows)
        members = [
            np.flatnonzero(column * c.sectors // self.grid.cols == s) for s in range(c.sectors)
        ]
        cells_of = np.zeros((c.sectors, max(1, *map(len, members))), np.int64)
        padding = np.full(cells_of.shape, np.inf)
        for sector, cell in enumerate(members):
            cells_of[sector, : len(cell)] = cell
            padding[sector, : len(cell)] = 0.0
        return (
            cells_of,
            padding,
            np.eye(c.sectors, dtype=np.float32)[column * c.sectors // self.grid.cols],
        )

    def _straight_ahead(self, seen: _Seen) -> NDArray[np.bool_]:
        """Return which cells the forward axis passes through: in the corridor at any distance."""
        half_width = self.camera.width / self.grid.cols / self.camera.fx / 2
        half_height = self.camera.height / self.grid.rows / self.camera.fy / 2
        limits = np.array([[half_width], [half_height]]) * (1 + 1e-6)
        aside = seen.aside <= limits * seen.rays[2]
        within: NDArray[np.bool_] = aside[0] & aside[1]
        return within

    def _inside(self, aside_m: Matrix) -> NDArray[np.bool_]:
        """Return which points, (2, cells) aside and up or down, lie inside the cross-section."""
        c = self.corridor
        within: NDArray[np.bool_] = (aside_m[0] <= c.half_width_m) & (aside_m[1] <= c.half_height_m)
        return within


def _known_depth(inverse_depth: FloatGrid) -> tuple[NDArray[np.bool_], Matrix]:
    """Return which cells are known, and their depth in m, 0 where unknown."""
    flat = inverse_depth.reshape(-1).astype(np.float64)
    known = np.isfinite(flat) & (flat > 0)
    return known, np.divide(1.0, flat, out=np.zeros_like(flat), where=known)


def grid_from_dense(inverse_depth: NDArray[np.float32], grid: GridSpec) -> FloatGrid:
    """Return the median inverse depth of each cell of a dense, fully known map.

    Args:
        inverse_depth: (H, W), 1/m, H and W multiples of rows and cols.
        grid: the cells.

    Raises:
        ValueError: the image does not divide into the cells.
    """
    blocks = cells(inverse_depth, grid)
    low, high = (blocks.shape[2] - 1) // 2, blocks.shape[2] // 2
    near = np.partition(blocks, (low, high), axis=2)
    return np.asarray((near[:, :, low] + near[:, :, high]) / 2, np.float32)


def cells(image: NDArray[Pixel], grid: GridSpec) -> NDArray[Pixel]:
    """Return the pixels of each cell, (rows, cols, pixels).

    Raises:
        ValueError: the image does not divide into the cells.
    """
    height, width = image.shape
    if height % grid.rows or width % grid.cols:
        raise ValueError(
            f"{width} x {height} px do not divide into {grid.cols} x {grid.rows} cells"
        )
    h, w = height // grid.rows, width // grid.cols
    blocks = image.reshape(grid.rows, h, grid.cols, w).swapaxes(1, 2)
    return blocks.reshape(grid.rows, grid.cols, h * w)
