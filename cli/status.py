"""`faellesdata status`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli.common import FAILED, HomeOption, JsonOption, expected, home_at, out, print_json, table
from ingestion.home import Home
from ingestion.register import Register, System

STATES = {
    "fresh": "[green]fresh[/green]",
    "ageing": "[yellow]ageing[/yellow]",
    "stale": "[red]stale[/red]",
    "failed": "[red]failed[/red]",
    "never": "[red]never loaded[/red]",
}
BAD = {"stale", "failed", "never"}


@expected()
def status(
    night_within: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="HOURS", help="Fail if no night has ended within so many hours. For monitoring."),
    ] = None,
    home: HomeOption = None,
    json_output: JsonOption = False,
) -> None:
    """The morning after: how the last night went and which marts it touches; then each table's last load.

    Exit codes: 0 all well; 1 the last load of a table failed, a table is older than its register file allows, or (with
    --night-within) no night has ended of late.
    """
    from ingestion.register import read_leniently

    at, now = home_at(home), datetime.now(UTC)
    register, problems = read_leniently()
    rows = table_states(register, at, now)
    quarantine = quarantine_counts(at)
    for row in rows:
        row["quarantine"] = quarantine.get((row["system"], row["table"]), 0) if quarantine is not None else None
    night = last_night(at, now)
    late = night_within is not None and (night is None or night["age_hours"] > night_within)
    if json_output:
        print_json({"night": night, "problems": [str(problem) for problem in problems], "tables": rows})
    else:
        _print_night(night, late)
        for problem in problems:
            out.print(f"[red]register[/red] {escape(str(problem))}", soft_wrap=True)
        columns = ["table", "state", "last good load (UTC)", "failing since (UTC)", "rows", "quarantine", "owner"]
        out.print(table(None, columns, [_row(row) for row in rows], right=["rows", "quarantine"]))
        for row in rows:
            if row["message"]:
                colour = "red" if row["state"] in BAD else "yellow"
                out.print(f"[{colour}]{escape(row['message'])}[/{colour}]", soft_wrap=True)
            if row["new_columns"]:
                out.print(
                    f"[yellow]{row['system']}.{row['table']}: new columns {escape(row['new_columns'])}[/yellow]", soft_wrap=True
                )
    if late or problems or any(row["state"] in BAD for row in rows):
        raise typer.Exit(FAILED)


def last_night(home: Home, now: datetime) -> dict[str, Any] | None:
    """Return what the last night left of itself, with its age in hours; None if there has been none."""
    if not home.heartbeat.exists():
        return None
    night: dict[str, Any] = json.loads(home.heartbeat.read_text(encoding="utf-8"))
    return {**night, "age_hours": round((now - datetime.fromisoformat(night["at"])).total_seconds() / 3600, 1)}


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


def _print_night(night: Mapping[str, Any] | None, late: bool) -> None:
    if night is None:
        out.print("[yellow]No night has ended yet.[/yellow]")
        return
    when = f"{night['at'].replace('T', ' ')[:16]} UTC, {night['age_hours']:g} hours ago"
    mark = "[green]✓ The last night went well[/green]" if night["ok"] else f"[red]✗ {_things(len(night['troubles']))} wrong[/red]"
    out.print(f"{mark} ({when})", highlight=False)
    if late:
        out.print("[red]No night has ended since. Does `faellesdata ui` run?[/red]")
    for trouble in night["troubles"]:
        out.print(f"  [red]{escape(trouble['what'])}[/red] {escape(trouble['owner'])}", soft_wrap=True)
        if trouble["marts"]:
            out.print(f"    touches {escape(', '.join(trouble['marts']))}", soft_wrap=True)


def table_states(register: Register, home: Home, now: datetime) -> list[dict[str, Any]]:
    """Return a row per table of the register: its newest load, and how that stands against the hours of the register."""
    from ingestion.raw_file import read_log

    rows = []
    for system in register.systems.values():
        path = home.raw_file(system.id)
        log = read_log(path) if path.exists() else []
        for name in system.tables:
            rows.append(_state(system, name, [load for load in log if load["table_name"] == name], now))
    return rows


def _state(system: System, name: str, loads: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Judge a table by its loads, oldest first."""
    load = loads[-1] if loads else {}
    good: datetime | None = next((entry["started_at"] for entry in reversed(loads) if entry["status"] != "failed"), None)
    age = (now - good.replace(tzinfo=UTC)).total_seconds() / 3600 if good else None
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
        "last_good_load": good.isoformat(timespec="seconds") if good else None,
        "age_hours": round(age, 1) if age is not None else None,
        "rows": load.get("rows"),
        "table_rows": load.get("table_rows"),
        "rejects": load.get("rejects"),
        "failing_since": _failing_since(loads),
        "new_columns": load.get("new_columns") or "",
        "seconds": load.get("seconds"),
        "load_id": load.get("load_id"),
        "department": system.department,
        "owner": system.owner.email,
        "message": load.get("message") or "",
    }


def _things(count: int) -> str:
    return "1 thing is" if count == 1 else f"{count} things are"


def _failing_since(loads: Sequence[Mapping[str, Any]]) -> str | None:
    """Return when the failures at the end of `loads` began."""
    began: datetime | None = None
    for load in reversed(loads):
        if load["status"] != "failed":
            break
        began = load["started_at"]
    return began.isoformat(timespec="seconds") if began else None


def _row(row: Mapping[str, Any]) -> list[object]:
    name = f"{row['system']}.{row['table']}"
    times = [moment.replace("T", " ")[:16] if moment else None for moment in (row["last_good_load"], row["failing_since"])]
    return [name, STATES[row["state"]], *times, row["table_rows"], row["quarantine"], row["owner"]]
