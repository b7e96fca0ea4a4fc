"""Delimited text: checked in bulk, and read by DuckDB straight from the file into the raw table.

The file is cut into pieces of whole lines, as UTF-8. Where a piece has a record on each of its lines, DuckDB's reading cannot
differ from ours and a row's line number is its place in the piece; it is read once, when it is loaded, and no row passes through
Python or through a Parquet file (which took twice the time at 2,000,000 rows x 12 columns). That is so where no quote stands in
it and each line has as many separators as the next; of others DuckDB counts the records, strictly, while the next is cut. Any
other piece goes the careful way (`csv_records`): DuckDB's own store of rejects knows no line number for the rows it keeps, and
with `strict_mode=false` it drops fields in silence.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ingestion.connectors import csv_records, duck, totals
from ingestion.connectors.alphabets import utf8
from ingestion.connectors.base import RawNames, ReadContext, SourceError
from ingestion.naming import fold
from ingestion.register.files import CsvSource, FilesTable

_CHUNK = 1 << 20
"""Bytes; with four times as many, memory is fetched anew for each and every look at them takes twice as long."""
_PIECE = 2 * 122_880
"""Lines of a piece: one strange line takes only its own piece the careful way. A multiple of DuckDB's row group, since a piece
that ends within one leaves a part of a row group, which is packed twice and made the raw file half as large again."""
_HEADING_LINES = 20
"""That headings may take up, or a stray quote among them would swallow the file."""
_COUNTING = 2
"""Pieces that are counted at once: a piece is one buffer of DuckDB's, which one thread reads."""
_LONGEST = 32 << 20
"""Bytes of a line. DuckDB takes memory for sixteen such lines at once if nothing is said."""
_BUFFER = 4 << 20
"""Bytes that DuckDB reads at once where no line is longer: what both cores have left to do in the end is less then."""
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_LINE = "line number"
"""A column beside those of the file; no folded name has a blank, so this is free."""


@dataclass
class _Piece:
    """Whole lines of the file."""

    path: Path
    first: int
    """Number, from 1, of the first line."""
    lines: int = 0
    fields: int = -1
    """How many fields stand on each line, none of them quoted; 0 where they are not as many, or a quote stands somewhere."""
    plain: bool = True
    """Whether, as far as a look at the bytes can tell, each line is one record."""
    longest: int = 0
    """Bytes; no line has more."""


class _Block(NamedTuple):
    """Whole lines as they come off the file, as UTF-8 with bare line feeds."""

    first: int
    """Number, from 1, of the first line."""
    lines: int
    fields: int
    """As `_Piece` has them."""
    text: bytes


def parse(path: Path, ref: str, table: FilesTable, context: ReadContext) -> Iterator[duck.Scan]:
    """Yield the records of `path`; `ref` is the file's name at its source."""
    source = table.source
    if not isinstance(source, CsvSource):
        raise TypeError(source)
    above: list[str] = []
    trailer: list[str] = []
    columns: list[str] = []
    counted: list[tuple[_Piece, Future[bool]]] = []
    with duck.connect(context) as connection, ThreadPoolExecutor(_COUNTING) as counting:
        for piece in _cut(path, ref, source, above, trailer):
            columns = columns or _columns(above, ref, source, table)
            if not source.header and not counted:
                _refuse_headings(piece, columns, ref, source)
            counted.append((piece, counting.submit(_is_regular, connection, piece, columns, source)))
            if context.limit is not None:
                break  # A preview needs no more.
    columns = columns or _columns(above, ref, source, table)
    if context.limit is None:
        _recognise("trailer", source.trailer_begins, trailer, ref)
    numbered = path.with_suffix(".numbered")
    records = 0
    regular: list[list[_Piece]] = []
    with numbered.open("w", encoding="utf-8", newline="") as target:
        careful = csv_records.Records(source, ref, context, target, len(columns), above[-1] if source.header else None)
        for piece, in_order in counted:
            if not careful.inside_a_record and in_order.result():
                records += piece.lines
                if regular and regular[-1][-1].first + regular[-1][-1].lines == piece.first:
                    regular[-1].append(piece)
                else:
                    regular.append([piece])
            else:
                for first, lines in _lines(piece, source):
                    careful.take(first, lines)
                piece.path.unlink()
            if context.limit is not None and records + careful.good >= context.limit:
                break
        careful.finish()
    records += careful.records
    if context.limit is None:
        _reconcile(trailer, records, ref, source)
        totals.found(source.trailer_sums, "\n".join(trailer), f"the trailer of {ref}", table, context)
    context.source_rows = (context.source_rows or 0) + records
    if records:
        context.headed(ref, columns, table.content_names())
    for run in regular:
        # One scan for a run of pieces: each insert of its own would cost DuckDB half as much again.
        paths, held = [piece.path for piece in run], sum(piece.lines for piece in run)
        yield _scan(paths, held, columns, source, ref, context, run[0].first, max(piece.longest for piece in run))
    if careful.good:
        found = _scan([numbered], careful.good, columns, source, ref, context, duck.identifier(_LINE))
        _check_count(found, ref, context)
        yield found


