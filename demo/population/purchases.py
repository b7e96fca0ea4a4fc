"""Purchases: the invoices behind the ledger's goods and running costs, line by line; some were ordered by e-procurement."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from demo.administration import Invoice, InvoiceLine, Posting
from demo.municipality import Municipality
from demo.population.common import cvr, stream


@dataclass(frozen=True)
class Good:
    item_number: str
    item: str
    unspsc: str
    unspsc_name: str
    unit: str
    price_oere: int


@dataclass(frozen=True)
class Trade:
    """Suppliers of one kind, what they sell, and how many of a hundred orders go through the e-procurement system."""

    suppliers: tuple[str, ...]
    goods: tuple[Good, ...]
    ordered_percent: int


FOOD = Trade(
    ("Fjordens Grønt ApS", "Storkøkken Sjælland A/S"),
    (
        Good("F-1001", "Sødmælk, økologisk", "50131700", "Mælk og smør", "liter", 1_150),
        Good("F-1002", "Rugbrød", "50181900", "Brød og kiks", "stk", 1_890),
        Good("F-1003", "Hakket oksekød", "50111500", "Kød og fjerkræ", "kg", 7_900),
        Good("F-1004", "Gulerødder", "50400000", "Friske grøntsager", "kg", 1_090),
        Good("F-1005", "Torskefilet", "50121500", "Fisk", "kg", 11_900),
    ),
    85,
)
TEACHING = Trade(
    ("Skolebøger Danmark A/S", "Papir & Kontor A/S"),
    (
        Good("U-0200", "Kopipapir A4, svanemærket", "14111500", "Papir til skrivning og tryk", "stk", 3_250),
        Good("U-0201", "Lærebøger", "55101500", "Trykte publikationer", "stk", 21_900),
        Good("U-0202", "Blyanter og farver", "44121700", "Skriveredskaber", "stk", 490),
    ),
    90,
)
EQUIPMENT = Trade(
    ("Papir & Kontor A/S", "Pleje og Hygiejne A/S", "Brændstof Nord A/S"),
    (
        Good("A-0300", "Handsker til engangsbrug", "42132200", "Medicinske handsker", "stk", 6_900),
        Good("A-0301", "Rengøringsmiddel", "47131800", "Rengøring og desinfektion", "liter", 4_500),
        Good("A-0302", "Kontorstol", "56112100", "Siddemøbler", "stk", 189_500),
        Good("15101505", "Diesel", "15101505", "Dieselolie", "liter", 1_120),
        Good("15101506", "Benzin 95", "15101506", "Benzin", "liter", 1_210),
    ),
    70,
)
IT = Trade(
    ("Nordisk Data A/S", "Fjordens It ApS"),
    (
        Good("I-0400", "Bærbar computer", "43211500", "Computere", "stk", 689_500),
        Good("I-0401", "Licens pr. bruger", "43230000", "Software", "stk", 42_500),
        Good("I-0402", "Konsulenttime", "81110000", "It-ydelser", "time", 92_500),
    ),
    30,
)
ENERGY = Trade(
    ("Odsherred Forsyning Prøve A/S", "Sjællands El Prøve A/S"),
    (
        Good("E-0500", "El", "83101800", "Elforsyning", "kWh", 185),
        Good("E-0501", "Fjernvarme", "83100000", "Forsyning", "MWh", 58_000),
        Good("E-0502", "Naturgas", "83101600", "Olie- og gasforsyning", "m3", 690),
        Good("E-0503", "Vand og afledning", "83101500", "Vand og kloak", "m3", 5_400),
    ),
    60,
)
TRADES = {"22000100": FOOD, "22000200": TEACHING, "27000100": EQUIPMENT, "49000100": IT, "49000200": ENERGY}
"""Account → what is bought on it."""


def add(municipality: Municipality) -> None:
    """Fill invoices: one for each posting of goods or running costs."""
    rng = stream(municipality, "purchases")
    names = dict.fromkeys(name for trade in TRADES.values() for name in trade.suppliers)
    suppliers = {name: cvr(rng) for name in names}
    units = {centre.code: centre.org_unit for centre in municipality.cost_centres}
    eans = {unit.id: unit.ean for unit in municipality.org_units}
    taken: set[tuple[str, str]] = set()
    orders = 4_500_000
    for posting in municipality.postings:
        if not posting.text.startswith("Faktura ") or posting.account not in TRADES:
            continue
        trade, unit = TRADES[posting.account], units[posting.cost_centre]
        name = rng.choice(trade.suppliers)
        number = posting.text.removeprefix("Faktura ")
        while (suppliers[name], number) in taken:  # The ledger's text has the last five digits alone.
            number = f"{rng.randint(1, 99)}{number[-5:]}"
        taken.add((suppliers[name], number))
        ordered = rng.randrange(100) < trade.ordered_percent
        orders += ordered
        issued = posting.posted - timedelta(days=rng.randint(0, 5))
        municipality.invoices.append(
            Invoice(
                number, str(orders) if ordered else "", suppliers[name], name, unit, eans[unit], posting.account, issued,
                issued + timedelta(days=30), posting.oere, _lines(rng, trade, posting),
            )
        )  # fmt: skip


def _lines(rng: random.Random, trade: Trade, posting: Posting) -> list[InvoiceLine]:
    """Share the posting's amount out on one to four lines, to the øre."""
    goods = rng.sample(trade.goods, min(rng.choice((1, 1, 2, 2, 3, 4)), len(trade.goods)))
    weights = [rng.uniform(0.3, 1.0) for _ in goods]
    left, lines = posting.oere, []
    for position, (good, weight) in enumerate(zip(goods, weights, strict=True), start=1):
        oere = left if position == len(goods) else int(posting.oere * weight / sum(weights))
        left -= oere
        price = round(good.price_oere * rng.uniform(0.9, 1.15))
        hundredths = round(oere * 100 / price)
        lines.append(
            InvoiceLine(position, good.item_number, good.item, good.unspsc, good.unspsc_name, hundredths, good.unit, price, oere)
        )
    return lines
