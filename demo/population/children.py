"""Children: enrolment, special placements, cases of concern, and absence (which rises before a notification)."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta

from demo.administration import Institution
from demo.municipality import (
    FIRST_DAY,
    MUNICIPALITY_CODE,
    TODAY,
    ChildCase,
    Enrolment,
    Measure,
    Municipality,
    Notification,
    Person,
    SchoolAbsence,
    SpecialPlacement,
)
from demo.population.common import OTHER_MUNICIPALITIES, count, cvr, day_between, moment, school_year, stream
from demo.population.organisation import SPECIAL_SCHOOLS

TARIFFS = {"A": 21_850_000, "B": 34_400_000, "C": 51_900_000, "D": 88_200_000}
"""Yearly price in øre per tariff group in 2024; it rises by three percent a year."""
EXTERNAL_OFFERS = ("Kollegiet Nordstjernen", "Dagbehandlingsskolen Ådalen", "Behandlingshjemmet Klinten")
MEASURES = (
    ("§ 32", "Familiebehandling", 90_000), ("§ 32", "Støtte- og kontaktperson", 45_000), ("§ 43", "Plejefamilie", 150_000),
    ("§ 43", "Døgninstitution", 620_000), ("§ 32", "Aflastning", 70_000),
)  # fmt: skip
SENDERS = ("skole", "skole", "skole", "dagtilbud", "dagtilbud", "sundhedspleje", "politi", "anonym", "familie")
REASONS = ("bekymrende fravær", "mistrivsel", "forældres misbrug", "vold i hjemmet", "omsorgssvigt")


def tariff(group: str, year: int) -> int:
    """Return the yearly price of a tariff group in `year`, in øre."""
    return round(TARIFFS[group] * 1.03 ** (year - 2024) / 100) * 100


def add(municipality: Municipality) -> None:
    """Fill enrolments, placements, child cases, notifications, measures and school absences."""
    rng = stream(municipality, "children")
    for person in municipality.persons:
        if person.born > date(2005, 8, 1):
            _enrol(rng, municipality, person)
    minors = [person for person in municipality.persons if person.age(FIRST_DAY) <= 15 and person.lives_here(TODAY)]
    _place(rng, municipality, minors)
    _concern(rng, municipality, minors)
    _miss(rng, municipality)


def _enrol(rng: random.Random, municipality: Municipality, person: Person) -> None:
    """Enrol a child for each school year of the window that it lives here, in its own district if that has a place."""
    home = next((stay for stay in reversed(person.residences) if stay.address.municipality_code == MUNICIPALITY_CODE), None)
    if home is None:
        return
    chosen: dict[str, Institution] = {}
    letter = rng.choice("AB")
    for year in (2023, 2024, 2025, 2026):
        grade = year - person.born.year - 6
        if grade > 9 or (grade < 0 and rng.random() < 0.06):
            continue
        kind = "skole" if grade >= 0 else "dagtilbud"
        start = max(date(year, 8, 1), home.moved_in, person.born + timedelta(days=300))
        end = min(date(year + 1, 7, 31), home.moved_out or date(2099, 1, 1))
        if start > min(end, TODAY):
            continue
        if kind not in chosen:
            every = [place for place in municipality.institutions if place.kind == kind and place.name not in SPECIAL_SCHOOLS]
            near = [place for place in every if place.district == home.address.district]
            chosen[kind] = rng.choice(near if near and rng.random() < 0.9 else every)
        group = f"{grade}.{letter}" if kind == "skole" else rng.choice(("Stue Rød", "Stue Grøn", "Stue Blå"))
        municipality.enrolments.append(
            Enrolment(person.cpr, chosen[kind].number, group, start, end if end < TODAY else None, school_year(start))
        )


def _place(rng: random.Random, municipality: Municipality, minors: list[Person]) -> None:
    pupils = [person for person in minors if 6 <= person.age(TODAY) <= 17]
    special = [place.name for place in municipality.institutions if place.name in SPECIAL_SCHOOLS]
    for position, person in enumerate(rng.sample(pupils, min(len(pupils), count(municipality, 260, 6)))):
        group = rng.choices("ABCD", (50, 30, 15, 5))[0]
        start = date(rng.choice((2022, 2023, 2024, 2025)), 8, 1)
        end = start + timedelta(days=rng.choice((364, 729, 1094))) if rng.random() < 0.35 else None
        # Another municipality pays for a child it has placed here.
        payer = rng.choice(tuple(OTHER_MUNICIPALITIES)) if rng.random() < 0.06 else MUNICIPALITY_CODE
        school = rng.choice([*special, *EXTERNAL_OFFERS])
        municipality.placements.append(
            SpecialPlacement(
                f"ST-{1001 + position}", person.cpr, school, payer, group, start, end, tariff(group, max(2024, start.year))
            )
        )


def _concern(rng: random.Random, municipality: Municipality, minors: list[Person]) -> None:
    """Notifications, the cases that some lead to, and what the cases grant."""
    family = next(unit.id for unit in municipality.org_units if unit.name == "Familieafdelingen")
    suppliers = [cvr(rng) for _ in range(12)]
    troubled = rng.sample(minors, min(len(minors), count(municipality, 700, 10)))
    serial = 0
    for person in troubled:
        case: ChildCase | None = None
        for received in sorted(day_between(rng, FIRST_DAY, TODAY) for _ in range(rng.choice((1, 1, 1, 2, 3)))):
            assessed = received + timedelta(days=rng.randint(0, 12))
            if case is None and rng.random() < 0.45 and assessed < TODAY:
                serial += 1
                closed = assessed + timedelta(days=rng.randint(60, 900))
                over = closed if closed < TODAY else None
                kle, paragraph = rng.choice((("27.24.00", "§ 20"), ("27.27.00", "§ 32"), ("27.30.00", "§ 43")))
                case = ChildCase(
                    f"{kle}-G01-{assessed:%y}-{serial}", person.cpr, kle, paragraph, "lukket" if over else "åben", assessed, over,
                    family, moment(rng, over or assessed),
                )  # fmt: skip
                municipality.child_cases.append(case)
                _measure(rng, municipality, case, suppliers)
            municipality.notifications.append(
                Notification(
                    f"U-{10_001 + len(municipality.notifications)}", person.cpr, case.number if case else None, received,
                    assessed if assessed <= TODAY else None, rng.choice(SENDERS), rng.choice(REASONS),
                )
            )  # fmt: skip


def _measure(rng: random.Random, municipality: Municipality, case: ChildCase, suppliers: list[str]) -> None:
    for _ in range(rng.choice((0, 1, 1, 2))):
        paragraph, kind, price = rng.choice(MEASURES)
        start = day_between(rng, case.opened, min(case.opened + timedelta(days=60), TODAY))
        end = start + timedelta(days=rng.randint(60, 500))
        last = min(end, case.closed or end)
        if last >= start:
            municipality.measures.append(
                Measure(
                    f"F-{5001 + len(municipality.measures)}", case.number, case.cpr, paragraph, kind, rng.choice(suppliers),
                    start,
                    last if last < TODAY else None, round(price * rng.uniform(0.85, 1.25) / 100) * 100,
                )
            )  # fmt: skip


def _miss(rng: random.Random, municipality: Municipality) -> None:
    """Absence by child: in spells, more of it in the half-year before a notification."""
    concern: dict[str, list[date]] = defaultdict(list)
    for notification in municipality.notifications:
        concern[notification.cpr].append(notification.received)
    schools = {place.number for place in municipality.institutions if place.kind == "skole"}
    for enrolment in municipality.enrolments:
        day, last = max(enrolment.start, FIRST_DAY), min(enrolment.end or TODAY, TODAY)
        full = 330 if enrolment.institution in schools else 420
        while True:
            near = any(0 <= (received - day).days <= 180 for received in concern.get(enrolment.cpr, ()))
            day += timedelta(days=1 + int(rng.expovariate(1 / (14 if near else 44))))
            if day > last:
                break
            kind = rng.choices(("syg", "lovligt", "ulovligt"), (40, 25, 35) if near else (70, 22, 8))[0]
            for _ in range(rng.choice((1, 1, 2, 2, 3, 5)) if kind == "syg" else 1):
                if day > last:
                    break
                if day.weekday() < 5 and day.month != 7:
                    minutes = full if rng.random() < 0.8 else rng.randrange(30, full, 15)
                    municipality.school_absences.append(
                        SchoolAbsence(enrolment.cpr, enrolment.institution, day, kind, minutes, moment(rng, day))
                    )
                day += timedelta(days=1)
    municipality.school_absences.sort(key=lambda absence: (absence.day, absence.cpr, absence.institution))
