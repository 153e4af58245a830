"""How much an image resembles what was learned: a score that is part of every model file.

    image ─► four small fixed convolutions ─► means and deviations of their channels, (1, 144)
                  │                                            │
       training/familiarity.npz            distance from the learned frames' mean, in deviations of
       (`training.makefamiliarity`)        the learned frames, over the 99th percentile of held-out
                                           frames ─► `unfamiliarity`, (1, 1)

The features are the same for every learner and version, so that each frame's are computed once;
mean, whitening and scale are fitted anew for each version and written into its file. What is
fitted is what flies: both go through one ONNX graph.
Sources: the distance is Mahalanobis', for spotting foreign inputs by features as in Lee et al. 2018
(arXiv 1807.03888); means and deviations of channels as what an image looks like, whatever it shows
where: Huang and Belongie 2017 (arXiv 1703.06868).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper
from threadpoolctl import threadpool_limits

from drone.messages import Image
from drone.onboard.mono import UNFAMILIARITY, MonoSpec, network_input, session_from_onnx
from training.textons import Graph

STRIDES = (2, 2, 1, 2)
WORKING_WIDTH_PX = 128
"""Larger images are averaged down to about this first."""
MIN_LEARNED, MIN_HELD_OUT = 60, 20
"""Frames without which no version says how unfamiliar an image is."""
PERCENTILE = 99.0
SHRINKAGE = 0.003
"""Share of the identity in the correlation of the learned features."""
MIN_DEVIATION = 1e-4
"""A feature that hardly moved counts as having moved this much."""
MIN_SCALE = 1.0
"""Distance that is 1 where the held-out frames are all alike."""
PREFIX = "familiarity."

Features = NDArray[np.float32]


@cache
def shipped_weights() -> Mapping[str, NDArray[np.float32]]:
    """Return the convolutions that ship with the project, by name."""
    with np.load(Path(__file__).with_name("familiarity.npz"), allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name != "provenance"}


class Familiarity:
    """Features of what was learned and of what was held out, and the score made from them."""

    def __init__(self, spec: MonoSpec, learned: int, held_out: int) -> None:
        """Start with nothing seen.

        Args:
            spec: size of the images.
            learned: so many of the latest frames that were learned from count.
            held_out: so many of the latest frames that were held out count.
        """
        self._spec = spec
        self._learned: deque[Features] = deque(maxlen=learned)
        self._held_out: deque[Features] = deque(maxlen=held_out)
        graph = Graph()
        name = add_features(graph, spec.height_px, spec.width_px)
        size = 2 * sum(len(shipped_weights()[f"bias_{n}"]) for n in range(len(STRIDES)))
        model = graph.model(spec.height_px, spec.width_px, {name: (1, size)})
        self._features = session_from_onnx(model.SerializeToString())

    def features(self, image: Image) -> Features:
        """Return the features of an image of the network's input size, (144,)."""
        batch = network_input(image, self._spec.width_px, self._spec.height_px)
        return np.asarray(self._features.run(None, {"image": batch})[0][0], np.float32)

    def learn(self, image: Image) -> None:
        """Count an image among those that were learned from."""
        self._learned.append(self.features(image))

    def hold_out(self, image: Image) -> None:
        """Count an image among those that no version learns from."""
        self._held_out.append(self.features(image))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was seen, for the next flight."""
        kept = {"learned": self._learned, "held_out": self._held_out}
        return {
            "familiarity.weights": _fingerprint(),
            **{f"familiarity.{name}": np.stack(seen) for name, seen in kept.items() if seen},
        }

    def recall(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `arrays` returned; features of other convolutions are of no use."""
        if not np.array_equal(arrays.get("familiarity.weights", 0), _fingerprint()):
            return
        self._learned.extend(arrays.get("familiarity.learned", ()))
        self._held_out.extend(arrays.get("familiarity.held_out", ()))

    @property
    def known(self) -> bool:
        """Whether enough was seen to say what is unfamiliar."""
        return len(self._learned) >= MIN_LEARNED and len(self._held_out) >= MIN_HELD_OUT

    def written_into(self, file: bytes) -> bytes:
        """Return a model's file with the output `unfamiliarity`.

        As it is if too little was seen, or if it has one already.

        Args:
            file: an ONNX model with the input `image`.
        """
        try:
            model = onnx.load_from_string(file)
        except DecodeError:
            return file  # the gate refuses it in words
        if not self.known or UNFAMILIARITY in {output.name for output in model.graph.output}:
            return file
        mean, whitening = fitted(np.stack(self._learned))
        distances = distance(np.stack(self._held_out), mean, whitening)
        scale = 1.0 / max(float(np.percentile(distances, PERCENTILE)), MIN_SCALE)
        graph = Graph()
        name = add_features(graph, self._spec.height_px, self._spec.width_px)
        _add_distance(graph, name, mean, whitening * np.float32(scale))
        return _appended(model, graph)


