"""CSV by DuckDB, after one pass in Python that no line gets past uncounted.

The pass decodes, counts separators, sets broken lines aside and writes each sound record, with its line number in front, to a
UTF-8 file that DuckDB cannot misread. DuckDB alone would not do: its own store of rejects knows no line number for the rows it
keeps, and with `strict_mode=false` it drops surplus fields in silence. Lines without quotes are handled in bulk, so that the
pass costs a fraction of DuckDB's own work.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ingestion.connectors import duck
from ingestion.connectors.base import RawNames, ReadContext, SourceError
from ingestion.naming import fold
from ingestion.register.files import CsvSource, FilesTable

_CHUNK = 4 << 20
_BLOCK = 1000
"""Lines that are tried at once."""
_LONGEST_RECORD = 100
"""Lines that one quoted field may span. Beyond it, the opening quote is taken for a stray one."""
_DANISH_UTF8 = tuple(letter.encode() for letter in "æøåÆØÅ")


def parse(path: Path, ref: str, table: FilesTable, context: ReadContext) -> Iterator[Path]:
    """Yield one Parquet file with the records of `path`; `ref` is the file's name at its source."""
    source = table.source
    if not isinstance(source, CsvSource):
        raise TypeError(source)
    clean = path.with_suffix(".clean")
    with clean.open("w", encoding="utf-8", newline="") as target:
        checked = _Pass(source, ref, context, target)
        for first, lines in _chunks(path, source.encoding, ref):
            checked.take(first, lines)
            if checked.full:
                break
        checked.finish()
    if checked.width == 0:
        raise SourceError(f"{ref} is empty: not even a heading. Have it sent again")
    columns = _columns(checked.header, ref, table)
    context.source_rows = (context.source_rows or 0) + checked.records
    if checked.good:
        yield _to_parquet(clean, ref, columns, source, context, checked.good)
    clean.unlink()


