"""What the pages on the routes tell the reader to write is accepted by the register."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from connectors_support import column, of_json, system

DOCS = Path(__file__).parents[2] / "docs"
PAGE, API = ((DOCS / name).read_text(encoding="utf-8") for name in ("routes-files.md", "routes-api-sql.md"))
BLOCKS, ROUTES = ([yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)] for page in (PAGE, API))
SOURCES = [yaml.safe_load(text) for text in re.findall(r"^ +source: (\{.*\})$", PAGE, re.MULTILINE)]
TRANSPORTS = [yaml.safe_load(text) for text in re.findall(r"^ +(?:# )?transport: (\{.*?\})(?: {2,}#.*)?$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("source", SOURCES)
def test_sources(source: dict[str, Any]) -> None:
    field = column("integer", at=[1, 2]) if source["format"] == "fixed" else column("integer")
    system({"protocol": "files", "transport": {"type": "local", "folder": "x"}}, source, {"id": field}, write="append")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_transports(transport: dict[str, Any]) -> None:
    system({"protocol": "files", "transport": transport}, {"format": "csv", "glob": "*"}, {"id": column()}, write="append")


def test_the_whole_snippets() -> None:
    connection, source = BLOCKS[:2]
    columns = {name: column() for name in ("id", "periode", "leveret")} | {"beloeb": column("decimal_dk")}
    system(connection["connection"], source["source"], columns, write="append")
    assert (len(SOURCES), len(TRANSPORTS)) == (10, 5)


@pytest.mark.parametrize("route", ROUTES, ids=[route["connection"]["protocol"] for route in ROUTES])
def test_apis_and_databases(route: dict[str, Any]) -> None:
    """A snippet is a whole register file, but for what every system and table says: title, owner, rows expected."""
    local = {"protocol": "files", "transport": {"type": "local", "folder": "x"}}
    general = system(local, {"format": "csv", "glob": "*"}, {"id": column()}).model_dump(
        mode="json", exclude={"connection", "tables"}, exclude_unset=True
    )
    tables = {
        name: {"title": "Tabel", "description": "En tabel.", "expected_rows": {"min": 0}, **table}
        for name, table in route["tables"].items()
    }
    of = of_json(json.dumps({**general, **route, "tables": tables}))
    assert list(of.tables) == list(route["tables"])


def test_every_protocol_has_a_snippet() -> None:
    shown = {route["connection"]["protocol"] for route in [*ROUTES, BLOCKS[0]]}
    assert shown == {"sql", "odata", "rest", "graphql", "soap", "files", "python"}
