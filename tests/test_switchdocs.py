import re
from pathlib import Path

import pytest

from drone.config import SwitchingConfig
from drone.messages import Mode
from drone.onboard.switching import MEANINGS, STRATEGIES, Situation
from drone.switchdocs import diagram, markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "switching.md"
EDGE = re.compile(r"    (\w+) --> (\w+)(?:: (.+))?")


def test_the_committed_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "run: python -m drone.switchdocs docs/switching.md"
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_diagram_says_what_its_table_says(name):
    """Read back from the drawing: every mode that can be entered, every situation."""
    table = STRATEGIES[name].table
    edges = [found.groups() for found in EDGE.finditer(diagram(table))]
    joined = {start: end for start, end, why in edges if why is None}
    for mode in set(table.values()):
        start = joined.get(mode.value, mode.value)
        leads = {
            situation: end
            for begin, end, why in edges
            if begin == start and why
            for situation in why.split(", ")
        }
        for situation in Situation:
            assert leads.get(situation.value, mode.value) == table[mode, situation].value


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_a_strategy_never_enters_is_not_drawn(name):
    table = STRATEGIES[name].table
    drawn = set(re.findall(r"\w+", diagram(table)))
    assert {m.value for m in Mode} & drawn == {m.value for m in table.values()}


def test_every_strategy_situation_and_setting_is_there():
    page = markdown()
    for name in (*STRATEGIES, *MEANINGS, *SwitchingConfig.model_fields):
        assert f"`{name}`" in page


def test_every_setting_says_what_it_means():
    for name, field in SwitchingConfig.model_fields.items():
        assert field.description or name == "strategy"
