"""How far an incremental table, and a folder, has been read: dlt stores it in the work file, so it is published with the rows or
not at all.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ingestion.connectors.base import ReadContext
from ingestion.cursor import less_lag
from ingestion.extract import Extract
from ingestion.register import System, Table
from ingestion.register.model import FilesSystem
from ingestion.settings import MissingSetting, resolve

State = dict[str, Any]
"""What dlt keeps of a table: `cursor`, `token`, `files`, and what was `asked` for."""

_OF_NO_ROW = {
    "glob", "period", "newest", "companion", "control", "archive", "failed", "besides", "each_missing",
    "preamble_begins", "trailer_count", "trailer_sums", "trailer_count_at", "trailer_sums_at",
}  # fmt: skip
"""Options that say which files there are and how they are checked. To change one changes no row that was read."""


def asked_anew(system: System, table: Table, state: State) -> bool:
    """Whether the register asks an incremental table, or a folder's files, for something else than when it was last read: a wider
    filter, another cursor or key, the vendor's production where it was the test system; another quote, another place of a column.

    Then all is read from the beginning. Rows that the former question left out, and that have not changed since, would never
    come, and some files would be read by the former rule, some by the new one. The rows that are stored stay. Only where the
    service lists deletions the table is replaced: those between its last link and the new one would be told by neither.
    """
    incremental = table.write == "merge" and not {"cursor", "token"}.isdisjoint(state)
    return (incremental or "files" in state) and state.get("asked") not in (None, _asked(system, table))


def _asked(system: System, table: Table) -> str:
    """Return a digest of what the register asks for, and of whom. Labels and types are not in it: they ask for nothing."""
    files = isinstance(system, FilesSystem)
    left_out = _OF_NO_ROW - ({"glob", "newest"} if table.write == "replace" else set())  # These say what a snapshot is made of.
    included: dict[str, Any] = {"source": set(type(table.source).model_fields) - left_out if files else True}
    if table.write == "merge":
        included |= {"key": True, "cursor": {"column", "param", "on_missing"}}
    # Without defaults: a new version of Fællesdata with one more option must not have everything read anew.
    asked = table.model_dump(mode="json", include=included, exclude_defaults=True)
    asked["paths"] = {name: column.path or column.at for name, column in table.columns.items() if column.path or column.at}
    if files:
        asked["serial"] = [name for name, column in table.columns.items() if column.type == "excel_serial"]
        asked["order"] = list(table.columns) if getattr(table.source, "header", True) is False else []
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
    return None  # The value that is kept is no date or number: all is read anew.


def advance(system: System, table: Table, state: State, found: Extract, context: ReadContext, *, anew: bool) -> None:
    """Move the watermark, and note what was asked for. `anew`: the table was read from the beginning (see `asked_anew`)."""
    if anew:
        state.pop("cursor", None)
        state.pop("token", None)
    state["asked"] = _asked(system, table)
    if table.cursor is not None and found.rows and table.cursor.column not in found.missing_columns:
        column = table.cursor.column
        top = found.highest(table.raw_names()[column], table.columns[column].type)
        if top is not None:
            state["cursor"] = top
    if context.next_token is not None:
        state["token"] = context.next_token
    if context.files_loaded or context.files_touched:
        state["files"] = {**state.get("files", {}), **context.files_loaded, **context.files_touched}
