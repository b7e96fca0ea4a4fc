"""Fixed width as CPR sends it: a header, records told apart by their first characters, a trailer with their count."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.connectors import totals
from ingestion.connectors.base import DANISH_UTF8, SOURCE_REF, SOURCE_ROW, ReadContext, Row, SourceError, batches, decoded
from ingestion.register.files import FilesTable, FixedSource

if TYPE_CHECKING:
    import pyarrow as pa


def parse(path: Path, ref: str, table: FilesTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the records of the table's type. The file is checked to its trailer before the first is given out."""
    source = table.source
    if not isinstance(source, FixedSource):
        raise TypeError(source)
    wanted, trailer = _check(path, ref, source)
    context.source_rows = (context.source_rows or 0) + wanted
    for name, (start, length) in source.trailer_sums_at.items():
        totals.stated(name, trailer[start - 1 : start - 1 + length], f"the trailer of {ref}", table, context)
    yield from batches(_rows(path, ref, table, source, context))


def _lines(path: Path, ref: str, encoding: str) -> Iterator[tuple[int, str]]:
    """Numbered lines (from 1) without their ends; blank ones, and the end-of-file mark of old systems, are passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if encoding == "utf-8":
                line = line.removeprefix(codecs.BOM_UTF8)
            elif (b"\xc3" in line and any(letter in line for letter in DANISH_UTF8)) or line.startswith(codecs.BOM_UTF8):
                # Each such letter would move what follows it one place to the right.
                raise SourceError(
                    f"{ref}:{number}: the file is UTF-8, not {encoding}. Set `encoding: utf-8`, or ask the vendor what changed"
                )
            try:
                text = decoded(line.rstrip(b"\r\n\x1a"), encoding)
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{ref}:{number}: byte 0x{line[error.start]:02x} is not {encoding}. Correct `encoding`, or ask the vendor"
                ) from None
            if text.strip():
                yield number, text


def _check(path: Path, ref: str, source: FixedSource) -> tuple[int, str]:
    """Return how many records of the table's type the file has, and its trailer, or raise if it isn't whole."""
    records, wanted, last, number, length = 0, 0, "", 0, len(source.record_type)
    for number, line in _lines(path, ref, source.encoding):
        kind = line[:length]
        if records == 0 and not last and kind != source.header:
            raise SourceError(f"{ref}:{number}: begins without the header {source.header}. Ask for the whole file")
        if last[:length] == source.trailer:
            raise SourceError(f"{ref}:{number}: goes on after the trailer {source.trailer}. Ask the vendor what changed")
        records += kind not in (source.header, source.trailer)
        wanted += kind == source.record_type
        last = line
    if last[:length] != source.trailer:
        raise SourceError(f"{ref}:{number}: ends without the trailer {source.trailer}: half-written. Have it sent again")
    if source.trailer_count_at is not None:
        start, digits = source.trailer_count_at
        stated = last[start - 1 : start - 1 + digits].strip()
        if not stated.isdecimal() or int(stated) != records:
            raise SourceError(
                f"{ref}:{number}: the trailer counts {stated or 'nothing'}, the file has {records}. Have it sent again"
            )
    return wanted, last


def _rows(path: Path, ref: str, table: FilesTable, source: FixedSource, context: ReadContext) -> Iterator[Row]:
    raw = table.raw_names()
    places = {raw[name]: column.at for name, column in table.columns.items() if column.at is not None}
    needed = max(start + length - 1 for start, length in places.values())
    given = 0
    for number, line in _lines(path, ref, source.encoding):
        if not line.startswith(source.record_type):
            continue
        if context.limit is not None and given >= context.limit:
            return
        if len(line) < needed:
            context.reject(ref, number, f"linjen er for kort: {len(line)} tegn i stedet for {needed}", line)
            continue
        given += 1
        # Empty places are blanks or, where a mainframe's program did not fill them, NUL.
        row: Row = {name: line[start - 1 : start - 1 + length].rstrip(" \0") or None for name, (start, length) in places.items()}
        yield {**row, SOURCE_REF: ref, SOURCE_ROW: number}
