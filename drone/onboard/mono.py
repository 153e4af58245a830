"""One image in, inverse depth out: the network as it flies, in ONNX Runtime on one thread.

Model contract (also in docs/architecture.md): input `image` float32 (1, 1, H, W) in 0-1, outputs
`inverse_depth` and `log_variance` float32 (1, 1, rows, cols); metadata `contract`, `grid`, `input`,
`calibration`, `version`. A version is a whole ONNX file, so that a swap exchanges one reference.
A model may answer the obstacle distance itself: `obstacle_inverse` (1/m) and
`obstacle_log_variance` (log(1/m^2)), float32 (1, 1) each; what flies is the mean of that and what
the grid says, as inverse distances. Without them the grid alone counts.
A model may say how little an image resembles what it learned: `unfamiliarity`, float32 (1, 1),
where 1 is the 99th percentile of frames held out from learning.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import onnxruntime as ort

from drone.errors import UserError
from drone.geometry import DistanceMeter, GridSpec
from drone.messages import FloatGrid, Image, ModelVersion, Vector3

CONTRACT = "drone-mono-1"
OUTPUTS = ("inverse_depth", "log_variance")
OBSTACLE_OUTPUTS = ("obstacle_inverse", "obstacle_log_variance")
"""Both or neither."""
UNFAMILIARITY = "unfamiliarity"


@dataclass(frozen=True, slots=True, eq=False)
class MonoAnswer:
    """What the network says about one image.

    Attributes:
        inverse_depth: (rows, cols) float32, 1/m.
        log_variance: (rows, cols) float32, log(1/m^2).
        obstacle: inverse obstacle distance, 1/m, and its log variance, where the model says them.
        unfamiliarity: of the image; NaN where the model does not say.
    """

    inverse_depth: FloatGrid
    log_variance: FloatGrid
    obstacle: tuple[float, float] | None = None
    unfamiliarity: float = math.nan

    @property
    def finite(self) -> bool:
        """Every number about distance is one."""
        grids = (self.inverse_depth, self.log_variance)
        obstacle = self.obstacle or ()
        return all(map(math.isfinite, obstacle)) and all(
            bool(np.isfinite(grid).all()) for grid in grids
        )

    def obstacle_m(self, meter: DistanceMeter, down: Vector3, caution: float = 0.0) -> float:
        """Return the obstacle distance, m: the grid's; where the model says it too, their mean.

        Args:
            meter: of the camera.
            down: unit vector along gravity in the optical frame.
            caution: how many standard deviations nearer than the model thinks.
        """
        measured_m = meter.obstacle_m(self.near_bound(caution), down)
        if self.obstacle is None:
            return measured_m
        inverse, log_variance = self.obstacle
        said = max(inverse + caution * math.exp(0.5 * log_variance), 1 / meter.corridor.far_m)
        return 1 / said if math.isnan(measured_m) else 2 / (said + 1 / measured_m)

    def near_bound(self, caution: float) -> FloatGrid:
        """Return inverse depth plus so many of the network's own standard deviations.

        What the network is unsure of counts as nearer than it thinks.
        """
        deviation: FloatGrid = np.exp(np.float32(0.5) * self.log_variance)
        return self.inverse_depth + np.float32(caution) * deviation


@dataclass(frozen=True)
class MonoSpec:
    """What a model must be made for to fly here.

    Attributes:
        width_px: of the network's input.
        height_px: of the network's input.
        grid: of its outputs.
        calibration: hash of the rectified camera.
    """

    width_px: int
    height_px: int
    grid: GridSpec
    calibration: str

    def metadata(self, version: int) -> dict[str, str]:
        """Return what a model file says about itself."""
        return {
            "contract": CONTRACT,
            "input": f"{self.width_px}x{self.height_px}",
            "grid": f"{self.grid.rows}x{self.grid.cols}",
            "calibration": self.calibration,
            "version": str(version),
        }


class MonoNetwork:
    """A loaded model version.

    Attributes:
        version: its number.
        sha256: of its bytes, hexadecimal.
    """

    def __init__(self, model: ModelVersion, spec: MonoSpec) -> None:
        """Load and check a model.

        Raises:
            UserError: the file is damaged, or made for another grid, size or camera.
        """
        if hashlib.sha256(model.onnx).hexdigest() != model.sha256:
            raise UserError(f"model version {model.seq}: its bytes do not match its SHA-256")
        self.version, self.sha256 = model.seq, model.sha256
        self._spec = spec
        self._session = session_from_onnx(model.onnx)
        _check(self._session.get_modelmeta().custom_metadata_map, spec, model.seq)
        found = {output.name for output in self._session.get_outputs()}
        if not found.issuperset(OUTPUTS):
            raise UserError(f"model version {model.seq}: lacks the outputs {', '.join(OUTPUTS)}")
        self._scalars = [
            *(OBSTACLE_OUTPUTS if found.issuperset(OBSTACLE_OUTPUTS) else ()),
            *([UNFAMILIARITY] if UNFAMILIARITY in found else ()),
        ]

    def estimate(self, image: Image) -> MonoAnswer:
        """Return what the network says about an image.

        Args:
            image: (H, W) uint8 of any size with the camera's aspect.
        """
        batch = network_input(image, self._spec.width_px, self._spec.height_px)
        inverse_depth, log_variance, *values = self._session.run(
            [*OUTPUTS, *self._scalars], {"image": batch}
        )
        said = {k: float(v[0, 0]) for k, v in zip(self._scalars, values, strict=True)}
        obstacle = [said[name] for name in OBSTACLE_OUTPUTS if name in said]
        return MonoAnswer(
            inverse_depth[0, 0],
            log_variance[0, 0],
            (obstacle[0], obstacle[1]) if obstacle else None,
            said.get(UNFAMILIARITY, math.nan),
        )


def model_from_bytes(onnx: bytes, name: str) -> ModelVersion:
    """Return a model's file as the version that it says it is.

    Args:
        onnx: its bytes.
        name: of the file, for the message.

    Raises:
        UserError: no ONNX model, or none by the model contract.
    """
    try:
        said = session_from_onnx(onnx).get_modelmeta().custom_metadata_map
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    version = said.get("version", "")
    if said.get("contract") != CONTRACT or not version.isdecimal():
        raise UserError(
            f"{name}: no model of this stack: its metadata lack contract {CONTRACT!r} and version "
            "(see the model contract in docs/architecture.md)"
        )
    return ModelVersion(int(version), 0, True, onnx, hashlib.sha256(onnx).hexdigest())


def network_input(image: Image, width_px: int, height_px: int) -> np.ndarray:
    """Return the image as the network wants it: (1, 1, H, W) float32 in 0-1, resized by area."""
    if image.shape != (height_px, width_px):
        image = cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return image[None, None].astype(np.float32) / 255.0


def session_from_onnx(onnx: bytes) -> ort.InferenceSession:
    """Return a one-thread session of a model's bytes.

    Raises:
        UserError: not a model that ONNX Runtime can load.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises its own, undocumented types
        raise UserError(f"not a loadable ONNX model: {error}") from error


def _check(found: Mapping[str, str], spec: MonoSpec, version: int) -> None:
    for key, wanted in spec.metadata(version).items():
        if key != "version" and found.get(key) != wanted:
            raise UserError(
                f"model version {version}: made for {key} {found.get(key, 'unknown')!r}, "
                f"but this camera and configuration need {wanted!r}"
            )
