"""FBS/Cicero, the library system: its statistics module's exports. Latin-1, a title above, a count below.

Until June 2026 the statistics counted renewals among the loans; since then they stand in a column of their own.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from pathlib import Path

from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW, MISSING, UNKNOWN_VALUE
from demo.files import TOO_FEW_FIELDS
from demo.municipality import Municipality
from demo.services import Loans
from demo.truth import Truth

SYSTEM = "fbs"
TABLE = "udlaan"
HEADER = "Periode;Filialnr;Lånernummer;Materialetype;Udlån;Fornyelser"
NEW_STATISTICS = date(2026, 7, 1)


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the list of branches and a file for each month."""
    folder.mkdir(parents=True, exist_ok=True)
    branches = [f"{branch.number};{branch.name};{branch.org_unit}" for branch in municipality.library_branches]
    _write(folder / "filialer.csv", ["Filialnr;Filial;Enhed", *branches])
    truth.table(SYSTEM, "filialer", len(branches), staging=len(branches))

    loans = municipality.loans
    lines = [_line(each) for each in loans]
    spoilt = random.Random(f"{truth.seed}/{SYSTEM}").sample(range(len(loans)), 7)
    unreadable, unknown, without_branch, short, *twice = spoilt
    lines[unreadable] = _changed(lines[unreadable], 4, "tre")
    lines[unknown] = _changed(lines[unknown], 3, "Værktøj")
    lines[without_branch] = _changed(lines[without_branch], 1, "")
    lines[short] = lines[short].rpartition(";")[0]
    by_month: dict[date, list[str]] = defaultdict(list)
    for each, line in zip(loans, lines, strict=True):
        by_month[each.month].append(line)
    for position in twice:
        by_month[loans[position].month].append(lines[position])
    for kind, count in (
        (f"udlaan: {CANNOT_CONVERT}", 1), (f"materialetype: {UNKNOWN_VALUE}", 1), (f"filialnr: {MISSING}", 1),
        (TOO_FEW_FIELDS, 1), (DUPLICATE_ROW, len(twice)),
    ):  # fmt: skip
        truth.plant(SYSTEM, TABLE, kind, count)
    for month, content in by_month.items():
        title = [f"Udlånsstatistik for Odsherred Bibliotekerne;{month:%m-%Y}", "Udtrukket af FBS-CMS"]
        _write(folder / f"udlaan_{month:%Y-%m}.csv", [*title, HEADER, *content, f"I alt {len(content)} linjer"])
    # The material is part of the key: a row whose material is not known has none, and is set aside whole.
    sound = [each for position, each in enumerate(loans) if position not in (unreadable, unknown, without_branch, short)]
    truth.table(
        SYSTEM, TABLE, len(lines) + len(twice), staging=len(lines) - 3, staging_udlaan=sum(_counted(each) for each in sound),
        laanere=len({each.patron for each in loans}),
    )  # fmt: skip


def _counted(loans: Loans) -> int:
    return loans.loans + (loans.renewals if loans.month < NEW_STATISTICS else 0)


def _line(loans: Loans) -> str:
    renewals = "" if loans.month < NEW_STATISTICS else str(loans.renewals)
    return f"{loans.month:%d-%m-%Y};{loans.branch};{loans.patron};{loans.material};{_counted(loans)};{renewals}"


def _changed(line: str, position: int, value: str) -> str:
    fields = line.split(";")
    fields[position] = value
    return ";".join(fields)


def _write(path: Path, lines: list[str]) -> None:
    with path.open("w", encoding="latin-1", newline="") as file:
        file.writelines(f"{line}\r\n" for line in lines)
