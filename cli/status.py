"""`faellesdata status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
def status(home: HomeOption = None, json_output: JsonOption = False) -> None:
    """Show each table's last load: when, how many rows, how many set aside, how fresh, who owns it, what went wrong.

    Exit codes: 0 all well; 1 the last load of a table failed, or a table is older than its register file allows.
    """
    from ingestion.register import read_leniently

    register, problems = read_leniently()
    rows = table_states(register, home_at(home), datetime.now(UTC))
    if json_output:
        print_json({"problems": [str(problem) for problem in problems], "tables": rows})
    else:
        for problem in problems:
            out.print(f"[red]register[/red] {escape(str(problem))}", soft_wrap=True)
        columns = ["table", "state", "last good load (UTC)", "rows", "rejects", "owner"]
        out.print(table(None, columns, [_row(row) for row in rows], right=["rows", "rejects"]))
        for row in rows:
            if row["message"]:
                colour = "red" if row["state"] in BAD else "yellow"
                out.print(f"[{colour}]{escape(row['message'])}[/{colour}]", soft_wrap=True)
    if problems or any(row["state"] in BAD for row in rows):
        raise typer.Exit(FAILED)


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
        "seconds": load.get("seconds"),
        "load_id": load.get("load_id"),
        "department": system.department,
        "owner": system.owner.email,
        "message": load.get("message") or "",
    }


def _row(row: Mapping[str, Any]) -> list[object]:
    name, when = f"{row['system']}.{row['table']}", row["last_good_load"]
    return [name, STATES[row["state"]], when.replace("T", " ") if when else None, row["table_rows"], row["rejects"], row["owner"]]
