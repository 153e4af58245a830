from __future__ import annotations

import json
from pathlib import Path

import pytest

from drone.config import launch_folder, load
from drone.config.roomfile import read_layout, write_layout
from drone.errors import UserError, WorkFailedError

pytestmark = pytest.mark.unit
SHIPPED = launch_folder() / "ardrone_room.toml"


@pytest.mark.parametrize("name", ["room.toml", "room.json"])
def test_a_room_file_reads_back_equal(name: str, tmp_path: Path) -> None:
    layout = read_layout(SHIPPED)
    write_layout(tmp_path / name, layout)
    assert read_layout(tmp_path / name) == layout
    assert load(SHIPPED).sim.room.layout == layout


def test_a_room_replaces_the_configured_one_but_not_its_changes(tmp_path: Path) -> None:
    situation = tmp_path / "s.toml"
    change = '[[sim.room.changes]]\nat_s = 3\nkind = "light"\nlevel = 0.5\n'
    situation.write_text(f"[sim.room]\nlength_m = 7.0\n{change}")
    layout = read_layout(SHIPPED).model_dump(mode="json", exclude_none=True)
    room = load(situation, ["flight.seed=3"], {"layout": layout}).sim.room
    assert room.layout == read_layout(SHIPPED)
    assert (room.length_m, room.changes[0].level) == (None, 0.5)
    assert load(situation, [], {"difficulty": "plain"}).sim.room.length_m is None
    assert load(situation).sim.room.length_m == 7.0


def test_a_room_survives_the_resolved_configuration(tmp_path: Path) -> None:
    config = load(SHIPPED)
    (tmp_path / "config.toml").write_text(config.to_toml())
    assert load(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("r.toml", "length_m = 5\n", "r.toml: width_m"),
        ("r.toml", "length_m = \n", "r.toml: not valid TOML"),
        ("r.json", "{", "r.json: not valid JSON"),
        ("r.json", "[1, 2]", "r.json: "),
        ("r.yaml", "a: 1\n", "r.yaml: a room file ends in .toml or .json"),
    ],
)
def test_what_is_no_room_is_refused(name: str, text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=expected):
        read_layout(tmp_path / name)


def test_mistakes_name_the_file_and_what_would_be_right(tmp_path: Path) -> None:
    tree = read_layout(SHIPPED).model_dump(mode="json", exclude_none=True)
    tree["floor"]["material"] = "velvet"
    (tmp_path / "r.json").write_text(json.dumps(tree))
    with pytest.raises(UserError, match=r"r.json: floor.material = 'velvet': .*'brick'"):
        read_layout(tmp_path / "r.json")
    with pytest.raises(UserError, match=r"no room file .*none.toml; drone room --save"):
        read_layout(tmp_path / "none.toml")
    with pytest.raises(WorkFailedError, match="cannot be written"):
        write_layout(tmp_path / "r.json" / "x.toml", read_layout(SHIPPED))


def test_a_room_is_drawn_or_written_not_both() -> None:
    with pytest.raises(UserError, match="layout is a whole room: leave obstacles out"):
        load(SHIPPED, ["sim.room.obstacles=3"])
