"""Excel workbooks (xlsx, xls, ods) by calamine: values as text, as a reader of the sheet would say them."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, Row, SourceError, batches
from ingestion.naming import fold
from ingestion.register.files import ExcelSource, FilesTable

if TYPE_CHECKING:
    import pyarrow as pa
    from lxml.etree import _Element
    from python_calamine import CalamineWorkbook

_EPOCH = date(1899, 12, 30)
"""Day 0 of Excel's serial numbers (its 1900 was a leap year)."""


def parse(path: Path, ref: str, table: FilesTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the rows below the headings of each sheet that matches; `_source_ref` is `file#sheet`."""
    from python_calamine import CalamineError, load_workbook

    source = table.source
    if not isinstance(source, ExcelSource):
        raise TypeError(source)
    try:
        with path.open("rb") as file, load_workbook(file) as workbook:
            for sheet in _sheets(workbook, ref, source):
                # From the sheet's first row, whatever is in it, so that places are those a reader sees.
                cells = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
                _fill_in(cells, path, sheet)
                yield from batches(_rows(cells, f"{ref}#{sheet}", table, source, context))
    except CalamineError as error:
        raise SourceError(f"{ref} is not a readable workbook ({error}). Save it anew, without a password") from None


def _sheets(workbook: CalamineWorkbook, ref: str, source: ExcelSource) -> list[str]:
    """Sheets by name, or by pattern; a pattern leaves hidden sheets out."""
    from python_calamine import SheetVisibleEnum

    if source.sheet in workbook.sheet_names:
        return [source.sheet]
    shown = [sheet.name for sheet in workbook.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible]
    found = [name for name in shown if fnmatchcase(name, source.sheet)]
    if not found:
        listed = ", ".join(f"'{name}'" for name in workbook.sheet_names)
        raise SourceError(f"{ref} has no sheet '{source.sheet}', only {listed}. Correct `sheet`, or ask what changed")
    return found


_TELLING = (b't="e"', b"t='e'", b"<f", b":f")
"""Stands in a sheet that has an error or a formula."""
_UNSAID = "*[@t='e' or (*[local-name()='f'] and not(@t='str') and not(string(*[local-name()='v'])))]"
_MOST_ROWS = 1_048_576


def _fill_in(cells: list[list[Any]], path: Path, sheet: str) -> None:
    """Write into `cells` what calamine takes for empty in an xlsx: errors (`#N/A`), and formulas without a result, as programs
    write them that do not calculate. Taken for empty, a sum would lack them, and nobody would be told.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        part = _part(archive, sheet)
        if part is None:
            return
        with archive.open(part) as file:
            if not any(mark in chunk for chunk in _overlapping(file) for mark in _TELLING):
                return
        with archive.open(part) as file:
            for row, column, said in _unsaid(file):
                cells.extend([] for _ in range(len(cells), row))
                values = cells[row - 1]
                values.extend("" for _ in range(len(values), column))
                values[column - 1] = said


def _part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the name of the sheet's file in an xlsx; None if it is none of those."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        book, links = (
            etree.fromstring(archive.read(f"xl/{name}"), parser) for name in ("workbook.xml", "_rels/workbook.xml.rels")
        )
    except (KeyError, etree.XMLSyntaxError):
        return None
    targets = {link.get("Id"): str(link.get("Target")) for link in links.iterchildren("{*}*")}
    for found in book.iter("{*}sheet"):
        if found.get("name") == sheet:
            link = next((value for name, value in found.items() if str(name).endswith("}id")), None)
            part = posixpath.join("/xl", targets.get(link, "")).lstrip("/")
            return part if part in archive.namelist() else None
    return None


def _overlapping(file: IO[bytes]) -> Iterator[bytes]:
    before = b""
    while chunk := file.read(1 << 20):
        yield before[-5:] + chunk
        before = chunk


