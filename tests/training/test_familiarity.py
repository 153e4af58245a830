import hashlib
import math

import numpy as np
import onnx
import pytest

from drone.geometry import GridSpec
from drone.messages import ModelVersion
from drone.onboard.mono import MonoNetwork, MonoSpec
from training import familiarity
from training.familiarity import Familiarity, distance, fitted
from training.textons import Graph

SPEC = MonoSpec(128, 96, GridSpec(12, 16), "0123456789abcdef")
SHAPE = (1, 1, 12, 16)


def texture(kind, seq):
    """An image of a surface: stripes of one direction or the other, at random places."""
    rng = np.random.default_rng([kind, seq])
    y, x = np.mgrid[:96, :128]
    along = (x, y, x + y)[kind]
    wave = np.sin(2 * math.pi * along / rng.uniform(7, 10) + rng.uniform(0, 6))
    image = rng.uniform(90, 150) + rng.uniform(20, 50) * wave + rng.normal(0, 2, wave.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def plain_model(spec=SPEC, said=None):
    """A model file of the contract, that may say how unfamiliar everything is."""
    graph, outputs = Graph(), dict.fromkeys(("inverse_depth", "log_variance"), SHAPE)
    height, width = spec.height_px // 12, spec.width_px // 16
    window = {"kernel_shape": [height, width], "strides": [height, width]}
    graph.add("AveragePool", ["image"], "inverse_depth", **window)
    graph.add("Neg", ["inverse_depth"], "log_variance")
    if said is not None:
        graph.constant("said", np.float32(said).reshape(1, 1))
        graph.add("Identity", ["said"], "unfamiliarity")
        outputs["unfamiliarity"] = (1, 1)
    model = graph.model(spec.height_px, spec.width_px, outputs)
    onnx.helper.set_model_props(model, spec.metadata(3))
    return model.SerializeToString()


def taught(learned=120, held_out=60, kind=0):
    known = Familiarity(SPEC, 1000, 1000)
    for seq in range(learned):
        known.learn(texture(kind, seq))
    for seq in range(1000, 1000 + held_out):
        known.hold_out(texture(kind, seq))
    return known


def flown(file, spec=SPEC):
    return MonoNetwork(ModelVersion(3, 0, True, file, hashlib.sha256(file).hexdigest()), spec)


@pytest.fixture(scope="module")
def known():
    return taught()


@pytest.fixture(scope="module")
def mono(known):
    return flown(known.written_into(plain_model()))


def scores(mono, images):
    return np.array([mono.estimate(image).unfamiliarity for image in images])


def auc(familiar, unfamiliar):
    return float((familiar[:, None] < unfamiliar[None]).mean())


def test_the_distance_counts_deviations_along_the_axes_of_the_learned():
    """By hand: deviations 3 and 4 without correlation; (3, 8) lies 1 and 2 of them away."""
    learned = np.array([[3, 4], [3, -4], [-3, 4], [-3, -4]], np.float32) + 10
    mean, whitening = fitted(learned)
    assert mean == pytest.approx([10, 10])
    assert distance(np.array([[13, 18], [10, 10]], np.float32), mean, whitening) == pytest.approx(
        [math.sqrt(5), 0]
    )


def test_what_never_occurred_together_is_far_though_each_alone_is_near():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, 500)
    learned = np.stack([first, first + rng.normal(0, 0.1, 500)], axis=1).astype(np.float32)
    together, apart = distance(np.array([[1, 1], [1, -1]], np.float32), *fitted(learned))
    assert apart > 5 * together


def test_one_is_the_99th_percentile_of_the_held_out_frames(known, mono):
    held_out = scores(mono, [texture(0, seq) for seq in range(1000, 1060)])
    assert np.percentile(held_out, 99) == pytest.approx(1.0, rel=1e-3)


def test_the_file_says_what_was_fitted(known, mono):
    mean, whitening = fitted(np.stack(known._learned))
    limit = np.percentile(distance(np.stack(known._held_out), mean, whitening), 99)
    for kind in (0, 1):
        image = texture(kind, 5000)
        expected = distance(known.features(image)[None], mean, whitening)[0] / limit
        assert mono.estimate(image).unfamiliarity == pytest.approx(expected, rel=1e-3)


