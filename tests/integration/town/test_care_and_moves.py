"""Questions 4 and 9: the summer peak of home care, and who moves over the border."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from truth_support import planted


def test_question_4_the_summer_peak(ask: Any, truth: dict[str, Any]) -> None:
    facts = truth["facts"]["sommerhuse"]
    found = {
        month: (living, granted)
        for month, living, granted in ask(
            "select strftime(maaned, '%Y-%m'), count(distinct beboere.person_id), count(distinct bevilling.person_id)"
            " from intermediate.int_sommerhusbeboer__maaned as beboere left join conformed.fct_bevilget_omsorg as bevilling"
            " on beboere.person_id = bevilling.person_id and beboere.dag between bevilling.gyldig_fra and bevilling.gyldig_til"
            " group by 1"
        )
    }
    assert {month: living for month, (living, _) in found.items()} == {month: sums["beboere"] for month, sums in facts.items()}
    # Whose CPR number home care has wrong is not found in a summer house; a grant whose end cannot be read runs on.
    nameless, endless = planted(truth, "nexus", "borgere", "cpr"), planted(truth, "nexus", "indsatser", "to_date")
    assert (nameless, endless) == (2, 1)
    assert all(-endless <= facts[month]["bevilgede"] - granted <= nameless for month, (_, granted) in found.items())
    shown = ask(
        "select strftime(maaned, '%Y-%m'), beboere, bevilgede, vikartimer from marts.mart_saesonbelastning"
        " where skoledistrikt = 'I alt'"
    )
    assert len(shown) == len(facts)
    assert any(living is not None for _, living, _, _ in shown)
    for month, living, granted, hours in shown:
        assert living in (None, found[month][0])
        assert granted in (None, found[month][1])
        assert float(hours) == pytest.approx(facts[month]["vikartimer"])


def test_question_9_moves_over_the_border(ask: Any, truth: dict[str, Any]) -> None:
    found: dict[str, Counter[str]] = {"tilflytning": Counter(), "fraflytning": Counter()}
    for direction, month, moves in ask(
        "select retning, strftime(dato, '%Y-%m'), count(*) from conformed.fct_flytning"
        " where dato >= date '2023-11-23' group by all"
    ):
        found[direction][month] = moves
    facts = truth["facts"]["flytninger"]
    assert dict(found["tilflytning"]) == facts["tilflytning"]
    # Whose status cannot be read is not known to have left the country.
    spoilt = planted(truth, "cpr_sf6002", "personer", "status")
    assert 0 <= sum(facts["fraflytning"].values()) - found["fraflytning"].total() <= spoilt
    shown = ask(
        "select kvartal, retning, flytninger from marts.mart_flytning where aldersgruppe = 'I alt' and flytninger is not null"
    )
    assert shown
    for quarter, direction, moves in shown:
        months = [f"{quarter.year}-{quarter.month + step:02d}" for step in range(3)]
        assert moves == sum(found[direction][month] for month in months)
