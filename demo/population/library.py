"""What is borrowed at the libraries: a year of it."""

from __future__ import annotations

from demo.municipality import Municipality
from demo.population.common import count, months, stream
from demo.services import LibraryBranch, Loans

BRANCHES = (("730600", "Hovedbiblioteket i Højby"), ("730601", "Nykøbing Bibliotek"), ("730602", "Asnæs Bibliotek"))
MATERIALS = ("Bog", "Tidsskrift", "Lydbog", "Film")
LINES = 30_000
"""A year, at full scale."""


def add(municipality: Municipality) -> None:
    """Fill branches and loans."""
    rng = stream(municipality, "library")
    unit = next(unit.id for unit in municipality.org_units if unit.name == "Bibliotekerne")
    municipality.library_branches = [LibraryBranch(number, name, unit) for number, name in BRANCHES]
    patrons = range(6_100_000, 6_100_000 + count(municipality, 8_000, 30))
    for month in months()[-12:]:
        lines = {
            (rng.choice(BRANCHES)[0], rng.choice(patrons), rng.choices(MATERIALS, (70, 8, 14, 8))[0])
            for _ in range(count(municipality, LINES / 12, 8))
        }
        municipality.loans += [
            Loans(month, branch, patron, material, rng.randint(1, 9), rng.choice((0, 0, 0, 1, 2)))
            for branch, patron, material in sorted(lines)
        ]
