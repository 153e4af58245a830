"""The smallest model of the contract: it takes brightness for nearness."""

import hashlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from drone.messages import ModelVersion


def model_bytes(spec, version=1, *, offset=0.0, metadata=None):
    """Inverse depth is the cell's mean brightness (0-1) plus the offset; log variance is -9."""
    height, width = spec.height_px // spec.grid.rows, spec.width_px // spec.grid.cols
    nodes = [
        helper.make_node(
            "AveragePool",
            ["image"],
            ["mean"],
            kernel_shape=[height, width],
            strides=[height, width],
        ),
        helper.make_node("Add", ["mean", "offset"], ["inverse_depth"]),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "minus_nine"], ["log_variance"]),
    ]
    constants = {"offset": offset, "zero": 0.0, "minus_nine": -9.0}
    shape = [1, 1, spec.grid.rows, spec.grid.cols]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(
                "image", TensorProto.FLOAT, [1, 1, spec.height_px, spec.width_px]
            )
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name in ("inverse_depth", "log_variance")
        ],
        [
            numpy_helper.from_array(np.array([value], np.float32), name)
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, spec.metadata(version) if metadata is None else metadata)
    return model.SerializeToString()


def tiny_model(spec, version=1, **changes):
    onnx_bytes = model_bytes(spec, version, **changes)
    return ModelVersion(
        version, 0, True, onnx_bytes, hashlib.sha256(onnx_bytes).hexdigest(), (), (), "{}"
    )
