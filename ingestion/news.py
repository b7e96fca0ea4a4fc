"""What of a load is news: the rows of keys that are new or differ from what is stored, and keys that are gone.

Only news is written. So a row's `_dlt_load_id` names the load with which it became what it is, a snapshot that equals yesterday's
costs nothing downstream, and the load log can say how many rows changed. Rows that share a key are written together or not at
all: staging takes the last of them, and one that was written alone would become the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ingestion.connectors.base import LOAD_ID, SCHEMA, SOURCE_REF, SOURCE_ROW, ReadContext
from ingestion.connectors.duck import identifier, literal

if TYPE_CHECKING:
    import duckdb

    from ingestion.extract import Extract
    from ingestion.register import Table

REPLACED_SHARE = 0.5
"""From this share of a snapshot on, all of it is written: deleting and adding that many rows costs more than a new table."""


def keep(table: Table, name: str, context: ReadContext, found: Extract, snapshot: bool) -> bool:
    """Reduce `found` to what is news against the stored table, and count it in `found.changed_rows`.

    Returns whether the stored table is to be kept and mended: False if all rows of a snapshot are to take its place.
    """
    connection = found.connection
    stored = {column: kind for column, kind, *_ in connection.execute(f'describe {SCHEMA}."{name}"').fetchall()}
    came = {column for column, *_ in connection.execute(f"describe select * from {found.relation}").fetchall()}
    keys = [table.raw_names()[key] for key in table.key]
    if not came <= set(stored) or not set(keys) <= came:
        return False  # A column has come or gone, so every row differs.
    content = {column: kind for column, kind in stored.items() if column not in (LOAD_ID, SOURCE_REF, SOURCE_ROW)}
    connection.execute(_states("came", found.relation, keys, content, came))
    among = "" if snapshot else f"where {_is_among('came', keys, content)}"
    connection.execute(_states("stored", f'(select * from {SCHEMA}."{name}" as row {among})', keys, content, set(stored)))
    same = " and ".join(f"stored.{part} is not distinct from came.{part}" for part in (*_named(keys), "rows", "mix", "last_row"))
    connection.execute(f"create temp table changed as select * from came where not exists (select 1 from stored where {same})")
    gone = (
        f"select * from stored where not {_is_among('came', keys, None, 'stored')}"
        if snapshot
        else "select * from stored limit 0"
    )
    changed, total = _sum(connection, "changed"), _sum(connection, "stored")
    gone_rows = _sum(connection, f"({gone})")
    found.changed_rows = changed + (gone_rows if snapshot else found.deleted_rows)
    if snapshot and changed > REPLACED_SHARE * max(total, 1):
        return False
    replaced = context.workdir / "replaced.parquet"
    listed = ", ".join(_named(keys))
    both = f"select {listed} from ({gone}) union all select {listed} from changed"
    connection.execute(f"copy ({both}) to {literal(str(replaced))} (format parquet)")
    found.replaced = replaced
    if changed < _sum(connection, "came") or found.incoming is not None:
        part = context.workdir / "news.parquet"
        connection.execute(
            f"copy (select * from {found.relation} as row where {_is_among('changed', keys, content)})"
            f" to {literal(str(part))} (format parquet)"
        )
        found.parts = [part] if changed else []
        found.incoming = None
    return True


def apply(connection: duckdb.DuckDBPyConnection, table: Table, name: str, found: Extract, load_id: str | None) -> None:
    """Take the earlier rows of keys that changed, and those of keys that are gone, out of the loaded table."""
    if found.replaced is None:
        return
    keys = [table.raw_names()[key] for key in table.key]
    stored = {column: kind for column, kind, *_ in connection.execute(f'describe {SCHEMA}."{name}"').fetchall()}
    among = _is_among(f"read_parquet({literal(str(found.replaced))})", keys, stored)
    connection.execute(f'delete from {SCHEMA}."{name}" as row where {LOAD_ID} <> ? and {among}', [load_id])


def _states(target: str, relation: str, keys: Sequence[str], content: Mapping[str, str], present: set[str]) -> str:
    """SQL for a table of what each key's rows are: how many, a sum of their digests in any order, and the digest of the last one.

    Two states agree by chance once in 2^64 (MD5, since DuckDB's own `hash` gives texts that differ in two digits the same number
    all too often). Values are compared as what they are stored as, each with its length, so that none runs into the next.
    """
    texts = [
        f"cast(cast({identifier(column)} as {kind}) as varchar)" if column in present else "null::varchar"
        for column, kind in content.items()
    ]
    values = ", ".join(f"strlen({text}), ':', {text}" for text in texts)  # Of what is NULL the `:` alone is left.
    key_values = ", ".join(f"cast({identifier(key)} as {content[key]}) as key_{n}" for n, key in enumerate(keys))
    place = f"{{'ref': {SOURCE_REF}, 'row': {SOURCE_ROW}}}"
    grouped = ", ".join(_named(keys))
    return f"""
        create temp table {target} as
        select {grouped}, count(*) as rows, sum(fingerprint) as mix, arg_max(fingerprint, place) as last_row
        from (
            select {key_values}, {place} as place, md5_number_lower(concat({values})) as fingerprint
            from {relation}
        )
        group by {grouped}
    """


def _named(keys: Sequence[str]) -> list[str]:
    return [f"key_{n}" for n in range(len(keys))]


def _is_among(relation: str, keys: Sequence[str], kinds: Mapping[str, str] | None, row: str = "row") -> str:
    """SQL for: `row` has a key that stands in `relation`. A key without a value equals another without one."""
    pairs = (
        (f"cast({row}.{identifier(key)} as {kinds[key]})" if kinds else f"{row}.key_{n}", f"other.key_{n}")
        for n, key in enumerate(keys)
    )
    same = " and ".join(f"{one} is not distinct from {two}" for one, two in pairs)
    return f"exists (select 1 from {relation} as other where {same})"


def _sum(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select coalesce(sum(rows), 0)::bigint from {relation}").fetchone()
    return int(row[0]) if row else 0
