"""Questions 1, 2 and 6: children before and after a notification, what absence warns of, and places for them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from truth_support import planted

from demo.facts import add_months


def test_question_1_costs_before_and_after(ask: Any, truth: dict[str, Any]) -> None:
    facts = truth["facts"]["boern_forloeb"]
    found = {
        str(quarter): (children, absent, cost)
        for quarter, children, absent, cost in ask(
            "select kvartal, count(*), sum(fravaersdage), sum(foranstaltninger + specialtilbud)"
            " from intermediate.int_barn__forloeb group by 1"
        )
    }
    assert set(found) == {quarter for quarter, sums in facts.items() if sums["boern"]}
    lost = planted(truth, "dubu", "underretninger", "barn_cpr") + planted(truth, "dubu", "underretninger", "modtaget")
    assert lost == 3
    for quarter, (children, _, _) in found.items():
        # A child whose notification has no readable CPR number or day is not followed, or from its second one.
        assert abs(facts[quarter]["boern"] - children) <= lost
    shown = ask(
        "select kvartal, boern, foranstaltninger + specialtilbud, fravaersdage from marts.mart_barn_forloeb"
        " where underretter = 'I alt' and boern is not null"
    )
    assert any(cost is not None for _, _, cost, _ in shown)
    for quarter, children, cost, absent in shown:
        assert (children, absent) == found[str(quarter)][:2]
        assert cost is None or cost == pytest.approx(found[str(quarter)][2], abs=Decimal("0.02"))


@pytest.mark.parametrize(
    ("measure", "within", "persons"),
    [
        (
            "mart_barn_forloeb.foranstaltninger",
            "kvartal, underretter",
            "select kvartal, underretter, person_id from intermediate.int_barn__forloeb where foranstaltninger > 0",
        ),
        (
            "mart_flytning.ydelser_24_mdr",
            "kvartal, aldersgruppe",
            (
                "select date_trunc('quarter', dato)::date, aldersgruppe, flytning.person_id"
                " from conformed.fct_flytning as flytning inner join conformed.dim_borger using (borger_noegle)"
                " inner join conformed.fct_ydelse as ydelse on ydelse.person_id = flytning.person_id and uge_mandag >= dato"
                " and uge_mandag < dato + interval 24 month where retning = 'tilflytning'"
            ),
        ),
    ],
)
def test_no_sum_rests_on_few(ask: Any, measure: str, within: str, persons: str) -> None:
    """What is shown is nothing, or what five persons or more have a part in, however many are looked at."""
    mart, column = measure.split(".")
    few = f"select one, other from ({persons}) as part(one, other, person) group by all having count(distinct person) < 5"
    assert ask(f"select count(*) > 0 from ({few})") == [(True,)], "there is something to hide"
    assert ask(f"select {within}, {column} from marts.{mart} where {column} <> 0 and ({within}) in ({few})") == []


def test_question_1_health_contacts_are_the_journals(ask: Any, truth: dict[str, Any]) -> None:
    """Quarter by quarter from the journals' own days, and no more than is true; hidden by how many children have contacts."""
    first = dict(
        ask("select person_id, min(modtaget_dato) from conformed.fct_underretning where person_id is not null group by 1")
    )
    ((from_day, to_day),) = ask("select min(dato), max(dato) from conformed.fct_elevfravaer")
    journals = (
        ask("select person_id, dato from conformed.fct_sundhedsbesoeg where gennemfoert"),
        ask("select person_id, modtaget_dato from conformed.fct_henvisning"),
    )
    children: list[dict[int, Counter[str]]] = [{quarter: Counter() for quarter in range(-4, 8)} for _ in journals]
    for journal, by_quarter in zip(journals, children, strict=True):
        for person, day in journal:
            for quarter, counts in by_quarter.items() if day and person in first else ():
                start, after = (add_months(first[person], 3 * n) for n in (quarter, quarter + 1))
                if from_day <= start <= day < after <= to_day + timedelta(days=1):
                    counts[person] += 1
    facts = truth["facts"]["boern_forloeb"].values()
    for kind, by_quarter in zip(("sundhedsbesoeg", "henvisninger"), children, strict=True):
        assert 0 < sum(counts.total() for counts in by_quarter.values()) <= sum(quarter[kind] for quarter in facts)
    visits, referrals = children
    shown = ask(
        "select kvartal, boern, boern_besoegt, sundhedsbesoeg, boern_henvist from marts.mart_barn_forloeb"
        " where underretter = 'I alt'"
    )
    assert any(visited is not None for _, _, visited, _, _ in shown)
    for quarter, followed, *found in shown:
        visited, referred = len(visits[quarter]), len(referrals[quarter])
        if followed is None:
            # Of few children it is not told whether any was visited.
            assert found == [None] * 3
            continue
        assert found == [
            None if 0 < visited < 5 else visited,
            None if 0 < visited < 5 else visits[quarter].total(),
            None if 0 < referred < 5 else referred,
        ]
    ((held_visits, held_referrals),) = ask("select sum(sundhedsbesoeg), sum(henvisninger) from intermediate.int_barn__forloeb")
    assert (held_visits, held_referrals) == tuple(
        sum(counts.total() for counts in by_quarter.values()) for by_quarter in children
    )


