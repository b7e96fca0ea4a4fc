"""Question 5: what is blank in the benefits' mart is blank for the persons' sake alone."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

THRESHOLD = 5


def due(cells: dict[str, int]) -> set[str]:
    """Return which cells of a month must be blank: the small, the smallest others, and more until they are persons enough."""
    small = sorted(name for name, persons in cells.items() if persons < THRESHOLD)
    large = [persons for persons in cells.values() if persons >= THRESHOLD]
    hidden = set(small) | ({name for name, persons in cells.items() if persons == min(large)} if small and large else set())
    for _, name in sorted((persons, name) for name, persons in cells.items() if persons >= THRESHOLD):
        if not small or (len(hidden) > len(small) and sum(cells[other] for other in hidden) > len(small) + THRESHOLD):
            break
        hidden.add(name)
    return hidden


def test_question_5_what_is_blank_is_small_or_would_give_the_small_away(ask: Any) -> None:
    months: dict[date, dict[str, int]] = defaultdict(dict)
    for month, group, persons in ask(
        "select date_trunc('month', uge_mandag)::date, ydelsesgruppe, count(distinct person_id) from conformed.fct_ydelse"
        " group by all"
    ):
        months[month][group] = persons
    blank, shown, smalls = defaultdict(set), 0, 0
    for month, group, persons, hidden in ask(
        "select maaned, ydelsesgruppe, personer, diskretioneret from marts.mart_ydelse_refusion where ydelsesgruppe <> 'I alt'"
    ):
        assert persons == (None if hidden else months[month][group])
        shown += not hidden
        if hidden:
            blank[month].add(group)
    for month, cells in months.items():
        smalls += sum(persons < THRESHOLD for persons in cells.values())
        assert blank[month] == due(cells), month
    assert shown > 100
    assert 0 < smalls < sum(len(groups) for groups in blank.values())
