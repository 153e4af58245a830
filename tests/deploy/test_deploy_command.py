"""`drone deploy`: what it refuses before anything is built or sent, and what it shows."""

from __future__ import annotations

import pytest

from drone.cli import main
from drone.commands import deploy

CONTENT = [
    ["--config", "c.toml"],
    ["--set", "flight.seed=1"],
    ["--calibration", "c.toml"],
    ["--model", "m.onnx"],
    ["--train"],
    ["--shadow"],
    ["--arch", "aarch64"],
    ["--python", "3.11"],
    ["--wheels", "wheels"],
]


@pytest.fixture(autouse=True)
def no_host(monkeypatch):
    """Nothing here comes so far as to reach for one."""

    def reach(*words):
        raise AssertionError(words)

    monkeypatch.setattr(deploy, "_to_host", reach)
    monkeypatch.setattr("drone.deploy.deploying.install_packages", reach)


def test_every_option_of_the_content_is_among_them():
    content = deploy.parser()._action_groups[2]
    assert content.title == "what is in it"
    options = {action.option_strings[0]: action.dest for action in content._group_actions}
    assert options == deploy.CONTENT
    assert [words[0] for words in CONTENT] == list(options)


@pytest.mark.parametrize("way", [["--rollback"], ["--from", "b.tar.gz"]])
@pytest.mark.parametrize("words", CONTENT)
def test_a_release_that_is_made_cannot_be_changed_on_its_way(capsys, way, words):
    assert main(["deploy", "pi@drone", *way, *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"drone deploy: {way[0]}")
    assert f": {words[0]} would change nothing; right is" in err


def test_a_bundle_restarts_nothing(capsys):
    assert main(["deploy", "--bundle", "b.tar.gz", "--service"]) == 2
    assert "right is drone deploy --from b.tar.gz HOST --service" in capsys.readouterr().err


def test_the_place_of_a_bundle_is_looked_at_first(capsys, tmp_path):
    path = tmp_path / "nowhere" / "b.tar.gz"
    settings = tmp_path / "c.toml"
    settings.write_text("")
    assert main(["deploy", "--config", str(settings), "--bundle", str(path)]) == 2
    assert f"{path}: expected the name of a file in a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shadow", "said"), [(True, "commands nothing"), (False, "it commands the vehicle")]
)
def test_whether_what_runs_now_is_a_shadow_is_shown(capsys, monkeypatch, shadow, said):
    record = {"release": "r", "shadow": shadow, "findings": [], "service": "drone.service"}
    monkeypatch.setattr(deploy, "_to_host", lambda args: record)
    assert main(["deploy", "pi@drone", "--rollback", "--service"]) == 0
    assert said in capsys.readouterr().out
