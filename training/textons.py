"""The paper's features: what small patches an image is made of, as 21 numbers.

    48 patches of 5 x 5 px ─┬─► nearest of 10 intensity textons ─► histogram / 2 ─┬─► 20 shares,
    on a regular grid       └─► their horizontal gradients: nearest of 10         │   and their
                                gradient textons ─► histogram / 2 ────────────────┘   entropy

Source: van Hecke et al. (arXiv 1603.08047), section on the monocular learner, and its published
onboard code (about 50 patches an image, histograms that each sum to 1/2, the entropy appended).
The features are an ONNX graph: what learns and what flies are the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.cluster.vq import kmeans2

from drone.errors import UserError
from drone.messages import Image

PATCH_PX = 5
PATCHES_ACROSS, PATCHES_DOWN = 8, 6
"""48 patches an image; the original drew about 50."""
TEXTONS = 10
"""Of each kind."""
FEATURES = 2 * TEXTONS + 1
OPSET = 17
FORMAT = "drone-textons-1"

Patches = NDArray[np.float32]
"""(N, 25) float32, grey levels or differences of grey levels, row by row."""


@dataclass(frozen=True, eq=False)
class TextonDictionary:
    """The textons of one kind of camera.

    Attributes:
        intensity: (10, 25) float32, grey levels 0-255.
        gradient: (10, 25) float32, grey levels: right neighbour minus left neighbour.
        provenance: what it was made from, for people and logs.
    """

    intensity: Patches
    gradient: Patches
    provenance: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write the dictionary as JSON."""
        text = json.dumps(
            {
                "format": FORMAT,
                "provenance": dict(self.provenance),
                "intensity": np.round(self.intensity.astype(float), 3).tolist(),
                "gradient": np.round(self.gradient.astype(float), 3).tolist(),
            }
        )
        path.write_text(text + "\n", encoding="utf-8")


def load_dictionary(path: Path) -> TextonDictionary:
    """Read a dictionary.

    Raises:
        UserError: the file is missing or no dictionary of 10 + 10 textons of 5 x 5 px.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        kinds = [np.array(tree[kind], np.float32) for kind in ("intensity", "gradient")]
        provenance = dict(tree["provenance"])
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a texton dictionary ({FORMAT})") from error
    for kind in kinds:
        if kind.shape != (TEXTONS, PATCH_PX**2) or not np.isfinite(kind).all():
            raise UserError(
                f"{path}: expected {TEXTONS} textons of {PATCH_PX**2} finite numbers of each kind, "
                f"got an array of shape {kind.shape}"
            )
    return TextonDictionary(kinds[0], kinds[1], provenance)


def default_dictionary() -> TextonDictionary:
    """Return the dictionary that ships with the project."""
    return load_dictionary(Path(__file__).with_name("textons.json"))


def patches(image: Image) -> tuple[Patches, Patches]:
    """Return the intensity and the gradient patches of an image, (48, 25) each.

    Args:
        image: (H, W) uint8, at least 56 x 42 px.
    """
    height, width = image.shape
    grey = image.astype(np.float32)
    gradient = np.zeros_like(grey)
    gradient[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    tops = patch_starts(height, PATCHES_DOWN)
    lefts = patch_starts(width, PATCHES_ACROSS)
    cut = [
        np.stack([p[y : y + PATCH_PX, x : x + PATCH_PX].ravel() for y in tops for x in lefts])
        for p in (grey, gradient)
    ]
    return cut[0], cut[1]


def patch_starts(length_px: int, count: int) -> list[int]:
    """Return the first row (or column) of each patch: evenly spread, centred in equal strips.

    Raises:
        UserError: the strips are narrower than a patch and its neighbours.
    """
    strip = length_px // count
    if strip < PATCH_PX + 2:
        raise UserError(
            f"{length_px} px are too few for {count} texton patches of {PATCH_PX} px; "
            f"right are at least {count * (PATCH_PX + 2)} px"
        )
    return [strip * k + strip // 2 - PATCH_PX // 2 for k in range(count)]


def cluster(images: Sequence[Image], seed: int, provenance: Mapping[str, Any]) -> TextonDictionary:
    """Return the dictionary of some images, by k-means (the original used a Kohonen map).

    Args:
        images: (H, W) uint8 each.
        seed: of the clustering.
        provenance: kept with the result.

    Raises:
        UserError: too few images to tell 10 textons apart.
    """
    if not images:
        raise UserError("no images to make textons from; right are a few hundred")
    kinds = zip(*(patches(image) for image in images), strict=True)
    centres = [_centres(np.concatenate(kind), seed) for kind in kinds]
    return TextonDictionary(centres[0], centres[1], provenance)


def _centres(samples: Patches, seed: int) -> Patches:
    """Return 10 cluster centres, the darkest (or most falling) first."""
    if len(np.unique(samples, axis=0)) < TEXTONS:
        raise UserError(f"fewer than {TEXTONS} different patches: the images show nothing")
    centres, _ = kmeans2(
        samples.astype(np.float64), TEXTONS, iter=40, minit="++", seed=np.random.default_rng(seed)
    )
    return np.asarray(centres[np.argsort(centres.mean(axis=1), kind="stable")], np.float32)


class Graph:
    """An ONNX graph under construction: nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def add_top(self, values: str, count: str) -> str:
        """Append the indices of the `count` smallest values (N,), and return their name."""
        names = ["top_values", "top_index"]
        node = helper.make_node("TopK", [values, count], names, axis=0, largest=0, sorted=1)
        self.nodes.append(node)
        return names[1]

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Keep a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def model(
        self, height: int, width: int, outputs: Mapping[str, Sequence[int]]
    ) -> onnx.ModelProto:
        """Return the checked model: `image` (1, 1, H, W) in, float32 outputs of these shapes."""
        graph = helper.make_graph(
            self.nodes,
            "textons",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, height, width])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
                for name, shape in outputs.items()
            ],
            initializer=self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model


