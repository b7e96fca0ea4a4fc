"""Waste: what institutions and companies bring to the recycling station, and what is collected at the institutions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from demo.administration import Address
from demo.municipality import FIRST_DAY, MUNICIPALITY_CVR, TODAY, Municipality
from demo.population.common import SURNAMES, count, cvr, day_between, moment, stream
from demo.services import Emptying, WasteArticle, WasteCustomer, Weighing

ARTICLES = (
    WasteArticle(1010, "Småt brændbart", "rest"), WasteArticle(2020, "Pap og papir", "pap"), WasteArticle(2030, "Plast", "plast"),
    WasteArticle(3010, "Haveaffald", "have"),
)  # fmt: skip
PRICES = {1010: 128_000, 2020: 0, 2030: 0, 3010: 31_000}
"""Per ton, in øre."""
COLLECTED = (("rest", 14), ("mad", 14), ("pap", 28))
"""Fraction, and days between two emptyings."""
COMPANIES = 150
AT_LEAST = 60
"""Companies in however small a municipality: few would prove nothing of how their addresses are read."""


def add(municipality: Municipality) -> None:
    """Fill waste customers, articles, weighings and emptyings."""
    rng, sites = stream(municipality, "waste"), stream(municipality, "waste sites")
    customers = [
        WasteCustomer(7000 + position, place.name, "I", MUNICIPALITY_CVR, place.p_number, _house(place.address))
        for position, place in enumerate(municipality.institutions)
    ]
    for position in range(count(municipality, COMPANIES, AT_LEAST)):
        address = _house(sites.choice(municipality.building_cases).address)
        customers.append(WasteCustomer(9000 + position, f"{rng.choice(SURNAMES)} Byg ApS", "E", cvr(rng), "", address))
    municipality.waste_customers, municipality.waste_articles = customers, list(ARTICLES)
    found = []
    for customer in customers:
        for _ in range(rng.randint(8, 24)):
            article = rng.choice(ARTICLES)
            kg = round(rng.lognormvariate(5.3, 0.7))
            found.append(
                Weighing(
                    0, moment(rng, day_between(rng, FIRST_DAY, TODAY)), customer.number, article.number,
                    rng.choice((None, None, 51, 52, 53)), kg, rng.randrange(1400, 9000, 20),
                    kg * PRICES[article.number] // 1000,
                )
            )  # fmt: skip
    municipality.weighings = sorted(found, key=lambda weighing: (weighing.moment, weighing.customer))
    for position, weighing in enumerate(municipality.weighings):
        weighing.number = 2_300_000 + position
    for customer, place in zip(customers, municipality.institutions, strict=False):
        for fraction, days in COLLECTED:
            day = FIRST_DAY + timedelta(days=rng.randint(0, days))
            while day <= TODAY:
                # July is quiet in schools.
                load = place.places * rng.uniform(0.15, 0.45) * (0.2 if place.kind == "skole" and day.month == 7 else 1)
                municipality.emptyings.append(
                    Emptying(
                        60_000_000 + len(municipality.emptyings), day, customer.number, place.p_number, fraction,
                        round(load * 10), rng.choice((400, 660, 1100)), moment(rng, day),
                    )
                )  # fmt: skip
                day += timedelta(days=days)


def _house(address: Address) -> Address:
    return replace(address, floor="", door="")