def _cut(path: Path, ref: str, source: CsvSource, above: list[str], trailer: list[str]) -> Iterator[_Piece]:
    """Cut the file into pieces; put the lines above the records (preamble, then headings) and those below them into the lists."""
    wanted = source.preamble_lines + source.header
    piece: _Piece | None = None
    number = 0
    file = None
    try:
        for first, lines, fields, block in _without_last(_blocks(path, source, ref), source, trailer):
            while lines and (len(above) < wanted or _goes_on(above, source)):
                line, _, block = block.partition(b"\n")
                if len(above) < wanted:
                    above.append(line.decode())
                else:
                    above[-1] += "\n" + line.decode()
                first, lines = first + 1, lines - 1
            while lines:
                if piece is None or file is None:
                    piece = _Piece(path.with_suffix(f".{number:05}"), first)
                    file, number = piece.path.open("wb"), number + 1
                taken = min(lines, _PIECE - piece.lines)
                fitting = block if taken == lines else _first_lines(block, taken)
                file.write(fitting)
                piece.lines += taken
                piece.longest = max(piece.longest, len(fitting))
                piece.fields = fields if piece.fields in (-1, fields) else 0
                piece.plain = piece.plain and (fields > 0 or _looks_plain(fitting, source))
                if source.header and _has_line(fitting, above[-1].encode()):
                    piece.fields, piece.plain = 0, False
                first, lines, block = first + taken, lines - taken, block[len(fitting) :]
                if piece.lines == _PIECE:
                    file.close()
                    yield piece
                    piece = None
    finally:
        if file is not None:
            file.close()
    if piece is not None:
        yield piece


def _goes_on(above: list[str], source: CsvSource) -> bool:
    """Whether a heading has line breaks in it, as in Excel, and the next line belongs to it."""
    return source.header and above[-1].count("\n") < _HEADING_LINES and csv_records.unclosed(above[-1], source)


def _has_line(block: bytes, line: bytes) -> bool:
    """Whether `line` stands in the block, as headings do where files were put together, or a report begins a new page."""
    return block.startswith(line + b"\n") or b"\n" + line + b"\n" in block or block.endswith(b"\n" + line)


def _first_lines(block: bytes, count: int) -> bytes:
    """Return the first `count` lines of `block`, which has more."""
    return block[: len(block) - len(block.split(b"\n", count)[-1])]


def _blocks(path: Path, source: CsvSource, ref: str, *, sound: bool = False) -> Iterator[_Block]:
    """Yield the file. `sound`: it is UTF-8 with bare line feeds already."""
    encoding = "utf-8" if sound else source.encoding
    line, rest = 1, b""
    chunks = _chunks(path, encoding, ref)
    first = next(chunks, b"")
    for mark, name in _MARKS.items():
        if first.startswith(mark) and not encoding.startswith(name):
            raise SourceError(
                f"{ref} begins as a {name.upper()} file, not {encoding}. Set `encoding: {name}`, or ask the vendor what changed"
            )
    if not sound and b"\r" in first and b"\n" not in first:
        # Lines end as they did on old Macs; else a bare CR is a part of its value.
        first, chunks = first.replace(b"\r", b"\n"), (chunk.replace(b"\r", b"\n") for chunk in chunks)
    for block in chain([first.removeprefix(codecs.BOM_UTF8)], chunks):
        end = block.rfind(b"\n") + 1
        if end:
            whole = rest + block[:end]
            whole = whole if sound else utf8(whole, encoding, line, ref)
            lines, fields = _look(whole, source)
            yield _Block(line, lines, fields, whole)
            line += lines
            rest = block[end:]
        else:
            rest += block
    # Programs of DOS's time end a file with Ctrl-Z.
    if rest and (whole := rest if sound else utf8(rest.rstrip(b"\x1a"), encoding, line, ref)):
        yield _Block(line, whole.count(b"\n") + (not whole.endswith(b"\n")), 0, whole)


