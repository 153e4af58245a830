import re
from pathlib import Path

import pytest

from drone import topics
from drone.logdocs import markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "logs.md"


def test_the_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "run: python -m drone.logdocs docs/logs.md"
    )


@pytest.mark.parametrize("topic", topics.TOPICS, ids=lambda topic: topic.name)
def test_every_topic_is_there(topic: topics.Topic) -> None:
    assert f"`{topic.name}`" in markdown()


def test_every_link_has_its_heading() -> None:
    page = markdown()
    headings = {line.removeprefix("### ").lower() for line in page.splitlines()}
    links = re.findall(r"\(#([a-z]+)\)", page)
    assert links
    assert set(links) <= headings
