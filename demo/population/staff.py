"""Employees, their employments, and their absence."""

from __future__ import annotations

import random
from datetime import date, timedelta
from itertools import takewhile

from demo.administration import Absence, Employee, Employment, OrgUnit
from demo.municipality import FIRST_DAY, TODAY, Municipality
from demo.population.common import GIVEN_K, GIVEN_M, SURNAMES, count, day_between, distant_address, stream
from demo.population.cpr import CprNumbers

EMPLOYEES = 3_000
POSITIONS = {
    "skole": (("Lærer", "0430", 3_650_000), ("Pædagog", "0434", 3_280_000), ("Skoleleder", "0431", 4_900_000)),
    "dagtilbud": (("Pædagog", "0434", 3_280_000), ("Pædagogmedhjælper", "0436", 2_620_000)),
    "hjemmepleje": (("Social- og sundhedshjælper", "0273", 2_780_000), ("Social- og sundhedsassistent", "0272", 3_050_000)),
    "plejecenter": (("Social- og sundhedsassistent", "0272", 3_050_000), ("Sygeplejerske", "0270", 3_540_000)),
    "afdeling": (("Sagsbehandler", "0311", 3_480_000), ("Socialrådgiver", "0312", 3_390_000), ("Konsulent", "0101", 4_150_000)),
    "center": (("Centerchef", "0100", 6_900_000), ("Administrativ medarbejder", "0320", 3_210_000)),
    "kommune": (("Direktør", "0099", 9_400_000),),
}
WEIGHTS = {"skole": 40, "dagtilbud": 16, "hjemmepleje": 36, "plejecenter": 50, "afdeling": 24, "center": 3, "kommune": 1}


def add(municipality: Municipality) -> None:
    """Fill employees, employments and absences."""
    rng = stream(municipality, "staff")
    units = municipality.org_units
    given = [person.cpr for person in municipality.persons]
    given += [earlier.cpr for person in municipality.persons for earlier in person.earlier_cprs]
    numbers = CprNumbers(rng, given)
    locals_ = [person for person in municipality.persons if person.status == "01" and 20 <= person.age(FIRST_DAY) <= 62]
    rng.shuffle(locals_)
    # Every unit has someone; the rest fall by size. A third more than work here today have worked here within the window.
    placed = list(units) + rng.choices(units, [WEIGHTS[unit.kind] for unit in units], k=count(municipality, EMPLOYEES * 1.3, 60))
    number = 100_000
    for position, unit in enumerate(placed):
        number += rng.randint(1, 9)
        resident = locals_.pop() if locals_ and rng.random() < 0.6 else None
        if resident:
            address, protected = resident.residences[-1].address, bool(resident.protections)
            employee = Employee(resident.cpr, resident.first_name, resident.last_name, address, protected)
        else:
            sex = rng.choice("MKKK")
            born = day_between(rng, date(1960, 1, 2), date(2003, 12, 31))
            name = rng.choice(GIVEN_M if sex == "M" else GIVEN_K)
            employee = Employee(numbers.take(born, sex), name, rng.choice(SURNAMES), distant_address(rng), False)
        employee.employments.append(_employment(rng, str(number), employee.cpr, unit, position < len(units)))
        if rng.random() < 0.06:
            number += rng.randint(1, 9)
            other = unit if rng.random() < 0.5 else rng.choice(units)
            employee.employments.append(_employment(rng, str(number), employee.cpr, other, False))
        municipality.employees.append(employee)
    sickness = {unit.id: rng.uniform(0.6, 1.7) * (1.35 if unit.kind in ("hjemmepleje", "plejecenter") else 1.0) for unit in units}
    for employment in municipality.employments:
        municipality.absences += _absences(rng, employment, sickness[employment.org_unit])
    municipality.absences.sort(key=lambda absence: (absence.first, absence.employment))


def _employment(rng: random.Random, number: str, cpr: str, unit: OrgUnit, permanent: bool) -> Employment:
    position, job_code, salary = rng.choice(POSITIONS[unit.kind])
    hours = rng.choice((37, 37, 37, 37, 35, 32, 32, 30, 28, 25, 20))
    entry, leave = day_between(rng, date(2001, 1, 1), FIRST_DAY), None
    if not permanent and rng.random() < 0.30:
        entry = day_between(rng, FIRST_DAY, TODAY - timedelta(days=20))
    if not permanent and rng.random() < 0.23:
        leave = day_between(rng, max(entry, FIRST_DAY) + timedelta(days=15), TODAY)
    monthly = round(salary * rng.uniform(0.94, 1.16) * hours / 37 / 100) * 100
    return Employment(
        number, cpr, unit.id, position, job_code, f"Grundløn {rng.randint(18, 46)}", hours, entry, leave, monthly,
        max(entry, FIRST_DAY),
    )  # fmt: skip


def _absences(rng: random.Random, employment: Employment, sickness: float) -> list[Absence]:
    """Return an employment's absence within the window: sickness by unit and season, holidays, children's sick days."""
    first, last = max(employment.entry, FIRST_DAY), min(employment.leave or TODAY, TODAY)
    found: list[Absence] = []
    taken: set[date] = set()

    def absent(kind: str, start: date, days: int) -> None:
        # What runs into a holiday, or past the employment's end, stops there.
        days_in_a_row = (start + timedelta(days=offset) for offset in range(days))
        span = list(takewhile(lambda day: first <= day <= last and day not in taken, days_in_a_row))
        working = [day for day in span if day.weekday() < 5]
        if not working:
            return
        taken.update(span)
        hours = round(len(working) * employment.hours / 5, 2)
        found.append(Absence(employment.number, employment.org_unit, kind, start, span[-1], hours))

    for year in range(first.year, last.year + 1):
        absent("ferie", day_between(rng, date(year, 6, 24), date(year, 7, 25)), rng.choice((14, 19, 21)))
        absent("ferie", date(year, 10, 1) + timedelta(days=rng.randint(5, 20)), rng.choice((3, 5, 7)))
        absent("ferie", date(year, 2, 1) + timedelta(days=rng.randint(5, 20)), rng.choice((3, 5, 7)))
    day = first
    while True:
        day += timedelta(days=1 + int(rng.expovariate(sickness / 150)))
        if day > last:
            break
        if day.month in (11, 12, 1, 2, 3) or rng.random() < 0.55:
            absent("syg", day, rng.choice((1, 1, 2, 2, 3, 4, 5, 8, 21)) if rng.random() > 0.04 else rng.randint(30, 150))
    for _ in range(int(rng.expovariate(0.9)) if rng.random() < 0.4 else 0):
        absent("barns_syg", day_between(rng, first, last), 1)
    return found
