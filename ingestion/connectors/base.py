"""What every connector gets and gives.

A connector is a module with one function, `read(system, table_name, table, context)`, that yields batches. A batch is an Arrow
table, or a Parquet file that DuckDB has written (then no row passes through Python). Its columns carry raw names (see
`ingestion.naming.fold`), plus `_source_ref` and `_source_row`. Values are as the source wrote them: text, except from SQL.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from ingestion.naming import fold
from ingestion.register.basics import Limits

if TYPE_CHECKING:
    import duckdb
    import msgspec
    import pyarrow as pa

    from ingestion.connectors.duck import Incoming

BATCH_ROWS = 50_000
_AT_ONCE = 1_000
"""Rows turned into Arrow together. While a whole batch was gathered, Python's collector went through it again and again."""
SCHEMA = "raw"
"""Of all tables in a raw file."""
LOAD_ID = "_dlt_load_id"
SOURCE_REF = "_source_ref"
SOURCE_ROW = "_source_row"
LACKING = "Correct `each`, ask what changed or, where there may be none, set `each_missing: empty`"
DANISH_UTF8 = tuple(letter.encode() for letter in "æøåÆØÅ")
"""What shows that text is UTF-8 in a file that is said to be something else."""
SAFE_XML: Any = {"resolve_entities": False, "no_network": True, "load_dtd": False}
"""For lxml's parsers: what a source sends reads no file of ours, and asks no network."""

Row = dict[str, str | int | None]
"""A row of text with its integer `_source_row`."""


_CONTROLS = bytes(range(0x80, 0xA0))
_IN_CP1252 = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in _CONTROLS}


def decoded(data: bytes, encoding: str) -> str:
    """Return text. What is called latin-1 has quotation marks, dashes and the euro sign of cp1252 where latin-1 itself has
    control characters, which nobody writes: browsers read it so, too.

    Raises:
        UnicodeDecodeError: it is in another encoding.
    """
    text = data.decode(encoding)
    odd = encoding == "latin-1" and not data.isascii() and len(data.translate(None, _CONTROLS)) < len(data)
    return text.translate(_IN_CP1252) if odd else text


def file_ref(name: str) -> str:
    """Return what `_source_ref` calls a file: there, a `#` stands between an archive or a workbook and what is inside it."""
    return name.replace("#", "%23")


class SourceError(Exception):
    """A table cannot be read. The message is one line: what happened and what to do. `check`: the check that says so, if any."""

    def __init__(self, message: str, *, check: str = "") -> None:
        super().__init__(message)
        self.check = check


class NotThereError(SourceError):
    """Nothing stands at the address (HTTP 404)."""


class RefusedError(SourceError):
    """The server cannot answer what it is asked (HTTP 400, 500)."""


class GoneError(SourceError):
    """What stood at the address is gone for good (HTTP 410)."""


def too_long(limits: Limits) -> SourceError:
    return SourceError(f"took more than {limits.table_seconds} s. Ask the vendor why, or raise limits.table_seconds")


