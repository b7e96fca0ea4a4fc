"""Benefits by person and week, the employment effort around them, and the national benchmark."""

from __future__ import annotations

import random
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from demo.municipality import (
    FIRST_DAY,
    MUNICIPALITY_CODE,
    MUNICIPALITY_NAME,
    TODAY,
    BenefitFigure,
    BenefitWeek,
    ContactEvent,
    EffortCitizen,
    Municipality,
    Offer,
    Person,
)
from demo.population.common import OTHER_MUNICIPALITIES, count, cvr, moment, stream


@dataclass(frozen=True)
class Benefit:
    code: str
    name: str
    account: str
    function: str
    week_oere: int
    people: int
    """Spells that begin within, or run into, the window at full scale."""
    weeks: tuple[int, int]
    ages: tuple[int, int]
    target_group: str
    """Group of the employment act; empty where there is no effort."""


BENEFITS = (
    Benefit("kontanthjaelp", "Kontanthjælp", "52000100", "5.57.73", 297_500, 620, (8, 150), (30, 64), "2.2"),
    Benefit("uddannelseshjaelp", "Uddannelseshjælp", "52000200", "5.57.73", 168_300, 330, (6, 100), (18, 29), "2.12"),
    Benefit(
        "selvforsoergelse", "Selvforsørgelses- og hjemrejseydelse", "52000300", "5.57.73", 162_100, 60, (20, 156), (18, 60), "2.2"
    ),
    Benefit("sygedagpenge", "Sygedagpenge", "52000400", "5.57.71", 455_000, 2_100, (5, 40), (18, 66), "2.5"),
    Benefit("ressourceforloeb", "Ressourceforløbsydelse", "52000500", "5.58.82", 296_000, 120, (52, 156), (25, 60), "2.11"),
    Benefit("ledighedsydelse", "Ledighedsydelse", "52000600", "5.58.83", 415_000, 110, (10, 120), (25, 65), "2.7"),
    Benefit("fleksloentilskud", "Fleksløntilskud", "52000700", "5.58.81", 345_000, 380, (52, 156), (25, 66), ""),
    Benefit("foertidspension", "Førtidspension", "52000800", "5.48.66", 448_000, 720, (60, 156), (40, 66), ""),
    Benefit("dagpenge", "Dagpenge", "52000900", "5.57.78", 470_000, 1_300, (4, 52), (20, 64), "2.1"),
)
BY_CODE = {benefit.code: benefit for benefit in BENEFITS}
POPULATIONS = {"101": 20.0, "316": 2.2, "326": 1.5, "330": 2.4, "340": 0.9, "265": 2.7}


def refund_percent(benefit: Benefit, week: int) -> int:
    """Return the state's share by the person's week on benefits: 80, 40, 30, then 20 percent."""
    if benefit.code == "dagpenge":
        return 0
    return 80 if week <= 4 else 40 if week <= 26 else 30 if week <= 52 else 20


def add(municipality: Municipality) -> None:
    """Fill benefit weeks, effort citizens, contacts, offers and benchmark figures."""
    rng = stream(municipality, "benefits")
    adults = [person for person in municipality.persons if person.age(FIRST_DAY) >= 18 and person.status == "01"]
    busy: dict[str, list[tuple[date, date]]] = defaultdict(list)
    companies = [cvr(rng) for _ in range(40)]
    for benefit in BENEFITS:
        low, high = benefit.ages
        eligible = [person for person in adults if low <= person.age(FIRST_DAY) <= high]
        for person in rng.sample(eligible, min(len(eligible), count(municipality, benefit.people, 4))):
            _spell(rng, municipality, benefit, person, busy[person.cpr], companies)
    municipality.benefit_weeks.sort(key=lambda week: (week.monday, week.cpr, week.benefit))
    _benchmark(rng, municipality)


