"""A workbook for each department: what its systems hold that could not be read, for whoever corrects it at the source.

Danish, since department staff read it. It says where a row stands in the source, not whose it is: values come from the
quarantine, which shows only the shape of what is confidential (9 for digits, a for letters).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.danish_time import written
from ingestion.home import Home, replaced
from ingestion.messages import one_line
from ingestion.register import Register, System
from ingestion.register.vocabulary import terms

if TYPE_CHECKING:
    import duckdb
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

MOST_ROWS = 50_000
"""Rows listed for one system: beyond that a fault is not mended row by row."""
HEADINGS = {
    "System": 22,
    "Tabel": 22,
    "Kolonne": 24,
    "Hvad er galt": 34,
    "Værdi eller dens form": 30,
    "Følge": 26,
    "Rækkens nøgle": 40,
    "Fil, adresse eller tabel": 34,
    "Linje eller nummer": 12,
    "Siden": 17,
    "Rettes af": 34,
}
"""Heading → width in characters."""
LINKS = {
    "System": 22,
    "Skrevet": 40,
    "Forslag": 44,
    "Sandsynlighed": 14,
    "Nøgle": 38,
    "Afgørelse (ja/nej)": 18,
    "Begrundelse": 40,
}
"""The same, of what record linkage asks a person; the last two are for the answer, which goes into `seeds/koblinger.csv`."""


@dataclass(frozen=True)
class Fault:
    """An entry of the quarantine."""

    table: str
    column: str | None
    value: str | None
    reason: str
    row_key: list[str | None] | None
    row_dropped: bool
    load_id: str
    source_ref: str | None
    source_row: int | None


def write_workbooks(register: Register, home: Home) -> dict[str, Path]:
    """Write `<home>/workbooks/<department>.xlsx` for each department with entries in the quarantine, or links to decide.

    Returns the files by department; one without any has no file. They are readable by their owner only, and replaced whole.

    Raises:
        duckdb.IOException: another process is building the warehouse, or its file is damaged.
        duckdb.CatalogException: nothing has been built yet.
    """
    import duckdb

    folder = home.path / "workbooks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        counts = dict(connection.execute("select system_id, count(*) from quality.quarantine group by all").fetchall())
        for department in sorted({system.department for system in register.systems.values()}):
            path = folder / f"{department}.xlsx"
            of = [system for system in register.systems.values() if system.department == department and counts.get(system.id)]
            links = connection.execute(
                "select system_id, tekst, forslag, tillid::double, maal from marts.mart_koblinger_til_gennemsyn"
                " where fagomraade = ? order by system_id, tekst, tillid desc",
                [department],
            ).fetchall()
            if of or links:
                book = _book(department, of, counts, connection)
                if links:
                    _ask(book, [(register.systems[system].title, *rest) for system, *rest in links])
                _save(book, path)
                files[department] = path
            else:
                path.unlink(missing_ok=True)
    return files


def _book(department: str, systems: list[System], counts: dict[str, int], connection: duckdb.DuckDBPyConnection) -> Workbook:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    overview = book.create_sheet("Overblik")
    overview.column_dimensions["A"].width, overview.column_dimensions["C"].width = 34, 40
    overview.append(_cells(overview, [f"{terms('departments')[department].title}: hvad der skal rettes i kilden"], bold=True))
    overview.append(
        _cells(overview, [f"Skrevet {written(datetime.now(UTC))}. Rettes det i kildesystemet, forsvinder det herfra næste nat."])
    )
    overview.append([])
    overview.append(_cells(overview, ["System", "Antal", "Rettes af"], bold=True))
    for system in systems:
        overview.append(_cells(overview, [system.title, counts[system.id], _steward(system)]))
    sheet = _sheet(book, "Rettes i kilden", HEADINGS)
    for system in systems:
        for fault in _faults(system, connection):
            sheet.append(_cells(sheet, _row(system, fault)))
        if counts[system.id] > MOST_ROWS:
            more = f"og {counts[system.id] - MOST_ROWS} til; se tabellen quality.quarantine"
            sheet.append(_cells(sheet, [system.title, "", "", more]))
    return book


def _ask(book: Workbook, links: list[tuple[str, str, str, float, str]]) -> None:
    """Add what a person is to decide: a row for each text and suggestion."""
    sheet = _sheet(book, "Koblinger", LINKS)
    for system, text, suggestion, likelihood, key in links:
        sheet.append(_cells(sheet, [system, text, suggestion or "", f"{likelihood:.2f}".replace(".", ","), key, "", ""]))


def _sheet(book: Workbook, title: str, headings: Mapping[str, int]) -> WriteOnlyWorksheet:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{chr(ord('A') + len(headings) - 1)}1"
    for letter, width in zip("ABCDEFGHIJK", headings.values(), strict=False):
        sheet.column_dimensions[letter].width = width
    sheet.append(_cells(sheet, list(headings), bold=True))
    return sheet


def _save(book: Workbook, path: Path) -> None:
    with replaced(path) as draft, os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        book.save(file)


def _faults(system: System, connection: duckdb.DuckDBPyConnection) -> Iterator[Fault]:
    found = connection.execute(
        "select table_name, column_name, raw_value, reason, row_key, row_dropped, load_id, source_ref, source_row"
        " from quality.quarantine"
        f" where system_id = ? order by table_name, reason, column_name, source_ref, source_row limit {MOST_ROWS}",
        [system.id],
    )
    while row := found.fetchone():
        yield Fault(*row)


def _row(system: System, fault: Fault) -> list[str | int]:
    table = system.tables.get(fault.table)
    labels = {} if table is None else {raw: table.columns[source].label for source, raw in table.raw_names().items()}
    columns = ", ".join(labels.get(name, name) for name in (fault.column or "").split(", "))
    keys = [] if table is None else [table.columns[source].label for source in table.key]
    # By this a row is found again in a system that has no files: its number in the answer tells nobody anything.
    key = ", ".join(f"{label} {value}" for label, value in zip(keys, fault.row_key or (), strict=False) if value)
    return [
        system.title,
        fault.table if table is None else table.title,
        columns,
        fault.reason,
        fault.value or "",
        "Rækken er ikke med" if fault.row_dropped else "Værdien er tom",
        key,
        one_line(fault.source_ref or ""),
        "" if fault.source_row is None else fault.source_row,
        _since(fault.load_id),
        _steward(system),
    ]


def _since(load_id: str) -> str:
    """Return the Danish time of a load: its id is dlt's, seconds since 1970."""
    return written(datetime.fromtimestamp(float(load_id), UTC))


def _steward(system: System) -> str:
    return f"{system.data_steward.team} ({system.data_steward.email})"


def _cells(sheet: WriteOnlyWorksheet, values: Sequence[str | int], *, bold: bool = False) -> list[WriteOnlyCell]:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font

    cells = []
    for value in values:
        cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("?", value) if isinstance(value, str) else value)
        if isinstance(value, str):
            # What a source wrote is never a formula, whatever it begins with.
            cell.data_type = "s"
        if bold:
            cell.font = Font(bold=True)
        cells.append(cell)
    return cells
