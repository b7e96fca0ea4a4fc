"""Cases of the whole administration in the case and document system, and visits to the counter."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from demo.administration import OrgUnit
from demo.municipality import FIRST_DAY, TODAY, Municipality
from demo.population.common import count, cvr, day_between, moment, stream
from demo.services import Case, CaseEvent, CaseParty, CounterQueue, Ticket

CASES = 5_000
TICKETS = 24_000
COMPLAINT, COMPLAINTS_A_DECISION, DAYS_TO_COMPLAIN = "K08", 0.06, 28
"""A complaint's facet, how many decisions meet one, and until when: common knowledge, not held against KL's plan or the law."""
FACETS = ("A00", "G01", COMPLAINT, "P19", "S00")
TITLES = {
    "A": "Orientering", "G": "Sag om borger", "K": "Klage over afgørelse", "P": "Ansøgning", "S": "Regnskab og budget",
}  # fmt: skip
QUEUES = (
    CounterQueue(1, "Pas og kørekort", "Nykøbing", "23.05.10"), CounterQueue(2, "MitID", "Nykøbing", "85.13.02"),
    CounterQueue(3, "Flytning og folkeregister", "Nykøbing", "23.05.00"), CounterQueue(4, "Jobcenter", "Højby", "15.20.00"),
    CounterQueue(5, "Ydelser", "Højby", "32.00.00"), CounterQueue(6, "Byggesag", "Højby", "02.34.02"),
)  # fmt: skip


def add(municipality: Municipality) -> None:
    """Fill cases, parties, events, queues and tickets."""
    rng = stream(municipality, "cases")
    _cases(rng, municipality)
    _tickets(rng, municipality)


def _cases(rng: random.Random, municipality: Municipality) -> None:
    units = {unit.id: unit for unit in municipality.org_units}
    tasks = [task for task in municipality.unit_tasks if units[task.org_unit].kind in ("center", "afdeling")]
    filed = [
        (day_between(rng, FIRST_DAY, TODAY), task.kle, task.org_unit, rng.choice(FACETS))
        for task in rng.choices(tasks, k=count(municipality, CASES, 60))
    ]
    filed += _complaints(municipality)
    workers: dict[str, list[str]] = {}
    for employment in municipality.employments:
        if employment.leave is None:
            workers.setdefault(employment.org_unit, []).append(employment.number)
    adults = [person.cpr for person in municipality.persons if person.age(FIRST_DAY) >= 18]
    companies = [cvr(rng) for _ in range(count(municipality, 300, 8))]
    for serial, (opened, kle, unit, facet) in enumerate(sorted(filed)):
        case = _case(rng, serial, opened, kle, facet, units[unit], workers.get(unit, []))
        municipality.cases.append(case)
        for primary in (True, False) if rng.random() < 0.2 else (True,):
            person = rng.random() < 0.7
            municipality.case_parties.append(
                CaseParty(
                    30_000 + len(municipality.case_parties), case.id, rng.choice(adults) if person else "",
                    "" if person else rng.choice(companies), primary,
                )
            )  # fmt: skip
        _events(rng, municipality, case)


def _complaints(municipality: Municipality) -> list[tuple[date, str, str, str]]:
    """Complaints over decisions on buildings, which are filed here and not in GeoEnviron: day, subject, unit and facet."""
    rng = stream(municipality, "complaints")
    unit = next(unit.id for unit in municipality.org_units if unit.name == "Byggesager")
    decided = [case for case in municipality.building_cases if case.decided and case.decision != "trukket"]
    met = rng.sample(decided, max(1, round(COMPLAINTS_A_DECISION * len(decided))))
    filed = [((case.decided or TODAY) + timedelta(days=rng.randint(1, DAYS_TO_COMPLAIN)), case.kle) for case in met]
    return [(day, kle, unit, COMPLAINT) for day, kle in filed if day <= TODAY]


def _case(rng: random.Random, serial: int, opened: date, kle: str, facet: str, unit: OrgUnit, workers: list[str]) -> Case:
    # The case system changed its numbering at the turn of 2024/2025.
    number = f"306-{opened.year}-{263_000 + serial}" if opened.year < 2025 else f"{kle}-{facet}-{opened:%y}-{serial + 1}"
    over = opened + timedelta(days=10 + int(rng.expovariate(1 / 90)))
    closed = over if over <= TODAY else None
    return Case(
        50_000 + serial, number, TITLES[facet[0]], kle, facet, unit.id, rng.choice(workers) if workers else None, opened, closed,
        moment(rng, closed or min(TODAY, opened + timedelta(days=rng.randint(0, 9)))),
    )  # fmt: skip


def _events(rng: random.Random, municipality: Municipality, case: Case) -> None:
    last = case.closed or TODAY
    days = sorted(day_between(rng, case.opened, last) for _ in range(rng.randint(0, 4)))
    for day, kind in zip([case.opened, *days], ["I", *rng.choices("IUNT", (3, 4, 1, 2), k=len(days))], strict=True):
        serial = len(municipality.case_events)
        document = "" if kind in "NT" else f"306-{day.year}-{900_000 + serial}"
        title = {"I": "Henvendelse", "U": "Svar til part", "N": "Notat", "T": "Notat om telefonsamtale"}[kind]
        municipality.case_events.append(CaseEvent(100_000 + serial, case, kind, document, title, moment(rng, day)))


def _tickets(rng: random.Random, municipality: Municipality) -> None:
    municipality.counter_queues = list(QUEUES)
    unit = next(unit.id for unit in municipality.org_units if unit.name == "Borgerservice")
    staff = [employment.number for employment in municipality.employments if employment.org_unit == unit]
    moments: list[datetime] = []
    while len(moments) < count(municipality, TICKETS, 120):
        day = day_between(rng, FIRST_DAY, TODAY)
        if day.weekday() < 5:
            moments.append(moment(rng, day, 9, 15))
    for position, created in enumerate(sorted(moments)):
        queue = rng.choices(QUEUES, (35, 15, 20, 14, 10, 6))[0]
        came = rng.random() < 0.95
        municipality.tickets.append(
            Ticket(
                5_000_000 + position, queue.id, created, int(rng.expovariate(1 / 540_000)),
                round(rng.uniform(2, 22) * 100) if came else 0, came, None if queue.place == "Højby" else rng.choice(staff),
            )
        )  # fmt: skip