def _spell(
    rng: random.Random,
    municipality: Municipality,
    benefit: Benefit,
    person: Person,
    busy: list[tuple[date, date]],
    companies: list[str],
) -> None:
    first_monday = FIRST_DAY - timedelta(days=FIRST_DAY.weekday()) + timedelta(days=7)
    length = rng.randint(*benefit.weeks)
    start = first_monday + timedelta(days=7 * rng.randint(-length + 1, 155))
    end = start + timedelta(days=7 * length - 1)
    if any(start <= other_end and other_start <= end for other_start, other_end in busy):
        return  # one benefit at a time
    busy.append((start, end))
    factor, added = rng.uniform(0.82, 1.12), 0
    financing = rng.choice(tuple(OTHER_MUNICIPALITIES)) if rng.random() < 0.03 else MUNICIPALITY_CODE
    for number in range(1, length + 1):
        monday = start + timedelta(days=7 * (number - 1))
        if monday < first_monday or monday + timedelta(days=6) > TODAY or not person.lives_here(monday):
            continue
        amount = round(
            benefit.week_oere * factor * 1.025 ** (monday.year - 2023) * (1 if rng.random() < 0.93 else rng.uniform(0.3, 0.9))
        )
        percent = refund_percent(benefit, number)
        bears = "" if rng.random() < 0.01 else financing
        municipality.benefit_weeks.append(
            BenefitWeek(person.cpr, benefit.code, monday, amount, percent, amount * percent // 100, bears)
        )
        added += 1
    if added and benefit.target_group:
        _effort(rng, municipality, benefit, person, max(start, FIRST_DAY), min(end, TODAY), end <= TODAY, companies)


def _effort(
    rng: random.Random,
    municipality: Municipality,
    benefit: Benefit,
    person: Person,
    first: date,
    last: date,
    over: bool,
    companies: list[str],
) -> None:
    def identity() -> str:
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))

    citizen = EffortCitizen(identity(), person.cpr, benefit.target_group, first, last if over else None)
    municipality.effort_citizens.append(citizen)
    day, interval = first + timedelta(days=rng.randint(3, 30)), rng.choice((20, 30, 30, 45, 70))
    while day <= last:
        if day.weekday() < 5:
            kind = rng.choices(("jobsamtale", "opfølgning", "rehabiliteringsteam"), (60, 36, 4))[0]
            outcome = rng.choices(("afholdt", "udeblevet", "aflyst"), (84, 10, 6))[0]
            form = rng.choice(("fremmøde", "fremmøde", "telefon", "video"))
            municipality.contacts.append(
                ContactEvent(identity(), citizen.id, person.cpr, moment(rng, day, 8, 15), kind, form, outcome)
            )
        day += timedelta(days=max(5, round(rng.gauss(interval, 8))))
    if rng.random() < 0.4 and (last - first).days > 30:
        start = first + timedelta(days=rng.randint(7, (last - first).days - 14))
        end = min(start + timedelta(days=rng.randint(14, 180)), last)
        kind = rng.choice(("virksomhedspraktik", "løntilskud", "vejledning og opkvalificering"))
        municipality.offers.append(
            Offer(identity(), citizen.id, person.cpr, kind, rng.choice(companies), start, end if end < TODAY else None)
        )


def _benchmark(rng: random.Random, municipality: Municipality) -> None:
    """Full-time persons per month: this municipality's from its own weeks, the others' about them."""
    weeks: Counter[tuple[str, str]] = Counter()
    for week in municipality.benefit_weeks:
        weeks[f"{week.monday:%YM%m}", week.benefit] += 1
    bias = {(code, benefit.code): rng.uniform(0.75, 1.3) for code in POPULATIONS for benefit in BENEFITS}
    for month, benefit in sorted(weeks):
        own = weeks[month, benefit] * 7 * 12 / 365.25
        municipality.benefit_figures.append(BenefitFigure(month, MUNICIPALITY_CODE, MUNICIPALITY_NAME, benefit, round(own)))
        for code, size in POPULATIONS.items():
            figure = round(own * size * bias[code, benefit] * rng.uniform(0.95, 1.05))
            municipality.benefit_figures.append(BenefitFigure(month, code, OTHER_MUNICIPALITIES[code], benefit, figure))
