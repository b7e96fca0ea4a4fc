"""What calamine takes for empty in a workbook: errors (`#N/A`), and formulas without a result, as programs write them that do not
calculate. Of an old xls the errors alone can be told: there each formula has a result, if only 0.
"""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from lxml.etree import _Element

Unsaid = tuple[int, int, str]
"""Row and column, from 1, and what stands there."""

_SAFE: Any = {"resolve_entities": False, "no_network": True, "load_dtd": False}
_MOST_ROWS = 1_048_576


def unsaid(path: Path, sheet: str, place: int) -> Iterator[Unsaid]:
    """Yield what is not told of the sheet, which is called `sheet` and is number `place` (from 0) in its workbook."""
    if not zipfile.is_zipfile(path):
        yield from _of_xls(path.read_bytes(), place)
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

    for _, element in etree.iterparse(file, tag=f"{{*}}{tag}", recover=True, **_SAFE):
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

    parser = etree.XMLParser(**_SAFE)
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

_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}
_BEGIN, _END, _SHEET, _FORMULA, _ERROR_OR_BOOLEAN = 0x0809, 0x000A, 0x0085, 0x0006, 0x0205
"""Kinds of records (MS-XLS 2.3)."""


def _of_xls(data: bytes, place: int) -> Iterator[Unsaid]:
    book = _book(data)
    sheets = [struct.unpack_from("<I", record)[0] for kind, record in _records(book, 0) if kind == _SHEET]
    for kind, record in _records(book, sheets[place]) if place < len(sheets) else ():
        if kind == _ERROR_OR_BOOLEAN and len(record) >= 8:
            row, column, _, code, is_error = struct.unpack_from("<HHHBB", record)
        elif kind == _FORMULA and len(record) >= 14:
            row, column, _, what, code, told = struct.unpack_from("<HHHBxB3xH", record)
            is_error = told == 0xFFFF and what == 2
        else:
            continue
        if is_error:
            yield row + 1, column + 1, _ERRORS.get(code, f"#{code}")


def _records(book: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of each record from `at` to the end that belongs to the beginning there; charts stand within."""
    depth = 0
    while at + 4 <= len(book):
        kind, length = struct.unpack_from("<HH", book, at)
        depth += (kind == _BEGIN) - (kind == _END)
        if depth <= 0:
            return
        if depth == 1:
            yield kind, book[at + 4 : at + 4 + length]
        at += 4 + length


def _book(data: bytes) -> bytes:
    """Return the workbook out of the folder of files that an xls is (MS-CFB)."""
    size, mini_size = 1 << struct.unpack_from("<H", data, 30)[0], 1 << struct.unpack_from("<H", data, 32)[0]
    folder_at, cutoff, mini_fat_at, _, more_at, more = struct.unpack_from("<I4xIIIII", data, 48)

    def sector(number: int) -> bytes:
        return data[(number + 1) * size : (number + 2) * size]

    def numbers(content: bytes) -> list[int]:
        return list(struct.unpack(f"<{len(content) // 4}I", content[: len(content) // 4 * 4]))

    def chain(start: int, following: list[int]) -> Iterator[int]:
        for _ in following:  # No longer than there are sectors, or it goes in a ring.
            if start >= len(following):
                return
            yield start
            start = following[start]

    parts = numbers(data[76:512])
    for _ in range(more):
        *some, more_at = numbers(sector(more_at))
        parts += some
    fat = [number for part in parts if part < len(data) // size for number in numbers(sector(part))]

    def stream(start: int) -> bytes:
        return b"".join(map(sector, chain(start, fat)))

    folder = stream(folder_at)
    entries = [folder[at : at + 128] for at in range(0, len(folder), 128)]
    for entry in entries:
        name = entry[: struct.unpack_from("<H", entry, 64)[0]].decode("utf-16-le", "replace").rstrip("\0")
        if name.lower() in ("workbook", "book"):
            start, length = struct.unpack_from("<II", entry, 116)
            if length >= cutoff:
                return stream(start)[:length]
            small = stream(struct.unpack_from("<I", entries[0], 116)[0])
            links = numbers(stream(mini_fat_at))
            return b"".join(small[at * mini_size : (at + 1) * mini_size] for at in chain(start, links))[:length]
    return b""
