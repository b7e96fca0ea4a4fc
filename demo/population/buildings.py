"""Building cases: received, complete, decided, with fees; processing time follows the load of open cases."""

from __future__ import annotations

from datetime import timedelta

from demo.administration import BuildingCase
from demo.municipality import FIRST_DAY, TODAY, Municipality
from demo.population.common import count, day_between, local_address, stream

KINDS = (
    ("02.34.02", "Enfamiliehus", 1_450_000), ("02.34.02", "Sommerhus", 1_180_000), ("02.34.02", "Tilbygning", 620_000),
    ("02.34.02", "Carport eller garage", 310_000), ("02.34.02", "Erhvervsbyggeri", 4_200_000),
    ("02.34.10", "Nedrivning", 180_000),
)  # fmt: skip
CASES = 2_400


def add(municipality: Municipality) -> None:
    """Fill building cases."""
    rng = stream(municipality, "buildings")
    received = sorted(day_between(rng, FIRST_DAY, TODAY) for _ in range(count(municipality, CASES, 20)))
    for position, day in enumerate(received):
        kle, kind, fee = rng.choices(KINDS, (20, 25, 22, 20, 6, 7))[0]
        # The case system changed its numbering at the turn of 2024/2025.
        number = f"306-{day.year}-{1000 + position}" if day.year < 2025 else f"{kle}-P19-{day:%y}-{position + 1}"
        complete = day + timedelta(days=int(rng.expovariate(1 / 18)))
        decided = complete + timedelta(days=20 + int(rng.expovariate(1 / (75 if day.month in (5, 6, 7, 8) else 48))))
        done = decided <= TODAY
        decision = rng.choices(("tilladelse", "afslag", "trukket"), (86, 7, 7))[0] if done else ""
        municipality.building_cases.append(
            BuildingCase(
                70_000 + 3 * position, number, kle, kind, local_address(rng), day, complete if complete <= TODAY else None,
                decided if done else None, decision, round(fee * rng.uniform(0.8,
                1.3) / 100) * 100 if decision == "tilladelse" else 0,
                "afsluttet" if done else "under behandling",
            )
        )  # fmt: skip