def test_measures_and_placements_cost_what_the_sources_say(ask: Any, truth: dict[str, Any]) -> None:
    measures = truth["systems"]["dubu"]["ydelser"]
    ((count, price),) = ask("select count(*), sum(pris_pr_dag) from conformed.fct_foranstaltning")
    # One without a case is not taken, one is repeated; the total is of the prices that can be read.
    assert measures["rows"] - 2 == count
    assert price <= Decimal(measures["pris_pr_dag"])
    placements = truth["systems"]["specialtilbud"]["placeringer"]
    assert ask("select count(*), sum(aarlig_takst) from conformed.fct_specialplacering") == [
        (placements["staging"], Decimal(placements["staging_aarlig_takst"]))
    ]


def test_question_2_counts_the_children_and_the_notified(ask: Any) -> None:
    """By another way: enrolled on some day of the half-year, notified in the window; a child once."""
    shown = ask(
        "select halvaar, boern, fravaersdage from marts.mart_tidlig_opsporing"
        " where institutionsnummer = 'I alt' and boern is not null"
    )
    assert len(shown) >= 2
    for start, children, absent in shown:
        end = f"(date '{start}' + interval 6 month)"
        enrolled = (
            "select distinct person_id from conformed.fct_indskrivning where person_id is not null"
            f" and startdato < {end} and coalesce(slutdato, date '9999-12-31') >= date '{start}'"
        )
        assert ask(f"select count(*) from ({enrolled})") == [(children,)]
        assert ask(
            "select count(*) from conformed.fct_elevfravaer"
            f" where person_id in ({enrolled}) and dato >= date '{start}' and dato < {end}"
        ) == [(absent,)]


def test_question_6_children_places_and_projection(ask: Any, truth: dict[str, Any]) -> None:
    facts = truth["facts"]["kapacitet"]
    # As of the practice municipality's last day: what is of age grows with the calendar.
    living = ask(
        "select skoledistrikt, tilbudstype, count(*) from conformed.dim_borger inner join seeds.aldersgrupper"
        " using (aldersgruppe) where kommunekode = '0306' and tilbudstype is not null"
        " and date '2026-11-22' between gyldig_fra and gyldig_til group by all"
    )
    assert {(district, kind): n for district, kind, n in living} == {
        (district, kind): n for district, kinds in facts["boern"].items() for kind, n in kinds.items()
    }
    places = {(district, kind): n for district, kinds in facts["pladser"].items() for kind, n in kinds.items()}
    found = dict(ask("select (skoledistrikt, tilbudstype)::varchar, pladser from intermediate.int_distrikt__kapacitet"))
    unread = planted(truth, "kmd_elev", "institutioner", "institutionstype")
    assert unread == 1
    assert sum(found.values()) == sum(places.values())
    assert sum(found[f"({district}, {kind})"] != n for (district, kind), n in places.items()) == unread
    held = truth["systems"]["dst"]["fremskrivning"]
    totals = ask(
        "select tilbudstype, aar, boern from marts.mart_kapacitet_prognose where skoledistrikt = 'I alt' and boern is not null"
    )
    assert {(kind, year): n for kind, year, n in totals} == {
        (kind, year): held[f"{name}_{year}"]
        for kind, name in (("dagtilbud", "boern"), ("skole", "elever"))
        for year in range(2026, 2037)
    }


def test_question_6_districts_share_the_projection_by_who_lives_there(ask: Any) -> None:
    rows = ask(
        "select mart.aar, mart.tilbudstype, mart.boern, alt.boern, alt.boern_nu, nu.boern_nu, mart.pladser,"
        " mart.pladser_i_overskud, mart.areal_m2, mart.m2_pr_barn, nu.areal_m2 from marts.mart_kapacitet_prognose as mart"
        " inner join intermediate.int_distrikt__kapacitet as nu using (skoledistrikt, tilbudstype)"
        " inner join marts.mart_kapacitet_prognose as alt on alt.skoledistrikt = 'I alt' and alt.aar = mart.aar"
        " and alt.tilbudstype = mart.tilbudstype where mart.boern > 0"
    )
    assert len({year for year, *_ in rows}) == 11
    for _, _, expected, total, living_total, living, places, spare, area, per_child, held in rows:
        assert living >= 5
        assert expected == pytest.approx(total * living / living_total, abs=Decimal("0.05"))
        assert spare == pytest.approx(places - expected, abs=Decimal("0.1"))
        assert area == held
        assert per_child == pytest.approx(area / expected, rel=Decimal("0.02"))
    # Homes by another way, and only where five or more are asked for or granted.
    granted = ask(
        "select count(*) from staging.stg_geoenviron__byggesager where sagstype = 'ENFAM' and status = 'GRANTED'"
        " and afgjort_dato > current_date - interval 24 month"
    )
    for kind in ("dagtilbud", "skole"):
        assert (
            ask(f"select sum(boligtilladelser) from intermediate.int_distrikt__kapacitet where tilbudstype = '{kind}'") == granted
        )


def test_no_child_is_older_than_its_parent(ask: Any, truth: dict[str, Any]) -> None:
    """What CPR has the wrong way round is left out, and nothing else is."""
    wrong = planted(truth, "cpr_sf6002", "boern", "pnrbarn")
    ((staged,),) = ask("select count(*) from staging.stg_cpr_sf6002__boern")
    assert (wrong, staged) == (2, truth["systems"]["cpr_sf6002"]["boern"]["rows"])
    ((left, older),) = ask(
        "select count(*), count(*) filter (barn.foedselsdato <= foraelder.foedselsdato) from conformed.bro_foraelder_barn as bro"
        " left join staging.stg_cpr_sf6002__personer as foraelder on foraelder.person_id = bro.foraelder_person_id"
        " left join staging.stg_cpr_sf6002__personer as barn on barn.person_id = bro.barn_person_id"
    )
    assert (left, older) == (staged - wrong, 0)
