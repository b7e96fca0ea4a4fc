"""One practice municipality for all questions that cut across departments: a twentieth of its size, taken through the flow.

What is hidden cannot be held against anything; so what is shown is, and the facts, which show all, are held against the truth but
for the defects that were planted. All files here run in one process (`tests/conftest.py`): the municipality is made once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest
from manifest_support import lend_manifest

import demo
from ingestion.danish_time import DENMARK
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.platform import build_platform
from ingestion.register import read_register
from ingestion.vault import build_vault
from orchestration.dbt import DbtOutcome, build
from serving.publish import publish

ROLE = "bi_netvaerk"


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Home:
    home, register = Home(tmp_path_factory.mktemp("questions")), read_register()
    demo.build(home, scale=0.05)
    # Its settings end here: what stands in the environment would win over those of the next municipality of this process.
    with mock.patch.dict(os.environ), demo.serve(home):
        home.load_settings()
        for system in register.systems.values():
            assert not land_system(system, home).failed
    build_vault(register, home)
    lend_manifest(register, home, shared)
    build_platform(register, home)
    outcome = DbtOutcome()
    list(build(register, home, [], outcome))
    assert not outcome.failed_models, outcome.failed_models
    assert not [name for name in outcome.failed_tests if "not_recoverable" in name or "no_cpr" in name], outcome.failed_tests
    publish(home, ROLE)
    return home


@pytest.fixture(scope="package")
def truth(home: Home) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home.demo / "truth.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def ask(home: Home) -> Iterator[Any]:
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        connection.execute(f"set TimeZone = '{DENMARK.key}'")
        yield lambda sql: connection.execute(sql).fetchall()
