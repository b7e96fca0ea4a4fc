"""What docs/routes-files.md tells the reader to write is accepted by the register."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from connectors_support import column, system

PAGE = (Path(__file__).parents[2] / "docs" / "routes-files.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
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
    connection, source = (yaml.safe_load(block) for block in BLOCKS[:2])
    columns = {name: column() for name in ("id", "periode", "leveret")} | {"beloeb": column("decimal_dk")}
    system(connection["connection"], source["source"], columns, write="append")
    assert (len(SOURCES), len(TRANSPORTS)) == (10, 5)
