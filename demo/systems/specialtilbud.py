"""The special placements: a workbook as a department keeps one, with banner rows, several sheets and mixed habits."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW, MISSING, UNKNOWN_VALUE, broken_cpr
from demo.municipality import Municipality, SpecialPlacement
from demo.population.children import TARIFFS, tariff
from demo.population.common import OTHER_MUNICIPALITIES
from demo.truth import Truth
from demo.values import kroner_text

SYSTEM = "specialtilbud"
FILE = "Specialtilbud 2026.xlsx"
HEADINGS = (
    "Nr.", "CPR-nummer", "Barnets navn", "Tilbud", "Institutionsnr.", "Betalingskommune", "Takstgruppe", "Takst pr. år",
    "Startdato",
    "Slutdato", "Bemærkninger", "Handlekommune",
)  # fmt: skip
_REMARKS = (
    "",
    "",
    "Kørsel bevilget",
    "Forlænges efter aftale med forældre",
    "Afventer PPR-vurdering",
    "Søskende på samme tilbud",
)


def serial(day: date | None) -> int | None:
    """Return Excel's serial number of a day."""
    return None if day is None else (day - date(1899, 12, 30)).days


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the workbook to `folder`."""
    from openpyxl import Workbook

    folder.mkdir(parents=True, exist_ok=True)
    workbook = Workbook()
    guide = workbook.active
    guide.title = "Vejledning"
    guide.append(["Arket Placeringer føres af PPR. Ret ikke i overskrifterne."])
    sheet = workbook.create_sheet("Placeringer")
    sheet.append(["Odsherred Kommune – Dagtilbud og Skole"])
    sheet.append(["Placeringer i specialtilbud, opdateret af PPR"])
    sheet.append([])
    sheet.append(list(HEADINGS))
    for row in _placements(municipality, truth):
        sheet.append(row)
    rates = workbook.create_sheet("Takster")
    rates.append(["Takster vedtaget af kommunalbestyrelsen"])
    rates.append(["Takstgruppe", "År", "Takst pr. år"])
    table = [[group, year, tariff(group, year) / 100] for year in (2024, 2025, 2026) for group in TARIFFS]
    for line in table:
        rates.append(line)
    truth.table(SYSTEM, "takster", len(table), staging=len(table))
    old = workbook.create_sheet("Kladde 2022")
    old.append(["gamle tal, slettes"])
    old.sheet_state = "hidden"
    workbook.save(folder / FILE)


def _acting(place: SpecialPlacement) -> str:
    """The paying municipality acts in the case itself, but for every ninth: there another had placed the child before."""
    if int(place.number[3:]) % 9:
        return place.payer
    return next(code for code in OTHER_MUNICIPALITIES if code != place.payer)


def _placements(municipality: Municipality, truth: Truth) -> list[list[Any]]:
    rng = random.Random(f"{truth.seed}/{SYSTEM}")
    people = {person.cpr: person for person in municipality.persons}
    numbers = {place.name: place.number for place in municipality.institutions}
    rows: list[list[Any]] = []
    for place in municipality.placements:
        person = people[place.cpr]
        cpr = f"{place.cpr[:6]}-{place.cpr[6:]}" if rng.random() < 0.6 else place.cpr
        rows.append(
            [
                place.number, cpr, f"{person.first_name} {person.last_name}", place.school, numbers.get(place.school),
                int(place.payer), place.tariff_group, place.yearly_oere / 100, serial(place.start), serial(place.end),
                rng.choice(_REMARKS) or None, int(_acting(place)),
            ]
        )  # fmt: skip
    total = sum(place.yearly_oere for place in municipality.placements)
    # Six placements at the least, whatever the scale: one for each defect.
    first, second, third, fourth, fifth, *_ = rng.sample(range(len(rows)), 6)
    kept = total - municipality.placements[first].yearly_oere - municipality.placements[third].yearly_oere
    rows[first][1] = broken_cpr(rows[first][1])
    rows[second][8] = "1/8 i år"
    rows[third][7] = "efter aftale"
    rows[fourth][6] = "E"
    rows.insert(fifth + 1, list(rows[fifth]))
    rows.append([None, None, None, "I alt", None, None, None, total / 100, None, None, None, None])
    for kind in (
        f"cpr_nummer: {CANNOT_CONVERT}", f"startdato: {CANNOT_CONVERT}", f"takst_pr_aar: {CANNOT_CONVERT}",
        f"takstgruppe: {UNKNOWN_VALUE}", DUPLICATE_ROW, f"nr: {MISSING}", f"cpr_nummer: {MISSING}",
    ):  # fmt: skip
        truth.plant(SYSTEM, "placeringer", kind)
    truth.table(SYSTEM, "placeringer", len(rows), staging=len(rows) - 3, staging_aarlig_takst=kroner_text(kept))
    return rows
