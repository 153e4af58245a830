import copy
import math

import numpy as np
import onnx
import pytest
import torch

from drone.geometry import GridSpec, Intrinsics
from drone.messages import ModelVersion
from drone.onboard.mono import MonoNetwork, MonoSpec
from training.export import Exporter, fold_batch_norm, sha256
from training.networks import GridNet, loss_of

SPEC = MonoSpec(64, 48, GridSpec(6, 8), "0123456789abcdef")
CAMERA = Intrinsics.from_hfov(64, 48, math.radians(70))
TOLERANCE = 1e-4


def network(seed=0):
    torch.manual_seed(seed)
    return GridNet(SPEC.grid, CAMERA, width=8)


def trained(steps, seed=0):
    """A network whose weights and batch statistics have moved."""
    net = network(seed).train()
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        image = torch.rand(4, 1, 48, 64, generator=generator)
        target = 0.2 + torch.nn.functional.avg_pool2d(image, 8)
        optimizer.zero_grad()
        obstacle = target.flatten(1).amax(1, keepdim=True)
        loss_of(net(image), target, torch.ones_like(target), obstacle).backward()
        optimizer.step()
    return net


@pytest.fixture(scope="module")
def exporter():
    return Exporter(network(), SPEC)


def flown(exported, version=1):
    return MonoNetwork(ModelVersion(version, 0, True, exported, sha256(exported)), SPEC)


def image(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 64), dtype=np.uint8)


def torch_answer(net, seen):
    with torch.no_grad():
        batch = torch.from_numpy(seen[None, None].astype(np.float32) / 255)
        return [part[0, 0].numpy() for part in copy.deepcopy(net).eval()(batch)]


@pytest.mark.parametrize("steps", [0, 5, 40])
def test_onnx_runtime_answers_as_torch_does(exporter, steps):
    net = trained(steps)
    mono = flown(exporter.export(net, 1, {}))
    for seed in range(3):
        expected = torch_answer(net, image(seed))
        answer = mono.estimate(image(seed))
        assert np.abs(answer.inverse_depth - expected[0]).max() <= TOLERANCE
        assert np.abs(answer.log_variance - expected[1]).max() <= 10 * TOLERANCE
        assert answer.obstacle == pytest.approx(
            (float(expected[2]), float(expected[3])), abs=10 * TOLERANCE
        )


def test_each_version_has_its_own_weights(exporter):
    """Negative control of the test above: versions differ by far more than its tolerance."""
    files = [exporter.export(trained(steps), v, {}) for v, steps in ((1, 5), (2, 40))]
    seen = image(0)
    answers = [flown(f).estimate(seen).inverse_depth for f in files]
    assert np.abs(answers[0] - answers[1]).max() > 100 * TOLERANCE


def test_channels_last_weights_are_exported_right(exporter):
    net = trained(5)
    turned = copy.deepcopy(net).to(memory_format=torch.channels_last)
    assert exporter.export(net, 1, {}) == exporter.export(turned, 1, {})


def test_folding_changes_no_answer_and_leaves_no_normalisation():
    net = trained(20)
    folded = fold_batch_norm(net)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    for got, expected in zip(
        torch_answer(folded, image(1)), torch_answer(net, image(1)), strict=True
    ):
        np.testing.assert_allclose(got, expected, atol=TOLERANCE)


@pytest.mark.parametrize("training", [True, False])
def test_export_leaves_the_network_untouched(exporter, training):
    net = trained(3).train(training)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    modes = [m.training for m in net.modules()]
    exporter.export(net, 1, {})
    Exporter(net, SPEC)
    assert [m.training for m in net.modules()] == modes
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[k], before[k]) for k in before)
    assert all(p.requires_grad for p in net.parameters())


def test_export_is_repeatable_and_draws_nothing_from_the_global_generator(exporter):
    net = trained(3)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = Exporter(net, SPEC).export(net, 1, {})
    assert torch.equal(torch.rand(1), expected)
    assert first == exporter.export(net, 1, {})


def test_the_file_says_what_it_is(exporter):
    data = exporter.export(network(), 3, {"training": "{}"})
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model)
    assert {p.key: p.value for p in model.metadata_props} == {
        "contract": "drone-mono-1",
        "input": "64x48",
        "grid": "6x8",
        "calibration": "0123456789abcdef",
        "version": "3",
        "training": "{}",
    }
    later = onnx.load_from_string(exporter.export(network(), 4, {}))
    props = {p.key: p.value for p in later.metadata_props}
    assert props["version"] == "4"
    assert "training" not in props
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "image": [1, 1, 48, 64],
        "inverse_depth": [1, 1, 6, 8],
        "log_variance": [1, 1, 6, 8],
        "obstacle_inverse": [1, 1],
        "obstacle_log_variance": [1, 1],
    }


@pytest.mark.parametrize("grid", [GridSpec(3, 4), GridSpec(12, 16), GridSpec(4, 5)])
def test_a_grid_that_does_not_follow_from_the_strides_is_exported_too(grid):
    spec = MonoSpec(64, 48, grid, "0" * 16)
    torch.manual_seed(0)
    net = GridNet(spec.grid, CAMERA, width=8)
    data = Exporter(net, spec).export(net, 1, {})
    mono = MonoNetwork(ModelVersion(1, 0, True, data, sha256(data)), spec)
    expected = torch_answer(net, image(0))[0]
    np.testing.assert_allclose(mono.estimate(image(0)).inverse_depth, expected, atol=TOLERANCE)
