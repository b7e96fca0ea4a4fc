"""The finance spine: the budget follow-up is the ledger, and the agreed budget what was published."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest


def test_the_budget_follow_up_is_the_ledger(ask: Any) -> None:
    """Centre and committee, where they are shown; nothing that is posted to a cost centre is missing from its month."""
    ledger: Counter[tuple[date, str, str]] = Counter()
    for month, centre, function, spent in ask(
        "select regnskabsmaaned, center_id, funktion, sum(beloeb) from conformed.fct_postering"
        " inner join conformed.dim_organisation using (enhed_id) group by all"
    ):
        ledger[month, centre, _committee(function)] += spent
    # What is posted in January in the old year's period 13 counts in its December, and so in the follow-up.
    late = "bool_and(regnskabsmaaned = make_date(regnskabsaar::int, 12, 1)), bool_or(month(bogfoeringsdato) = 1)"
    assert ask(f"select count(*) > 3, {late} from conformed.fct_postering where periode = 13") == [(True, True, True)]
    shown = ask(
        "select maaned, center_id, udvalg, forbrug, rest_af_aarsbudget, forventet_aarsforbrug, aarsbudget"
        " from marts.mart_budgetopfoelgning where raekketype = 'center i alt' and forbrug is not null order by maaned"
    )
    ((running,),) = ask("select date_trunc('month', max(bogfoeringsdato) + 1)::date from conformed.fct_postering")
    assert len(shown) > 100
    assert {committee for _, _, committee, *_ in shown} > {"Økonomiudvalget", "Social- og Arbejdsmarkedsudvalget"}
    for month, centre, committee, spent, rest, expected, budget in shown:
        assert spent == pytest.approx(ledger[month, centre, committee], abs=Decimal("0.01"))
        if rest is not None:
            used = sum(
                kroner
                for (other, *whose), kroner in ledger.items()
                if whose == [centre, committee] and other.year == month.year and other <= month
            )
            assert rest == pytest.approx(budget - used, abs=Decimal("0.01"))
            # The running month, of which most is not posted, says nothing of the year.
            over = {other for other, *_ in ledger if other.year == month.year and other <= month and other < running}
            of_them = sum(kroner for (other, *whose), kroner in ledger.items() if whose == [centre, committee] and other in over)
            assert expected == (pytest.approx(12 * of_them / len(over), abs=Decimal("0.01")) if over else None)
    budgets = dict(ask("select regnskabsaar, sum(beloeb) from conformed.fct_budget where budgetversion = '1' group by all"))
    year_budget = "select distinct regnskabsaar, omkostningssted, funktion, aarsbudget from marts.mart_budgetopfoelgning"
    found = dict(ask(f"select regnskabsaar, sum(aarsbudget) from ({year_budget} where raekketype = 'linje') group by 1"))
    # A year from before the budgets begin has none of 0.
    assert found == {year: budgets.get(year) for year in found} | {2023: None}


def _committee(function: str) -> str:
    """By the look-up's file itself: cut off from the right until a part of the chart is found."""
    with (Path(__file__).parents[3] / "seeds" / "udvalg.csv").open(encoding="utf-8", newline="") as file:
        placed = {row["funktion"]: row["udvalg"] for row in csv.DictReader(file) if not row["regnskabsaar_til"]}
    while function and function not in placed:
        function = function.rpartition(".")[0]
    return placed.get(function, "Ukendt")


def test_salaries_that_one_mart_hides_no_other_tells(ask: Any) -> None:
    """No line with salaries is shown of a unit whose salaries are hidden."""
    lines = (
        "select budget.maaned, budget.center_id, budget.udvalg, budget.forbrug, fravaer.loenudgift"
        " from marts.mart_budgetopfoelgning as budget"
        " inner join (select distinct regnskabsmaaned as maaned, enhed_id, omkostningssted, funktion from conformed.fct_postering"
        " inner join conformed.dim_artskonto using (artskonto) where hovedart = '1' and dranst = '1') as loen"
        " using (maaned, omkostningssted, funktion) inner join marts.mart_fravaer_vikar as fravaer"
        " on fravaer.maaned = budget.maaned and fravaer.enhed_id = loen.enhed_id and fravaer.raekketype = 'enhed'"
    )
    assert ask(f"select count(*) filter (where loenudgift is null) > 0, count(forbrug) > 0 from ({lines})") == [(True, True)]
    assert ask(f"select * from ({lines}) where forbrug is not null and loenudgift is null") == []


def test_the_agreed_budget_sums_to_what_the_municipality_published(ask: Any) -> None:
    """A total that nobody here made: Center for Social og Arbejdsmarked has 1,077.7 million kroner in 2026."""
    rows = ask(
        "select regnskabsaar, organisation.center, count(*), sum(beloeb) from conformed.fct_budgetaftale as aftale"
        " inner join conformed.dim_organisation as organisation on aftale.center_id = organisation.enhed_id group by all"
    )
    assert rows == [(2026, "Social og Arbejdsmarked", 10, Decimal("1077700000.00"))]
    assert ask("select beloeb from conformed.fct_budgetaftale where bevilling = 'Overførselsudgifter'") == [(735_000_000,)]
