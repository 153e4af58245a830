import numpy as np
import onnx
import pytest
from test_export import SPEC, flown, image, network, trained

from training.export import Exporter
from training.familiarity import Familiarity
from training.quantise import quantised

IMAGES = [image(seed) for seed in range(30)]


@pytest.fixture(scope="module")
def model():
    return Exporter(network(), SPEC).export(trained(40), 1, {"training": "{}"})


@pytest.fixture(scope="module")
def small(model):
    return quantised(model, IMAGES)


def differences(one, other, seeds=range(100, 120)):
    return [
        float(
            np.abs(
                one.estimate(image(s)).inverse_depth - other.estimate(image(s)).inverse_depth
            ).max()
        )
        for s in seeds
    ]


def test_it_flies_by_the_same_contract_and_says_nearly_the_same(model, small):
    """Negative control: another network differs by far more than 8 bits cost."""
    other = Exporter(network(), SPEC).export(trained(5), 1, {})
    cost = differences(flown(model), flown(small))
    assert max(cost) > 0
    assert max(cost) < 0.1
    assert np.median(differences(flown(model), flown(other))) > 3 * np.median(cost)


def test_it_is_smaller_and_its_weights_are_bytes(model, small):
    assert len(small) < 0.7 * len(model)
    graph = onnx.load_from_string(small).graph
    weights = [t for t in graph.initializer if t.data_type == onnx.TensorProto.INT8 and t.dims]
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    assert len(weights) >= len(convolutions) > 5


def test_ranges_are_those_of_the_images(model):
    """Ranges taken from black images cut off what bright ones show."""
    black = quantised(model, [np.zeros((48, 64), np.uint8)] * 30)
    good = quantised(model, IMAGES)
    assert np.mean(differences(flown(model), flown(black))) > 2 * np.mean(
        differences(flown(model), flown(good))
    )


def test_familiarity_stays_in_float(model):
    familiarity = Familiarity(SPEC, 100, 100)
    for seed in range(90):
        (familiarity.hold_out if seed % 3 == 0 else familiarity.learn)(image(seed))
    whole = familiarity.written_into(model)
    small = quantised(whole, IMAGES)
    for seed in range(200, 205):
        wanted = flown(whole).estimate(image(seed)).unfamiliarity
        assert flown(small).estimate(image(seed)).unfamiliarity == pytest.approx(wanted, rel=1e-4)
