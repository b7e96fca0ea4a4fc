"""What each fact sums to is what its systems hold."""

from __future__ import annotations

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