@dataclass
class ReadContext:
    """One table's load: what is known from earlier loads goes in, what the connector learns comes out."""

    workdir: Path
    """Private folder for downloads and Parquet files; removed after the load."""
    load_id: str
    since: str | None = None
    """The cursor's highest value so far, less its lag: text as the source wrote it (ISO for SQL). None reads everything."""
    files_seen: Mapping[str, str] = field(default_factory=dict)
    """File name → fingerprint, for files that earlier loads have taken."""
    period: str | None = None
    """Read the files of this period alone, whether they were taken before or not."""
    files_taken: Mapping[str, str] = field(default_factory=dict)
    """With a `period`: file name → fingerprint of all that were taken before. What was archived since is known by them."""
    beside: Collection[str] = ()
    """Names of what other tables take from the same files. In a file that holds nothing else, this table has no rows."""
    limit: int | None = None
    """Stop after about this many rows (preview)."""
    quota_file: Path | None = None
    """Where the system's calls of the day are counted."""
    token: str | None = None
    """Where the source's own list of changes (OData's delta link) goes on. None reads everything."""
    incoming: Incoming | None = None
    """Where a large snapshot may be written. None where rows are added to those that are there."""
    database: duckdb.DuckDBPyConnection | None = None
    """The load's own DuckDB, whose main database is the work file."""
    shared: Path | None = None
    """Folder that the tables of one load share, for answers that serve several."""

    files_loaded: dict[str, str] = field(default_factory=dict)
    """Out: file name → fingerprint of the files read now."""
    files_touched: dict[str, str] = field(default_factory=dict)
    """Out: file name → fingerprint of files that came again and hold what earlier loads took from them."""
    refs: set[str] = field(default_factory=set)
    """Out: what rows are said to come from (`_source_ref`), of files."""
    failed_files: dict[str, str] = field(default_factory=dict)
    """Out: file name → fingerprint of the file that could not be read."""
    source_rows: int | None = None
    """Out: the source's own count of the rows it should have given (count query, `$count`, trailer record)."""
    sums: dict[str, Decimal] = field(default_factory=dict)
    """Out: by source name, the source's own sum of each column whose control total is declared."""
    next_token: str | None = None
    """Out: where the list of changes goes on at the next load."""
    lacking: dict[str, str] = field(default_factory=dict)
    """Out: declared column → the first of the files (or sheets) with rows whose headings lack it, though others may have it."""
    guessed: bool = False
    """Out: no types were told, and the values' own were taken: of a query no database but PostgreSQL tells any."""
    complete: bool = False
    """Out: an increment was asked for, and everything came."""
    deletions: int = 0
    """Out: keys that the source tells are deleted. A row that comes after it is told so is one made anew, and stays."""
    rejects: int = 0
    first_reject: str = ""
    """Where it stands, and why."""
    _reject_file: IO[str] | None = None
    _deletion_file: IO[str] | None = None

    @property
    def deletion_path(self) -> Path:
        return self.workdir / "deletions.jsonl"

    @property
    def reject_path(self) -> Path:
        return self.workdir / "rejects.jsonl"

    def headed(self, ref: str, came: Collection[str], declared: Mapping[str, str]) -> None:
        """Note which of the `declared` columns (source name → raw name) a file lacks in which `came` (raw names) are headings."""
        for name, raw in declared.items():
            if raw not in came:
                self.lacking.setdefault(name, ref)

    def reject(self, source_ref: str, source_row: int | None, reason: str, raw_text: str, column: str | None = None) -> None:
        """Set aside what cannot be read as a row: it is landed beside the table and counted, never dropped."""
        if self._reject_file is None:
            self._reject_file = self.reject_path.open("a", encoding="utf-8", errors="replace")
        record = {
            "source_ref": source_ref,
            "source_row": source_row,
            "column_name": column,
            "reason": reason,
            "raw_text": raw_text,
        }
        self._reject_file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self.refs.add(source_ref)
        self.first_reject = self.first_reject or f"{source_ref}{'' if source_row is None else f':{source_row}'}: {reason}"
        self.rejects += 1

    def delete(self, key: Mapping[str, str | None], place: int = 0) -> None:
        """Tell that the row with `key` (raw name → value as text) is gone from the source.

        `place` is where this is told among the rows: those of the key that came before it are gone too.
        """
        if self._deletion_file is None:
            self._deletion_file = self.deletion_path.open("a", encoding="utf-8")
        self._deletion_file.write(json.dumps({**key, SOURCE_ROW: place}, ensure_ascii=False) + "\n")
        self.deletions += 1

    def flush_deletions(self) -> None:
        """Bring them to disk, to be read."""
        if self._deletion_file is not None:
            self._deletion_file.flush()

    def close(self) -> None:
        if self._deletion_file is not None:
            self._deletion_file.close()
            self._deletion_file = None
        if self._reject_file is not None:
            self._reject_file.close()
            self._reject_file = None


class Number(str):
    """A JSON number as the text it had in the source (`1.10` stays `1.10`)."""

    __slots__ = ()


_MINUS_ZERO = r"-0(?![0-9.eE])"
"""The one integer that does not print as it was written. Also found within text, where it costs time only."""


def loads(content: str | bytes) -> Any:
    """Parse JSON so that `text` gives each number as it was written: it is a `Number`, or an `int` that prints the same.

    Raises:
        ValueError, RecursionError: it is none, or goes too deep, as Python's own parser says it.
    """
    odd = re.search(_MINUS_ZERO, content) if isinstance(content, str) else re.search(_MINUS_ZERO.encode(), content)
    if not odd:
        # What is faulty, and what Python alone takes: NaN, half a surrogate, UTF-16, thousands of digits.
        with suppress(ValueError, RecursionError):
            return _decoder().decode(content)
    return json.loads(content, parse_float=Number, parse_int=Number, parse_constant=Number)


