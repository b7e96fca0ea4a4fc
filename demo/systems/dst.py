"""DST's StatBank: the population by quarter as BULK (CSV), and a projection of it as JSON-stat."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from demo.defects import CANNOT_CONVERT
from demo.municipality import MUNICIPALITY_CODE, MUNICIPALITY_NAME, TODAY, Municipality
from demo.truth import Truth

SYSTEM = "dst"
SEXES = {"M": "1", "K": "2"}
OLDEST = 105
YEARS = range(2026, 2037)
BORN_PER_WOMAN = 0.045
"""Births a year for each woman of 20 to 39."""
Group = tuple[str, int]
"""Sex and age."""


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write both tables to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _population(municipality, folder, truth)
    _projection(municipality, folder, truth)


def _residents(municipality: Municipality, day: date) -> Counter[Group]:
    """Return how many live here on `day`, by sex and age."""
    return Counter((SEXES[person.sex], min(person.age(day), OLDEST)) for person in municipality.persons if person.lives_here(day))


def _population(municipality: Municipality, folder: Path, truth: Truth) -> None:
    lines, total = ["OMRÅDE;KØN;ALDER;TID;INDHOLD"], 0
    quarters = [date(year, month, 1) for year in (2024, 2025, 2026) for month in (1, 4, 7, 10) if date(year, month, 1) <= TODAY]
    for day in quarters:
        found = _residents(municipality, day)
        for sex in SEXES.values():
            for age in range(OLDEST + 1):
                lines.append(f"{MUNICIPALITY_CODE};{sex};{age};{day.year}K{(day.month + 2) // 3};{found[sex, age]}")
                total += found[sex, age]
    # What is not yet known, StatBank writes as two dots.
    lost = int(lines[-3].rpartition(";")[2])
    lines[-3] = f"{lines[-3].rpartition(';')[0]};.."
    truth.plant(SYSTEM, "folk1a", f"indhold: {CANNOT_CONVERT}")
    (folder / "FOLK1A.csv").write_text("".join(f"{line}\r\n" for line in lines), encoding="utf-8-sig", newline="")
    last = sum(_residents(municipality, quarters[-1]).values())
    truth.table(SYSTEM, "folk1a", len(lines) - 1, staging=len(lines) - 1, staging_antal=total - lost, seneste_kvartal=last)


def _projection(municipality: Municipality, folder: Path, truth: Truth) -> None:
    years: dict[int, Counter[Group]] = {YEARS[0]: _residents(municipality, TODAY)}
    for year in YEARS[1:]:
        years[year] = _a_year_on(years[year - 1])
    ages = [str(age) for age in range(OLDEST + 1)]
    values = [years[year][sex, int(age)] for sex in SEXES.values() for age in ages for year in YEARS]
    dimension: dict[str, Any] = {
        "OMRÅDE": _category({MUNICIPALITY_CODE: MUNICIPALITY_NAME.removesuffix(" Kommune")}),
        "KØN": _category({"1": "Mænd", "2": "Kvinder"}),
        "ALDER": _category({age: f"{age} år" for age in ages}),
        "TID": _category({str(year): str(year) for year in YEARS}),
    }
    identity = list(dimension)
    dimension |= {"id": identity, "size": [1, 2, len(ages), len(YEARS)], "role": {"time": ["TID"], "geo": ["OMRÅDE"]}}
    cube = {"dataset": {"dimension": dimension, "label": "Befolkningsfremskrivning", "source": "Prøvekommunen", "value": values}}
    text = json.dumps(cube, ensure_ascii=False)
    (folder / "FRKM126.json").write_text(text, encoding="utf-8")
    young = {f"boern_{year}": sum(years[year][sex, age] for sex in SEXES.values() for age in range(6)) for year in YEARS}
    pupils = {f"elever_{year}": sum(years[year][sex, age] for sex in SEXES.values() for age in range(6, 17)) for year in YEARS}
    truth.table(SYSTEM, "fremskrivning", len(values), staging=len(values), staging_antal=sum(values), **young, **pupils)


def _category(labels: dict[str, str]) -> dict[str, Any]:
    return {"category": {"index": {code: place for place, code in enumerate(labels)}, "label": labels}}


def _a_year_on(before: Counter[Group]) -> Counter[Group]:
    """Everybody is a year older, some have died, and some are born."""
    after: Counter[Group] = Counter()
    for (sex, age), persons in before.items():
        dead = round(persons * min(1.0, 0.0004 * 1.095**age))
        after[sex, min(age + 1, OLDEST)] += persons - dead
    born = round(BORN_PER_WOMAN * sum(before["2", age] for age in range(20, 40)))
    after["1", 0], after["2", 0] = born - born // 2, born // 2
    return after
