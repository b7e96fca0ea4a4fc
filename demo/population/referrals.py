"""Referrals of children to the municipality's psychologists and speech therapists (PPR), as Sofus has them."""

from __future__ import annotations

from datetime import timedelta

from demo.municipality import FIRST_DAY, TODAY, Municipality, Referral
from demo.population.common import count, day_between, stream

REASONS = ("sprog og tale", "læsevanskeligheder", "trivsel", "koncentration", "motorik")
OUTCOMES = ("rådgivning", "undersøgelse", "afvist")
REFERRALS = 1_100


def add(municipality: Municipality) -> None:
    """Fill referrals: most come from the institution where the child is enrolled."""
    rng = stream(municipality, "referrals")
    enrolled = [enrolment for enrolment in municipality.enrolments if enrolment.start < TODAY]
    for serial in range(count(municipality, REFERRALS, 40)):
        enrolment = rng.choice(enrolled)
        received = day_between(rng, max(enrolment.start, FIRST_DAY), min(enrolment.end or TODAY, TODAY))
        done = received + timedelta(days=rng.randint(10, 200))
        over = done <= TODAY
        municipality.referrals.append(
            Referral(
                f"H-{20_001 + serial}", enrolment.cpr, enrolment.institution, received, done if over else None,
                rng.choice(REASONS), rng.choice(OUTCOMES) if over else "", rng.randint(2, 40) * 50,
            )
        )  # fmt: skip
