"""Columns that come with another type than is stored: DuckDB would squeeze them into the old one, rounding where it must."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ingestion.connectors.base import BATCH_ROWS, SOURCE_REF, SOURCE_ROW, ReadContext, SourceError
from ingestion.connectors.duck import identifier, literal
from ingestion.register import Table

if TYPE_CHECKING:
    import duckdb

    from ingestion.extract import Extract


_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_INTEGERS = {"SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
"""Type → digits of its largest value."""


def check(name: str, table: Table, context: ReadContext, found: Extract, stored: Mapping[str, str]) -> None:
    """Fail on a column whose values do not fit the stored type or, where the register only warns, fit those that do.

    A column that has only become wider is widened in the raw table `name` too.

    Raises:
        SourceError: a column has another type, and the register does not say `on_retyped_column: warn`.
    """
    described = found.connection.sql(f"describe select * from {found.relation}").fetchall()
    kinds = {column: (stored[column], kind) for column, kind, *_ in described if column in stored}
    for column, (was, now) in kinds.items():
        if (wide := _wide_enough(was, now)) != was:
            for stands_in in _tables_with(found.connection, column, name, f"{name}__deleted"):
                found.connection.execute(f"alter table {stands_in} alter column {identifier(column)} type {wide}")
    changed = {
        column: (was, now)
        for column, (was, now) in kinds.items()
        if not _fits(now, was) and not _takes_type(found.connection, column, now, name)
    }
    if not changed:
        return
    # Where types are guessed, a column in which nothing stands this time looks like text, and so did one that was empty at first.
    counts = ", ".join(f"count({identifier(name)})" for name in changed)
    filled = found.connection.execute(f"select {counts} from {found.relation}").fetchone() or ()
    told = [
        f"'{name}' was {was} and is now {now}"
        for (name, (was, now)), count in zip(changed.items(), filled, strict=True)
        if count and not (context.guessed and was == "VARCHAR")
    ]
    if told and table.on_retyped_column == "fail":
        raise SourceError(
            f"column {'; '.join(told)}. Ask the vendor; if it is meant, declare `on_retyped_column: warn`,"
            " or move the system's raw file away and load anew"
        )
    found.retyped_columns = told
    _fit(context, found, changed)


def _fit(context: ReadContext, found: Extract, changed: Mapping[str, tuple[str, str]]) -> None:
    """Give the columns their stored types again. A row with a value that would not come back as it was is set aside, whole."""
    from ingestion.extract import as_json

    unfit = {
        name: f"({identifier(name)} is not null and try_cast(try_cast({identifier(name)} as {was}) as {now})"
        f" is distinct from {identifier(name)})"
        for name, (was, now) in changed.items()
    }
    bad = " or ".join(unfit.values())
    which = f"case {' '.join(f'when {test} then {literal(name)}' for name, test in unfit.items())} end"
    aside = found.connection.sql(f"select {found.spelled()}, {which} as retyped from {found.relation} where {bad}")
    for batch in aside.to_arrow_reader(BATCH_ROWS):
        for row in batch.to_pylist():
            name = row.pop("retyped")
            reason = f"værdien er {changed[name][1]} og går ikke uændret ind i {changed[name][0]}"
            context.reject(row[SOURCE_REF], row[SOURCE_ROW], reason, as_json(row), name)
            found.rows -= 1
    if found.incoming is not None:
        found.connection.execute(f"delete from {found.relation} where {bad}")
        for name, (was, _) in changed.items():
            found.connection.execute(f"alter table {found.relation} alter column {identifier(name)} type {was}")
    else:
        fitted = context.workdir / "fitted.parquet"
        casts = ", ".join(f"cast({identifier(name)} as {was}) as {identifier(name)}" for name, (was, _) in changed.items())
        select = f"select * replace ({casts}) from {found.relation} where not ({bad})"
        found.connection.execute(f"copy ({select}) to {literal(str(fitted))} (format parquet)")
        found.parts = [fitted]
    for field in found.query(f"select {', '.join(map(identifier, changed))} from {found.relation} limit 0").schema:
        found.schema[field.name] = field.type


def _takes_type(connection: duckdb.DuckDBPyConnection, column: str, kind: str, name: str) -> bool:
    """Give the stored column the type `kind` if nothing stands in it, as after a first load without rows."""
    tables = _tables_with(connection, column, name, f"{name}__deleted")
    given = (f"select count({identifier(column)}) from {stands_in}" for stands_in in tables)
    if any(connection.execute(sql).fetchone() != (0,) for sql in given):
        return False
    for stands_in in tables:
        connection.execute(f"alter table {stands_in} alter column {identifier(column)} type {kind}")
    return True


def _fits(new: str, old: str) -> bool:
    family, scale = _family(new)
    stored_family, stored_scale = _family(old)
    if stored_family == "decimal" and family in ("integer", "decimal"):
        return scale <= stored_scale
    return family == stored_family


def _tables_with(connection: duckdb.DuckDBPyConnection, column: str, *names: str) -> list[str]:
    """Return those of the tables, as SQL, that have the column: dlt keeps its own of each name in a schema beside ours."""
    sql = (
        "select schema_name, table_name from duckdb_columns()"
        " where database_name = current_database() and column_name = ? and table_name in (select unnest(?))"
    )
    found = connection.execute(sql, [column, list(names)]).fetchall()
    return [f"{identifier(schema)}.{identifier(name)}" for schema, name in found]


def _wide_enough(was: str, now: str) -> str:
    """Return the stored type, or the least of its family that holds the values of the new one too."""
    if was in _INTEGERS and now in _INTEGERS:
        return max(was, now, key=lambda kind: _INTEGERS[kind])
    found, new = _DECIMAL.match(was), _DECIMAL.match(now)
    if found is None or (new is None and now not in _INTEGERS):
        return was
    digits = int(new[1]) - int(new[2]) if new else _INTEGERS[now]
    wide = min(max(digits + int(found[2]), int(found[1])), 38)
    return f"DECIMAL({wide},{found[2]})"


def _family(kind: str) -> tuple[str, int]:
    """Return the family of a DuckDB type and, for decimals, its scale (a float's counts as unlimited)."""
    if kind.endswith(("INT", "INTEGER")):
        return "integer", 0
    if found := _DECIMAL.match(kind):
        return "decimal", int(found[2])
    if kind in ("DOUBLE", "FLOAT"):
        return "decimal", 99
    return kind.partition(" ")[0], 0
