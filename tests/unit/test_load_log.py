"""What is read of a load log, which keeps every load: enough to say how each table stands, and no more."""

from __future__ import annotations

import random
import stat
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from connectors_support import TABLE, column, system

from ingestion import raw_file
from ingestion.dbt_profile import write_profile
from ingestion.home import Home
from ingestion.platform import build_platform
from ingestion.raw_file import LOAD_COLUMNS, create_sql, newest_changes, read_logs, unreadable
from ingestion.register import Register
from orchestration.freshness import last_loads
from orchestration.states import _state
from orchestration.troubles import late_deliveries

NIGHTS = 90
BEGAN = datetime(2026, 8, 1, 3)
TABLES = (TABLE, "sager", "aldrig")
"""Of the last, nothing ever came."""


def write(home: Home, seed: int, without: str = "") -> None:
    """Write a log of tables that are loaded, found unchanged, empty or not to be had, for one night or for weeks."""
    chance = random.Random(seed)
    rows: list[tuple[Any, ...]] = []
    for table in TABLES:
        status = "failed"
        for night in range(NIGHTS):
            if table != "aldrig" and chance.random() < 0.2:
                status = chance.choice(["loaded", "unchanged", "failed"])
            brought = 0 if status == "failed" or chance.random() < 0.6 else chance.randrange(3)
            changed = None if chance.random() < 0.1 else min(brought, chance.randrange(2))
            rows.append((table, f"{night:03}", status, BEGAN + timedelta(days=night), brought, changed))
    home.raw.mkdir(parents=True)
    with duckdb.connect(str(home.raw_file("proeve"))) as connection:
        connection.execute("create schema raw")
        connection.execute(create_sql("load_log", {name: kind for name, kind in LOAD_COLUMNS.items() if name != without}))
        named = ["table_name", "load_id", "status", "started_at", "rows", "changed_rows"]
        connection.executemany(f"insert into raw.load_log ({', '.join(named)}) values (?, ?, ?, ?, ?, ?)", rows)


@pytest.mark.parametrize("damage", [slice(0, 4096), slice(5000, 10**9), slice(12288, 14288), slice(0, 10**9)])
def test_a_damaged_raw_file_is_told_of_and_stops_nobody(home: Home, damage: slice) -> None:
    write(home, 1)
    damaged = bytearray(home.raw_file("proeve").read_bytes())
    damaged[damage] = b"x" * (damage.stop - damage.start) if damage.stop < 10**9 else b""
    home.raw_file("beskadiget").write_bytes(damaged)
    logs = read_logs(home, ["beskadiget", "mangler", "proeve"])
    assert {system_id: bool(log) for system_id, log in logs.items()} == {"beskadiget": False, "mangler": False, "proeve": True}
    (reason,) = unreadable(home, logs).values()
    assert reason.startswith(f"{home.raw_file('beskadiget')} cannot be read")


@pytest.mark.parametrize("seed", range(8))
def test_of_a_long_log_as_much_is_read_as_says_how_its_tables_stand(
    home: Home, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    write(home, seed, without="bytes" if seed % 2 else "")
    of = system({"protocol": "sql", "url": "sqlite:///x"}, {"table": TABLE}, {"id": column()}, write="replace")
    of = of.model_copy(update={"freshness": of.freshness.model_copy(update={"delivery_after_hours": 24})})
    now = (BEGAN + timedelta(days=NIGHTS)).replace(tzinfo=UTC)

    def said() -> tuple[list[Any], int]:
        log = read_logs(home, [of.id])[of.id]
        by_table = {name: [entry for entry in log if entry["table_name"] == name] for name in TABLES}
        states = [_state(of, name, entries, now) for name, entries in by_table.items()]
        delivered = late_deliveries(of, {TABLE: by_table[TABLE]}, now)
        newest = [
            {entry["table_name"]: entry for entry in log if entry["status"] in seen}
            for seen in ({"loaded"}, {"loaded", "unchanged"})
        ]
        return [states, delivered, newest, newest_changes(log), last_loads([of.id], home)], len(log)

    every, of_all = said()
    monkeypatch.setattr(raw_file, "_FEW", 0)
    chosen, read = said()
    assert chosen == every
    assert of_all == 3 * NIGHTS
    assert read < of_all


def test_the_bi_network_reads_of_a_system_in_danish(home: Home) -> None:
    """Not in the register's codes, of which nothing published says what they mean."""
    of = system({"protocol": "sql", "url": "sqlite://"}, {"table": "t"}, {"id": column()})
    build_platform(Register(systems={of.id: of}), home)
    told = "select protocol, cadence, legal_basis, purpose from raw.systems"
    with duckdb.connect(str(home.raw_file("platform")), read_only=True) as connection:
        ((*said, basis, purpose),) = connection.execute(told).fetchall()
    assert (said, purpose) == (["Database", "Hver nat"], "Statistik")
    assert basis == "Databeskyttelsesforordningen art. 6, stk. 1, litra e (myndighedsudøvelse)"


def test_work_files_are_for_their_owner_alone(home: Home) -> None:
    """Also in a home that was made open to others: rejects, what databases spill and what dbt quotes hold what raw files hold."""
    closed = (home.work, home.dbt / "target", home.dbt / "logs")
    for folder in (home.raw, *closed):
        folder.mkdir(parents=True, mode=0o755)
    build_platform(Register(systems={}), home)
    write_profile(Register(systems={}), home)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in closed} == {0o700}
