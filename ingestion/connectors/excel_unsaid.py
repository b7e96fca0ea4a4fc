"""What calamine takes for empty in a workbook: errors (`#N/A`), and formulas without a result, as programs write them that do not
calculate. Of an old xls the errors alone can be told: there each formula has a result, if only 0.
"""

from __future__ import annotations

import os
import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from ingestion.connectors.base import SAFE_XML

if TYPE_CHECKING:
    from lxml.etree import _Element

Unsaid = tuple[int, int, str]
"""Row and column, from 1, and what stands there."""

_MOST_ROWS = 1_048_576


def unsaid(path: Path, sheet: str, place: int) -> Iterator[Unsaid]:
    """Yield what is not told of the sheet, which is called `sheet` and is number `place` (from 0) in its workbook."""
    if not zipfile.is_zipfile(path):
        yield from _of_xls(path, place)
        return
    with zipfile.ZipFile(path) as archive:
        ods = "content.xml" in archive.namelist()
        part = "content.xml" if ods else _part(archive, sheet)
        if part is None:
            return
        with archive.open(part) as file:
            if not any(mark in chunk for chunk in _overlapping(file) for mark in (_TELLING_ODS if ods else _TELLING)):
                return
        with archive.open(part) as file:
            yield from _of_ods(file, sheet) if ods else _of_xlsx(file)


def _overlapping(file: IO[bytes]) -> Iterator[bytes]:
    before = b""
    while chunk := file.read(1 << 20):
        yield before[-9:] + chunk
        before = chunk


def _rows(file: IO[bytes], tag: str) -> Iterator[_Element]:
    """Yield the elements called `tag`, and forget each when the next is asked for."""
    from lxml import etree

    for _, element in etree.iterparse(file, tag=f"{{*}}{tag}", recover=True, **SAFE_XML):
        yield element
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


# --- xlsx --------------------------------------------------------------------------------------------------------------------

_TELLING = (b't="e"', b"t='e'", b"<f", b":f")
"""Stands in a sheet that has an error or a formula."""
_UNSAID = "*[@t='e' or (*[local-name()='f'] and not(@t='str') and not(string(*[local-name()='v'])))]"


def _part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the name of the sheet's file in an xlsx; None if it is none of those."""
    from lxml import etree

    parser = etree.XMLParser(**SAFE_XML)
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


def _of_xlsx(file: IO[bytes]) -> Iterator[Unsaid]:
    from lxml import etree
    from openpyxl.utils import column_index_from_string

    find, row = etree.XPath(_UNSAID), 0
    for element in _rows(file, "row"):
        row = int(element.get("r") or row + 1)
        for cell in cast("list[_Element]", find(element)):
            letters = (cell.get("r") or "").rstrip("0123456789")
            column = column_index_from_string(letters) if letters else len(list(cell.itersiblings(preceding=True))) + 1
            said = cell.findtext("{*}v") or f"={cell.findtext('{*}f') or ''}"
            yield min(row, _MOST_ROWS), column, said


# --- ods ---------------------------------------------------------------------------------------------------------------------

_TELLING_ODS = (b"formula=",)
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_KIND = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}value-type"
_KIND_OF_CALC = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}value-type"
_ERROR = re.compile(r"#[^\W\d_].*|\w{3,5}:5\d\d")
"""As programs show one that write it as the number 0: `#DIV/0!`, `Err:502`, `Fejl:502`."""


def _of_ods(file: IO[bytes], sheet: str) -> Iterator[Unsaid]:
    row = 0
    for element in _rows(file, "table-row"):
        table = next(element.iterancestors("{*}table"), None)
        if table is None or table.get(f"{_TABLE}name") != sheet:
            continue
        rows, column = int(element.get(f"{_TABLE}number-rows-repeated") or 1), 0
        for cell in element.iterchildren("{*}table-cell", "{*}covered-table-cell"):
            columns = int(cell.get(f"{_TABLE}number-columns-repeated") or 1)
            if (said := _of_cell(cell)) is not None:
                for down in range(rows):
                    yield from ((row + down + 1, column + along + 1, said) for along in range(columns))
            column += columns
        row += rows


def _of_cell(cell: _Element) -> str | None:
    formula = cell.get(f"{_TABLE}formula")
    if formula is None:
        return None
    said = " ".join("".join(map(str, text.itertext())) for text in cell.iterchildren("{*}p"))
    if cell.get(_KIND_OF_CALC) == "error" or _ERROR.fullmatch(said):
        return said
    return None if said or cell.get(_KIND) else formula[formula.find("=") :]


# --- xls ---------------------------------------------------------------------------------------------------------------------


def _of_xls(path: Path, place: int) -> Iterator[Unsaid]:
    import xlrd

    # What is wrong with its sectors is calamine's to say, which reads the values.
    with Path(os.devnull).open("w") as nowhere:
        book = xlrd.open_workbook(path, on_demand=True, logfile=nowhere, ignore_workbook_corruption=True)
        sheet = book.sheet_by_index(place)
    for row in range(sheet.nrows):
        for column, kind in enumerate(sheet.row_types(row)):
            if kind == xlrd.XL_CELL_ERROR:
                code = sheet.cell_value(row, column)
                yield row + 1, column + 1, xlrd.error_text_from_code.get(code, f"#{code}")