def _unsaid(file: IO[bytes]) -> Iterator[tuple[int, int, str]]:
    """Yield row and column, from 1, of each cell with an error or a formula without a result, and what stands there."""
    from lxml import etree
    from openpyxl.utils import column_index_from_string

    unsaid, row = etree.XPath(_UNSAID), 0
    for _, element in etree.iterparse(file, tag="{*}row", recover=True, resolve_entities=False, no_network=True, load_dtd=False):
        row = int(element.get("r") or row + 1)
        for cell in cast("list[_Element]", unsaid(element)):
            letters = (cell.get("r") or "").rstrip("0123456789")
            column = column_index_from_string(letters) if letters else len(list(cell.itersiblings(preceding=True))) + 1
            said = cell.findtext("{*}v") or f"={cell.findtext('{*}f') or ''}"
            yield min(row, _MOST_ROWS), column, said
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _rows(cells: list[list[Any]], ref: str, table: FilesTable, source: ExcelSource, context: ReadContext) -> Iterator[Row]:
    below = source.header_row - 1 + source.header_rows
    header = _joined(cells[source.header_row - 1 : below])
    body = list(enumerate(cells[below:], start=below + 1))
    columns = _columns([str(value).strip() for value in header], body, ref)
    if not set(columns.values()) & set(table.raw_names().values()):
        if ref.endswith(f"#{source.sheet}"):
            raise SourceError(
                f"{ref}: row {source.header_row} has none of the declared headings. Correct `header_row`, or ask what changed"
            )
        # Of many sheets one may be a guide or a sum. It is set aside where somebody sees it.
        context.reject(ref, source.header_row, "arket har ingen af de forventede overskrifter", " | ".join(map(str, header)))
        return
    serial = {fold(name) for name, column in table.columns.items() if column.type == "excel_serial"}
    given = 0
    for number, values in body:
        texts = {raw: _text(values[place], raw in serial) for place, raw in columns.items() if place < len(values)}
        if not any(value and value.strip() for value in texts.values()):
            continue
        if context.limit is not None and given >= context.limit:
            return
        given += 1
        yield {**texts, SOURCE_REF: ref, SOURCE_ROW: number}


def _joined(rows: list[list[Any]]) -> list[Any]:
    """Return one row of headings. Above the last row, a heading holds for the empty cells to its right, as in merged cells."""
    if len(rows) <= 1:
        return rows[0] if rows else []
    spread: list[list[str]] = []
    for values in rows[:-1]:
        current = ""
        spread.append([current := str(value).strip() or current for value in values])
    last = [str(value).strip() for value in rows[-1]]
    width = max(map(len, rows))
    stacked = [[row[place] if place < len(row) else "" for row in (*spread, last)] for place in range(width)]
    return [" ".join(dict.fromkeys(title for title in titles if title)) for titles in stacked]


def _columns(header: list[str], body: list[tuple[int, list[Any]]], ref: str) -> dict[int, str]:
    """Place (from 0) → raw name. Without a heading, a column counts only if something stands in it."""
    columns: dict[int, str] = {}
    names = RawNames()  # Of this sheet alone: another may spell the same heading otherwise.
    width = max([len(header), *(len(values) for _, values in body)])
    for place in range(width):
        title = header[place] if place < len(header) else ""
        if not title and not any(place < len(values) and values[place] != "" for _, values in body):
            continue
        raw = names[title or f"kolonne {place + 1}"]
        if raw in columns.values():
            raise SourceError(f"{ref} has two columns called '{title}'. Rename one of them")
        columns[place] = raw
    return columns


def _text(value: Any, serial: bool) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if serial and isinstance(value, date):
        # A date's cell holds its serial number; whether it is shown as a date is formatting.
        return str((value.date() if isinstance(value, datetime) else value).toordinal() - _EPOCH.toordinal())
    if isinstance(value, float):
        # Excel has floats alone: 3234567.0 is a phone number.
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    return str(value.total_seconds()) if isinstance(value, timedelta) else str(value)
