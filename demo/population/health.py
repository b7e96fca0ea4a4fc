"""Health visitors' children, their visits and the districts they have belonged to."""

from __future__ import annotations

import random
from datetime import date, timedelta

from demo.municipality import FIRST_DAY, MUNICIPALITY_CODE, TODAY, Municipality, Person
from demo.population.common import moment, stream
from demo.services import HealthChild, HealthDistrict, HealthVisit

PLAN = (("B1", 6), ("B2", 14), ("B3", 60), ("B4", 150), ("B5", 270), ("S0", 2250))
"""Kind of visit and the child's age in days."""


def add(municipality: Municipality) -> None:
    """Fill health children, visits and districts."""
    rng = stream(municipality, "health")
    unit = next(unit.id for unit in municipality.org_units if unit.name == "Sundhedsplejen")
    nurses = [employment.number for employment in municipality.employments if employment.org_unit == unit]
    worried = {notification.cpr for notification in municipality.notifications}
    young = [person for person in municipality.persons if person.age(FIRST_DAY) < 7 and person.residences]
    for person in young:
        here = [stay for stay in person.residences if stay.address.municipality_code == MUNICIPALITY_CODE]
        if not here:
            continue
        child = HealthChild(
            400_000 + len(municipality.health_children), person.cpr, rng.choice(nurses) if rng.random() < 0.95 else None,
            here[-1].address, person.lives_here(TODAY), moment(rng, min(TODAY, max(FIRST_DAY, here[-1].moved_in))),
        )  # fmt: skip
        municipality.health_children.append(child)
        for stay in here:
            municipality.health_districts.append(
                HealthDistrict(child.id, stay.address.district, stay.moved_in, stay.moved_out)
            )  # fmt: skip
        _visit(rng, municipality, child, person, person.cpr in worried)


def _visit(rng: random.Random, municipality: Municipality, child: HealthChild, person: Person, worried: bool) -> None:
    plan = [*PLAN, *((("BX", rng.randint(30, 700)),) * rng.randint(1, 3) if worried else ())]
    for kind, age in plan:
        day = person.born + timedelta(days=age + rng.randint(0, 9))
        if FIRST_DAY <= day <= TODAY and person.lives_here(day):
            municipality.health_visits.append(
                HealthVisit(
                    800_000 + len(municipality.health_visits), child.id, kind, day, rng.randrange(20, 95, 5), child.nurse,
                    rng.random() < 0.94, moment(rng, _workday(day)),
                )
            )  # fmt: skip


def _workday(day: date) -> date:
    """When it was written down: the Monday, if at a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)
