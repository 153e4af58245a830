"""The paper's regressors: what they learn, and that their graphs say the same."""

import numpy as np
import pytest

from drone.onboard.mono import network_input, session_from_onnx
from training.regressors import NEIGHBOURS, REGRESSORS, Neighbours
from training.textons import FEATURES, Graph, add_features, default_dictionary

SIZE = (48, 80)
LEARNING = [name for name in REGRESSORS if name != "random"]
"""Those that are meant to."""


def problem(count, seed=0):
    """Features in 0-1 and a target that a line fits well and a curve better."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 1, (count, FEATURES))
    features[:, 3] = 0.25  # one that never varies
    return features, 4 * features[:, 0] + np.sin(3 * features[:, 1])


def error_of(name):
    """The mean error on unseen samples, beside that of always answering the mean."""
    regressor = REGRESSORS[name]()
    features, targets = problem(600)
    regressor.fit(features, targets)
    unseen, truth = problem(100, seed=1)
    error = np.abs(regressor.predict(unseen) - truth).mean()
    return error, np.abs(truth - targets.mean()).mean()


@pytest.mark.parametrize("name", LEARNING)
def test_it_learns(name):
    error, of_the_mean = error_of(name)
    assert error < 0.8 * of_the_mean


def test_guesses_learn_nothing_but_which_answers_there_are():
    """The negative control of the learners: it is worse than to answer the mean."""
    error, of_the_mean = error_of("random")
    assert error > 1.1 * of_the_mean
    guesses = REGRESSORS["random"]()
    features, targets = problem(40)
    guesses.fit(features, targets)
    unseen, _ = problem(400, seed=1)
    answers = guesses.predict(unseen)
    assert set(answers) <= set(targets)
    assert len(set(answers)) == len(targets), "of 400 draws, every target is one"


def test_guesses_draw_the_same_for_the_same_image():
    guesses, again = REGRESSORS["random"](), REGRESSORS["random"]()
    features, targets = problem(40)
    guesses.fit(features, targets)
    again.fit(features, targets)
    assert guesses.predict(features).tolist() == again.predict(features).tolist()
    one_by_one = [guesses.predict(row[None])[0] for row in features]
    assert one_by_one == guesses.predict(features).tolist()
    assert guesses.predict(features).tolist() != targets.tolist(), "nor are they looked up"


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("count", [1, 2, 600])
def test_its_graph_equals_it(name, count):
    """On features of images, through the whole graph from the image on."""
    rng = np.random.default_rng(2)
    images = rng.integers(0, 255, (8, *SIZE), np.uint8)
    plain = Graph()
    plain_model = plain.model(*SIZE, {add_features(plain, default_dictionary(), *SIZE): (1, 21)})
    featuriser = session_from_onnx(plain_model.SerializeToString())
    regressor = REGRESSORS[name]()
    regressor.fit(*problem(count))
    graph = Graph()
    answer = regressor.add_to(graph, add_features(graph, default_dictionary(), *SIZE))
    session = session_from_onnx(graph.model(*SIZE, {answer: (1, 1)}).SerializeToString())
    for image in images:
        batch = {"image": network_input(image, *SIZE[::-1])}
        features = featuriser.run(None, batch)[0].astype(float)
        found = session.run(None, batch)[0]
        assert found.shape == (1, 1)
        assert found[0, 0] == pytest.approx(regressor.predict(features)[0], abs=1e-4)


def test_neighbours_by_hand():
    """Six samples on a line: of a query at 0.1 the five nearest are all but the last."""
    features = np.zeros((6, FEATURES))
    features[:, 0] = [0.0, 0.2, 0.4, 0.6, 0.8, 5.0]
    regressor = Neighbours()
    regressor.fit(features, np.array([1.0, 2.0, 3.0, 4.0, 5.0, 100.0]))
    query = np.zeros((1, FEATURES))
    query[0, 0] = 0.1
    assert regressor.predict(query) == pytest.approx([3.0])
    assert NEIGHBOURS == 5


def test_fewer_samples_than_neighbours():
    regressor = Neighbours()
    regressor.fit(np.zeros((2, FEATURES)), np.array([1.0, 3.0]))
    assert regressor.predict(np.ones((1, FEATURES))) == pytest.approx([2.0])