def _chunks(path: Path, encoding: str, ref: str) -> Iterator[bytes]:
    """Yield the file as it is, but UTF-16 as UTF-8: in its bytes no line's end can be seen."""
    with path.open("rb") as file:
        if encoding != "utf-16":
            yield from iter(lambda: file.read(_CHUNK), b"")
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while block := file.read(_CHUNK):
                yield decoder.decode(block).encode()
            decoder.decode(b"", final=True)
        except UnicodeError:
            raise SourceError(f"{ref} is not UTF-16, or half-written. Find the right `encoding`, or have it sent again") from None


def _without_last(blocks: Iterator[_Block], source: CsvSource, last: list[str]) -> Iterator[_Block]:
    """Pass the blocks on, but for the trailer's lines, the last that are not blank: those go into `last`."""
    count = source.trailer_lines
    if count == 0:
        yield from blocks
        return
    held = b""
    number = 1
    for first, _, _, block in blocks:
        if not held:
            number = first
        held += block
        kept = held.rstrip(b"\n").rsplit(b"\n", count)
        if len(kept) > count:
            body = kept[0] + b"\n"
            lines, fields = _look(body, source)
            yield _Block(number, lines, fields, body)
            number += lines
            held = held[len(body) :]
    last.extend(line.decode() for line in held.rstrip(b"\n").split(b"\n"))


def _look(block: bytes, source: CsvSource) -> tuple[int, int]:
    """Return how many lines end in the block, and how many fields each of them has: 0 if not all have as many, or a quote or
    control character is among them.

    Separators and line ends in order, and nothing else, tell it in a tenth of the time that it takes to read the records.
    """
    separator = source.separator.encode()
    if len(separator) == 1 and len(block) < _LONGEST and not any(odd in block for odd in (b"\r", b"\0", source.quote.encode())):
        ends = block.translate(None, _all_but(separator + b"\n"))
        first = ends[: ends.find(b"\n") + 1]
        lines = len(ends) // max(len(first), 1)
        if first and ends == first * lines:
            return lines, len(first)
    return block.count(b"\n"), 0


@functools.cache
def _all_but(kept: bytes) -> bytes:
    return bytes(byte for byte in range(256) if byte not in kept)


def _looks_plain(block: bytes, source: CsvSource) -> bool:
    """Whether quotes, if there are any, only open and close whole fields, and nothing else is odd."""
    if b"\r" in block or b"\0" in block:
        return False
    separator, quote = source.separator.encode(), source.quote.encode()
    if quote not in block:
        return True
    total = block.count(quote)
    opening = block.count(separator + quote) + block.count(b"\n" + quote) + block.startswith(quote)
    closing = block.count(quote + separator) + block.count(quote + b"\n") + block.endswith(quote)
    return total == opening + closing and opening == closing


def _is_regular(connection: duck.Connection, piece: _Piece, columns: list[str], source: CsvSource) -> bool:
    """Return whether one record stands on each of the piece's lines, by their look or as DuckDB counts them at its strictest."""
    import duckdb

    # A single column has no separator by which a broken line would show, and a blank line in it would be a row.
    if not piece.plain or len(columns) == 1:
        return False
    if piece.fields == len(columns):
        return True
    try:
        with connection.cursor() as cursor:
            counted = cursor.execute(f"select count(*) from {_read_csv([piece.path], columns, source)}").fetchone()
    except duckdb.Error:
        return False
    return counted == (piece.lines,)


def _lines(piece: _Piece, source: CsvSource) -> Iterator[tuple[int, list[str]]]:
    for block in _blocks(piece.path, source, "", sound=True):
        yield piece.first + block.first - 1, block.text.decode().removesuffix("\n").split("\n")


def _read_csv(paths: list[Path], columns: list[str], source: CsvSource, longest: int = _LONGEST) -> str:
    buffer = _BUFFER if longest < _BUFFER else _LONGEST
    kinds = ", ".join(f"{duck.literal(name)}: '{'BIGINT' if name == _LINE else 'VARCHAR'}'" for name in columns)
    quote, listed = duck.literal(source.quote), ", ".join(duck.literal(str(path)) for path in paths)
    return (
        f"read_csv([{listed}], auto_detect = false, header = false, delim = {duck.literal(source.separator)}, "
        f"quote = {quote}, escape = {quote}, new_line = '\\n', max_line_size = {buffer}, buffer_size = {buffer}, "
        f"columns = {{{kinds}}}, filename = false)"
    )


