"""KMD Insight Custom Data: referrals from Sofus as a pair of files, general columns in `Data_` and their names in `Meta_`.

The template has 53 general columns, of which a drop uses some. Dates stand as Excel's serial numbers in numeric columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW, UNKNOWN_VALUE, Defects, broken_cpr
from demo.files import cpr_then
from demo.municipality import Municipality
from demo.systems.specialtilbud import serial
from demo.truth import Truth

SYSTEM = "kmd_insight"
TABLE = "henvisninger"
GENERAL = (
    *(f"Dato{n}" for n in range(1, 6)), "Klokkeslæt1", "Klokkeslæt2", "CPR", *(f"Tekst{n}" for n in range(1, 31)),
    *(f"Numerisk{n}" for n in range(1, 16)),
)  # fmt: skip
NAMES = {
    "CPR": "CPR-nummer", "Tekst1": "Henvisningsnr.", "Tekst2": "Institutionsnr.", "Tekst3": "Årsag", "Tekst4": "Udfald",
    "Numerisk1": "Modtaget", "Numerisk2": "Afsluttet", "Numerisk3": "Timer",
}  # fmt: skip


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write a pair of files for each year to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    referrals = municipality.referrals
    defects = Defects(truth, SYSTEM, TABLE, len(referrals))
    defects.plant("CPR-nummer", CANNOT_CONVERT, 2, _break_cpr, drops_row=True)
    defects.put("Modtaget", CANNOT_CONVERT, 2, "12/3 i år")
    defects.put("Årsag", UNKNOWN_VALUE, 2, "andet")
    years: dict[int, list[str]] = defaultdict(list)
    spoilt = zip(referrals, defects.spoil(_rows(municipality)), strict=True)
    for referral, (_, row) in spoilt:
        years[referral.received.year].append(";".join(str(row.get(NAMES.get(name, ""), "")) for name in GENERAL))
    sound = next(i for i in range(len(referrals)) if not any(i in spots for spots in defects.unreadable.values()))
    year = referrals[sound].received.year
    again = sum(referral.received.year == year for referral in referrals[:sound])
    years[year].append(years[year][again])
    truth.plant(SYSTEM, TABLE, DUPLICATE_ROW)
    for year, lines in years.items():
        _write(folder / f"Data_Sofus_{year}.csv", (";".join(GENERAL), *lines))
        _write(folder / f"Meta_Sofus_{year}.csv", (";".join(GENERAL), ";".join(NAMES.get(name, "") for name in GENERAL)))
    kept = [position for position in range(len(referrals)) if position not in defects.dropped]
    truth.table(
        SYSTEM, TABLE, len(referrals) + 1, staging=len(kept), filer=len(years),
        staging_timer=f"{sum(referrals[position].hours_hundredths for position in kept) / 100:.2f}",
    )  # fmt: skip


def _break_cpr(row: dict[str, Any]) -> None:
    row["CPR-nummer"] = broken_cpr(row["CPR-nummer"])


def _rows(municipality: Municipality) -> Iterator[tuple[str, dict[str, Any]]]:
    then = cpr_then(municipality)
    for referral in municipality.referrals:
        yield "", {
            "CPR-nummer": then(referral.cpr, referral.received), "Henvisningsnr.": referral.number,
            "Institutionsnr.": referral.institution, "Årsag": referral.reason, "Udfald": referral.outcome,
            "Modtaget": serial(referral.received), "Afsluttet": serial(referral.closed) or "",
            "Timer": f"{referral.hours_hundredths / 100:.2f}".replace(".", ","),
        }  # fmt: skip


def _write(path: Path, lines: tuple[str, ...]) -> None:
    path.write_text("".join(f"{line}\r\n" for line in lines), encoding="utf-8-sig", newline="")
