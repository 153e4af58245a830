"""From the 21 texton features to one number: the regressors that the paper compares.

Each is fitted by a well-kept library and written into an ONNX graph, so that all fly by the same
contract. The number is λ, the mean disparity, px. Source: van Hecke et al. (arXiv 1603.08047),
section on learners: k nearest neighbours, linear, Gaussian process, shallow neural network.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from scipy.spatial import cKDTree

from training.textons import FEATURES, Graph

NEIGHBOURS = 5
"""The paper's k."""
GP_SAMPLES = 500
"""A Gaussian process costs the cube of its samples: it gets this many, evenly spread over the
buffer."""
MLP_NEURONS = 20

Samples = NDArray[np.float64]
"""(N, 21) features."""
Targets = NDArray[np.float64]
"""(N,) λ, px."""


class Regressor(Protocol):
    """Learns λ from features."""

    def fit(self, features: Samples, targets: Targets) -> None:
        """Forget everything and learn from these; at least one sample."""
        ...

    def predict(self, features: Samples) -> Targets:
        """Return the estimates, (N,); only after `fit`."""
        ...

    def add_to(self, graph: Graph, features: str) -> str:
        """Append the estimate from `features` (1, 21) and return its name, (1, 1)."""
        ...


class Neighbours:
    """The mean of the k nearest samples in feature space."""

    def fit(self, features: Samples, targets: Targets) -> None:
        """Keep the samples."""
        self._samples, self._targets = features, targets
        self._count = min(NEIGHBOURS, len(targets))
        self._tree = cKDTree(features)

    def predict(self, features: Samples) -> Targets:
        """Return the mean target of the nearest samples."""
        _, index = self._tree.query(features, k=list(range(1, self._count + 1)))
        return np.asarray(self._targets[index].mean(axis=1), np.float64)

    def add_to(self, graph: Graph, features: str) -> str:
        """Append squared distances to all samples, the k smallest, the mean of their targets."""
        samples = graph.constant("samples", self._samples.astype(np.float32))
        targets = graph.constant("targets", self._targets.astype(np.float32))
        apart = graph.add("Sub", [samples, features], "apart")
        along = graph.constant("knn_axis", np.array([1]))
        squares = graph.add("Mul", [apart, apart], "squares")
        distance = graph.add("ReduceSum", [squares, along], "distance", keepdims=0)
        count = graph.constant("k", np.array([self._count]))
        index = graph.add_top(distance, count)
        nearest = graph.add("Gather", [targets, index], "nearest_targets")
        mean = graph.add("ReduceMean", [nearest], "mean", axes=[0], keepdims=1)
        return graph.add("Reshape", [mean, graph.constant("one", np.array([1, 1]))], "knn")


class Linear:
    """Least squares with a slight ridge, on standardised features."""

    def fit(self, features: Samples, targets: Targets) -> None:
        """Solve for the weights."""
        from sklearn.linear_model import Ridge

        self._scale = _Scale(features)
        model = Ridge(alpha=1.0).fit(self._scale(features), targets)
        self._weights, self._bias = np.asarray(model.coef_), float(model.intercept_)

    def predict(self, features: Samples) -> Targets:
        """Return the weighted sums."""
        return np.asarray(self._scale(features) @ self._weights + self._bias, np.float64)

    def add_to(self, graph: Graph, features: str) -> str:
        """Append one matrix product."""
        scaled = self._scale.add_to(graph, features)
        return _add_layer(graph, "linear", scaled, self._weights[:, None], np.array([self._bias]))


