"""Pages: the same rows make the same bytes, and nothing that a page names is missing."""

import json
import re
from pathlib import Path

import ownexperiment
import pytest
from test_campaign import campaign, here

from training.experiments.page import write_index, write_page

pytestmark = pytest.mark.usefixtures("workdir")
FOLDER = Path("results")


def page_of(c):
    return write_page(c, ownexperiment.analyse(c.rows), FOLDER, "drone experiment own")


@pytest.fixture
def finished(workdir):
    c = campaign()
    c.run(here(cpu_s={"red": 1.0, "blue": 1.0}))
    return c


def test_the_same_rows_give_the_same_bytes(finished):
    page_of(finished)
    write_index(FOLDER)
    first = {p: p.read_bytes() for p in FOLDER.rglob("*") if p.is_file()}
    page_of(campaign())
    write_index(FOLDER)
    assert {p: p.read_bytes() for p in FOLDER.rglob("*") if p.is_file()} == first


def test_every_picture_and_file_that_is_named_is_there(finished):
    page = page_of(finished)
    text = page.read_text()
    named = re.findall(r"\]\(([^)]+)\)", text)
    assert named == ["own/metres.svg", "own/rows.jsonl"]
    for name in named:
        assert (FOLDER / name).is_file()
    assert sorted(p.name for p in (FOLDER / "own").glob("*.svg")) == ["metres.svg"]
    assert "<svg" in (FOLDER / "own/metres.svg").read_text()


def test_a_page_says_all_that_it_must(finished):
    text = page_of(finished).read_text()
    for part in (
        *("Do colours matter?", "A number is drawn.", "It says nothing of colours."),
        *("Another number.", "```sh\ndrone experiment own\n```", "code aaaa; 6 tasks, seeds 0–2"),
        *("95 % intervals", "| red | 3 |"),
    ):
        assert part in text, part
    assert "Not finished" not in text


def test_a_bar_in_a_cell_ends_no_cell(finished):
    text = page_of(finished).read_text()
    assert r"| colour | n | metres \| way |" in text


def test_what_is_unfinished_is_said():
    c = campaign()
    c.run(here(most=2))
    text = page_of(c).read_text()
    assert "> Not finished: 4 of 6 tasks are still to be run. Fewer than 5 seeds" in text
    record = json.loads((FOLDER / "own/figures.json").read_text())
    assert (record["n"], record["tasks"]) == (2, 6)
    assert "2 of 6" in write_index(FOLDER).read_text()


def test_the_index_lists_what_there_is_beside_the_papers_claim(finished):
    page_of(finished)
    text = write_index(FOLDER).read_text()
    record = json.loads((FOLDER / "own/figures.json").read_text())
    row = next(line for line in text.splitlines() if line.startswith("| [own](own.md)"))
    for cell in ("Do colours matter?", "It says nothing of colours.", record["headline"], "6 of 6"):
        assert cell in row


def test_an_index_of_nothing_is_empty():
    FOLDER.mkdir()
    assert "[own]" not in write_index(FOLDER).read_text()
