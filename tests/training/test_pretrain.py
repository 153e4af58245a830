import sys

import numpy as np
import pytest

from training import pretrain
from training.sightings import Sightings
from training.warmstart import load_weights


def made_up(seed, count=48):
    """Pictures in which bright is near, as a file of a room holds them."""
    rng = np.random.default_rng(seed)
    inverse_depth = rng.uniform(0.2, 1.5, (count, 1, 1)) * rng.uniform(0.9, 1.1, (count, 12, 16))
    image = np.kron(inverse_depth, np.ones((8, 8))) * 140
    tangents = np.stack(
        np.meshgrid(np.linspace(-0.5, 0.5, 12), np.linspace(-0.7, 0.7, 16), indexing="ij")
    )
    return Sightings(
        image.clip(0, 255).astype(np.uint8),
        inverse_depth.astype(np.float32),
        np.ones(inverse_depth.shape, np.float32),
        (1 / inverse_depth.max(axis=(1, 2))).astype(np.float32),
        tangents.astype(np.float32),
    )


@pytest.fixture
def folder(tmp_path):
    for seed in range(10_000, 10_003):
        made_up(seed).save(tmp_path / f"{seed}.npz")
    return tmp_path


def material(folder):
    return pretrain.Material.of(sorted(folder.glob("1*.npz")))


def test_it_learns(folder):
    training = pretrain.Pretraining(folder / "checkpoint.pt", 60)
    seen = material(folder)
    before = pretrain.errors(training.network, seen)
    training.network.train()
    for _ in range(60):
        training.learn(seen)
    after = pretrain.errors(training.network, seen)
    assert after["depth_male"] < 0.6 * before["depth_male"]
    assert after["obstacle_male"] < 0.6 * before["obstacle_male"]


def test_an_interrupted_training_goes_on_as_if_nothing_had_been(folder):
    seen = material(folder)
    whole = pretrain.Pretraining(folder / "none.pt", 8)
    losses = [float(whole.learn(seen)) for _ in range(8)]
    first = pretrain.Pretraining(folder / "checkpoint.pt", 8)
    halves = [float(first.learn(seen)) for _ in range(4)]
    first.save()
    second = pretrain.Pretraining(folder / "checkpoint.pt", 8)
    assert second.step == 4
    halves += [float(second.learn(seen)) for _ in range(4)]
    assert halves == losses


def test_the_rate_rises_then_falls_to_nothing():
    rates = [pretrain.learning_rate(step, 1000) for step in range(1000)]
    peak = int(np.argmax(rates))
    assert 20 < peak < 40
    assert rates[peak] == pytest.approx(pretrain.LEARNING_RATE)
    assert rates[0] < 0.1 * rates[peak]
    assert rates[-1] < 1e-3 * rates[peak]
    assert np.all(np.diff(rates[peak:]) <= 0)


@pytest.mark.slow
def test_one_command_makes_the_weights(folder, monkeypatch, capsys):
    words = ["pretrain", "--rooms", "10000-10002", "--work", str(folder), "--steps", "4"]
    output = folder / "weights.npz"
    monkeypatch.setattr(sys, "argv", [*words, "--threads", "1", "--output", str(output)])
    pretrain.main()
    assert "'step': 4" in capsys.readouterr().err
    net = pretrain.Pretraining(folder / "none.pt", 1).network
    assert load_weights(net, output)["rooms"] == "10000-10002"
