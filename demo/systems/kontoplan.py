"""The authorised chart of accounts: functions and groupings, a CSV file of each a year. Names are from `seeds/`."""

from __future__ import annotations

import csv
from pathlib import Path

from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW
from demo.municipality import Municipality
from demo.population.common import SEED_FILE
from demo.truth import Truth

SYSTEM = "kontoplan"
YEARS = (2023, 2024, 2025, 2026)
RETIRED = "6.45.56"
"""A function that the edition of 2026 no longer has."""
NEW = "4.62.88"
"""One that came with the edition of 2025."""
GROUPINGS = (
    ("1", "001", "Drift i almindelighed"), ("1", "002", "Betaling til andre kommuner"), ("1", "999", "Øvrige"),
    ("2", "001", "Statsrefusion"), ("3", "001", "Anlæg"),
)  # fmt: skip


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the files to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    functions = _seed("kontoplan_funktioner")
    main = _seed("hovedkonti")
    function_rows = grouping_rows = 0
    for year in YEARS:
        present = {
            code: name
            for code, name in functions.items()
            if not (year == 2026 and code == RETIRED) and not (year < 2025 and code == NEW)
        }
        lines = [f"{code};{code[0]};{main[code[0]]};{code[:4]};{name}" for code, name in present.items()]
        used = [code for code in present if code[0] in "3456"]
        groups = [f"{code};{dranst};{group};{name}" for code in used for dranst, group, name in GROUPINGS]
        if year == 2025:
            lines.insert(7, lines[6])
            truth.plant(SYSTEM, "funktioner", DUPLICATE_ROW)
            groups[4] = groups[4].replace(";3;", ";anlæg;")
            truth.plant(SYSTEM, "grupperinger", f"dranst: {CANNOT_CONVERT}")
        head = f"Autoriseret kontoplan for kommuner {year}"
        _write(folder / f"Kontoplan_{year}.csv", head, "Funktion;Hovedkonto;Hovedkontonavn;Hovedfunktion;Funktionsnavn", lines)
        _write(folder / f"Grupperinger_{year}.csv", head, "Funktion;Dranst;Gruppering;Grupperingsnavn", groups)
        function_rows += len(lines)
        grouping_rows += len(groups)
    truth.table(SYSTEM, "funktioner", function_rows, staging=function_rows - 1, udgaver=len(YEARS))
    truth.table(SYSTEM, "grupperinger", grouping_rows, staging=grouping_rows - 1)


def _write(path: Path, title: str, header: str, lines: list[str]) -> None:
    text = "".join(f"{line}\r\n" for line in (title, header, *lines))
    path.write_text(text, encoding="utf-8-sig", newline="")


def _seed(name: str) -> dict[str, str]:
    """Return the first two columns of a seed."""
    with SEED_FILE.with_name(f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return {row[0]: row[1] for row in list(csv.reader(file))[1:]}
