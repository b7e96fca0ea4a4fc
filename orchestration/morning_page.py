"""The page of the morning: did the night go well, what is old, what is in quarantine, what changed in the sources.

One static file in Danish, written when a night is over. It holds names, counts and times: no values from the data, and none of
the messages of databases and sources, in which a value may stand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

from ingestion.checks import number
from ingestion.danish_time import written
from ingestion.home import Home, write_whole
from ingestion.register import Register, System
from orchestration.alerts import UI_URL
from orchestration.keys import raw_table
from orchestration.states import BAD, quarantine_counts, table_states
from orchestration.troubles import Trouble

STATES = {"stale": "for gammel", "failed": "fejlede", "never": "aldrig hentet", "ageing": "på vej til at blive for gammel"}


@dataclass(frozen=True)
class Line:
    """One line of a list: which table, what about it, whose it is, what to do."""

    system: System
    table: str
    text: str
    owner: str
    todo: str = ""


@dataclass(frozen=True)
class Morning:
    """What the page says."""

    at: datetime
    troubles: Sequence[Trouble]
    not_told: Sequence[str]
    stale: Sequence[Line]
    changed: Sequence[Line]
    unusual: Sequence[Line]
    quarantine: Sequence[Line] | None
    """None before anything is built, and while another process builds: then nobody can look."""
    held: int
    """How many entries the quarantine has."""
    tables: int


def write_page(
    home: Home,
    register: Register,
    instance: dg.DagsterInstance,
    now: datetime,
    troubles: Sequence[Trouble],
    not_told: Sequence[str],
    ended: datetime,
) -> Path:
    """Write the page whole, and return where it stands. `ended` is when the night was over, which need not be now."""
    page = render(replace(look(home, register, instance, now, troubles, not_told), at=ended))
    path = home.morning_page
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page)
    return path


def look(
    home: Home,
    register: Register,
    instance: dg.DagsterInstance,
    now: datetime,
    troubles: Sequence[Trouble],
    not_told: Sequence[str],
) -> Morning:
    """Gather what the page says from load logs, quarantine and the newest checks of the loads."""
    states = table_states(register, home, now)
    counts = quarantine_counts(home)
    return Morning(
        at=now,
        troubles=troubles,
        not_told=not_told,
        stale=[_stale(register, state) for state in states if state["state"] in BAD | {"ageing"}],
        changed=_warned(register, instance, ["contract"]),
        unusual=_warned(register, instance, ["usual_rows", "row_range", "reconciliation", "control_totals"]),
        quarantine=None if counts is None else _quarantine(register, counts),
        held=sum((counts or {}).values()),
        tables=len(states),
    )


def render(morning: Morning) -> str:
    """Return the page as HTML. Whatever comes from a source or the register is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"moment": written, "number": number}
    return environment.get_template("morning.html.j2").render(morning=morning, ui=os.environ.get(UI_URL, "").rstrip("/"))


def _stale(register: Register, state: dict[str, Any]) -> Line:
    system = register.systems[state["system"]]
    good = state["last_good_load"]
    data = f"data fra {written(datetime.fromisoformat(good).replace(tzinfo=UTC))}" if good else "ingen data"
    todo = f"faellesdata refresh --system {system.id}" if state["state"] in BAD else ""
    return Line(system, state["table"], f"{STATES[state['state']]}; {data}", _person(system.owner), todo)


def _warned(register: Register, instance: dg.DagsterInstance, checks: Iterable[str]) -> list[Line]:
    """Return the tables whose newest check of one of these kinds did not pass; the text is the check's own."""
    keys = [dg.AssetCheckKey(raw_table(system.id, name), check) for system, name, _ in register.tables() for check in checks]
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    lines = []
    for key in keys:
        if text := _complaint(records.get(key)):
            system = register.systems[key.asset_key.path[1]]
            lines.append(Line(system, key.asset_key.path[2], text, _person(system.owner)))
    return lines


def _complaint(record: AssetCheckExecutionRecord | None) -> str:
    event = record.event.dagster_event if record and record.event else None
    if event is None or event.event_type is not DagsterEventType.ASSET_CHECK_EVALUATION:
        return ""
    evaluation = event.asset_check_evaluation_data
    return "" if evaluation.passed else evaluation.description or evaluation.check_name


def _quarantine(register: Register, counts: dict[tuple[str, str], int]) -> list[Line]:
    most_first = sorted(counts.items(), key=lambda entry: -entry[1])
    return [
        Line(register.systems[system], table, number(count), _person(register.systems[system].data_steward))
        for (system, table), count in most_first
        if system in register.systems
    ]


def _person(contact: Any) -> str:
    return f"{contact.team}, {contact.email}"
