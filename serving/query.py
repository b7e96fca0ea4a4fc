"""Ask a published version a question, as a BI member would: reading only, and nothing but that one file."""

from __future__ import annotations

from typing import Any

from ingestion.home import Home
from serving.publish import DATABASE, current


class QueryError(Exception):
    """The SQL cannot be run; the message is DuckDB's."""


def run_query(home: Home, role: str, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and rows of `sql` over the role's current version.

    External access is off and the configuration locked, so the SQL can neither read another file nor write one.

    Raises:
        PublicationError: nothing has been published for the role.
        QueryError: the SQL is wrong or not allowed.
    """
    import duckdb

    path = current(home, role) / DATABASE
    config: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "lock_configuration": True,
        "autoinstall_known_extensions": False,
    }
    with duckdb.connect(str(path), read_only=True, config=config) as connection:
        try:
            result = connection.execute(sql)
            return [column[0] for column in result.description or []], result.fetchall()
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
