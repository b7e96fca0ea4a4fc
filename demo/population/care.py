"""Elderly care: grants, shifts, and the visits that were or were not made. Sick staff cost substitutes and visits."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta

from demo.administration import Employment
from demo.municipality import FIRST_DAY, TODAY, CareCitizen, CareGrant, CareVisit, Municipality, Shift
from demo.population.common import count, day_between, moment, stream

SERVICES = (
    ("§ 83", "Personlig pleje", (90, 600)), ("§ 83", "Praktisk hjælp", (30, 90)), ("§ 83a", "Rehabilitering", (60, 300)),
    ("§ 86", "Genoptræning", (45, 120)), ("§ 138", "Sygepleje", (30, 240)),
)  # fmt: skip
CITIZENS = 1_200


def add(municipality: Municipality) -> None:
    """Fill care citizens, grants, shifts and visits."""
    rng = stream(municipality, "care")
    units = [unit.id for unit in municipality.org_units if unit.kind == "hjemmepleje"]
    old = [
        person
        for person in municipality.persons
        if person.age(FIRST_DAY) >= 66 and person.lives_here(FIRST_DAY + timedelta(days=30))
    ]
    chosen = rng.sample(old, min(len(old), count(municipality, CITIZENS, 8)))
    for position, person in enumerate(sorted(chosen, key=lambda person: person.cpr)):
        citizen = CareCitizen(10_000 + 7 * position, person.cpr)
        municipality.care_citizens.append(citizen)
        unit = rng.choice(units)
        end_of_stay = person.residences[-1].moved_out or TODAY
        for paragraph, service, (low, high) in rng.sample(SERVICES, rng.choice((1, 1, 2, 3))):
            start = day_between(rng, FIRST_DAY - timedelta(days=500), TODAY - timedelta(days=60))
            finish = start + timedelta(days=rng.randint(60, 1500))
            end = min(finish, end_of_stay)
            if end > max(start, FIRST_DAY):
                municipality.care_grants.append(
                    CareGrant(
                        20_000 + len(municipality.care_grants), citizen.id, person.cpr, paragraph, service, unit,
                        rng.randrange(low, high + 1, 5), start, end if end < TODAY else None,
                    )
                )  # fmt: skip
    _work(rng, municipality, units)


def _work(rng: random.Random, municipality: Municipality, units: list[str]) -> None:
    """Walk through the days: who is on shift, who is sick, who comes instead, and which visits are made."""
    staff: dict[str, list[Employment]] = defaultdict(list)
    for employment in municipality.employments:
        if employment.org_unit in units:
            staff[employment.org_unit].append(employment)
    away = _away(municipality, set(units))
    plans: dict[str, list[tuple[CareGrant, int, int]]] = defaultdict(list)
    for grant in municipality.care_grants:
        visits = max(1, min(5, grant.minutes_per_week // 60))
        plans[grant.org_unit].append((grant, visits, grant.minutes_per_week // visits))
    day = FIRST_DAY
    while day <= TODAY:
        for unit in units:
            _day(rng, municipality, unit, day, staff[unit], away, plans[unit])
        day += timedelta(days=1)


def _away(municipality: Municipality, units: set[str]) -> dict[tuple[str, date], str]:
    found: dict[tuple[str, date], str] = {}
    for absence in municipality.absences:
        if absence.org_unit in units:
            for offset in range((absence.last - absence.first).days + 1):
                found[absence.employment, absence.first + timedelta(days=offset)] = absence.kind
    return found


def _day(
    rng: random.Random,
    municipality: Municipality,
    unit: str,
    day: date,
    staff: list[Employment],
    away: dict[tuple[str, date], str],
    plans: list[tuple[CareGrant, int, int]],
) -> None:
    weekday, present, sick, substitutes = day.weekday(), [], 0, 0
    for position, employment in enumerate(staff):
        if employment.entry > day or (employment.leave and employment.leave < day):
            continue
        # Everyone has two days off each week, staggered over the week.
        if weekday in (position % 7, (position + 1) % 7):
            continue
        length = round(employment.hours / 5, 2)
        kind = away.get((employment.number, day))
        if kind is None:
            present.append(employment.number)
            _shift(rng, municipality, unit, employment.number, day, length, None)
        elif kind != "ferie" or rng.random() < 0.3:
            sick += 1
            if rng.random() < 0.55:
                substitutes += 1
                _shift(rng, municipality, unit, None, day, length, rng.randint(31_000, 39_500))
    strain = (sick - substitutes) / max(1, len(present) + sick)
    hands: list[str | None] = [*present, *[None] * substitutes]
    for grant, visits, minutes in plans:
        # The visits of a week fall on fixed weekdays that differ from grant to grant.
        if grant.start > day or (grant.end and grant.end < day) or (weekday * visits + grant.id) % 7 >= visits:
            continue
        draw = rng.random()
        if draw < 0.02:
            status, delivered = "aflyst_borger", 0
        elif not hands or draw < 0.025 + 0.35 * strain:
            status, delivered = "aflyst_kommune", 0
        elif draw < 0.05 + 0.8 * strain:
            status, delivered = "delvist", max(5, int(minutes * rng.uniform(0.4, 0.85)))
        else:
            status, delivered = "gennemført", minutes
        municipality.care_visits.append(
            CareVisit(
                1_000_000 + len(municipality.care_visits), grant.id, grant.citizen, rng.choice(hands) if delivered else None,
                unit, day,
                minutes, delivered, status, moment(rng, day, 8, 23),
            )
        )  # fmt: skip


def _shift(
    rng: random.Random, municipality: Municipality, unit: str, employment: str | None, day: date, hours: float, hourly: int | None
) -> None:
    """Add a shift; `hourly` is a substitute's price in øre per hour."""
    cost = None if hourly is None else round(hours * hourly)
    municipality.shifts.append(
        Shift(
            500_000 + len(municipality.shifts),
            unit,
            employment,
            day,
            hours,
            "fast" if cost is None else "vikar",
            cost,
            moment(rng, day),
        )
    )
