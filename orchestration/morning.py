"""The end of a night: owners are told, the page of the morning is written, a heartbeat is left for whoever watches from outside.

A scheduler that is dead sends no message. So a monitoring system watches the age of `<home>/heartbeat.json`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import get_dagster_logger

from ingestion.home import Home, write_whole
from ingestion.register import Register
from orchestration.alerts import Send, Told, tell
from orchestration.keys import WAREHOUSE_POOL
from orchestration.locks import lock_file
from orchestration.morning_page import write_page
from orchestration.states import last_night
from orchestration.translator import read_manifest
from orchestration.troubles import Trouble, find_troubles, find_warnings
from serving.workbooks import write_workbooks


def conclude(
    home: Home,
    register: Register,
    instance: dg.DagsterInstance,
    night: str,
    *,
    now: datetime | None = None,
    send: Send | None = None,
    whole: bool = True,
) -> Told:
    """Tell owners what is new since last time, and write the heartbeat. A mail server that is down fails no night.

    What did not go over all systems (not `whole`) says what is wrong now, and leaves the night before for the last that ended:
    whoever loads a system by hand each day would else never hear that no night is run.
    """
    now = now or datetime.now(UTC)
    last = None if whole else last_night(home, now)
    night, ended = (last["night"], datetime.fromisoformat(last["at"])) if last else (night, now)
    manifest = read_manifest(home.manifest) if home.manifest.exists() else {}
    troubles = find_troubles(register, home, manifest, instance, now)
    try:
        told = tell(home, [*troubles, *find_warnings(register, home, manifest)], now, send, systems=register.systems)
    except (OSError, ValueError) as error:
        get_dagster_logger().error(f"The owners were not told: {error}. It is tried again next time")
        told = Told(failed=[str(error)])
    else:
        for team in told.failed:
            get_dagster_logger().error(f"{team} was not told: no alert target took the message. It is tried again next time")
        for team in told.partly:
            get_dagster_logger().error(f"{team} were refused the message; the others have it, and it is not sent again")
    try:
        write_page(home, register, instance, now, troubles, told.not_told, ended)
    except OSError as error:
        get_dagster_logger().error(f"The page of the morning was not written: {error}")
    _write_workbooks(home, register)
    # Last: its age tells that everything before it was done.
    write_heartbeat(home, night, ended, troubles, told, now)
    return told


def _write_workbooks(home: Home, register: Register) -> None:
    """Write the departments' workbooks, unless another night is building already: then that one will."""
    import duckdb
    from filelock import Timeout

    if not home.warehouse.exists():
        return
    try:
        with lock_file(home, WAREHOUSE_POOL).acquire(timeout=0):
            write_workbooks(register, home)
    except (Timeout, duckdb.CatalogException):
        return
    except (OSError, duckdb.Error) as error:
        get_dagster_logger().error(f"The departments' workbooks were not written: {error}")


def write_heartbeat(
    home: Home, night: str, ended: datetime, troubles: list[Trouble], told: Told, now: datetime | None = None
) -> None:
    """Replace the heartbeat whole. `ok` is false while anything is wrong; `at`, and its age, tell that nights are run at all."""
    content: dict[str, Any] = {
        "at": ended.astimezone(UTC).isoformat(timespec="seconds"),
        "night": night,
        "noted": (now or ended).astimezone(UTC).isoformat(timespec="seconds"),
        "ok": not troubles,
        "troubles": [
            {
                "key": trouble.key,
                "what": trouble.what,
                "owner": trouble.owner.team,
                "marts": list(trouble.marts),
                "platform": trouble.platform,
            }
            for trouble in troubles
        ],
        "told": told.sent,
        "not_told": told.not_told,
    }
    write_whole(home.heartbeat, json.dumps(content, ensure_ascii=False, indent=1), ended)