def add_features(graph: Graph, dictionary: TextonDictionary, height: int, width: int) -> str:
    """Append the features of `image` and return their name, (1, 21).

    The nearest texton t of a patch p is the one with the largest p t - t t / 2: a convolution.
    """
    grey = graph.add("Mul", ["image", graph.constant("levels", np.float32(255).reshape(1))], "grey")
    kernel = np.array([[[[-1.0, 0.0, 1.0]]]], np.float32)
    gradient = graph.add(
        "Conv", [grey, graph.constant("difference", kernel)], "gradient", pads=[0, 1, 0, 1]
    )
    kinds = (("intensity", grey, dictionary.intensity), ("slope", gradient, dictionary.gradient))
    halves = [_add_histogram(graph, *kind, height, width) for kind in kinds]
    shares = graph.add("Concat", halves, "shares", axis=1)
    # 0 log 0 is 0: the tiny constant changes no share that counts.
    safe = graph.add("Max", [shares, graph.constant("tiny", np.float32(1e-12).reshape(1))], "safe")
    nats = graph.add("Mul", [shares, graph.add("Log", [safe], "logs")], "nats")
    total = graph.add("ReduceSum", [nats, graph.constant("along", np.array([1]))], "sum")
    to_bits = graph.constant("bits", np.float32(-1 / np.log(2)).reshape(1))
    entropy = graph.add("Mul", [total, to_bits], "entropy")
    return graph.add("Concat", [shares, entropy], "features", axis=1)


def _add_histogram(
    graph: Graph, name: str, source: str, textons: Patches, height: int, width: int
) -> str:
    """Append half a histogram over the nearest textons and return its name, (1, 10)."""
    tops, lefts = patch_starts(height, PATCHES_DOWN), patch_starts(width, PATCHES_ACROSS)
    begin, end = [tops[0], lefts[0]], [tops[-1] + PATCH_PX, lefts[-1] + PATCH_PX]
    bounds = [
        graph.constant(f"{name}_{what}", np.array(value, np.int64))
        for what, value in (("begin", begin), ("end", end), ("axes", [2, 3]))
    ]
    cut = graph.add("Slice", [source, *bounds], f"{name}_cut")
    kernels = graph.constant(
        f"{name}_textons", textons.reshape(TEXTONS, 1, PATCH_PX, PATCH_PX).astype(np.float32)
    )
    bias = graph.constant(f"{name}_bias", (-0.5 * (textons**2).sum(axis=1)).astype(np.float32))
    strides = [height // PATCHES_DOWN, width // PATCHES_ACROSS]
    fit = graph.add("Conv", [cut, kernels, bias], f"{name}_fit", strides=strides)
    nearest = graph.add("ArgMax", [fit], f"{name}_nearest", axis=1, keepdims=0)
    depth = graph.constant(f"{name}_depth", np.array(TEXTONS, np.int64))
    patch_count = PATCHES_ACROSS * PATCHES_DOWN
    values = graph.constant(f"{name}_values", np.array([0.0, 0.5 / patch_count], np.float32))
    hot = graph.add("OneHot", [nearest, depth, values], f"{name}_hot", axis=1)
    axes = graph.constant(f"{name}_places", np.array([2, 3], np.int64))
    return graph.add("ReduceSum", [hot, axes], f"{name}_half", keepdims=0)
