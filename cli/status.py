"""`faellesdata status`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.text import Text

from cli.common import FAILED, HomeOption, JsonOption, expected, full_disk, home_at, out, print_json, table
from orchestration.states import BAD, last_night, quarantine_counts, table_states

STATES = {
    "fresh": Text("fresh", "green"),
    "ageing": Text("ageing", "yellow"),
    "stale": Text("stale", "red"),
    "failed": Text("failed", "red"),
    "never": Text("never loaded", "red"),
}


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

    Exit codes: 0 all well; 1 the last load of a table failed, a table is older than its register file allows, the last night
    could not be built or published as it should, the disk is full, or (with --night-within) no night has ended of late.
    Departments' own data that fail a test are told, and are no 1.
    """
    from ingestion.register import read_leniently

    at, now = home_at(home), datetime.now(UTC)
    register, problems = read_leniently()
    # What failed for want of room could not be noted either: what stands here would be the night before.
    full = full_disk(at) and f"{full_disk(at)}: until then nothing can be loaded, nor noted here"
    rows = table_states(register, at, now)
    quarantine = quarantine_counts(at)
    for row in rows:
        row["quarantine"] = quarantine.get((row["system"], row["table"]), 0) if quarantine is not None else None
    night = last_night(at, now)
    late = night_within is not None and (night is None or night["age_hours"] > night_within)
    if json_output:
        page = str(at.morning_page) if at.morning_page.exists() else None
        told = [*map(str, problems), *([full] if full else [])]
        print_json({"night": night, "page": page, "problems": told, "tables": rows})
    else:
        _print_night(night, late)
        if full:
            out.print(f"[red]{escape(full)}[/red]", soft_wrap=True)
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
        if at.morning_page.exists():
            out.print(f"The morning page: {at.morning_page.as_uri()}", soft_wrap=True)
    broken = night is not None and any(trouble.get("platform") for trouble in night["troubles"])
    if late or broken or full or problems or any(row["state"] in BAD for row in rows):
        raise typer.Exit(FAILED)


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


def _things(count: int) -> str:
    return "1 thing is" if count == 1 else f"{count} things are"


def _row(row: Mapping[str, Any]) -> list[object]:
    name = f"{row['system']}.{row['table']}"
    times = [moment.replace("T", " ")[:16] if moment else None for moment in (row["last_good_load"], row["failing_since"])]
    return [name, STATES[row["state"]], *times, row["table_rows"], row["quarantine"], row["owner"]]
