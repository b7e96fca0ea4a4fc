"""The snippets of the page on routes are what they say: register files, but for what every system has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from connectors_support import column, system
from pydantic import TypeAdapter

from ingestion.register.model import System, TaggedSystem

PAGE = Path(__file__).resolve().parents[2] / "docs" / "routes-api-sql.md"
SNIPPETS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)]
_adapter: TypeAdapter[System] = TypeAdapter(TaggedSystem)


def test_every_protocol_but_files_has_its_snippet() -> None:
    named = [snippet["connection"]["protocol"] for snippet in SNIPPETS]
    assert named == ["rest", "odata", "graphql", "soap", "sql", "python"]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: str(snippet["connection"]["protocol"]))
def test_the_snippet_is_valid(snippet: dict[str, Any]) -> None:
    common = system({"protocol": "sql", "url": "sqlite://"}, {"table": "t"}, {"id": column()})
    whole = common.model_dump(mode="json", exclude={"connection", "tables"}) | snippet
    for table in whole["tables"].values():
        table |= {"title": "Tabel", "description": "En tabel.", "expected_rows": {"min": 1}}
    made = _adapter.validate_python(whole)
    assert list(made.tables) == list(snippet["tables"])