class GaussianProcess:
    """Gaussian process with a squared-exponential kernel and noise, fitted by likelihood."""

    def fit(self, features: Samples, targets: Targets) -> None:
        """Fit the kernel and the weights of at most `GP_SAMPLES` samples."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        chosen = np.unique(np.linspace(0, len(targets) - 1, GP_SAMPLES).astype(int))
        self._scale = _Scale(features)
        self._mean = float(targets[chosen].mean())
        kernel = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(3.0, (0.5, 50.0))
        noise = WhiteKernel(0.5, (1e-3, 1e2))
        model = GaussianProcessRegressor(kernel + noise, random_state=0)
        with _no_convergence_warnings():
            model.fit(self._scale(features)[chosen], targets[chosen] - self._mean)
        fitted = model.kernel_.k1
        self._samples = np.asarray(model.X_train_)
        self._weights = float(fitted.k1.constant_value) * np.asarray(model.alpha_).ravel()
        self._length = float(fitted.k2.length_scale)

    def predict(self, features: Samples) -> Targets:
        """Return the mean of the process."""
        apart = self._scale(features)[:, None, :] - self._samples[None]
        kernel = np.exp(-0.5 * (apart**2).sum(axis=2) / self._length**2)
        return np.asarray(kernel @ self._weights + self._mean, np.float64)

    def add_to(self, graph: Graph, features: str) -> str:
        """Append the kernel to all samples and their weighted sum.

        In double precision: large weights of both signs nearly cancel.
        """
        scaled = self._scale.add_to(graph, features)
        double = graph.add("Cast", [scaled], "double", to=TensorProto.DOUBLE)
        apart = graph.add("Sub", [graph.constant("samples", self._samples), double], "apart")
        squares = graph.add("Mul", [apart, apart], "squares")
        along = graph.constant("gp_axis", np.array([1]))
        distance = graph.add("ReduceSum", [squares, along], "distance", keepdims=0)
        shrink = graph.constant("shrink", np.array([-0.5 / self._length**2]))
        kernel = graph.add("Exp", [graph.add("Mul", [distance, shrink], "exponent")], "kernel")
        row = graph.add("Reshape", [kernel, graph.constant("row", np.array([1, -1]))], "kernel_row")
        total = _add_layer(graph, "gp", row, self._weights[:, None], np.array([self._mean]))
        return graph.add("Cast", [total], "gp_single", to=TensorProto.FLOAT)


class Perceptron:
    """One hidden layer of tanh neurons."""

    def fit(self, features: Samples, targets: Targets) -> None:
        """Fit by L-BFGS, which needs no step size."""
        from sklearn.neural_network import MLPRegressor

        self._scale = _Scale(features)
        self._mean, self._spread = float(targets.mean()), float(targets.std()) or 1.0
        model = MLPRegressor(
            hidden_layer_sizes=(MLP_NEURONS,),
            activation="tanh",
            solver="lbfgs",
            alpha=1e-2,
            max_iter=300,
            random_state=0,
        )
        with _no_convergence_warnings():
            model.fit(self._scale(features), (targets - self._mean) / self._spread)
        (self._hidden, self._output), (self._hidden_bias, self._bias) = (
            model.coefs_,
            model.intercepts_,
        )

    def predict(self, features: Samples) -> Targets:
        """Return the output neuron's answers."""
        hidden = np.tanh(self._scale(features) @ self._hidden + self._hidden_bias)
        answer = hidden @ self._output[:, 0] + self._bias[0]
        return np.asarray(answer * self._spread + self._mean, np.float64)

    def add_to(self, graph: Graph, features: str) -> str:
        """Append two layers."""
        scaled = self._scale.add_to(graph, features)
        hidden = _add_layer(graph, "hidden", scaled, self._hidden, self._hidden_bias)
        active = graph.add("Tanh", [hidden], "active")
        weights, bias = self._output * self._spread, self._bias * self._spread + self._mean
        return _add_layer(graph, "mlp", active, weights, bias)


class Guesses:
    """Looks at the image only to draw from: the answer is one of the targets, any of them.

    What a learner is worth shows beside one that knows the answers, and not when to give which.
    """

    def fit(self, features: Samples, targets: Targets) -> None:
        """Keep the targets."""
        self._targets = targets

    def predict(self, features: Samples) -> Targets:
        """Return a target per image; the same image draws the same."""
        drawn = np.mod(features @ _draws(), 1.0)
        index = np.minimum((drawn * len(self._targets)).astype(np.int64), len(self._targets) - 1)
        return np.asarray(self._targets[index], np.float64)

    def add_to(self, graph: Graph, features: str) -> str:
        """Append the draw, in double precision: its last digits are the random ones."""
        double = graph.add("Cast", [features], "double", to=TensorProto.DOUBLE)
        total = graph.add("MatMul", [double, graph.constant("draws", _draws()[:, None])], "total")
        drawn = graph.add("Sub", [total, graph.add("Floor", [total], "whole")], "drawn")
        count = graph.constant("count", np.array([float(len(self._targets))]))
        rank = graph.add("Floor", [graph.add("Mul", [drawn, count], "scaled_draw")], "rank")
        last = graph.constant("last", np.array([len(self._targets) - 1.0]))
        index = graph.add(
            "Cast", [graph.add("Min", [rank, last], "rank_kept")], "index", to=TensorProto.INT64
        )
        targets = graph.constant("targets", self._targets.astype(np.float32))
        return graph.add("Gather", [targets, index], "guess")


def _draws() -> NDArray[np.float64]:
    """Return how much of each feature is summed before the whole part is thrown away."""
    return np.random.default_rng(0).uniform(1e3, 1e4, FEATURES)


REGRESSORS: dict[str, Callable[[], Regressor]] = {
    "random": Guesses,
    "texton-knn": Neighbours,
    "texton-linear": Linear,
    "texton-gp": GaussianProcess,
    "texton-mlp": Perceptron,
}


class _Scale:
    """Zero mean and unit spread of each feature; one that never varies becomes 0."""

    def __init__(self, features: Samples) -> None:
        self._mean = features.mean(axis=0)
        spread = features.std(axis=0)
        self._factor = np.divide(1.0, spread, out=np.zeros(FEATURES), where=spread > 1e-9)

    def __call__(self, features: Samples) -> Samples:
        return np.asarray((features - self._mean) * self._factor, np.float64)

    def add_to(self, graph: Graph, features: str) -> str:
        mean = graph.constant("feature_mean", self._mean.astype(np.float32))
        factor = graph.constant("feature_factor", self._factor.astype(np.float32))
        centred = graph.add("Sub", [features, mean], "centred")
        return graph.add("Mul", [centred, factor], "scaled")


def _add_layer(
    graph: Graph, name: str, source: str, weights: NDArray[np.float64], bias: NDArray[np.float64]
) -> str:
    """Append source (1, n) times weights (n, m) plus bias (m,)."""
    number = np.float64 if name == "gp" else np.float32  # see GaussianProcess
    inputs = (
        graph.constant(f"{name}_weights", weights.astype(number)),
        graph.constant(f"{name}_bias", bias.astype(number)),
    )
    return graph.add("Gemm", [source, *inputs], name)


@contextlib.contextmanager
def _no_convergence_warnings() -> Iterator[None]:
    """A fit that stops at its most steps, or at a bound, is still the best one known."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
