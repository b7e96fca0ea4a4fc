"""The example queries: one for each mart, in Danish, run as a role that may see it; and what a newcomer asks first."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.demo import EXAMPLE
from ingestion.home import Home
from serving.publish import publish
from serving.query import run_query

ROOT = Path(__file__).resolve().parents[3]
ANALYSES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "dbt_project" / "analyses").glob("*.sql"))}
REF = re.compile(r"\{\{ ref\('(\w+)'\) \}\}")


@pytest.fixture(scope="module")
def audiences(home: Home) -> dict[str, list[str]]:
    """The roles that each mart is for. Those that a night does not publish for are published for here."""
    nodes = json.loads((home.dbt / "manifest.json").read_text(encoding="utf-8"))["nodes"].values()
    found = {node["name"]: node["config"]["meta"].get("audience", []) for node in nodes if node["name"].startswith("mart_")}
    for role in {role for roles in found.values() for role in roles} - {"bi_netvaerk"}:
        publish(home, role)
    return found


@pytest.mark.parametrize("name", ANALYSES)
def test_every_example_query_answers_as_published(home: Home, audiences: dict[str, list[str]], name: str) -> None:
    text = ANALYSES[name]
    roles = set.intersection(*(set(audiences[mart]) for mart in REF.findall(text)))
    columns, rows = run_query(home, min(roles), REF.sub(r"\1", text))
    assert text.startswith("-- ")
    assert len(columns) > 3
    assert rows
    # In so small a municipality some columns are all hidden; an answer of mostly such columns tells a newcomer nothing.
    blank = [column for place, column in enumerate(columns) if all(row[place] is None for row in rows)]
    assert len(blank) <= len(columns) / 2, blank


def test_every_mart_has_an_example_and_a_role(audiences: dict[str, list[str]]) -> None:
    assert {mart for text in ANALYSES.values() for mart in REF.findall(text) if mart.startswith("mart_")} == set(audiences)
    assert [mart for mart, roles in audiences.items() if not roles] == []


def test_what_a_newcomer_asks_first_shows_numbers(home: Home) -> None:
    (asked,) = re.findall(r'^faellesdata query "(.+)"$', (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    for sql in (asked, EXAMPLE):
        columns, rows = run_query(home, "bi_netvaerk", sql)
        assert len(rows) >= 5
        assert all(value is not None for row in rows for value in row), columns
