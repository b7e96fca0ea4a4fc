"""What the generators share: random streams, dates, check digits, names of people and places."""

from __future__ import annotations

import csv
import random
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from demo.administration import Address
from demo.municipality import FIRST_DAY, MUNICIPALITY_CODE, TODAY, Municipality

SEED_FILE = Path(__file__).resolve().parents[2] / "seeds" / "skoledistrikter.csv"
TOWNS = {
    "4500": "Nykøbing Sj", "4534": "Hørve", "4540": "Fårevejle", "4550": "Asnæs", "4560": "Vig",
    "4571": "Grevinge", "4573": "Højby", "4581": "Rørvig",
}  # fmt: skip
PARISHES = {
    "4500": "7401", "4534": "7402", "4540": "7403", "4550": "7404", "4560": "7405",
    "4571": "7406", "4573": "7407", "4581": "7408",
}  # fmt: skip
"""Postcode → code of the parish; the codes are of no real parish."""
OTHER_MUNICIPALITIES = {
    "101": "København",
    "316": "Holbæk",
    "326": "Kalundborg",
    "330": "Slagelse",
    "340": "Sorø",
    "265": "Roskilde",
}
STEMS = (
    "Birke", "Ege", "Bøge", "Ellebjerg", "Lærke", "Viben", "Solsorte", "Strand", "Klit", "Fjord", "Kirke", "Skole", "Møllebakke",
    "Havne", "Algade", "Hovedgaden", "Søndergade", "Nørre", "Vester", "Øster", "Lyng", "Hybenrose", "Rævebakke", "Tranekær",
)  # fmt: skip
ENDINGS = ("vej", "stræde", "allé", "parken", "engen")
GIVEN_M = (
    "Peter", "Jens", "Michael", "Lars", "Søren", "Thomas", "Niels", "Hans", "Ole", "Anders", "Jørgen", "Mads", "William", "Noah",
    "Oscar", "Carl", "Åge", "Mohammed", "Bjørn", "Frederik",
)  # fmt: skip
GIVEN_K = (
    "Anne", "Mette", "Kirsten", "Hanne", "Anna", "Helle", "Lene", "Maria", "Susanne", "Inge", "Karen", "Emma", "Ida", "Freja",
    "Clara", "Sofie", "Gudrun", "Åse", "Fatima", "Bente",
)  # fmt: skip
SURNAMES = (
    "Nielsen", "Jensen", "Hansen", "Andersen", "Pedersen", "Christensen", "Larsen", "Sørensen", "Rasmussen", "Jørgensen",
    "Madsen", "Kristensen", "Møller", "Østergård", "Bæk", "Skov-Holm", "Ågård", "Yilmaz", "Kjær", "Lund",
)  # fmt: skip


def stream(municipality: Municipality, name: str) -> random.Random:
    """Return the random stream of one module: what another module draws does not disturb it."""
    return random.Random(f"{municipality.seed}/{municipality.scale}/{name}")


def count(municipality: Municipality, at_full_scale: float, at_least: int = 1) -> int:
    """Return how many of something there are at the municipality's scale."""
    return max(at_least, round(at_full_scale * municipality.scale))


def day_between(rng: random.Random, first: date, last: date) -> date:
    """Return a random day from `first` to `last`, both included."""
    return first + timedelta(days=rng.randint(0, max(0, (last - first).days)))


def moment(rng: random.Random, day: date, first_hour: int = 7, last_hour: int = 17) -> datetime:
    """Return a random moment of `day` between the hours."""
    return datetime(day.year, day.month, day.day, rng.randint(first_hour, last_hour), rng.randint(0, 59), rng.randint(0, 59))


def months() -> list[date]:
    """Return the first day of each of the 36 months that end with the present one."""
    return [date(2023 + (11 + i) // 12, (11 + i) % 12 + 1, 1) for i in range(36)]


def school_year(day: date) -> str:
    """Return the school year (August to July) of `day` as `2025/2026`."""
    first = day.year if day.month >= 8 else day.year - 1
    return f"{first}/{first + 1}"


def ean(rng: random.Random) -> str:
    """Return a Danish public EAN location number (13 digits, GS1 check digit)."""
    body = f"5798{rng.randint(0, 99_999_999):08d}"
    total = sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(body))
    return f"{body}{-total % 10}"


def cvr(rng: random.Random) -> str:
    """Return a CVR number (8 digits, modulus 11)."""
    while True:
        body = f"{rng.randint(1_000_000, 4_999_999)}"
        check = -sum(int(digit) * weight for digit, weight in zip(body, (2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
        if check < 10:
            return f"{body}{check}"


@cache
def roads() -> tuple[tuple[str, str, str, str], ...]:
    """Return the municipality's roads as (vejkode, name, district code, postcode), and check that the seed has them all."""
    with SEED_FILE.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = [f"{stem}{ending}" for ending in ENDINGS for stem in STEMS]
    return tuple((row["vejkode"], names[i], row["skoledistrikt"], row["postnr"]) for i, row in enumerate(rows))


@cache
def districts() -> dict[str, str]:
    """Return school district code → name."""
    with SEED_FILE.open(encoding="utf-8", newline="") as lines:
        return {row["skoledistrikt"]: row["skoledistrikt_navn"] for row in csv.DictReader(lines)}


def local_address(rng: random.Random, district: str | None = None) -> Address:
    """Return an address in the municipality, in `district` if given."""
    candidates = roads() if district is None else [road for road in roads() if road[2] == district]
    code, name, area, postcode = rng.choice(candidates)
    number = f"{rng.randint(1, 140)}{rng.choice('ABC') if rng.random() < 0.08 else ''}"
    flat = rng.random() < 0.2
    return Address(
        MUNICIPALITY_CODE, code, name, number,
        rng.choice(("st", "1", "2")) if flat else "", rng.choice(("tv", "th")) if flat else "",
        postcode, TOWNS[postcode], area,
    )  # fmt: skip


def distant_address(rng: random.Random) -> Address:
    """Return an address in another municipality."""
    code = rng.choice(tuple(OTHER_MUNICIPALITIES))
    return Address(
        code, f"{rng.randint(1, 9000):04d}", "Nygade", str(rng.randint(1, 99)), "", "", "4300", OTHER_MUNICIPALITIES[code], ""
    )


__all__ = [
    "FIRST_DAY", "TODAY", "count", "cvr", "day_between", "distant_address", "districts", "ean", "local_address", "moment",
    "months", "roads", "school_year", "stream",
]  # fmt: skip
