"""The measures that all share: each the same by MetricFlow, by its published SQL, and by hand."""

from __future__ import annotations

import pytest

from ingestion.home import Home
from serving.metrics import MetricError, metric_sql, semantic_manifest
from serving.query import run_query

ROLE = "bi_netvaerk"


YDELSE = "mart_ydelse_refusion where ydelsesgruppe = 'I alt' group by 1"
BUDGET = "mart_budgetopfoelgning where raekketype = 'center i alt' group by 1"
FRAVAER = "mart_fravaer_vikar where raekketype = 'center i alt' group by 1"
SAG = "mart_sagsflow where emne = 'I alt' group by 1"
FLYTNING = "mart_flytning where aldersgruppe = 'I alt' group by 1"
BARN = "mart_tidlig_opsporing where institutionsnummer = 'I alt' group by 1"
TIL = "sum(flytninger) filter (where retning = 'tilflytning')"
CARE = "filter (where bevilgede_timer is not null and leverede_timer is not null)"
BY_HAND = {
    "ydelsesmodtagere": ("avg(personer)", YDELSE),
    "ydelsesuger": ("sum(uger)", YDELSE),
    "ydelsesudgift": ("sum(brutto)", YDELSE),
    "statsrefusion": ("sum(refusion)", YDELSE),
    "kommunal_andel": ("sum(kommunal_andel)", YDELSE),
    "refusionsprocent": ("sum(refusion) / sum(brutto) * 100", YDELSE),
    "samtaler": ("sum(samtaler)", YDELSE),
    "samtaler_pr_modtager": ("sum(samtaler) / avg(personer)", YDELSE),
    "refusionsdifference": ("sum(refusion - opus_refusion)", YDELSE),
    "forbrug": ("sum(forbrug)", BUDGET),
    "periodebudget": ("sum(maanedsbudget)", BUDGET),
    "budgetafvigelse": ("sum(afvigelse)", BUDGET),
    "forbrugsprocent": ("sum(forbrug) / nullif(sum(maanedsbudget) filter (where forbrug is not null), 0) * 100", BUDGET),
    "aarsbudget": ("sum(aarsbudget)", BUDGET),
    "sygetimer": ("sum(sygetimer)", FRAVAER),
    "ansatte": ("sum(antal_ansatte)", FRAVAER),
    "ansatmaaneder": ("sum(antal_ansatte)", FRAVAER),
    "sygetimer_pr_ansat": ("sum(sygetimer) / sum(antal_ansatte) filter (where sygetimer is not null)", FRAVAER),
    "vikartimer": ("sum(vikartimer)", FRAVAER),
    "faste_timer": ("sum(faste_timer)", FRAVAER),
    "vikarandel": ("sum(vikartimer) / nullif(sum(vikartimer) + sum(faste_timer), 0) * 100", FRAVAER),
    "vikarudgift": ("sum(vikarudgift)", FRAVAER),
    "bevilgede_timer": ("sum(bevilgede_timer)", FRAVAER),
    "leverede_timer": ("sum(leverede_timer)", FRAVAER),
    "leveringsprocent": (f"sum(leverede_timer) {CARE} / nullif(sum(bevilgede_timer) {CARE}, 0) * 100", FRAVAER),
    "loenudgift": ("sum(loenudgift)", FRAVAER),
    "modtagne_byggesager": ("sum(modtagne)", SAG),
    "afgjorte_byggesager": ("sum(afgjorte)", SAG),
    "verserende_byggesager": ("sum(verserende)", SAG),
    "tilflytninger": (TIL, FLYTNING),
    "fraflytninger": ("sum(flytninger) filter (where retning = 'fraflytning')", FLYTNING),
    "nettotilflytning": (f"{TIL} - sum(flytninger) filter (where retning = 'fraflytning')", FLYTNING),
    "boern_i_tilbud": ("sum(boern)", BARN),
    "boernehalvaar": ("sum(boern)", BARN),
    "fravaersdage": ("sum(fravaersdage)", BARN),
    "fravaersdage_pr_barn": ("sum(fravaersdage) / sum(boern)", BARN),
}


