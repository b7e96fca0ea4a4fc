"""DuckDB as a load uses it: one for the work file and for all that is read for it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, ReadContext

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

MEMORY_VARIABLE = "FAELLESDATA_LANDING_MEMORY"
"""How much memory DuckDB may take for one load, as DuckDB writes it; beyond that it spills."""
TOO_LITTLE = f"its rows take more memory than a load has. Raise {MEMORY_VARIABLE}, or leave out what is long"
"""What is said where that does not suffice, though DuckDB spills: some 2,000 rows are in memory at once, of whatever length."""


@dataclass(frozen=True)
class Scan:
    """Rows that DuckDB reads off a file in the load's folder when they are loaded, without a copy in between."""

    given: str
    """A SELECT that names its columns."""
    named: tuple[str, ...]
    rows: int
    first: int | None = None
    """`_source_row` of the first row, where the others follow one by one. Else it is among what is `given`."""

    @classmethod
    def of(cls, values: Mapping[str, str], relation: str, rows: int, context: ReadContext, ref: str, row: str | int) -> Scan:
        """Select `values` (raw name → SQL expression) from `relation`; `ref` is a text, `row` an SQL expression or the first."""
        every = {**values, "_dlt_load_id": literal(context.load_id), SOURCE_REF: literal(ref)}
        if isinstance(row, str):
            every[SOURCE_ROW] = row
        listed = ", ".join(f"{value} as {identifier(name)}" for name, value in every.items())
        return cls(f"select {listed} from {relation}", tuple(every), rows, row if isinstance(row, int) else None)

    @classmethod
    def joined(cls, scans: Sequence[Scan]) -> Scan:
        """Return one scan of all that stands in several; what others have and one lacks is null in it."""
        names = dict.fromkeys(name for scan in scans for name in scan.columns)
        return cls(" union all by name ".join(f"({scan.sql})" for scan in scans), tuple(names), sum(scan.rows for scan in scans))

    @property
    def sql(self) -> str:
        """A SELECT of all columns."""
        return self.given if self.first is None else self._placed(f"row_number() over () + {self.first - 1}")

    @property
    def unplaced(self) -> str:
        """The same without the rows' places, where these are to follow: to number rows DuckDB reads in one thread."""
        return self.given if self.first is None else self._placed("0::bigint")

    def _placed(self, place: str) -> str:
        return f"select *, {place} as {SOURCE_ROW} from ({self.given})"

    @property
    def columns(self) -> tuple[str, ...]:
        """Raw names, the load's three among them. All are text but `_source_row`."""
        return self.named if self.first is None else (*self.named, SOURCE_ROW)

    def with_texts(self, texts: Mapping[str, str | None]) -> Scan:
        """Return the scan with these columns, the same text in every row, added or in place of its own."""
        kept = {name: identifier(name) for name in self.named if name not in texts}
        every = kept | {name: "null::varchar" if value is None else literal(value) for name, value in texts.items()}
        listed = ", ".join(f"{value} as {identifier(name)}" for name, value in every.items())
        return replace(self, given=f"select {listed} from ({self.given})", named=tuple(every))

    def without_empty(self, names: Collection[str], context: ReadContext) -> Scan:
        """Return the scan without those of the columns `names` in which nothing stands."""
        if not names:
            return self
        asked = [name for name in self.named if name in names]
        with connect(context) as connection:
            listed = ", ".join(f"max(nullif(trim({identifier(name)}), ''))" for name in asked)
            found = connection.execute(f"select {listed} from ({self.given})").fetchone() or ()
        empty = {name for name, value in zip(asked, found, strict=True) if value is None}
        kept = tuple(name for name in self.named if name not in empty)
        return replace(self, given=f"select {', '.join(map(identifier, kept))} from ({self.given})", named=kept)


@dataclass(frozen=True)
class Incoming:
    """A table of the load's work file that a large snapshot is written to, once; it then takes the place of the one before."""

    relation: str
    """Its name, as SQL."""
    least_rows: int
    """What has fewer rows goes the way of all others, which costs less then."""


@dataclass(frozen=True)
class Stored:
    """Rows that stand in the load's `Incoming` table."""

    rows: int