def _fingerprint() -> NDArray[np.uint8]:
    """Return the SHA-256 of the convolutions, (32,)."""
    digest = hashlib.sha256()
    for name, weight in sorted(shipped_weights().items()):
        digest.update(name.encode() + weight.tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def fitted(learned: NDArray[np.float32]) -> tuple[Features, NDArray[np.float32]]:
    """Return mean (D,) and whitening (D, D) of features (N, D): `(f - mean) @ whitening` is white.

    The correlation is shrunk toward none, so that few frames have an inverse too. On one thread:
    two take longer beside a flight, and need not give the same bits.
    """
    values = learned.astype(np.float64)
    mean, deviation = values.mean(axis=0), np.maximum(values.std(axis=0), MIN_DEVIATION)
    standard = (values - mean) / deviation
    with threadpool_limits(1, user_api="blas"):
        correlation = standard.T @ standard / len(values)
        shrunk = (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(mean))
        whitening = np.linalg.inv(np.linalg.cholesky(shrunk)).T / deviation[:, None]
    return mean.astype(np.float32), whitening.astype(np.float32)


def distance(features: Features, mean: Features, whitening: NDArray[np.float32]) -> Features:
    """Return Mahalanobis' distance of each image's features (N, D), (N,)."""
    return np.asarray(np.linalg.norm((features - mean) @ whitening, axis=1), np.float32)


def add_features(graph: Graph, height: int, width: int) -> str:
    """Append the features of `image` (1, 1, H, W) and return their name, (1, 144)."""
    values = _named(graph, "Sub", ["image", _constant(graph, "middle", [0.5])], "grey")
    shrink = max(1, min(width // WORKING_WIDTH_PX, height // 8))
    if shrink > 1:
        window = {"kernel_shape": [shrink, shrink], "strides": [shrink, shrink]}
        values = _named(graph, "AveragePool", [values], "small", **window)
    pooled: list[str] = []
    for number, stride in enumerate(STRIDES):
        values = _add_stage(graph, values, number, stride)
        pooled += _add_moments(graph, values, number)
    return _named(graph, "Concat", pooled, "features", axis=1)


def _add_stage(graph: Graph, values: str, number: int, stride: int) -> str:
    weights = shipped_weights()
    names = [
        _constant(graph, f"{k}_{number}", weights[f"{k}_{number}"]) for k in ("weight", "bias")
    ]
    shape = {"kernel_shape": [3, 3], "strides": [stride, stride], "pads": [1, 1, 1, 1]}
    convolved = _named(graph, "Conv", [values, *names], f"convolved_{number}", **shape)
    return _named(graph, "Relu", [convolved], f"stage_{number}")


def _add_moments(graph: Graph, values: str, number: int) -> list[str]:
    """Append mean and deviation over the image of each channel, (1, C) each."""
    over = {"axes": [2, 3], "keepdims": 0}
    mean = _named(graph, "ReduceMean", [values], f"mean_{number}", **over)
    squares = _named(graph, "Mul", [values, values], f"squares_{number}")
    power = _named(graph, "ReduceMean", [squares], f"power_{number}", **over)
    mean_power = _named(graph, "Mul", [mean, mean], f"mean_power_{number}")
    variance = _named(graph, "Sub", [power, mean_power], f"variance_{number}")
    least = _constant(graph, f"least_{number}", [1e-8])
    positive = _named(graph, "Max", [variance, least], f"positive_{number}")
    return [mean, _named(graph, "Sqrt", [positive], f"deviation_{number}")]


def _add_distance(
    graph: Graph, features: str, mean: Features, whitening: NDArray[np.float32]
) -> None:
    centred = _named(graph, "Sub", [features, _constant(graph, "centre", mean[None])], "centred")
    white = _named(graph, "MatMul", [centred, _constant(graph, "whitening", whitening)], "white")
    graph.add("ReduceL2", [white], UNFAMILIARITY, axes=[1], keepdims=1)


def _named(
    graph: Graph, operator: str, inputs: list[str], output: str, **attributes: object
) -> str:
    return graph.add(operator, inputs, PREFIX + output, **attributes)


def _constant(graph: Graph, name: str, value: object) -> str:
    return graph.constant(PREFIX + name, np.asarray(value, np.float32))


def _appended(model: onnx.ModelProto, graph: Graph) -> bytes:
    """Return a model's file with these nodes and constants, and `unfamiliarity` as an output."""
    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(graph.constants)
    output = helper.make_tensor_value_info(UNFAMILIARITY, TensorProto.FLOAT, [1, 1])
    model.graph.output.append(output)
    return bytes(model.SerializeToString())
