"""Excel workbooks (xlsx, xls, ods) by calamine: values as text, as a reader of the sheet would say them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, Row, SourceError, batches
from ingestion.connectors.excel_unsaid import unsaid
from ingestion.naming import fold
from ingestion.register.files import ExcelSource, FilesTable

if TYPE_CHECKING:
    import pyarrow as pa
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
                _fill_in(cells, path, sheet, workbook.sheet_names.index(sheet))
                context.refs.add(f"{ref}#{sheet}")
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


def _fill_in(cells: list[list[Any]], path: Path, sheet: str, place: int) -> None:
    """Write into `cells` what calamine takes for empty. Taken for empty, a sum would lack it, and nobody would be told."""
    for row, column, said in unsaid(path, sheet, place):
        cells.extend([] for _ in range(len(cells), row))
        values = cells[row - 1]
        values.extend("" for _ in range(len(values), column))
        values[column - 1] = said


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
    if source.trailer_begins is not None:
        body = _above_trailer(body, source.trailer_begins, ref)
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
    if given:
        context.headed(ref, columns.values(), table.content_names())


def _above_trailer(body: list[tuple[int, list[Any]]], begins: str, ref: str) -> list[tuple[int, list[Any]]]:
    for at, (_, values) in enumerate(body):
        first = next((text.strip() for text in (_text(value, False) for value in values) if text and text.strip()), "")
        if re.match(begins, first):
            return body[:at]
    raise SourceError(f"{ref} has no row that begins with '{begins}'. Correct `trailer_begins`, or ask what changed")


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