def _chunks(path: Path, encoding: str, ref: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the file's lines, some megabytes at a time, each time with the number (from 1) of the first of them."""
    line, rest = 1, b""
    with path.open("rb") as file:
        start = file.read(3)
        if start == b"\xef\xbb\xbf" and encoding != "utf-8":
            raise SourceError(
                f"{ref} begins as a UTF-8 file, not {encoding}. Set `encoding: utf-8`, or ask the vendor what changed"
            )
        rest = b"" if start == b"\xef\xbb\xbf" else start
        while block := file.read(_CHUNK):
            whole, newline, tail = (rest + block).rpartition(b"\n")
            if newline:
                lines = _decode(whole, encoding, line, ref)
                yield line, lines
                line, rest = line + len(lines), tail
            else:
                rest = tail
    if rest:
        yield line, _decode(rest, encoding, line, ref)


def _decode(data: bytes, encoding: str, line: int, ref: str) -> list[str]:
    if encoding != "utf-8" and b"\xc3" in data:
        found = min((at for at in map(data.find, _DANISH_UTF8) if at >= 0), default=None)
        if found is not None:
            number = line + data.count(b"\n", 0, found)
            raise SourceError(
                f"{ref}:{number}: the file is UTF-8, not {encoding}. Set `encoding: utf-8`, or ask the vendor what changed"
            )
    try:
        return data.decode(encoding).replace("\r\n", "\n").removesuffix("\r").split("\n")
    except UnicodeDecodeError as error:
        number = line + data.count(b"\n", 0, error.start)
        hint = "Set `encoding: cp1252`" if encoding == "utf-8" else "Find the right `encoding`"
        raise SourceError(
            f"{ref}:{number}: byte 0x{data[error.start]:02x} is not {encoding}. {hint}, or ask the vendor what changed"
        ) from None


@dataclass
class _Pass:
    """The pass over the lines: what is sound goes to `target`, what isn't to the context's rejects."""

    source: CsvSource
    ref: str
    context: ReadContext
    target: IO[str]
    header: list[str] = field(default_factory=list)
    width: int = 0
    good: int = 0
    records: int = 0
    """Everything that is a record, sound or not."""
    _open: list[str] = field(default_factory=list)
    """Lines of a record whose quoted field has not been closed yet."""

    def __post_init__(self) -> None:
        separator, quote = re.escape(self.source.separator), re.escape(self.source.quote)
        self._quoted = re.compile(rf"(?:(?<=^)|(?<={separator})){quote}(?:[^{quote}]|{quote}{quote})*{quote}(?=$|{separator})")
        self._opening = re.compile(rf"(?:^|{separator}){quote}")

    @property
    def full(self) -> bool:
        return self.context.limit is not None and self.good >= self.context.limit

    def take(self, first: int, lines: list[str]) -> None:
        """Go through `lines`, of which the first has the number `first`."""
        if self.width == 0:
            self.header = self._fields(lines[0])
            self.width = len(self.header)
            first, lines = first + 1, lines[1:]
        # In blocks, so that one strange line takes only its neighbours off the fast path.
        for start in range(0, len(lines), _BLOCK):
            number, block = first + start, lines[start : start + _BLOCK]
            if self._open:
                number, block = number - len(self._open), self._open + block
                self._open = []
            if self.full:
                return
            if self.context.limit is not None or not (self._plain(number, block) or self._regular(number, block)):
                self._one_by_one(number, block, last=False)

    def finish(self) -> None:
        """The end of the file: a record still open now is never closed."""
        lines, self._open = self._open, []
        self._one_by_one(self._open_at, lines, last=True)

    def _plain(self, first: int, lines: list[str]) -> bool:
        """Write `lines` as they are if each is a record without quotes: the common case, and the fastest."""
        separator, joined = self.source.separator, "\n".join(lines)
        if self.source.quote in joined or "\r" in joined or "\0" in joined or self.width == 1:
            return False
        if [line.count(separator) for line in lines].count(self.width - 1) != len(lines):
            return False
        self.target.writelines([f"{number}{separator}{line}\n" for number, line in enumerate(lines, first)])
        self._count(len(lines))
        return True

    def _regular(self, first: int, lines: list[str]) -> bool:
        """Write `lines` anew if each is a record with its quotes in order, as where every field is quoted."""
        dialect: Any = {"delimiter": self.source.separator, "quotechar": self.source.quote, "strict": True}
        try:
            records = list(csv.reader(lines, **dialect))
        except csv.Error:
            return False
        if [len(record) for record in records].count(self.width) != len(lines) or any("\0" in line for line in lines):
            return False
        numbered = ([str(number), *record] for number, record in enumerate(records, first))
        csv.writer(self.target, lineterminator="\n", **dialect).writerows(numbered)
        self._count(len(lines))
        return True

    def _count(self, good: int) -> None:
        self.good += good
        self.records += good

    _open_at: int = 0

    def _one_by_one(self, first: int, lines: list[str], last: bool) -> None:
        at = 0
        while at < len(lines) and not self.full:
            number, record, taken = first + at, lines[at], 1
            while self._unclosed(record) and taken < _LONGEST_RECORD and at + taken < len(lines):
                record += "\n" + lines[at + taken]
                taken += 1
            if self._unclosed(record):
                if not last and taken < _LONGEST_RECORD:
                    self._open, self._open_at = lines[at:], number
                    return
                # A stray quote must not swallow the lines that follow.
                self._reject(number, "anførselstegn uden afslutning", lines[at])
                taken = 1
            elif record.strip():
                self._record(number, record)
            at += taken

    def _unclosed(self, record: str) -> bool:
        return self.source.quote in record and self._opening.search(self._quoted.sub("", record)) is not None

    def _record(self, number: int, record: str) -> None:
        separator, quote = self.source.separator, self.source.quote
        if "\0" in record:
            self._reject(number, "NUL-tegn i linjen", record.replace("\0", "␀"))
            return
        fields = self._fields(record) if quote in record else record.split(separator)
        if len(fields) != self.width:
            many = "for mange" if len(fields) > self.width else "for få"
            self._reject(number, f"{many} felter: {len(fields)} i stedet for {self.width}", record)
            return
        if quote in record or "\r" in record:
            # Quotes as DuckDB expects them, whatever the source's habits; a bare CR would end the line.
            record = separator.join(f"{quote}{value.replace(quote, quote * 2)}{quote}" for value in fields)
        self.target.write(f"{number}{separator}{record}\n")
        self._count(1)

    def _fields(self, record: str) -> list[str]:
        # newline="": a line break inside a field belongs to its value.
        reader = csv.reader(io.StringIO(record, newline=""), delimiter=self.source.separator, quotechar=self.source.quote)
        return next(reader, [])

    def _reject(self, number: int, reason: str, record: str) -> None:
        self.context.reject(self.ref, number, reason, record)
        self.records += 1


def _columns(header: list[str], ref: str, table: FilesTable) -> list[str]:
    """Raw names for the headings; a column without one is called by its place."""
    titles = [title.strip() or f"kolonne {place}" for place, title in enumerate(header, start=1)]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice is not None:
        raise SourceError(f"{ref} has two columns called '{twice}'. Have one of them renamed in the source")
    if not {fold(title) for title in titles} & set(table.raw_names().values()):
        # The line is not quoted: without headings it holds somebody's data.
        raise SourceError(f"{ref}:1: none of the declared headings is here. Check `separator`, or ask the vendor what changed")
    names = RawNames()  # Of this file alone: another may spell the same heading otherwise.
    return [names(title) for title in titles]


def _to_parquet(clean: Path, ref: str, columns: list[str], source: CsvSource, context: ReadContext, expected: int) -> Path:
    import duckdb

    line = "line number"  # No folded name has a blank, so this one is free.
    kinds = ", ".join(f"{duck.literal(name)}: 'VARCHAR'" for name in columns)
    quote = duck.literal(source.quote)
    relation = (
        f"read_csv({duck.literal(str(clean))}, auto_detect = false, header = false, delim = {duck.literal(source.separator)}, "
        f"quote = {quote}, escape = {quote}, new_line = '\\n', max_line_size = 33554432, "
        f"columns = {{{duck.literal(line)}: 'BIGINT', {kinds}}})"
    )
    with duck.connect(context) as connection:
        try:
            path, rows = duck.copy_to_parquet(
                connection, context, relation, list(map(duck.identifier, columns)), ref, duck.identifier(line)
            )
        except duckdb.Error as error:
            said = str(error).splitlines()[0][:200]
            raise SourceError(f"{ref} cannot be read ({said}). Ask the vendor what changed") from None
    if rows != expected:
        raise SourceError(f"{ref}: {expected} records stand in the file, {rows} came out. Report it to the platform's team")
    return path
