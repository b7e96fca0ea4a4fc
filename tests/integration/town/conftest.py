"""One practice municipality, a twentieth of its size: its first night, what is asked of it, nights that go wrong, Dagster's UI.

What is hidden cannot be held against anything; so what is shown is, and the facts, which show all, are held against the truth but
for the defects that were planted. All files here run in one process (`tests/conftest.py`), and in the order of their names:
`test_nights.py` and `test_ui.py` come last.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from manifest_support import lend_manifest
from town_support import Town

import demo
from ingestion.danish_time import DENMARK
from ingestion.home import Home
from ingestion.register import SYSTEMS, read_register


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Town:
    """Its first night is over, and was a good one."""
    home = Home(tmp_path_factory.mktemp("town"))
    # The practice systems answer at once; a hanging one is to be given up after seconds, not minutes.
    register = tmp_path_factory.mktemp("register") / "systems"
    shutil.copytree(SYSTEMS, register)
    for path in register.glob("*/*.yml"):
        text = re.sub(r"(?m)^limits:.*\n(  .*\n)*", "", path.read_text(encoding="utf-8"))
        path.write_text(text + "limits: {timeout_seconds: 3, retries: 1}\n", encoding="utf-8")
    demo.build(home, scale=0.05)
    lend_manifest(read_register(register), home, shared)
    # More nights than four in a day, which is what STIL allows.
    (home.demo / "stil_ws17" / "quota.json").write_text('{"per_day": 100}', encoding="utf-8")
    made = Town(home, register, shared)
    with made.served():
        night = made.refresh()
    assert night.ok, night.stages
    failed = [check for stage in night.stages for check in stage.failed_checks]
    assert not [name for name in failed if "not_recoverable" in name or "no_cpr" in name], failed
    return made


@pytest.fixture(scope="package")
def home(town: Town) -> Home:
    return town.home


@pytest.fixture(scope="package")
def truth(town: Town) -> dict[str, Any]:
    return town.truth


@pytest.fixture
def ask(home: Home) -> Iterator[Any]:
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        connection.execute(f"set TimeZone = '{DENMARK.key}'")
        yield lambda sql: connection.execute(sql).fetchall()
