"""JSON files: a document with a list of records, or a record on each line. Numbers keep the text they have in the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import ReadContext, SourceError, loads
from ingestion.connectors.records import Record, Records
from ingestion.register.files import FilesTable, JsonSource

if TYPE_CHECKING:
    import pyarrow as pa


def parse(path: Path, ref: str, table: FilesTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the records of `path` as rows of text."""
    source = table.source
    if not isinstance(source, JsonSource):
        raise TypeError(source)
    records = Records(table, ref, "$" if source.lines else source.records, source.each, context, source.each_missing)
    yield from records.batches(_found(path, ref, source, context, records))


def _found(path: Path, ref: str, source: JsonSource, context: ReadContext, records: Records) -> Iterator[Record]:
    before = context.source_rows or 0
    if source.lines:
        for number, line in _lines(path, ref):
            try:
                body = loads(line)
            except (ValueError, RecursionError) as error:
                context.reject(ref, number, f"linjen er ikke JSON ({error})", line)
                continue
            if source.each is None:
                records.ordinal = number - 1  # The line's number, so that a row can be found again.
            yield from records.of([body])
            if records.enough:
                return
        return
    body = document(path, ref)
    yield from records.of(body)
    if context.limit is None:
        context.source_rows = before + records.ordinal


def document(path: Path, ref: str) -> Any:
    """Return what stands in the file, its numbers as text."""
    try:
        return loads(path.read_bytes())  # Which tells by its beginning whether it is UTF-16, as PowerShell writes it.
    except UnicodeDecodeError as error:
        raise SourceError(f"{ref}: byte 0x{error.object[error.start]:02x} is not utf-8. Ask the vendor what changed") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{ref} is not whole or not JSON ({error}). Have it sent again") from None


def _lines(path: Path, ref: str) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{ref}:{number}: byte 0x{line[error.start]:02x} is not utf-8. Ask the vendor what changed"
                ) from None
            if text:
                yield number, text
