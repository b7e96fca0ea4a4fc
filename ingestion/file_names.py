"""What rows are said to come from where the name of their file, of a member of an archive or of a sheet holds a CPR number.

`_source_ref` goes with each row into staging, and into what is shown of rows that cannot be used. If the vault knows the number,
the file goes by another name there: `xxxxxx-xxxx` for the number, and ` (fil 1)` after it, since two files must stay two. The
table `raw.file_names` of the raw file says which file that is. It also has the names with a number that the vault does not know:
the vault may come to know it later.

While a system is loaded its rows have the names back by which the files were delivered: by these a file is known when it comes
again, and files are put in order. When the load is over the names are taken away again.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import TYPE_CHECKING

from ingestion.connectors.base import SCHEMA, SOURCE_REF
from ingestion.cpr import numbers_in, without_numbers

if TYPE_CHECKING:
    import duckdb

TABLE = "file_names"
_NAMES = f"{SCHEMA}.{TABLE}"


def reveal(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the rows in an open work file the names back by which their files were delivered."""
    if _is_there(connection):
        _rename(connection, "shown", "name")


def hide(connection: duckdb.DuckDBPyConnection) -> None:
    """Take them away again from the rows whose file is named by somebody's number."""
    if _is_there(connection):
        _rename(connection, "name", "shown")


def note(connection: duckdb.DuckDBPyConnection, came: Set[str]) -> None:
    """Note those names in which a number could stand, of all that rows of this load are said to come from."""
    names = {*came}
    if not _is_there(connection):
        connection.execute(f"create table {_NAMES} (name varchar, shown varchar)")
        # In a new raw file all has just come, and no row need be looked at. One from before names were noted has others too.
        loaded_before = connection.execute(f"select 1 from {SCHEMA}.load_log limit 1").fetchone()
        for table, column in _tables(connection).items() if loaded_before else ():
            found = connection.execute(f'select distinct {column} from {SCHEMA}."{table}" where {column} is not null')
            names.update(name for (name,) in found.fetchall())
    if could_be := [name for name in names if numbers_in(name)]:
        new = f"select unnest(?) as name except select name from {_NAMES}"
        connection.execute(f"insert into {_NAMES} select name, null from ({new})", [could_be])


def undecided(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the names in a raw file that could hold a number and are shown as they are, each with what could be one."""
    if not _is_there(connection):
        return {}
    return {name: numbers_in(name) for (name,) in connection.execute(f"select name from {_NAMES} where shown is null").fetchall()}


def rename(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Say what files are called from here on; return, by table, one of the new names and how many rows have them."""
    names = sorted(names)
    for name in names:
        connection.execute(
            f"update {_NAMES} set shown = ? || ' (fil ' || (select count(shown) + 1 from {_NAMES}) || ')' where name = ?",
            [without_numbers(name), name],
        )
    found = {}
    for table, column in _tables(connection).items():
        of = f'from {SCHEMA}."{table}" join {_NAMES} on {column} = name where list_contains(?, name)'
        shown, rows = connection.execute(f"select min(shown), count(*) {of}", [names]).fetchall()[0]
        if rows:
            found[table] = (shown, rows)
    return found


def _rename(connection: duckdb.DuckDBPyConnection, before: str, after: str) -> None:
    if not connection.execute(f"select 1 from {_NAMES} where shown is not null limit 1").fetchone():
        return
    for table, column in _tables(connection).items():
        connection.execute(
            f'update {SCHEMA}."{table}" as rows set {column} = names.{after}'
            f" from {_NAMES} as names where names.shown is not null and rows.{column} = names.{before}"
        )


def _is_there(connection: duckdb.DuckDBPyConnection) -> bool:
    found = "select 1 from duckdb_tables() where database_name = current_database() and schema_name = ? and table_name = ?"
    return connection.execute(found, [SCHEMA, TABLE]).fetchone() is not None


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the tables of a raw file whose rows say where they come from, with the column that does."""
    return dict(
        connection.execute(
            "select table_name, column_name from duckdb_columns() where database_name = current_database()"
            f" and schema_name = '{SCHEMA}' and column_name in ('{SOURCE_REF}', 'source_ref')"
        ).fetchall()
    )
