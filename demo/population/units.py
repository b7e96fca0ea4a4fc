"""What happens to the units: one has moved, one has closed; who manages them, and which topics are theirs."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

from demo.administration import OrgUnit, UnitManager, UnitTask
from demo.municipality import FIRST_DAY, TODAY, Municipality
from demo.population.common import day_between, ean, stream

MOVED, FROM_DEPARTMENT, MOVED_ON = "Kommunikation", "kultur_fritid_borgerservice", date(2025, 1, 1)
CLOSED_ON = date(2024, 12, 31)
SPLIT, FROM_UNIT, SPLIT_ON = "Indkøb", "Regnskab", date(2025, 7, 1)
"""Until that day the cost centre of the one was the other's."""
TOPICS = {
    "oekonomi_indkoeb": ("00.30.02", "00.32.00", "88.00.00"),
    "hr_it_digitalisering": ("81.00.00", "85.00.00", "00.13.02"),
    "dagtilbud_skole": ("17.01.00", "17.03.00", "28.06.00"),
    "boern_familie": ("27.24.00", "27.27.00", "29.09.04"),
    "omsorg_sundhed": ("27.36.04", "29.18.02", "27.42.00"),
    "social_arbejdsmarked": ("15.20.00", "32.00.00", "27.54.00"),
    "plan_byg_natur_miljoe": ("02.34.02", "07.18.00", "05.01.00"),
    "kultur_fritid_borgerservice": ("23.05.00", "21.05.00", "20.01.00"),
}


def add(municipality: Municipality) -> None:
    """Fill closed units, managers and tasks; move one unit."""
    rng = stream(municipality, "units")
    centres = {unit.department: unit for unit in municipality.org_units if unit.kind == "center"}
    moved = next(unit for unit in municipality.org_units if unit.name == MOVED)
    moved.changed, moved.former_name, moved.former_parent = MOVED_ON, None, centres[FROM_DEPARTMENT].id
    above = centres["omsorg_sundhed"]
    municipality.closed_units = [
        OrgUnit(
            "50000077", above.id, "Plejecenter Annebjerg", above.department, "plejecenter", "300977", ean(rng),
            f"10{rng.randint(0, 99_999_999):08d}", date(2007, 1, 1), CLOSED_ON, CLOSED_ON,
        )
    ]  # fmt: skip
    _cost_centres(municipality)
    first = {employment.org_unit: employment.number for employment in reversed(municipality.employments)}
    for unit in municipality.org_units:
        municipality.unit_managers += _managers(rng, unit, first[unit.id])
        municipality.unit_tasks += _tasks(rng, unit)


def _cost_centres(municipality: Municipality) -> None:
    """A cost centre has its unit's name and department; one has been another unit's."""
    units = {unit.id: unit for unit in municipality.org_units}
    by_name = {unit.name: unit for unit in municipality.org_units}
    for centre in municipality.cost_centres:
        unit = units[centre.org_unit]
        if unit.name == SPLIT:
            former = replace(centre, org_unit=by_name[FROM_UNIT].id)
            day = SPLIT_ON
        elif unit.former_name or unit.former_parent:
            department = FROM_DEPARTMENT if unit.name == MOVED else centre.department
            former = replace(centre, name=unit.former_name or centre.name, department=department)
            day = unit.changed
        else:
            continue
        former.end, centre.start = day - timedelta(days=1), day
        municipality.former_cost_centres.append(former)


def _managers(rng: random.Random, unit: OrgUnit, employment: str) -> list[UnitManager]:
    """A manager who has been there throughout, or one who came within the window, after a vacancy."""
    if rng.random() < 0.75:
        return [UnitManager(unit.id, employment, unit.start, None)]
    vacant_from = day_between(rng, FIRST_DAY, TODAY - timedelta(days=200))
    came = vacant_from + timedelta(days=rng.randint(30, 150))
    return [
        UnitManager(unit.id, None, vacant_from, came - timedelta(days=1)),
        UnitManager(unit.id, employment, came, None),
    ]


def _tasks(rng: random.Random, unit: OrgUnit) -> list[UnitTask]:
    """A centre answers for its topics, the units below it carry some of them out."""
    topics = TOPICS.get(unit.department, ())
    if unit.kind == "center":
        return [UnitTask(unit.id, topic, "ansvarlig", unit.start) for topic in topics]
    return [UnitTask(unit.id, topic, "udførende", unit.start) for topic in rng.sample(topics, min(1, len(topics)))]
