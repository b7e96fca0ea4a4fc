"""Budgettildeling: the workbook by which home care is given money for the hours that are granted, kept by hand.

Headings in two rows with merged cells; months as `dd-mm-yyyy` and hours with a decimal comma, both as text; cost centres as
numbers; a sheet a year, a hidden one for the next, and a sum below each.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from demo.defects import CANNOT_CONVERT, MISSING
from demo.municipality import TODAY, Municipality
from demo.population.finance import month_end
from demo.truth import Truth
from demo.values import kroner_dk, kroner_text

SYSTEM = "budgettildeling"
TABLE = "visiterede_timer"
FILE = "Budgettildeling hjemmepleje.xlsx"
YEARS = (2024, 2025, 2026)
PARAGRAPHS = ("§ 83", "§ 83a", "§ 86", "§ 138")
PRICES = {2024: 45_235, 2025: 46_590, 2026: 47_985}
"""Øre per hour."""
UPPER = ("Måned", "Omkostningssted", "Område", "Visiterede timer", None, None, None, "Budget", None)
LOWER = (None, None, None, *PARAGRAPHS, "Timepris", "Beløb")


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the workbook to `folder`."""
    from openpyxl import Workbook

    folder.mkdir(parents=True, exist_ok=True)
    hours = granted_hours(municipality)
    units = [unit for unit in municipality.org_units if unit.kind == "hjemmepleje"]
    rng = random.Random(f"{truth.seed}/{SYSTEM}")
    workbook = Workbook()
    workbook.active.title = "Læs mig"
    workbook.active.append(["Budget følger visiterede timer. Ret kun i de hvide felter."])
    rows, total, sums = 0, 0, Counter[str]()
    for year in YEARS:
        body: list[list[Any]] = []
        for month in _months(year):
            for unit in units:
                each = [hours[unit.id, month, paragraph] for paragraph in PARAGRAPHS]
                amount = sum(each) * PRICES[year] // 100
                body.append(
                    [
                        f"{month:%d-%m-%Y}",
                        float(unit.cost_centre),
                        unit.name,
                        *map(kroner_dk, each),
                        PRICES[year] / 100,
                        amount / 100,
                    ]
                )
                total += amount
                sums.update(dict(zip(PARAGRAPHS, each, strict=True)))
        if year == 2025:
            wrong = rng.randrange(len(body))
            body[wrong][7] = "ca. 470"
            truth.plant(SYSTEM, TABLE, f"budget_timepris: {CANNOT_CONVERT}")
        body.append([None, None, "I alt", None, None, None, None, None, sum(line[8] for line in body)])
        for key in ("maaned", "omkostningssted"):
            truth.plant(SYSTEM, TABLE, f"{key}: {MISSING}")
        _sheet(workbook, str(year), body)
        rows += len(body)
    _sheet(workbook, "2027", [["01-01-2027", 999_999.0, "udkast", "1,0", "1,0", "1,0", "1,0", 500.0, 500.0]])
    workbook["2027"].sheet_state = "hidden"
    workbook.save(folder / FILE)
    truth.table(
        SYSTEM, TABLE, rows, staging=rows - len(YEARS), staging_budget=kroner_text(total),
        staging_timer_83=kroner_text(sums["§ 83"]), staging_timer_138=kroner_text(sums["§ 138"]),
    )  # fmt: skip


def granted_hours(municipality: Municipality) -> Counter[tuple[str, date, str]]:
    """Return hundredths of hours granted, by unit, first day of the month and paragraph."""
    hours: Counter[tuple[str, date, str]] = Counter()
    for grant in municipality.care_grants:
        for year in YEARS:
            for month in _months(year):
                first, last = max(month, grant.start), min(month_end(month), grant.end or TODAY)
                if first <= last:
                    days = (last - first).days + 1
                    hours[grant.org_unit, month, grant.paragraph] += grant.minutes_per_week * days * 100 // (7 * 60)
    return hours


def _months(year: int) -> list[date]:
    """Return the months of `year` that are over."""
    first = [date(year, month, 1) for month in range(1, 13)]
    return [month for month in first if month_end(month) + timedelta(days=1) <= TODAY]


def _sheet(workbook: Any, title: str, body: list[list[Any]]) -> None:
    sheet = workbook.create_sheet(title)
    sheet.append([f"Budgettildeling til hjemmeplejen {title}"])
    sheet.append([])
    sheet.append(list(UPPER))
    sheet.append(list(LOWER))
    for line in body:
        sheet.append(line)
    for cells in ("A3:A4", "B3:B4", "C3:C4", "D3:G3", "H3:I3"):
        sheet.merge_cells(cells)
