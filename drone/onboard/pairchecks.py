"""What two images say about the pair: do rows match, and what explains it if they do not?

    left, right ─► corners of one found in the other ─► row errors ─► evidence, over some frames
                                                                      ├─ of a turned eye
    the vehicle's motion ─► what a moment's delay would do to rows ───┼─ of eyes out of step
                                                                      └─ of an image torn in two

In a sound pair every corner lies in the same row of both eyes and, in the right one, farther left.
A turned eye displaces rows by a smooth pattern that stays; a late eye by what the vehicle's motion
does in that time, which comes and goes with the motion. Each is fitted by least squares; evidence
is how much of the squared row error it explains, in units of the error expected of a corner.

Image motion of a still point by the camera's rotation and translation: Longuet-Higgins and Prazdny,
The interpretation of a moving retinal image (1980), equation 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.geometry import Intrinsics, StereoCalibration, rotation_from_quaternion
from drone.messages import Image, VehicleState

Vector = NDArray[np.float64]
MEMORY = 0.5
"""A frame counts this much of the one after it."""
FRAMES = 3
"""Frames over which evidence is gathered."""
_TEARS = (0.25, 0.5, 0.75)
"""Where an image may be torn, from the top."""
_FAST = 0.2
"""rad/s or m/s."""
_MOST = 9.0
"""Squared error, in expected errors, of which a single corner never adds more."""
_CORNERS = 40
_APART_PX = 7
_WINDOW_PX = 9
_BORDER_PX = 4
_FEW, _ENOUGH = 0.6, 16
"""Share of the corners that are few, and the least number of corners that says so."""
_PROFILE_PX = 21
"""Window whose mean is taken off a column's."""
_TURN_RAD, _SKEW_S = 0.05, 0.2
"""Expected size of a fault: keeps a fit from what nothing speaks for."""
_TOLERANCES = (8.0, 3.0, 2.0)
"""Expected errors beyond which a corner counts less and less, from the first fit to the last."""
_BEHIND_PX = 0.4
"""A corner so far to the wrong side lies behind infinity."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Corners of the left image found in the right one.

    Attributes:
        left_px: (N, 2) float32, x and y.
        right_px: (N, 2) float32.
        sought: how many corners were sought.
    """

    left_px: NDArray[np.float32]
    right_px: NDArray[np.float32]
    sought: int

    @property
    def found_share(self) -> float:
        """Share of the corners that were found; 1 where there was none to find."""
        return len(self.left_px) / self.sought if self.sought else 1.0

    @property
    def behind_share(self) -> float:
        """Share of the corners that lie behind infinity; 0 without any."""
        shift_px = self.left_px[:, 0] - self.right_px[:, 0]
        return float((shift_px < -_BEHIND_PX).mean()) if len(shift_px) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Of the left eye, in its optical frame: (3,) rad/s and (3,) m/s."""

    turning: Vector
    moving: Vector

    @property
    def fast(self) -> bool:
        """Whether a moment's delay between the eyes must show."""
        return bool(self.turning @ self.turning > _FAST**2 or self.moving @ self.moving > _FAST**2)

    @property
    def turns(self) -> bool:
        """Whether it turns fast enough for a moment's delay to displace all that is seen."""
        return bool(self.turning @ self.turning > _FAST**2)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault that could explain the row errors.

    Attributes:
        size: fitted: a turn, rad, or a time, s; signed where it is a time.
        gain: robust squared error that it takes away, in expected errors.
    """

    size: float
    gain: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What explains the row errors of the last frames.

    Attributes:
        turn: of the right eye against the left.
        skew: exposure of the right eye minus that of the left.
        tear: the same below a tear, above which the eyes are in step.
    """

    turn: Finding
    skew: Finding
    tear: Finding


@dataclass(frozen=True, slots=True, eq=False)
class RowErrors:
    """Corners of one frame or of several: how far off their rows are, and what could do that.

    Attributes:
        errors: (N,) row in the right eye minus row in the left, rad.
        patterns: (N, 4) what a turn of 1 rad about x, y, z and a delay of 1 s do to them.
        height: (N,) place in the left image, 0 at the top to 1 at the bottom.
        weights: (N,) how much a corner counts.
    """

    errors: Vector
    patterns: Vector
    height: Vector
    weights: Vector


