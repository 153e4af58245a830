"""The paper's 21 numbers, by hand, and their dictionaries."""

import json
import math

import numpy as np
import pytest

from drone.errors import UserError
from drone.onboard.mono import network_input, session_from_onnx
from training.textons import (
    FEATURES,
    Graph,
    TextonDictionary,
    add_features,
    cluster,
    default_dictionary,
    load_dictionary,
    patch_starts,
    patches,
)


def flat_dictionary():
    """Intensity textons of one grey level each, 0, 25 ... 225; gradients of one slope each."""
    levels = np.repeat(np.arange(10.0)[:, None], 25, axis=1)
    return TextonDictionary(
        (25 * levels).astype(np.float32), (4 * (levels - 5)).astype(np.float32), {}
    )


def features(image, dictionary):
    graph = Graph()
    name = add_features(graph, dictionary, *image.shape)
    model = graph.model(*image.shape, {name: (1, FEATURES)})
    session = session_from_onnx(model.SerializeToString())
    return session.run(None, {"image": network_input(image, *image.shape[::-1])})[0][0]


def test_known_answer_of_two_flat_halves():
    """Left half grey 50, right half grey 200: by hand, half the patches are texton 2, half 8.

    No patch lies on the border between them, so that every gradient is 0: texton 5.
    """
    image = np.full((96, 128), 50, np.uint8)
    image[:, 64:] = 200
    expected = np.zeros(FEATURES)
    expected[[2, 8, 10 + 5]] = 0.25, 0.25, 0.5
    expected[20] = 2 * 0.25 * 2 + 0.5 * 1  # bits
    assert features(image, flat_dictionary()) == pytest.approx(expected, abs=1e-6)


def test_known_answer_of_a_slope():
    """Grey rises by 3 in two columns: slope 3 (right minus left neighbour) is nearest to texton
    6's slope of 4."""
    column = np.arange(128) * 1.5
    image = np.tile(np.floor(column), (96, 1)).astype(np.uint8)
    found = features(image, flat_dictionary())
    assert found[10:20] == pytest.approx(np.eye(10)[6] / 2, abs=1e-6)
    # Patch middles lie at columns 8, 24, ...: grey 12, 36, ... 180 in steps of 24, about 25 apart.
    assert found[:10].sum() == pytest.approx(0.5, abs=1e-6)
    assert np.count_nonzero(found[:10]) == 8


def test_histograms_sum_to_a_half_each_and_entropy_is_theirs():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (96, 128), np.uint8)
    found = features(image, default_dictionary()).astype(float)
    assert found[:10].sum() == pytest.approx(0.5, abs=1e-6)
    assert found[10:20].sum() == pytest.approx(0.5, abs=1e-6)
    shares = found[:20][found[:20] > 0]
    assert found[20] == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-5)


def test_the_graph_finds_the_nearest_textons():
    """Against brute force on the patches, with textons that are no flat levels."""
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (48, 80), np.uint8)
    dictionary = TextonDictionary(
        rng.uniform(0, 255, (10, 25)).astype(np.float32),
        rng.uniform(-255, 255, (10, 25)).astype(np.float32),
        {},
    )
    shares = []
    kinds = zip(patches(image), (dictionary.intensity, dictionary.gradient), strict=True)
    for cut, textons in kinds:
        distance = ((cut[:, None] - textons[None]) ** 2).sum(axis=2)
        shares.append(np.bincount(distance.argmin(axis=1), minlength=10) / 2 / len(cut))
    assert features(image, dictionary)[:20] == pytest.approx(np.concatenate(shares), abs=1e-6)


def test_patches_are_spread_over_the_image():
    assert patch_starts(128, 8) == [6, 22, 38, 54, 70, 86, 102, 118]
    with pytest.raises(UserError, match=r"40 px are too few .* at least 42"):
        patch_starts(40, 6)


def test_clustering_finds_the_levels_that_are_there():
    images = [np.full((96, 128), level, np.uint8) for level in range(0, 250, 25)]
    rng = np.random.default_rng(0)
    noisy = [np.clip(i + rng.normal(0, 1, i.shape), 0, 255).astype(np.uint8) for i in images]
    found = cluster(noisy, 0, {})
    assert found.intensity.mean(axis=1) == pytest.approx(np.arange(0, 250, 25), abs=2)
    assert np.array_equal(found.intensity, cluster(noisy, 0, {}).intensity), "same seed, same"


@pytest.mark.parametrize("images", [[], [np.full((96, 128), 7, np.uint8)]])
def test_images_that_show_nothing_are_refused(images):
    with pytest.raises(UserError, match=r"no images|show nothing"):
        cluster(images, 0, {})


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "textons.json"
    flat_dictionary().save(path)
    loaded = load_dictionary(path)
    assert np.array_equal(loaded.intensity, flat_dictionary().intensity)
    assert np.array_equal(loaded.gradient, flat_dictionary().gradient)


def test_what_ships_says_where_it_comes_from():
    provenance = default_dictionary().provenance
    first = int(provenance["rooms"].split("-")[0])
    assert first >= 10_000, "no seed of a test or a flight"
    assert provenance["images"] >= 500


@pytest.mark.parametrize("content", ["", "{}", '{"intensity": [[1]], "gradient": [[1]]}', "7"])
def test_what_is_no_dictionary_is_refused(tmp_path, content):
    path = tmp_path / "textons.json"
    path.write_text(content)
    with pytest.raises(UserError, match="not a texton dictionary"):
        load_dictionary(path)


def test_a_dictionary_of_another_shape_or_with_nan_is_refused(tmp_path):
    path = tmp_path / "textons.json"
    for value in (math.nan, 1.0):
        textons = np.full((10, 25 if math.isnan(value) else 9), value)
        tree = {"intensity": textons.tolist(), "gradient": textons.tolist(), "provenance": {}}
        path.write_text(json.dumps(tree))
        with pytest.raises(UserError, match="10 textons of 25 finite numbers"):
            load_dictionary(path)
    with pytest.raises(UserError, match="cannot be read"):
        load_dictionary(tmp_path / "none.json")
