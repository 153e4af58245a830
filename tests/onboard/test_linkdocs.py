"""docs/autopilot.md is true: its tables are the code's, and it names settings that there are."""

import re
from pathlib import Path

import pytest

from drone.config.autopilot import AutopilotConfig
from drone.config.base import Section
from drone.onboard.linkmessages import main, with_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "autopilot.md"


def settings(section, prefix=""):
    for name, field in section.model_fields.items():
        yield prefix + name
        if isinstance(field.default, Section):
            yield from settings(type(field.default), f"{name}.")
            yield from settings(type(field.default))


def test_the_tables_are_the_codes():
    text = PAGE.read_text(encoding="utf-8")
    assert with_tables(text) == text


def test_every_setting_that_the_page_names_is_there():
    text = PAGE.read_text(encoding="utf-8")
    known = set(settings(AutopilotConfig))
    named = {n for n in re.findall(r"`((?:\w+\.)?[a-z]+_[a-z_]+)`", text) if "/" not in n}
    assert named <= known
    assert len(named) > 10


def test_a_page_without_marks_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="not enough values"):
        main(page)
