"""EnergyKey: meters and their consumption by SFTP, a file for each year and, for hourly values, each day.

Times are Danish. The hour that comes twice in October is told apart by a mark (S or N), the one missing in March is not there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from demo.defects import CANNOT_CONVERT, MISSING, UNKNOWN_VALUE, Defects
from demo.municipality import Municipality
from demo.rows import Row
from demo.services import Consumption
from demo.truth import Truth

SYSTEM = "energykey"
OUTBOX = "udgaaende"
UNITS = {"el": "kWh", "varme": "kWh", "vand": "m3"}


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the files to `<folder>/udgaaende`, and their truth. Sums are in hundredths."""
    outbox = folder / OUTBOX
    outbox.mkdir(parents=True, exist_ok=True)
    meters = municipality.meters
    defects = Defects(truth, SYSTEM, "maalere", len(meters))
    defects.put("Medie", UNKNOWN_VALUE, 1, "damp")
    rows = defects.spoil(
        ("", {"Installation": m.number, "P-nummer": m.p_number, "Medie": m.medium, "Enhed": UNITS[m.medium]}) for m in meters
    )
    _write(outbox / "maalere.csv", (row for _, row in rows))
    truth.table(SYSTEM, "maalere", len(meters), staging=len(meters))

    monthly = municipality.monthly_consumption
    defects = Defects(truth, SYSTEM, "maanedsforbrug", len(monthly))
    defects.put("Forbrug", CANNOT_CONVERT, 2, "-", "målerfejl")
    defects.put("Installation", MISSING, 1, "", drops_row=True)
    spoilt = defects.spoil(
        (f"{c.start:%Y}", {"Installation": c.meter, "Måned": f"{c.start:%d-%m-%Y}", "Forbrug": _with_comma(c)})
        for c in monthly
    )  # fmt: skip
    by_year: dict[str, list[Row]] = defaultdict(list)
    for year, row in spoilt:
        by_year[year].append(row)
    for year, content in by_year.items():
        _write(outbox / f"maaned_{year}.csv", content)
    kept = sum(c.hundredths for position, c in enumerate(monthly) if defects.kept("Forbrug", position))
    staging = len(monthly) - len(defects.dropped)
    truth.table(SYSTEM, "maanedsforbrug", len(monthly), staging=staging, staging_hundrededele=kept, files=len(by_year))

    hourly = municipality.hourly_consumption
    by_day: dict[str, list[Row]] = defaultdict(list)
    for c in hourly:
        row = {
            "Installation": c.meter, "Tidspunkt": f"{c.start:%d-%m-%Y %H:%M}", "Sommertid": "S" if c.summer else "N",
            "Forbrug": _with_comma(c),
        }  # fmt: skip
        by_day[f"{c.start:%Y-%m-%d}"].append(row)
    for day, content in by_day.items():
        _write(outbox / f"time_{day}.csv", content)
    truth.table(
        SYSTEM, "timeforbrug", len(hourly), staging=len(hourly), hundrededele=sum(c.hundredths for c in hourly), files=len(by_day)
    )


def _with_comma(consumption: Consumption) -> str:
    return f"{consumption.hundredths // 100},{consumption.hundredths % 100:02d}"


def _write(path: Path, rows: Iterable[Row]) -> None:
    """Write rows, all of the same fields, with a heading."""
    with path.open("w", encoding="cp1252", newline="") as file:
        for position, row in enumerate(rows):
            if position == 0:
                file.write(";".join(row) + "\r\n")
            file.write(";".join(row.values()) + "\r\n")
