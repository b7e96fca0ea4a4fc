"""Households, people and where they have lived: the population register's facts."""

from __future__ import annotations

import random
from datetime import date, timedelta

from demo.administration import Address
from demo.municipality import EarlierCpr, Municipality, Person, Protection, Residence
from demo.population.common import (
    FIRST_DAY,
    GIVEN_K,
    GIVEN_M,
    SURNAMES,
    TODAY,
    count,
    day_between,
    distant_address,
    districts,
    local_address,
    stream,
)
from demo.population.cpr import CprNumbers

INHABITANTS = 33_000
WINDOW = (TODAY - FIRST_DAY).days


def add(municipality: Municipality) -> None:
    """Fill districts and persons."""
    rng = stream(municipality, "people")
    municipality.districts = dict(districts())
    numbers = CprNumbers(rng)
    wanted, residents, household = count(municipality, INHABITANTS), 0, 0
    while residents < wanted:
        household += 1
        members = [_person(rng, numbers, household, *member) for member in _composition(rng)]
        _settle(rng, members)
        municipality.persons += members
        residents += sum(1 for person in members if person.status == "01" and person.lives_here(TODAY))
    _protect(rng, municipality)
    _renumber(rng, municipality, numbers)


def _composition(rng: random.Random) -> list[tuple[int, str, str]]:
    """Return (age in days, sex, surname) of a household's members, adults first."""
    surname, draw = rng.choice(SURNAMES), rng.random()
    adult = rng.choice("MK")
    partner = "K" if adult == "M" else "M"

    def aged(low: int, high: int) -> int:
        return rng.randint(low * 365, high * 365)

    if draw < 0.27:
        return [(aged(65, 97), rng.choice("KKM"), surname)]
    if draw < 0.50:
        age = aged(60, 88)
        return [(age, adult, surname), (age - rng.randint(-1500, 1500), partner, surname)]
    if draw < 0.69:
        return [(aged(18, 64), adult, surname)]
    if draw < 0.84:
        age = aged(22, 62)
        return [(age, adult, surname), (age - rng.randint(-1200, 1200), partner, surname)]
    age = aged(24, 50)
    parents = [(age, adult, surname)]
    if draw < 0.95:
        parents.append((max(age - rng.randint(-1500, 1500), 20 * 365), partner, surname))
    oldest = min(min(parent[0] for parent in parents) - 19 * 365, 17 * 365)
    span = max(oldest, 400)
    children = [
        (max(rng.randint(20, span), rng.randint(20, span)), rng.choice("MK"), surname) for _ in range(rng.choice((1, 2, 2, 2, 3)))
    ]
    return parents + children


def _person(rng: random.Random, numbers: CprNumbers, household: int, age_days: int, sex: str, surname: str) -> Person:
    born = TODAY - timedelta(days=age_days)
    if 1960 <= born.year <= 1994 and rng.random() < 0.01:
        born = date(born.year, 1, 1)
        cpr = numbers.take(born, sex, checked=False)
    else:
        cpr = numbers.take(born, sex, replacement=rng.random() < 0.0008)
    given = rng.choice(GIVEN_M if sex == "M" else GIVEN_K)
    return Person(cpr, sex, born, given, surname, household, "01", born)


def _settle(rng: random.Random, members: list[Person]) -> None:
    """Give a household its addresses: most have stayed, some moved in, about or out, and some people died."""
    here, draw = local_address(rng), rng.random()
    oldest = min(person.born for person in members)
    past = day_between(rng, max(oldest, date(1985, 1, 1)), FIRST_DAY - timedelta(days=30))
    moved = FIRST_DAY + timedelta(days=_season(rng))
    history: list[tuple[date, Address]]
    if draw < 0.82:
        history = [(past, here)]
    elif draw < 0.90:
        history = [(past, distant_address(rng)), (moved, here)]
    elif draw < 0.95:
        history = [(past, local_address(rng)), (moved, here)]
    else:
        history = [(past, here), (moved, distant_address(rng))]
    for person in members:
        stays: list[Residence] = []
        for position, (start, address) in enumerate(history):
            end = history[position + 1][0] - timedelta(days=1) if position + 1 < len(history) else None
            if end is not None and end < person.born:
                continue  # moved on before this one was born
            stays.append(Residence(address, max(start, person.born), end))
        person.residences = stays
        if person.age(TODAY) > 70 and rng.random() < 0.08 * (person.age(TODAY) - 60) / 20:
            _end(person, day_between(rng, max(FIRST_DAY, stays[-1].moved_in), TODAY), "90")
        elif rng.random() < 0.002:
            _end(person, day_between(rng, max(FIRST_DAY, stays[-1].moved_in), TODAY), "80")


def _season(rng: random.Random) -> int:
    """Return a day of the window; people come to the summer-house country in spring and summer more often than else."""
    while True:
        offset = rng.randint(0, WINDOW)
        if (FIRST_DAY + timedelta(days=offset)).month in (4, 5, 6, 7, 8) or rng.random() < 0.55:
            return offset


def _end(person: Person, day: date, status: str) -> None:
    person.status, person.status_date = status, day
    person.residences[-1].moved_out = day


def _protect(rng: random.Random, municipality: Municipality) -> None:
    """Protect names and addresses: whole households, as children follow the parent they live with."""
    households = {person.household for person in municipality.persons}
    chosen = set(rng.sample(sorted(households), count(municipality, 120, 3)))
    spans: dict[int, Protection] = {}
    for person in municipality.persons:
        if person.household in chosen:
            if person.household not in spans:
                start = day_between(rng, FIRST_DAY - timedelta(days=300), TODAY - timedelta(days=30))
                over = start + timedelta(days=365) if rng.random() < 0.25 else None
                spans[person.household] = Protection(start, over)
            span = spans[person.household]
            if span.end is None or span.end >= person.born:
                person.protections.append(Protection(max(span.start, person.born), span.end))


def _renumber(rng: random.Random, municipality: Municipality, numbers: CprNumbers) -> None:
    """Give some people another number than they had: from a replacement number, or by legal change of sex."""
    adults = [person for person in municipality.persons if person.born < date(2006, 1, 1) and int(person.cpr[0]) < 4]
    for position, person in enumerate(rng.sample(adults, count(municipality, 40, 4))):
        changed = day_between(rng, FIRST_DAY + timedelta(days=60), TODAY - timedelta(days=60))
        if position % 4:
            earlier = numbers.take(person.born, person.sex, replacement=True)
        else:
            earlier = numbers.take(person.born, "K" if person.sex == "M" else "M")
        person.earlier_cprs.append(EarlierCpr(earlier, changed))
