"""From a trained network to a model file that flies.

The graph is exported once per network shape (tracing takes seconds); every version is that graph
with new weights, batch normalisation folded into the convolutions, as one whole ONNX file.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import logging
import warnings
from collections.abc import Mapping

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from drone.onboard.mono import OBSTACLE_OUTPUTS, OUTPUTS, MonoSpec
from training.networks import GridNet


class Exporter:
    """Writes versions of one network shape as ONNX files."""

    def __init__(self, network: GridNet, spec: MonoSpec, two_heads: bool = True) -> None:
        """Trace the graph.

        Args:
            network: of the shape to write.
            spec: input, grid and camera.
            two_heads: the file also says the obstacle distance by the second head.
        """
        self._spec = spec
        folded = fold_batch_norm(network)
        self._model = _traced(folded, spec)
        if not two_heads:
            outputs = self._model.graph.output
            kept = [output for output in outputs if output.name in OUTPUTS]
            del outputs[:]
            outputs.extend(kept)
        self._initializer = {t.name: t for t in self._model.graph.initializer}
        wanted = {name for name, _ in _weights(folded)}
        missing = wanted - set(self._initializer)
        if missing:
            raise RuntimeError(f"the exported graph lacks the weights {sorted(missing)}")

    def export(self, network: GridNet, version: int, extra: Mapping[str, str]) -> bytes:
        """Return the ONNX file of this network's weights.

        Args:
            network: of the shape given at construction, in any mode; it is not changed.
            version: written into the metadata.
            extra: more metadata.
        """
        for name, weight in _weights(fold_batch_norm(network)):
            self._initializer[name].CopyFrom(numpy_helper.from_array(weight, name))
        metadata = {**self._spec.metadata(version), **extra}
        onnx.helper.set_model_props(self._model, metadata)
        return bytes(self._model.SerializeToString())


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def renumbered(file: bytes, version: int) -> bytes:
    """Return a model's file under another version number."""
    model = onnx.load_from_string(file)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**metadata, "version": str(version)})
    return bytes(model.SerializeToString())


def fold_batch_norm(network: GridNet) -> GridNet:
    """Return a copy in evaluation mode whose convolutions have taken in the normalisation."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1:
            first, second = module[0], module[1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[0] = fuse_conv_bn_eval(first, second)
                module[1] = nn.Identity()
    return folded


def _weights(folded: GridNet) -> list[tuple[str, np.ndarray]]:
    return [(name, p.detach().numpy().copy()) for name, p in folded.named_parameters()]


def _traced(folded: GridNet, spec: MonoSpec) -> onnx.ModelProto:
    """Return the graph, with real weights as named initializers and nothing folded away.

    The exporter merges weights of equal value, so they are all made different for the tracing.
    """
    folded = copy.deepcopy(folded)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    image = torch.zeros(1, 1, spec.height_px, spec.width_px)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            folded,
            (image,),
            buffer,  # type: ignore[arg-type]  # a file object is documented
            input_names=["image"],
            output_names=[*OUTPUTS, *OBSTACLE_OUTPUTS],
            dynamo=False,
            do_constant_folding=False,
            opset_version=17,
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    return model


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