def find_matches(left: Image, right: Image, seen: NDArray[np.bool_] | None = None) -> Matches:
    """Find corners of the left image in the right one, by Lucas and Kanade's pyramids.

    Args:
        left: (H, W) uint8.
        right: (H, W) uint8.
        seen: (H, W), where the left image shows more than noise; None is everywhere.
    """
    corners = cv2.goodFeaturesToTrack(left, _CORNERS, 0.01, _APART_PX, blockSize=5)
    if corners is not None and seen is not None:
        x, y = corners.reshape(-1, 2).astype(np.int64).T
        corners = corners[seen[y, x]]
    if corners is None or not len(corners):
        nothing = np.zeros((0, 2), np.float32)
        return Matches(nothing, nothing, 0)
    # Where few are found near their place they are sought once more around where the columns of the
    # whole image fit best: a late eye of a fast turning vehicle looks elsewhere.
    near = _track(left, right, corners, 0.0)
    if near.found_share > _FEW or near.sought < _ENOUGH:
        return near
    far = _track(left, right, corners, column_shift_px(left, right))
    return far if len(far.left_px) > len(near.left_px) else near


def column_shift_px(left: Image, right: Image) -> float:
    """Return by how much the right image's columns lie farther right, where they fit best, px."""
    here, there = _profile(left), _profile(right)
    width = left.shape[1]
    shifts = np.arange(-(width // 3), width // 3 + 1)
    scores = [_likeness(here, there, int(shift)) for shift in shifts]
    return float(shifts[int(np.argmax(scores))])


def _profile(image: Image) -> Vector:
    """Return the mean of each column, without what changes slowly along the row, (W,)."""
    columns = cv2.reduce(image, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    smooth = cv2.blur(columns, (_PROFILE_PX, 1))
    return np.asarray((columns - smooth).ravel(), np.float64)


def _likeness(left: Vector, right: Vector, shift: int) -> float:
    """Return the correlation of two profiles, the right one's columns shifted back, -1 to 1."""
    a = left[max(0, -shift) : len(left) - max(0, shift)]
    b = right[max(0, shift) : len(right) - max(0, -shift)]
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else -1.0


def _track(left: Image, right: Image, corners: NDArray[np.float32], shift_px: float) -> Matches:
    """Follow corners from the left image to the right one and back again."""
    settings: dict[str, Any] = {
        "winSize": (_WINDOW_PX, _WINDOW_PX),
        "maxLevel": 2,
        "criteria": (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.03),
        "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
    }
    shift = np.array([shift_px, 0], np.float32)
    found, ok, _ = cv2.calcOpticalFlowPyrLK(left, right, corners, corners + shift, **settings)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(right, left, found, found - shift, **settings)
    astray_px = np.abs(back - corners).reshape(-1, 2).max(axis=1)
    there, again = corners.reshape(-1, 2), found.reshape(-1, 2)
    last = np.array([right.shape[1], right.shape[0]]) - 1 - _BORDER_PX
    inside = ((again > _BORDER_PX) & (again < last)).all(axis=1)
    good = inside & (astray_px < 0.5) & (ok.ravel() > 0) & (ok_back.ravel() > 0)
    return Matches(there[good], again[good], len(corners))


def motion_of(vehicle: VehicleState | None, calibration: StereoCalibration) -> Motion | None:
    """Return the left eye's motion; None where the vehicle does not know its own."""
    if vehicle is None or not vehicle.valid:
        return None
    optical_from_body = np.asarray(calibration.rotation).T
    p, q, r = vehicle.rates_radps
    x, y, z = calibration.left_in_body_m
    velocity = rotation_from_quaternion(vehicle.attitude).T @ np.array(vehicle.velocity_mps)
    swing = np.array([q * z - r * y, r * x - p * z, p * y - q * x])
    motion = Motion(optical_from_body @ np.array([p, q, r]), optical_from_body @ (velocity + swing))
    known = np.isfinite(motion.turning).all() and np.isfinite(motion.moving).all()
    return motion if known else None


def row_errors(
    matches: Matches, motion: Motion | None, camera: Intrinsics, baseline_m: float
) -> RowErrors:
    """Return the row errors of one frame.

    Args:
        matches: of this frame.
        motion: of the left eye; None is taken as standing still.
        camera: of the images that were matched.
        baseline_m: between the eyes.
    """
    u = (matches.left_px[:, 0] - camera.cx) / camera.fx
    v = (matches.left_px[:, 1] - camera.cy) / camera.fy
    patterns = np.zeros((len(u), 4))
    patterns[:, 0], patterns[:, 1], patterns[:, 2] = 1 + v * v, -u * v, -u
    if motion is not None:
        shift = (matches.left_px[:, 0] - matches.right_px[:, 0]) / camera.fx
        inverse_depth = np.maximum(shift, 0) / baseline_m
        moved = (v * motion.moving[2] - motion.moving[1]) * inverse_depth
        patterns[:, 3] = patterns[:, :3] @ motion.turning + moved
    errors = (matches.right_px[:, 1] - matches.left_px[:, 1]).astype(np.float64) / camera.fy
    return RowErrors(errors, patterns, matches.left_px[:, 1] / camera.height, np.ones(len(u)))


def pooled(frames: Sequence[RowErrors]) -> RowErrors:
    """Return the row errors of several frames as one, the newest first and counting most."""
    weights = [f.weights * MEMORY**age for age, f in enumerate(frames)]
    return RowErrors(
        np.concatenate([f.errors for f in frames]),
        np.concatenate([f.patterns for f in frames]),
        np.concatenate([f.height for f in frames]),
        np.concatenate(weights),
    )


def mismatch(rows: RowErrors, error: float) -> float:
    """Return how badly rows match that should, 0 to 1: robust squared error over the most there is.

    Args:
        rows: at least one.
        error: expected of a corner's row, rad.
    """
    return _cost(rows.errors / error, rows.weights) / (_MOST * float(rows.weights.sum()))


def level_share(rows: RowErrors, error: float) -> float:
    """Return the share of corners that stay in their row, but for three times the expected error.

    Args:
        rows: at least one.
        error: expected of a corner's row, rad.
    """
    return float((np.abs(rows.errors) < 3 * error).mean())


def findings(rows: RowErrors, error: float) -> Findings:
    """Return what explains the row errors, and how well.

    Args:
        rows: of the last frames.
        error: expected of a corner's row, rad.
    """
    patterns = np.empty((len(rows.errors), 1 + len(_TEARS)))
    patterns[:] = rows.patterns[:, 3:]
    patterns[:, 1:] *= rows.height[:, None] > _TEARS
    skew, *tears = _delays(rows, patterns, error)
    return Findings(
        _turn(rows, rows.patterns[:, :3], error), skew, max(tears, key=lambda tear: tear.gain)
    )


def _turn(rows: RowErrors, patterns: Vector, error: float) -> Finding:
    """Fit the patterns robustly: corners that they do not explain count less and less.

    Args:
        rows: n corners.
        patterns: (n, 3) of a turn about each axis, fitted together.
        error: as in `findings`.
    """
    prior = np.eye(patterns.shape[1]) * (error / _TURN_RAD) ** 2
    weights: Vector = rows.weights
    fit: NDArray[np.floating[Any]] = np.zeros(patterns.shape[1])
    left: Vector = rows.errors
    for tolerance in _TOLERANCES:
        weighted = (patterns * weights[:, None]).T
        fit = np.linalg.solve(weighted @ patterns + prior, weighted @ rows.errors)
        left = np.asarray(rows.errors - patterns @ fit, np.float64)
        weights = _less(rows.weights, left, tolerance * error)
    return Finding(float(np.sqrt(fit @ fit)), _gain(rows, left[:, None], error)[0])


def _delays(rows: RowErrors, patterns: Vector, error: float) -> list[Finding]:
    """Fit each pattern by itself, likewise.

    Args:
        rows: n corners.
        patterns: (n, m) of one second's delay, each of another part of the image.
        error: as in `findings`.
    """
    prior = (error / _SKEW_S) ** 2
    errors, least = rows.errors[:, None], rows.weights[:, None]
    weights, fit, left = least, np.zeros(patterns.shape[1]), errors
    for tolerance in _TOLERANCES:
        weighted = patterns * weights
        fit = (weighted * errors).sum(axis=0) / ((weighted * patterns).sum(axis=0) + prior)
        left = errors - patterns * fit
        weights = _less(least, left, tolerance * error)
    gains = _gain(rows, left, error)
    return [Finding(float(size), gain) for size, gain in zip(fit, gains, strict=True)]


def _less(weights: Vector, left: Vector, tolerance: float) -> Vector:
    """Return the weights of corners of which so much is left to explain."""
    share = left / tolerance
    weight = 1 + share * share
    return np.asarray(weights / (weight * weight), np.float64)


def _gain(rows: RowErrors, left: Vector, error: float) -> list[float]:
    """Return for each column how much of the cost of the row errors is not left, (n, m)."""
    cost = _cost(rows.errors / error, rows.weights)
    return [cost - _cost(column / error, rows.weights) for column in left.T]


def _cost(errors: Vector, weights: Vector) -> float:
    """Return the sum of squares, of which a single corner can add but so much (Geman, McClure)."""
    squares = errors * errors
    return float(weights @ (squares / (1 + squares / _MOST)))