def connect(context: ReadContext, extension: str = "") -> duckdb.DuckDBPyConnection:
    """Return a connection to the load's own DuckDB or, where there is none, to one in memory.

    `extension` is loaded from its wheel. Its signature is looked at once in a process: that takes 0.15 s, a table's whole budget.
    """
    connection = context.database.cursor() if context.database is not None else opened(context.workdir)
    if extension:
        _look_at_signature(extension)
        load_extension(connection, extension)
    return connection


def opened(folder: Path, work: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open the load's `work` file, or a database in memory: nothing comes from the network, and what spills stays in `folder`.

    Each DuckDB opened costs 13 ms of CPU, so a load has one. To close it closes its cursors.
    """
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # Only extensions from their wheels are loaded, and `_look_at_signature` checks those.
        "allow_unsigned_extensions": True,
        "temp_directory": str(folder / "spill"),
        # DuckDB's own limit is 80 % of the machine, and it keeps in memory what it has written: 1.4 GB for a file of 5 GB.
        "memory_limit": os.environ.get(MEMORY_VARIABLE) or "512MiB",
        # A new file takes the latest storage version, which packs text in a fifth less time; one that is there keeps its own.
        "storage_compatibility_version": "latest",
    }
    connection = duckdb.connect(str(work) if work else ":memory:", config=settings)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # As dlt does; what is read must not depend on the machine's.
    return connection


@functools.cache
def _look_at_signature(extension: str) -> None:
    import duckdb

    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        load_extension(connection, extension)


def load_extension(connection: Connection, extension: str) -> None:
    """Load a DuckDB extension as it lies in its wheel: `INSTALL` would copy it into the user's home, which a service has not."""
    import duckdb

    wheel = resources.files(f"duckdb_extension_{extension}")
    connection.execute(f"load {literal(str(wheel / 'extensions' / f'v{duckdb.__version__}' / f'{extension}.duckdb_extension'))}")


@contextlib.contextmanager
def in_own_threads(connection: Connection) -> Iterator[None]:
    """Run each statement in the thread that calls it, and in no other.

    For sources that one thread reads: DuckDB's others had nothing to do, and at every other time kept asking for it, which took
    twice the CPU.
    """
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute("RESET threads")


@contextlib.contextmanager
def packed_fast(connection: Connection) -> Iterator[None]:
    """Pack text with zstd: left to choose, DuckDB packs it in two thirds of the size, and takes twice the time for it."""
    connection.execute("SET force_compression = 'zstd'")
    try:
        yield
    finally:
        connection.execute("RESET force_compression")


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def select(columns: list[str], relation: str, context: ReadContext, ref: str, row: str) -> str:
    """Return SQL for `columns` (SQL expressions) of `relation` with the load's own three.

    `ref` is the text of `_source_ref`, `row` the SQL expression of `_source_row`.
    """
    ours = [f"{literal(context.load_id)} AS _dlt_load_id", f"{literal(ref)} AS {SOURCE_REF}", f"{row} AS {SOURCE_ROW}"]
    return f"SELECT {', '.join([*columns, *ours])} FROM {relation}"


def keep(
    connection: Connection, context: ReadContext, selected: str, incoming: Incoming | None, part: int | None = None
) -> Path | Stored:
    """Write the rows of a SELECT to `incoming` or, without one, to a new Parquet file.

    As one `part` of several they are added to what is there.
    """
    if incoming is not None:
        return store(connection, incoming, selected) if part is None else add(connection, incoming, selected)
    target = context.workdir / f"copy-{part or 0:05}.parquet"
    connection.execute(f"COPY ({selected}) TO {literal(str(target))} (FORMAT parquet)")
    return target


def store(connection: Connection, incoming: Incoming, selected: str) -> Stored:
    """Write the rows of a SELECT to `incoming`, which must not be there yet."""
    done = connection.execute(f"CREATE TABLE {incoming.relation} AS {selected}").fetchone()
    return Stored(done[0] if done else 0)


def add(connection: Connection, incoming: Incoming, selected: str) -> Stored:
    """Add the rows of a SELECT to `incoming`."""
    done = connection.execute(f"INSERT INTO {incoming.relation} {selected}").fetchone()
    return Stored(done[0] if done else 0)