def test_it_changes_no_other_answer_and_no_metadata(known, mono):
    plain, image = flown(plain_model()), texture(2, 7)
    before, after = plain.estimate(image), mono.estimate(image)
    assert np.array_equal(before.inverse_depth, after.inverse_depth)
    assert np.array_equal(before.log_variance, after.log_variance)
    assert math.isnan(before.unfamiliarity)
    models = [onnx.load_from_string(f) for f in (plain_model(), known.written_into(plain_model()))]
    onnx.checker.check_model(models[1])
    props = [{p.key: p.value for p in model.metadata_props} for model in models]
    assert props[0] == props[1]


def test_the_same_frames_give_the_same_file(known):
    assert taught().written_into(plain_model()) == known.written_into(plain_model())


@pytest.mark.parametrize("strange", ["other", "noise", "half covered", "covered", "dark"])
def test_unfamiliar_images_stand_out(mono, strange):
    """Negative control: more images of the same surface do not."""
    rng = np.random.default_rng(0)
    same = [texture(0, seq) for seq in range(2000, 2060)]
    images = {
        "other": [texture(1, seq) for seq in range(60)],
        "noise": [np.clip(i + rng.normal(0, 20, i.shape), 0, 255).astype(np.uint8) for i in same],
        "half covered": [np.where(np.arange(128) < 64, 40, i).astype(np.uint8) for i in same],
        "covered": [np.full_like(i, 40) for i in same],
        "dark": [(0.3 * i).astype(np.uint8) for i in same],
    }[strange]
    familiar = scores(mono, [texture(0, seq) for seq in range(3000, 3060)])
    assert auc(familiar, scores(mono, images)) >= 0.95
    assert 0.3 < auc(familiar, scores(mono, same)) < 0.7


def test_what_it_learns_becomes_familiar():
    known = taught()
    strange = [texture(1, seq) for seq in range(200)]
    before = scores(flown(known.written_into(plain_model())), strange[150:])
    for image in strange[:100]:
        known.learn(image)
    for image in strange[100:150]:
        known.hold_out(image)
    after = scores(flown(known.written_into(plain_model())), strange[150:])
    assert np.median(before) > 1.5
    assert np.median(after) < 1.0


@pytest.mark.parametrize(
    ("learned", "held_out"), [(0, 0), (familiarity.MIN_LEARNED - 1, 60), (120, 19)]
)
def test_with_too_little_seen_the_file_stays_as_it_is(learned, held_out):
    assert taught(learned, held_out).written_into(plain_model()) == plain_model()


def test_a_model_that_says_it_itself_is_left_alone(known):
    file = known.written_into(plain_model(said=0.25))
    assert file == plain_model(said=0.25)
    assert flown(file).estimate(texture(0, 0)).unfamiliarity == 0.25


def test_what_is_no_model_is_left_to_the_gate(known):
    assert known.written_into(b"no model") == b"no model"


def test_images_that_are_all_alike_give_a_finite_score():
    known = Familiarity(SPEC, 100, 100)
    grey = np.full((96, 128), 128, np.uint8)
    for _ in range(100):
        known.learn(grey)
        known.hold_out(grey)
    mono = flown(known.written_into(plain_model()))
    assert mono.estimate(grey).unfamiliarity < 1
    strange = mono.estimate(texture(0, 0)).unfamiliarity
    assert math.isfinite(strange)
    assert strange > 1


@pytest.mark.parametrize("size", [(64, 48), (256, 192), (752, 480)])
def test_other_sizes_have_as_many_features(size):
    spec = MonoSpec(*size, GridSpec(2, 2), "0" * 16)
    image = np.random.default_rng(0).integers(0, 256, size[::-1], dtype=np.uint8)
    features = Familiarity(spec, 10, 10).features(image)
    assert features.shape == (144,)
    assert np.isfinite(features).all()