def test_every_metric_is_what_it_is_by_hand(home: Home) -> None:
    """By the SQL that is published with it, period for period; and by year and by centre through MetricFlow anew."""
    _, catalogue = run_query(home, ROLE, "select noegletal, forespoergsel, enhed, definition, ejer from mart_noegletal")
    assert {name for name, *_ in catalogue} == set(BY_HAND)
    for name, sql, *said in catalogue:
        assert all(said), name
        expression, rest = BY_HAND[name]
        period = {FLYTNING: "kvartal", BARN: "date_trunc('quarter', halvaar)::date"}.get(rest, "maaned")
        found = dict(run_query(home, ROLE, sql)[1])
        expected = dict(run_query(home, ROLE, f"select {period}, {expression} from {rest}")[1])
        assert any(value is not None for value in expected.values()), name
        for key in expected.keys() | found.keys():
            if expected.get(key) is None:
                assert found.get(key) is None, (name, key)
            else:
                assert float(found[key]) == pytest.approx(float(expected[key]), rel=1e-6, abs=1e-6), (name, key)
    manifest = semantic_manifest(home)
    by_year = run_query(home, ROLE, metric_sql(manifest, ["forbrug", "periodebudget"], ["aar", "center"]))[1]
    assert (
        by_year
        == run_query(
            home,
            ROLE,
            "select date_trunc('year', maaned)::date as aar, center, sum(forbrug), sum(maanedsbudget) from mart_budgetopfoelgning"
            " where raekketype = 'center i alt' group by all order by aar, center",
        )[1]
    )
    # A share of what is shown: a budget whose consumption is hidden, or hours of employees whose illness is, are in neither part.
    shares = {
        "forbrugsprocent": ("100 * sum(forbrug) / sum(maanedsbudget)", "mart_budgetopfoelgning", "forbrug + maanedsbudget"),
        "sygetimer_pr_ansat": ("sum(sygetimer) / sum(antal_ansatte)", "mart_fravaer_vikar", "sygetimer + antal_ansatte"),
    }
    for name, (share, mart, shown) in shares.items():
        by_hand = f"select year(maaned), {share} from {mart} where raekketype = 'center i alt' and {shown} is not null group by 1"
        expected = {year: value for year, value in run_query(home, ROLE, by_hand)[1] if value not in (None, float("inf"))}
        asked = run_query(home, ROLE, metric_sql(manifest, [name], ["aar"]))[1]
        found = {year.year: value for year, value in asked if value is not None}
        assert found == pytest.approx({year: float(value) for year, value in expected.items()}), name
        by_hand = f"select {share} from {mart} where raekketype = 'center i alt' and {shown} is not null"
        ((expected_of_all,),) = run_query(home, ROLE, by_hand)[1]
        ((found_of_all,),) = run_query(home, ROLE, metric_sql(manifest, [name], []))[1]
        assert found_of_all == pytest.approx(float(expected_of_all)), name
    # Days of all half-years are of the children of all of them, not of the last one's.
    by_hand = "select sum(fravaersdage) / sum(boern), count(*) > 1 from mart_tidlig_opsporing where institutionsnummer = 'I alt'"
    ((expected_of_all, several),) = run_query(home, ROLE, by_hand)[1]
    assert several
    assert run_query(home, ROLE, metric_sql(manifest, ["fravaersdage_pr_barn"], []))[1] == [
        (pytest.approx(float(expected_of_all)),)
    ]
    # The year's net is of quarters in which both ways are shown: one way alone would be all of the difference.
    by_hand = (
        "select year(kvartal), sum(if(retning = 'tilflytning', flytninger, -flytninger))"
        " from (select * from mart_flytning where aldersgruppe = 'I alt'"
        " qualify bool_and(flytninger is not null) over (partition by kvartal)) group by 1"
    )
    asked = run_query(home, ROLE, metric_sql(manifest, ["nettotilflytning"], ["aar"]))[1]
    assert {year.year: net for year, net in asked if net is not None} == dict(run_query(home, ROLE, by_hand)[1])
    # A stock is not summed over the year's months: it is the last.
    _, rows = run_query(home, ROLE, metric_sql(manifest, ["aarsbudget"], ["aar"]))
    for year, budget in rows:
        last = f"maaned = (select max(maaned) from mart_budgetopfoelgning where year(maaned) = {year.year})"
        _, ((by_hand,),) = run_query(
            home, ROLE, f"select sum(aarsbudget) from mart_budgetopfoelgning where raekketype = 'center i alt' and {last}"
        )
        assert budget == by_hand


def test_a_metric_that_cannot_be_asked_so_is_refused_with_what_there_is(home: Home) -> None:
    manifest = semantic_manifest(home)
    with pytest.raises(MetricError, match=r"no metric 'omsaetning'\. There are: .*forbrug"):
        metric_sql(manifest, ["omsaetning"], ["maaned"])
    with pytest.raises(MetricError, match="tilflytninger cannot be asked by 'maaned', but by kvartal, aar"):
        metric_sql(manifest, ["tilflytninger"], ["maaned"])
    with pytest.raises(MetricError, match=r"forbrug, sygetimer cannot be asked by 'center' together: .*Ask for each by itself"):
        metric_sql(manifest, ["forbrug", "sygetimer"], ["center"])
    with pytest.raises(MetricError, match="forbrug cannot be asked by 'forbrug_vises', but by maaned"):
        metric_sql(manifest, ["forbrug"], ["forbrug_vises"])
