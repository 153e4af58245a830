import dataclasses
import math

import cv2
import numpy as np
import onnx
import pytest
from tinymodel import model_bytes, tiny_model

from drone.errors import UserError
from drone.geometry import GridSpec
from drone.messages import ModelVersion
from drone.onboard.mono import (
    MonoNetwork,
    MonoSpec,
    model_from_bytes,
    network_input,
    session_from_onnx,
)

SPEC = MonoSpec(64, 48, GridSpec(6, 8), "0123456789abcdef")


def image(seed=0, height=48, width=64):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def test_the_answer_is_that_of_the_graph():
    seen = image()
    answer = MonoNetwork(tiny_model(SPEC, offset=0.25), SPEC).estimate(seen)
    expected = seen.reshape(6, 8, 8, 8).mean(axis=(1, 3)) / 255 + 0.25
    np.testing.assert_allclose(answer.inverse_depth, expected, atol=1e-5)
    np.testing.assert_allclose(answer.log_variance, -9.0)
    assert answer.inverse_depth.dtype == np.float32
    assert answer.finite


@pytest.mark.parametrize("offset", [math.nan, math.inf])
def test_an_answer_that_is_not_finite_says_so(offset):
    assert not MonoNetwork(tiny_model(SPEC, offset=offset), SPEC).estimate(image()).finite


def test_caution_takes_things_to_be_nearer_by_the_networks_own_uncertainty():
    answer = MonoNetwork(tiny_model(SPEC), SPEC).estimate(image())
    deviation = math.exp(-4.5)
    np.testing.assert_array_equal(answer.near_bound(0.0), answer.inverse_depth)
    np.testing.assert_allclose(
        answer.near_bound(2.0), answer.inverse_depth + 2 * deviation, rtol=1e-5
    )


def test_network_input_is_scaled_by_area_to_zero_to_one():
    big = image(height=96, width=128)
    batch = network_input(big, 64, 48)
    assert (batch.shape, batch.dtype) == ((1, 1, 48, 64), np.float32)
    means = big.reshape(48, 2, 64, 2).mean(axis=(1, 3)) / 255
    assert np.abs(batch[0, 0] - means).max() <= 1 / 255
    assert network_input(np.full((48, 64), 255, np.uint8), 64, 48).max() == 1.0
    same = image()
    np.testing.assert_array_equal(network_input(same, 64, 48)[0, 0], np.float32(same) / 255)


def test_larger_images_are_accepted():
    network = MonoNetwork(tiny_model(SPEC), SPEC)
    small = image()
    large = cv2.resize(small, (128, 96), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_allclose(
        network.estimate(large).inverse_depth, network.estimate(small).inverse_depth, atol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"width_px": 128}, "input '128x48'"),
        ({"grid": GridSpec(3, 8)}, "grid '3x8'"),
        ({"calibration": "fedcba9876543210"}, "calibration 'fedcba9876543210'"),
    ],
)
def test_a_model_made_for_something_else_is_refused(changes, named):
    other = dataclasses.replace(SPEC, **changes)
    with pytest.raises(UserError, match=named) as caught:
        MonoNetwork(tiny_model(other, version=4), SPEC)
    assert "version 4" in str(caught.value)


def test_a_model_that_says_nothing_about_itself_is_refused():
    with pytest.raises(UserError, match="contract 'unknown'"):
        MonoNetwork(tiny_model(SPEC, metadata={}), SPEC)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:50] + b"?" + b[51:]]
)
def test_damaged_bytes_are_noticed(damage):
    model = tiny_model(SPEC)
    with pytest.raises(UserError, match="do not match its SHA-256"):
        MonoNetwork(dataclasses.replace(model, onnx=damage(model.onnx)), SPEC)


@pytest.mark.parametrize("junk", [b"", b"not a model", model_bytes(SPEC)[:200]])
def test_what_is_no_model_is_a_user_error(junk):
    with pytest.raises(UserError, match="not a loadable ONNX model"):
        session_from_onnx(junk)


def test_a_file_is_the_version_that_it_says_it_is():
    model = model_from_bytes(model_bytes(SPEC, version=12), "some.onnx")
    assert model.seq == 12
    assert MonoNetwork(model, SPEC).version == 12


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"junk", "some.onnx: not a loadable ONNX model"),
        (model_bytes(SPEC, metadata={}), "some.onnx: no model of this stack"),
        (model_bytes(SPEC, metadata={"contract": "drone-mono-1", "version": "x"}), "lack contract"),
    ],
)
def test_a_file_that_is_no_model_of_this_stack_is_refused(file, says):
    with pytest.raises(UserError, match=says):
        model_from_bytes(file, "some.onnx")


def test_a_model_without_the_outputs_is_refused():
    """It was an error of the runtime, at the first image."""
    whole = onnx.load_from_string(model_bytes(SPEC))
    del whole.graph.output[1:]
    model = model_from_bytes(whole.SerializeToString(), "some.onnx")
    with pytest.raises(UserError, match="lacks the outputs inverse_depth, log_variance"):
        MonoNetwork(model, SPEC)


def test_the_version_is_the_messages():
    model = tiny_model(SPEC, version=7)
    assert MonoNetwork(model, SPEC).version == 7
    assert isinstance(model, ModelVersion)
