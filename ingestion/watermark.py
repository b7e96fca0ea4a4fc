"""How far an incremental table, and a folder, has been read: dlt stores it in the work file, so it is published with the rows or
not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ingestion.connectors.base import ReadContext, file_ref
from ingestion.cursor import less_lag
from ingestion.extract import Extract
from ingestion.register import System, Table
from ingestion.settings import MissingSetting, resolve

State = dict[str, Any]
"""What dlt keeps of a table: `cursor`, `token`, `files`, and by which `rule` and what was `asked` they came about."""


def files_seen(table: Table, state: State, with_rejects: Collection[str]) -> dict[str, str]:
    """Return the files that need not be read again, with their fingerprints. A mended rule reads those anew from which something
    was set aside (`with_rejects`), and all that come after the first of them: read alone, its rows would be the last to come, and
    take the place of newer ones.
    """
    seen: dict[str, str] = dict(state.get("files", {}))
    if state.get("rule", mended := _rule(table)) == mended:
        return seen
    first = min(with_rejects, default=None)
    return seen if first is None else {file: mark for file, mark in seen.items() if file_ref(file) < first}


def _rule(table: Table) -> str:
    """Tell by which rule, as far as the register says it, a table's rows are read."""
    told = {"columns": {"__all__": {"label", "description"}}}  # A word that is mended there reads nothing anew.
    rule = table.model_dump_json(include={"source", "columns"}, exclude=told, exclude_defaults=True)
    return hashlib.sha256(rule.encode()).hexdigest()[:16]


def asked_anew(system: System, table: Table, state: State) -> bool:
    """Whether an incremental table's register file asks for something else than it did: a wider filter, another cursor or key, or
    the vendor's production where it was the test system.

    What did not come then, and was not changed since, would never come. What stands there stays, unless the service tells of
    deletions: of those since its last link it would tell no more.
    """
    incremental = table.write == "merge" and not {"cursor", "token"}.isdisjoint(state)
    return incremental and state.get("asked") not in (None, _asked(system, table))


def _asked(system: System, table: Table) -> str:
    """Tell what the register asks for, and whom: not labels and types, which say what becomes of it."""
    # Without what nobody chose: a version of ours that knows one more option must not have everything read anew.
    asked = table.model_dump(
        mode="json", include={"source": True, "key": True, "cursor": {"column", "param", "on_missing"}}, exclude_defaults=True
    )
    asked["paths"] = {name: column.path for name, column in table.columns.items() if column.path}
    with suppress(MissingSetting):  # Without which nothing can be read.
        if url := getattr(system.connection, "url", None):
            address = urlsplit(resolve(url))  # Without user, password and query: secrets are changed from time to time.
            asked["address"] = [address.netloc.rpartition("@")[2], address.path]
        asked["params"] = {name: resolve(value) for name, value in getattr(system.connection, "params", {}).items()}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def since(table: Table, state: State) -> str | None:
    """Return from which value of its cursor on a table is to be read, as the source wrote it; None: all of it."""
    if table.cursor is None or table.write != "merge" or "cursor" not in state:
        return None
    with suppress(ValueError, OverflowError):
        return less_lag(state["cursor"], table.columns[table.cursor.column].type, table.cursor.lag)
    return None  # From what cannot be reckoned with, everything is read anew.


def advance(system: System, table: Table, state: State, found: Extract, context: ReadContext, *, anew: bool) -> None:
    """Move the watermark, and note by what it came about. `anew`: it was read from the beginning (see `asked_anew`)."""
    if anew:
        state.pop("cursor", None)
        state.pop("token", None)
    state["rule"], state["asked"] = _rule(table), _asked(system, table)
    if table.cursor is not None and found.rows and table.cursor.column not in found.missing_columns:
        column = table.cursor.column
        top = found.highest(table.raw_names()[column], table.columns[column].type)
        if top is not None:
            state["cursor"] = top
    if context.next_token is not None:
        state["token"] = context.next_token
    if context.files_loaded or context.files_touched:
        state["files"] = {**state.get("files", {}), **context.files_loaded, **context.files_touched}
