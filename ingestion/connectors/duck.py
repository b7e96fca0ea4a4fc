"""DuckDB as the connectors use it: a private connection that writes Parquet into the load's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, ReadContext

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Scan:
    """Rows that DuckDB reads off a file in the load's folder when they are loaded, without a copy in between."""

    sql: str
    """A SELECT that names its columns."""
    columns: tuple[str, ...]
    """Raw names, the load's three among them. All are text but `_source_row`."""
    rows: int

    @classmethod
    def of(cls, values: Mapping[str, str], relation: str, rows: int, context: ReadContext, ref: str, row: str) -> Scan:
        """Select `values` (raw name → SQL expression) from `relation`; `ref` is a text, `row` an SQL expression."""
        every = {**values, "_dlt_load_id": literal(context.load_id), SOURCE_REF: literal(ref), SOURCE_ROW: row}
        listed = ", ".join(f"{value} as {identifier(name)}" for name, value in every.items())
        return cls(f"select {listed} from {relation}", tuple(every), rows)

    def with_texts(self, texts: Mapping[str, str | None]) -> Scan:
        """Return the scan with these columns, the same text in every row, added or in place of its own."""
        kept = {name: identifier(name) for name in self.columns if name not in texts}
        every = kept | {name: "null::varchar" if value is None else literal(value) for name, value in texts.items()}
        listed = ", ".join(f"{value} as {identifier(name)}" for name, value in every.items())
        return Scan(f"select {listed} from ({self.sql})", tuple(every), self.rows)


def connect(context: ReadContext) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB that fetches nothing from the network and spills into the load's folder."""
    import duckdb

    return duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": str(context.workdir / "spill"),
        }
    )


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def copy_to_parquet(
    connection: duckdb.DuckDBPyConnection, context: ReadContext, relation: str, columns: list[str], ref: str, row: str
) -> tuple[Path, int]:
    """Write `columns` (SQL expressions) of `relation` to a new Parquet file; return it and its number of rows.

    `ref` is the text of `_source_ref`, `row` the SQL expression of `_source_row`.
    """
    target = context.workdir / f"copy-{len(list(context.workdir.glob('copy-*.parquet'))):05}.parquet"
    selected = ", ".join(
        [*columns, f"{literal(context.load_id)} AS _dlt_load_id", f"{literal(ref)} AS {SOURCE_REF}", f"{row} AS {SOURCE_ROW}"]
    )
    done = connection.execute(f"COPY (SELECT {selected} FROM {relation}) TO {literal(str(target))} (FORMAT parquet)").fetchone()
    return target, done[0] if done else 0
