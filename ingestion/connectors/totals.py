"""Control totals: sums that the source tells beside its rows (a query, a trailer, a control file), and those of the rows read.

Values are turned into numbers by the very macros that staging uses, so that a total holds or fails for what is in the warehouse.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import ReadContext, SourceError
from ingestion.connectors.duck import connect, identifier, literal
from ingestion.register.basics import TableBase

if TYPE_CHECKING:
    import duckdb

_MACROS = Path(__file__).parents[2] / "dbt_project" / "macros" / "sql" / "conversions.sql"


def add(name: str, total: Decimal, context: ReadContext) -> None:
    """Note the source's own sum of a column, or a part of it: one of several files."""
    context.sums[name] = context.sums.get(name, Decimal(0)) + total


def stated(name: str, text: str, place: str, table: TableBase, context: ReadContext) -> None:
    """Note a sum that stands in `place` as text, written as the column's values are.

    Raises:
        SourceError: it is no such number.
    """
    with connect(context) as connection:
        row = connection.execute(f"select {_number(table.columns[name].type, literal(text))}").fetchone()
    if row is None or row[0] is None:
        raise SourceError(
            f"{place} gives '{text.strip()}' as the sum of '{name}', which is no {table.columns[name].type}. Ask what changed"
        )
    add(name, Decimal(row[0]), context)


def found(patterns: Mapping[str, str], text: str, place: str, table: TableBase, context: ReadContext) -> None:
    """Note the sums that regular expressions, by column, find in `text`.

    Raises:
        SourceError: one finds nothing, or no number.
    """
    for name, pattern in patterns.items():
        match = re.search(pattern, text)
        if match is None:
            raise SourceError(f"{place} tells no sum of '{name}' where `{pattern}` looks for it. Correct it, or ask what changed")
        stated(name, match["sum"], place, table, context)


def count(text: str, place: str) -> int:
    """Return a count of rows that stands in `place`, with or without marks between its thousands.

    Raises:
        SourceError: it is none.
    """
    digits = re.sub(r"(?<=\d)[. \u00a0](?=\d{3}(?!\d))", "", text.strip())
    if not digits.isdecimal():
        raise SourceError(f"{place} gives '{text.strip()}' as the count of rows. Correct the pattern, or ask what changed")
    return int(digits)


def of_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, table: TableBase, present: Mapping[str, object]
) -> dict[str, Decimal]:
    """Return the sum of each column whose total is declared, over the rows in `relation`; what is no number counts as nothing."""
    raw = table.raw_names()
    names = [name for name in table.summed() if raw[name] in present]
    if not names:
        return {}
    sums = (f"coalesce(sum({_number(table.columns[name].type, identifier(raw[name]))}), 0)" for name in names)
    row = connection.execute(f"select {', '.join(sums)} from {relation}").fetchone() or ()
    return {name: Decimal(value) for name, value in zip(names, row, strict=True)}


def _number(kind: str, column: str) -> str:
    return str(_macros().converted(kind, column))


@functools.cache
def _macros() -> Any:
    import jinja2

    return jinja2.Environment().from_string(_MACROS.read_text(encoding="utf-8")).module  # noqa: S701 - SQL, not HTML
