"""How each table stands, from the load logs and the quarantine: for `faellesdata status` and the page of the morning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from ingestion.home import Home
from ingestion.register import Register, System
from serving.purposes import EVERYBODY

BAD = {"stale", "failed", "never"}
PUBLICATION = "publish"
"""The key of the trouble that a night was not published."""
REFUSED = "refused:"
"""How the key of a table begins that the guard before publication refused."""


def last_night(home: Home, now: datetime) -> dict[str, Any] | None:
    """Return what the last night left of itself, with its age in hours; None if there has been none, or it cannot be read.

    That it, or a table of it, was not published is left out once somebody has made good for it: `faellesdata publish`, or a run
    of Dagster's UI.
    """
    try:
        night: dict[str, Any] = json.loads(home.heartbeat.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    at = datetime.fromisoformat(night["at"])
    told = night.get("troubles", [])
    since = _published_since(home, datetime.fromisoformat(night.get("noted", night["at"])))
    troubles = [trouble for trouble in told if trouble.get("key") not in since]
    mended = {"troubles": troubles, "ok": not troubles} if troubles != told else {}
    return {**night, **mended, "age_hours": round((now - at).total_seconds() / 3600, 1)}


def _published_since(home: Home, moment: datetime) -> set[str]:
    """Return the keys of the troubles that the newest publication has mended, if it came after `moment`."""
    path = home.published / EVERYBODY / "current" / "manifest.json"
    if not path.exists():
        return set()
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if datetime.fromisoformat(manifest["published_at"]) <= moment:
        return set()
    return {PUBLICATION, *(f"{REFUSED}{name}" for name, table in manifest.get("tables", {}).items() if "as_of" not in table)}


def quarantine_counts(home: Home) -> dict[tuple[str, str], int] | None:
    """Return how many entries each table has in the quarantine; None before there is one, and while a night is building."""
    import duckdb
    from filelock import Timeout

    from orchestration.keys import WAREHOUSE_POOL
    from orchestration.locks import lock_file

    if not home.warehouse.exists():
        return None
    try:
        # A reader keeps dbt from opening the file: look only while nobody builds, and let nobody start meanwhile.
        with (
            lock_file(home, WAREHOUSE_POOL).acquire(timeout=0),
            duckdb.connect(str(home.warehouse), read_only=True) as connection,
        ):
            rows = connection.execute("select system_id, table_name, count(*) from quality.quarantine group by all").fetchall()
    except (Timeout, duckdb.IOException, duckdb.CatalogException):
        return None
    return {(system, name): count for system, name, count in rows}


def table_states(register: Register, home: Home, now: datetime) -> list[dict[str, Any]]:
    """Return a row per table of the register: its newest load, and how that stands against the hours of the register."""
    from ingestion.raw_file import read_logs, unreadable

    rows = []
    lost = unreadable(home, register.systems)
    for system_id, log in read_logs(home, register.systems).items():
        system = register.systems[system_id]
        for name in system.tables:
            row = _state(system, name, [load for load in log if load["table_name"] == name], now)
            rows.append(row | {"state": "failed", "message": lost[system_id]} if system_id in lost else row)
    return rows


def _state(system: System, name: str, loads: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Judge a table by its loads, oldest first."""
    load = loads[-1] if loads else {}
    good = last_good(loads)
    age = (now - good).total_seconds() / 3600 if good else None
    if load.get("status") == "failed":
        state = "failed"
    elif age is None:
        state = "never"
    elif age > system.freshness.error_after_hours:
        state = "stale"
    else:
        state = "ageing" if age > system.freshness.warn_after_hours else "fresh"
    return {
        "system": system.id,
        "table": name,
        "state": state,
        "last_good_load": _written(good),
        "age_hours": round(age, 1) if age is not None else None,
        "rows": load.get("rows"),
        "table_rows": load.get("table_rows"),
        "rejects": load.get("rejects"),
        "failing_since": _written(failing_since(loads)),
        "new_columns": load.get("new_columns") or "",
        "seconds": load.get("seconds"),
        "load_id": load.get("load_id"),
        "department": system.department,
        "owner": system.owner.email,
        "message": load.get("message") or "",
    }


def last_good(loads: Sequence[Mapping[str, Any]]) -> datetime | None:
    """Return when (UTC) the newest of a table's `loads` that went well began; they come oldest first."""
    return next((load["started_at"].replace(tzinfo=UTC) for load in reversed(loads) if load["status"] != "failed"), None)


def failing_since(loads: Sequence[Mapping[str, Any]]) -> datetime | None:
    """Return when (UTC) the failures at the end of a table's `loads` began; None where the last one went well."""
    failed = list(takewhile(lambda load: load["status"] == "failed", reversed(loads)))
    return failed[-1]["started_at"].replace(tzinfo=UTC) if failed else None


def _written(moment: datetime | None) -> str | None:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") if moment else None