def _scan(
    paths: list[Path],
    rows: int,
    columns: list[str],
    source: CsvSource,
    ref: str,
    context: ReadContext,
    line: str | int,
    longest: int = _LONGEST,
) -> duck.Scan:
    stored = [_LINE, *columns] if line == duck.identifier(_LINE) else columns
    relation = _read_csv(paths, stored, source, longest)
    values = {name: _unwrapped(name) if source.excel_text else duck.identifier(name) for name in columns}
    if context.limit is not None:
        relation += f" limit {context.limit}"
    return duck.Scan.of(values, relation, rows if context.limit is None else min(rows, context.limit), context, ref, line)


def _unwrapped(name: str) -> str:
    """`="0012"`, as written for Excel's sake, is 0012."""
    column = duck.identifier(name)
    return (
        f"""case when {column} like '="%"' then replace(substr({column}, 3, length({column}) - 3), '""', '"') else {column} end"""
    )


def _check_count(found: duck.Scan, ref: str, context: ReadContext) -> None:
    """The careful way writes what DuckDB must read back in full."""
    import duckdb

    with duck.connect(context) as connection:
        try:
            counted = connection.execute(f"select count(*) from ({found.sql})").fetchone()
        except duckdb.Error as error:
            said = str(error).splitlines()[0][:200]
            raise SourceError(f"{ref} cannot be read ({said}). Ask the vendor what changed") from None
    came = counted[0] if counted else 0
    if came != found.rows:
        raise SourceError(f"{ref}: {found.rows} records stand in the file, {came} came out. Report it to the platform's team")


def _refuse_headings(first: _Piece, columns: list[str], ref: str, source: CsvSource) -> None:
    """Raise if a file without headings has them today: they would be a record."""
    with first.path.open("rb") as file:
        titles = csv_records.fields(file.readline(_CHUNK).decode(errors="replace").rstrip("\n"), source)
    if [fold(title) for title in titles] == columns:
        raise SourceError(f"{ref}:{first.first}: the columns' names stand here. Leave out `header: false`, or ask what changed")


def _recognise(what: str, begins: str | None, lines: list[str], ref: str) -> None:
    """Refuse lines that would be passed over, and are others than those that the register knows: records, most likely."""
    if begins is not None and re.match(begins, lines[0] if lines else "") is None:
        raise SourceError(f"{ref}: where the {what} stood stands something else. Correct `{what}_begins`, or ask what changed")


def _reconcile(trailer: list[str], records: int, ref: str, source: CsvSource) -> None:
    """Hold the trailer's count, where it states one, against the records of the file."""
    if source.trailer_count is None:
        return
    found = re.search(source.trailer_count, "\n".join(trailer))
    if found is None:
        raise SourceError(f"{ref} ends without the trailer that tells its count: half-written. Have it sent again")
    if totals.count(found["rows"], f"the trailer of {ref}") != records:
        raise SourceError(f"{ref}: the trailer counts {found['rows']}, the file has {records}. Have it sent again")


def _columns(above: list[str], ref: str, source: CsvSource, table: FilesTable) -> list[str]:
    """Raw names for the headings, the last line `above` the records; a column without one is called by its place."""
    _recognise("preamble", source.preamble_begins, above, ref)
    if not source.header:
        return list(table.content_names().values())
    if len(above) <= source.preamble_lines:
        raise SourceError(f"{ref} is empty: not even a heading. Have it sent again")
    header = [source.titles.get(title.strip(), title) for title in csv_records.fields(above[-1], source)]
    titles = [title.strip() or f"kolonne {place}" for place, title in enumerate(header, start=1)]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice is not None:
        raise SourceError(f"{ref} has two columns called '{twice}'. Have one of them renamed in the source")
    if not {fold(title) for title in titles} & set(table.raw_names().values()):
        # The line is not quoted: without headings it holds somebody's data.
        raise SourceError(f"{ref}:1: none of the declared headings is here. Check `separator`, or ask the vendor what changed")
    names = RawNames()  # Of this file alone: another may spell the same heading otherwise.
    return [names[title] for title in titles]
