"""The paper's learners in flight: textons in, λ out, a memory instead of steps.

    labelled frame ─► features ─► ring buffer of (features, λ) ─► now and then: regressor anew
    regressor ─► ONNX: image ─► features ─► λ ─► obstacle distance = focal length x baseline / λ

λ is the mean disparity of the whole image, so that "distance" here only orders the frames by it;
trust finds the threshold on the ROC curve. The model claims no uncertainty. Source: van Hecke et
al. (arXiv 1603.08047): a ring buffer of about 2,400 samples, rebuilt every 200 images; with active
learning only frames that were decided wrongly enter.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque

import numpy as np
import onnx
from numpy.typing import NDArray

from drone.messages import Image
from drone.onboard.mono import (
    OBSTACLE_OUTPUTS,
    OUTPUTS,
    MonoAnswer,
    network_input,
    session_from_onnx,
)
from training.buffer import LabelledFrame
from training.regressors import REGRESSORS
from training.tensorfile import Arrays
from training.textons import FEATURES, Graph, TextonDictionary, add_features, default_dictionary
from training.trainer import Syllabus, Trainer

LEAST_LAMBDA_PX = 0.05
"""A regressor may answer less; a disparity cannot."""
CERTAIN = -14.0
"""Log variance of what claims no uncertainty: a thousandth of 1/m."""
DECISIONS = 400
"""Latest decisions on which active learning finds its threshold."""


class TextonTrainer(Trainer):
    """One of `training.regressors.REGRESSORS` on texton features."""

    keeps_memory = True

    def __init__(self, syllabus: Syllabus, dictionary: TextonDictionary | None = None) -> None:
        """Start with an empty memory.

        Args:
            syllabus: `disparity_metres` must be known.
            dictionary: the textons; by default those that ship with the project.

        Raises:
            UserError: the image is too small for the patches.
        """
        super().__init__(syllabus)
        self._dictionary = dictionary or default_dictionary()
        self._disparity_metres = syllabus.disparity_metres
        self._stop_m = syllabus.meter.corridor.reference_m
        self._regressor = REGRESSORS[self._config.kind]()
        self._fitted = False
        self._memory: deque[tuple[NDArray[np.float64], float]] = deque(
            maxlen=self._config.buffer_frames
        )
        self._decisions: deque[tuple[float, bool]] = deque(maxlen=DECISIONS)
        graph = Graph()
        outputs = {add_features(graph, self._dictionary, *self._size): (1, FEATURES)}
        self._features = session_from_onnx(graph.model(*self._size, outputs).SerializeToString())

    @property
    def buffered(self) -> int:
        """Samples in memory."""
        return len(self._memory)

    def features(self, image: Image) -> NDArray[np.float64]:
        """Return the 21 numbers of an image of the network's input size, (21,)."""
        batch = network_input(image, self._spec.width_px, self._spec.height_px)
        return np.asarray(self._features.run(None, {"image": batch})[0][0], np.float64)

    def learn(self) -> None:
        """Nothing: the regressor is made anew when a version is due."""

    @property
    def _size(self) -> tuple[int, int]:
        return self._spec.height_px, self._spec.width_px

    def _take(self, sample: LabelledFrame) -> None:
        if not math.isfinite(sample.lambda_px):
            return
        features = self.features(sample.image)
        if self._config.active and self._fitted and self._decided_rightly(features, sample):
            return
        self._memory.append((features, sample.lambda_px))
        self.counts.steps += len(self._memory) >= self._config.min_frames

    @property
    def _basis(self) -> str:
        patches = self._dictionary.intensity.tobytes() + self._dictionary.gradient.tobytes()
        return f"textons {hashlib.sha256(patches).hexdigest()[:16]}"

    def _arrays(self) -> Arrays:
        features = [features for features, _ in self._memory]
        return {
            "textons.features": np.array(features, np.float64).reshape(-1, FEATURES),
            "textons.lambda_px": np.array([target for _, target in self._memory], np.float64),
            "textons.decisions": np.array(self._decisions, np.float64).reshape(-1, 2),
        }

    def _recall(self, arrays: Arrays, shift: tuple[int, int]) -> None:
        """Take back samples and decisions; active learning needs the regressor at once, too."""
        features, targets = arrays["textons.features"], arrays["textons.lambda_px"]
        self._memory.extend(zip(features, targets.tolist(), strict=True))
        self._decisions.extend((float(e), bool(near)) for e, near in arrays["textons.decisions"])
        if self._config.active and len(self._memory) >= self._config.min_frames:
            self._regressor.fit(features, targets)
            self._fitted = True

    def _decided_rightly(self, features: NDArray[np.float64], sample: LabelledFrame) -> bool:
        """Return whether the frame would have been decided as stereo does; keep the decision."""
        if math.isnan(sample.obstacle_m):
            return False
        estimate, near = self._lambda_px(features), sample.obstacle_m < self._stop_m
        threshold_px = operating_point(list(self._decisions))
        self._decisions.append((estimate, near))
        return (estimate >= threshold_px) == near

    def _export(self, version: int, training: str) -> bytes:
        features, targets = zip(*self._memory, strict=True)
        self._regressor.fit(np.stack(features), np.array(targets))
        self._fitted = True
        model = self._model()
        onnx.helper.set_model_props(model, {**self._spec.metadata(version), "training": training})
        return bytes(model.SerializeToString())

    def _model(self) -> onnx.ModelProto:
        """Return the graph from image to the outputs of the model contract."""
        graph, grid = Graph(), self._spec.grid
        estimate = self._regressor.add_to(graph, add_features(graph, self._dictionary, *self._size))
        least = graph.constant("least", np.float32(LEAST_LAMBDA_PX).reshape(1))
        lambda_px = graph.add("Max", [estimate, least], "lambda_px")
        metres = graph.constant("disparity_metres", np.float32(self._disparity_metres).reshape(1))
        shapes = {
            **dict.fromkeys(OUTPUTS, (1, 1, grid.rows, grid.cols)),
            **dict.fromkeys(OBSTACLE_OUTPUTS, (1, 1)),
        }
        inverse = graph.add("Div", [lambda_px, metres], OBSTACLE_OUTPUTS[0])
        shape = graph.constant("grid_shape", np.array(shapes[OUTPUTS[0]], np.int64))
        graph.add("Expand", [inverse, shape], OUTPUTS[0])
        certain = graph.constant("certain", np.float32(CERTAIN).reshape(1, 1))
        graph.add("Identity", [certain], OBSTACLE_OUTPUTS[1])
        graph.add("Expand", [certain, shape], OUTPUTS[1])
        return graph.model(*self._size, shapes)

    def _answer(self, image: Image) -> MonoAnswer:
        grid = self._spec.grid
        inverse = max(self._lambda_px(self.features(image)), LEAST_LAMBDA_PX)
        inverse /= self._disparity_metres
        inverse_depth, log_variance = (
            np.full((grid.rows, grid.cols), value, np.float32) for value in (inverse, CERTAIN)
        )
        return MonoAnswer(inverse_depth, log_variance, (inverse, CERTAIN))

    def _lambda_px(self, features: NDArray[np.float64]) -> float:
        return float(self._regressor.predict(features[None])[0])


def operating_point(decisions: list[tuple[float, bool]], min_tpr: float = 0.95) -> float:
    """Return the highest threshold on λ, px, that catches this share of the near frames.

    Args:
        decisions: estimated λ, px, and whether the frame was near.
        min_tpr: share to catch, 0-1.

    Returns:
        NaN without near frames.
    """
    near = sorted(estimate for estimate, is_near in decisions if is_near)
    if not near:
        return math.nan
    return near[math.floor((1 - min_tpr) * len(near) + 1e-9)]
