"""What each fact sums to is what its systems hold."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

# What each fact sums to: the system's own table, and the truth's field of it over what scales it.
FACTS = [
    ("fct_postering", "sum(beloeb)", [("opus_oekonomi", "posteringer", "beloeb", 1)]),
    ("fct_postering", "count(*)", [("opus_oekonomi", "posteringer", "staging", 1)]),
    ("fct_budget", "sum(beloeb)", [("opus_oekonomi", "budget", "beloeb", 1)]),
    ("fct_indkoeb", "sum(beloeb)", [("truelink", "indkoebslinjer", "staging_beloeb", 1)]),
    ("fct_indkoeb", "count(*)", [("truelink", "indkoebslinjer", "staging", 1)]),
    (
        "fct_affald",
        "sum(vaegt_kg)",
        [("scanxnet", "vejninger", "staging_netto_kg", 1), ("marius_pedersen", "toemninger", "staging_tiendedele_kg", 10)],
    ),
    ("fct_ansaettelse", "count(*)", [("opus_loen", "ansaettelser", "ansaettelser", 1)]),
    ("fct_ansaettelse", "count(slutdato)", [("opus_loen", "ansaettelser", "fratraedelser", 1)]),
    ("fct_affald", "count(*)", [("scanxnet", "vejninger", "staging", 1), ("marius_pedersen", "toemninger", "staging", 1)]),
    ("fct_affald", "sum(pris)", [("scanxnet", "vejninger", "staging_pris", 1)]),
    ("fct_energi", "sum(forbrug)", [("energykey", "maanedsforbrug", "staging_hundrededele", 100)]),
    ("fct_energi", "count(*)", [("energykey", "maanedsforbrug", "staging", 1)]),
    ("fct_biblioteksudlaan", "sum(udlaan)", [("fbs", "udlaan", "staging_udlaan", 1)]),
    ("fct_borgerhenvendelse", "sum(ventetid_minutter)", [("frontdesk", "billetter", "staging_ventetid_ms", 60_000)]),
    ("fct_borgerhenvendelse", "sum(betjening_minutter)", [("frontdesk", "billetter", "staging_betjening_hundrededele", 100)]),
    ("fct_borgerhenvendelse", "count(*)", [("frontdesk", "billetter", "staging", 1)]),
    ("fct_sagshaendelse", "count(*)", [("esdh_visning", "haendelser", "staging", 1)]),
    ("fct_sundhedsbesoeg", "sum(minutter)", [("novax", "besoeg", "staging_minutter", 1)]),
    ("fct_sundhedsbesoeg", "count(*)", [("novax", "besoeg", "staging", 1)]),
    ("fct_henvisning", "sum(timer)", [("kmd_insight", "henvisninger", "staging_timer", 1)]),
    ("fct_henvisning", "count(*)", [("kmd_insight", "henvisninger", "staging", 1)]),
    ("fct_dagtilbudsdag", "count(*)", [("aula", "tilstedevaerelse", "staging", 1)]),
    (
        "fct_faktura",
        "sum(beloeb)",
        [("oioubl", "fakturaer", "staging_beloeb", 1), ("oioubl", "kreditnotaer", "staging_beloeb", -1)],
    ),
    ("fct_faktura", "count(*)", [("oioubl", "fakturaer", "staging", 1), ("oioubl", "kreditnotaer", "staging", 1)]),
]


@pytest.mark.parametrize(("fact", "measure", "sources"), FACTS, ids=[f"{fact}-{measure}" for fact, measure, _ in FACTS])
def test_each_fact_sums_to_what_its_systems_hold(
    ask: Any, truth: dict[str, Any], fact: str, measure: str, sources: list[tuple[str, str, str, int]]
) -> None:
    held = sum(Decimal(truth["systems"][system][table][field]) / scale for system, table, field, scale in sources)
    assert held > 0
    ((found,),) = ask(f"select {measure} from conformed.{fact}")
    # Minutes are kept to four decimals: a ticket may be off by half of the last.
    assert found == pytest.approx(held, abs=Decimal("0.1") if measure.endswith("minutter)") else 0)


# Fact → the day of its event, and the slowly changing dimensions whose version of that day it carries.
AS_OF = {
    "fct_postering": ("least(bogfoeringsdato, make_date(regnskabsaar::int, 12, 31))", ("omkostningssted", "organisation")),
    "fct_fravaer": ("fra_dato", ("organisation",)),
    "fct_ansaettelse": ("startdato", ("organisation",)),
    "fct_leveret_omsorg": ("dato", ("organisation",)),
    "fct_vagt": ("dato", ("organisation",)),
    "fct_indkoeb": ("fakturadato", ("organisation", "institution")),
    "fct_energi": ("greatest(maaned, least(last_day(maaned), version.gyldig_til))", ("organisation", "institution")),
    "fct_elevfravaer": ("dato", ("institution",)),
    "fct_indskrivning": ("startdato", ("institution",)),
}
KEYS = {
    "omkostningssted": ("omkostningssted_noegle", "omkostningssted"),
    "organisation": ("enhed_noegle", "enhed_id"),
    "institution": ("institution_noegle", "institutionsnummer"),
}


def test_events_meet_the_version_that_held(ask: Any) -> None:
    """Of the same member, on the day of the event; where a member has had several versions, more than one is met."""
    several: Counter[str] = Counter()
    for fact, (day, dimensions) in AS_OF.items():
        for dimension in dimensions:
            key, member = KEYS[dimension]
            ((known, wrong, met),) = ask(
                f"select count(*), count(*) filter (fact.{member} <> version.{member} or not coalesce({day}"
                " between version.gyldig_fra and version.gyldig_til, false)),"
                f" count(distinct {key}) - count(distinct fact.{member}) from conformed.{fact} as fact"
                f" inner join conformed.dim_{dimension}_historik as version using ({key}) where {key} <> '-1'"
            )
            assert known > 0, (fact, dimension)
            assert wrong == 0, (fact, dimension)
            several[dimension] += met
    assert several["organisation"] > 0
    assert several["omkostningssted"] > 0
