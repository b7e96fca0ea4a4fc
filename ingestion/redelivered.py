"""Files that come again, corrected or read for a backfill: what they say is as old as their names, not as new as their load.

Of one key the row counts that stands in the file whose name sorts last (see docs/routes-files.md), be it taken in this load or in
an earlier one. Else a file of last month that is corrected today would take the place of all that came since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion import deletions
from ingestion.connectors.base import SOURCE_REF, ReadContext, file_ref
from ingestion.connectors.duck import identifier, literal

if TYPE_CHECKING:
    import duckdb

    from ingestion.extract import Extract
    from ingestion.register import Table


def leave_out(table: Table, name: str, context: ReadContext, found: Extract) -> None:
    """`merge` keeps one row of a key: take those out of `found` that a later file has given another for."""
    if table.write == "merge" and found.again and found.rows:
        stored = f'(select *, {_file()} as file from raw."{name}" where {_file()} not in {_listed(found.files)}) as later'
        bad = f"{_file('stored')} in {_listed(found.again)} and later.file > {_file('stored')} and {_same_key(table, 'stored')}"
        deletions.leave_out(context, found, f"exists (select 1 from {stored} where {bad})")


def put_later_on_top(connection: duckdb.DuckDBPyConnection, table: Table, name: str, found: Extract, load_id: str | None) -> None:
    """`append` keeps all, and of a key the newest load counts: rows of later files come along with those that have come again."""
    if table.write == "append" and found.again and found.rows:
        again = f'(select *, {_file()} as file from raw."{name}" where {_file()} in {_listed(found.again)}) as again'
        connection.execute(
            f'update raw."{name}" as later set _dlt_load_id = ? where {_file("later")} not in {_listed(found.files)}'
            f" and exists (select 1 from {again} where again.file < {_file('later')} and {_same_key(table, 'again')})",
            [load_id],
        )


def _file(row: str = "") -> str:
    return f"split_part({row and f'{row}.'}{SOURCE_REF}, '#', 1)"


def _listed(files: list[str]) -> str:
    return f"({', '.join(literal(file_ref(file)) for file in files)})"


def _same_key(table: Table, other: str) -> str:
    keys = (identifier(table.raw_names()[key]) for key in table.key)
    return " and ".join(f"cast(later.{key} as varchar) = cast({other}.{key} as varchar)" for key in keys)