@functools.cache
def _decoder() -> msgspec.json.Decoder[Any]:
    import msgspec

    return msgspec.json.Decoder(float_hook=Number)


_written = json.JSONEncoder(ensure_ascii=False).encode


def text(value: Any) -> str | None:
    """Return a JSON value as the text it had in the source: scalars plain, objects and lists as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):  # Before all others: to have each written as JSON took a seventh of reading OData.
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _compact(value)


def _compact(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(name)}:{_compact(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    return str(value) if isinstance(value, Number) else _written(value)  # Which would put quotes round a number kept as text.


class RawNames(dict[str, str]):
    """The raw name of each source name of one table.

    Raises:
        SourceError: another source name has that raw name already: one column would swallow the other.
    """

    def __missing__(self, source: str) -> str:
        raw = fold(source)
        if raw in self.values():
            other = next(name for name, known in self.items() if known == raw)
            raise SourceError(f"columns '{other}' and '{source}' both become '{raw}'. Have one of them renamed in the source")
        self[source] = raw
        return raw


_Item = TypeVar("_Item")


def batches(rows: Iterable[Mapping[str, str | int | None]]) -> Iterator[pa.Table]:
    """Gather rows of text (and an integer `_source_row`) into Arrow tables of at most `BATCH_ROWS` rows.

    Each table has every column that any of its rows has; a row without it gets NULL.
    """
    return gather(rows, _of_rows)


def gather(items: Iterable[_Item], to_table: Callable[[list[_Item]], pa.Table]) -> Iterator[pa.Table]:
    """Have `items` turned `to_table`, some at a time; what follows upon `batches` holds for the tables that come of it."""
    import pyarrow as pa

    tables: list[pa.Table] = []
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        tables.append(to_table(some))
        if len(tables) * _AT_ONCE >= BATCH_ROWS:
            yield pa.concat_tables(tables, promote_options="default")
            tables = []
    if tables:
        yield pa.concat_tables(tables, promote_options="default")


def _of_rows(rows: Sequence[Mapping[str, str | int | None]]) -> pa.Table:
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    given = {name: [row.get(name) for row in rows] for name in names}
    return pa.table({name: pa.array(some, pa.int64()) if name == SOURCE_ROW else _texts(some) for name, some in given.items()})


def _texts(values: Sequence[Any]) -> pa.Array:
    """Return texts as an Arrow column. Half an emoji, where a source cut a text off, becomes the mark for what is no letter."""
    import pyarrow as pa

    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        whole = [value and value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for value in values]
        return pa.array(whole, pa.string())


def by_name(records: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    """Return the values of each name that any of the `records` has, None where one lacks it."""
    names = tuple(records[0])
    if len(names) > 1 and {*map(len, records)} == {len(names)}:
        with suppress(KeyError):  # Where all have the same names, as most do, half the time.
            return dict(zip(names, zip(*map(itemgetter(*names), records), strict=True), strict=True))
    return {name: [record.get(name) for record in records] for name in dict.fromkeys(chain.from_iterable(records))}


def column(values: Sequence[Any], to_text: Callable[[Any], str | None] = text) -> pa.Array:
    """Return JSON values as an Arrow column of text. Arrow takes those that are all text, integers or booleans in one go."""
    import pyarrow as pa

    with suppress(TypeError, UnicodeEncodeError):
        return pa.array(values, pa.string())
    kinds = {*map(type, values)} - {type(None)}
    if kinds == {bool}:
        return pa.array(values, pa.bool_()).cast(pa.string())
    if kinds == {int}:
        with suppress(OverflowError):  # More than 64 bits.
            return pa.array(values, pa.int64()).cast(pa.string())
    return _texts(list(map(to_text, values)))


def placed(columns: Mapping[str, pa.Array], ref: str, ordinals: Sequence[int]) -> pa.Table:
    """Return a table of `columns` and where its rows stand in the source."""
    import pyarrow as pa

    refs = pa.repeat(pa.scalar(ref, pa.string()), len(ordinals))
    return pa.table({**columns, SOURCE_REF: refs, SOURCE_ROW: pa.array(ordinals, pa.int64())})
