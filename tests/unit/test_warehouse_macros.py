"""The small macros that conformed models and marts share, compiled by plain Jinja and run by DuckDB."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.danish_time import DENMARK
from serving.disclosure import recoverable, told_by_two

MACROS = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "sql" / "warehouse.sql"
GENERIC = MACROS.parents[1] / "tests" / "generic.sql"


class Refused(Exception):
    pass


class Exceptions:
    @staticmethod
    def raise_compiler_error(message: str) -> None:
        raise Refused(message)


@pytest.fixture(scope="module")
def macros() -> Any:
    return jinja2.Environment().from_string(MACROS.read_text(encoding="utf-8"), globals={"exceptions": Exceptions}).module


def value(expression: str) -> Any:
    with duckdb.connect() as connection:
        row = connection.execute(f"select {expression}").fetchone()
    return row[0] if row else None


@pytest.mark.parametrize(("count", "shown"), [("0", 7), ("1", None), ("4", None), ("5", 7), ("null", 7)])
def test_few_persons_are_hidden_and_nobody_is_not(macros: Any, count: str, shown: int | None) -> None:
    assert value(macros.suppress(count, "7")) == shown
    assert value(macros.is_small(count)) is (shown is None)


def test_threshold_has_a_floor(macros: Any) -> None:
    assert value(macros.suppress("3", "7", threshold=3)) == 7
    with pytest.raises(Refused, match="below the floor of 3"):
        macros.suppress("3", "7", threshold=2)


@pytest.mark.parametrize(("padded", "plain"), [("0000001234", "1234"), ("1234", "1234"), ("0000", None)])
def test_keys_lose_their_padding(macros: Any, padded: str, plain: str | None) -> None:
    assert value(macros.unpadded(f"'{padded}'")) == plain


def test_danish_time_on_both_nights_of_the_clock(macros: Any) -> None:
    """Every half hour around the changes of 2024 to 2028, and one hour of each month, against the time zone database."""
    starts = [datetime(year, month, 24, tzinfo=UTC) for year in range(2024, 2029) for month in (3, 10)]
    moments = [start + timedelta(minutes=30 * step) for start in starts for step in range(48 * 8)]
    moments += [datetime(2026, month, 15, 12, tzinfo=UTC) for month in range(1, 13)]
    expected = [moment.astimezone(DENMARK).replace(tzinfo=None) for moment in moments]
    with duckdb.connect() as connection:
        connection.execute("create table moments (position integer, moment timestamp)")
        rows = [(position, moment.replace(tzinfo=None).isoformat()) for position, moment in enumerate(moments)]
        connection.executemany("insert into moments values (?, ?)", rows)
        found = connection.execute("select " + macros.danish_time("moment") + " from moments order by position").fetchall()
    assert [row[0] for row in found] == expected


# --- Complementary suppression -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recovered() -> Any:
    """The generic test `not_recoverable`, as a function from a table to the cells that can be worked out."""
    source = GENERIC.read_text(encoding="utf-8")
    body = source[source.index("{% test not_recoverable") :]
    body = body.replace("{% test", "{% macro").replace("{% endtest %}", "{% endmacro %}")
    macro: Any = jinja2.Environment().from_string(body).module
    return macro.not_recoverable


def published(macros: Any, persons: list[int], threshold: int = 5, complement: bool = True) -> str:
    """Return a query of one set and its total: `kroner` is a thousand a person."""
    cells = ", ".join(f"('m', 'c{number:02d}', {count})" for number, count in enumerate(persons))
    hidden = macros.hidden_cell("n", ["maaned"], "celle", threshold) if complement else macros.is_small("n", threshold)
    total_hidden = macros.hidden_total("n", "skjult", "sum(n)", threshold) if complement else "false"
    return f"""
        with celler as (select * from (values {cells}) as t(maaned, celle, n)),
        valgt as (select *, {hidden} as skjult from celler)
        select maaned, celle, if(skjult, null, n) as personer, if(skjult, null, 1000 * n) as kroner from valgt
        union all
        select maaned, 'I alt', if({total_hidden}, null, sum(n)), if({total_hidden}, null, sum(1000 * n))
        from valgt group by maaned
    """


def leaks(recovered: Any, query: str) -> list[Any]:
    checked = recovered(f"({query})", ["maaned"], "celle = 'I alt'", ["kroner"], ["personer"])
    with duckdb.connect() as connection:
        return connection.execute(checked).fetchall()


def test_primary_suppression_alone_leaks(macros: Any, recovered: Any) -> None:
    found = leaks(recovered, published(macros, [3, 20, 40], complement=False))
    assert [(measure, left) for measure, _, _, _, left in found] == [("kroner", 3000), ("personer", 3)]
    assert leaks(recovered, published(macros, [3, 20, 40])) == []


@pytest.mark.parametrize(
    ("persons", "shown"),
    [
        ([20, 40], [20, 40, 60]),
        ([3, 20, 40], [None, None, 40, 63]),
        ([0, 3, 20, 40], [0, None, None, 40, 63]),  # nobody is no place to hide
        ([4, 4, 20, 40], [None, None, None, 40, 68]),
        ([1, 5, 20, 40], [None, None, None, 40, 66]),  # 1 + 5 could be nothing else
        ([2, 0, 0], [None, 0, 0, None]),
        ([2, 3], [None, None, None]),
        ([1, 5], [None, None, None]),
        ([3, 30], [None, None, 33]),
        ([4, 13, 13, 40], [None, None, None, 40, 70]),  # 13 is the smallest, so 17 less the hidden one could be 4 alone
    ],
)
def test_the_smallest_other_cell_is_hidden_with_the_small_ones(macros: Any, persons: list[int], shown: list[int | None]) -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(published(macros, persons)).fetchall()
    assert [row[2] for row in sorted(rows, key=lambda row: (row[1] == "I alt", row[1]))] == shown


@given(st.lists(st.integers(0, 12), min_size=1, max_size=7), st.sampled_from([3, 5, 10]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_who_knows_the_rule_reads_no_small_cell(macros: Any, persons: list[int], threshold: int) -> None:
    """What is left of the total covers a cell that is not small, and more than the least it could be."""
    with duckdb.connect() as connection:
        rows = connection.execute(published(macros, persons, threshold)).fetchall()
    by_cell = {row[1]: row[2] for row in rows}
    total = by_cell.pop("I alt")
    small = [cell for cell, count in zip(sorted(by_cell), persons, strict=True) if 0 < count < threshold]
    assert all(by_cell[cell] is None for cell in small)
    if total is None or not small:
        return
    hidden = [count for cell, count in zip(sorted(by_cell), persons, strict=True) if by_cell[cell] is None]
    assert sum(hidden) == total - sum(count for count in by_cell.values() if count is not None)
    assert len(hidden) >= 2
    # A group of persons that is not small itself: with a cell that is not, or everybody.
    assert max(hidden) >= threshold or sum(hidden) == total >= threshold
    # One small cell could be more or fewer by one with the same sum left.
    smallest = len([count for count in hidden if count < threshold]) + threshold
    assert sum(hidden) > smallest or len([count for count in hidden if count >= threshold]) > 1


@pytest.mark.parametrize(("cells", "most"), [(2, 20), (3, 14), (4, 8)])
def test_no_small_cell_is_all_that_it_can_be(macros: Any, cells: int, most: int) -> None:
    """Of all sets of so many cells no two that are published alike have the same in a small cell: nobody reads it."""
    possible = list(itertools.product(range(most + 1), repeat=cells))
    with duckdb.connect() as connection:
        numbers = ", ".join(f"saet // {(most + 1) ** (cells - 1 - cell)} % {most + 1}" for cell in range(cells))
        rows = f"select saet, unnest(range({cells})) as celle, unnest([{numbers}]) as n from range({len(possible)}) as t (saet)"
        found = connection.execute(f"""
            with valgt as (select *, {macros.hidden_cell("n", ["saet"], "celle")} as skjult from ({rows})),
            vist as (
                select
                    saet,
                    list(if(skjult, null, n) order by celle) as vist,
                    if({macros.hidden_total("n", "skjult", "sum(n)")}, null, sum(n)) as i_alt
                from valgt group by saet
            )
            select vist, list(saet) from vist group by vist, i_alt
        """).fetchall()
    assert sum(len(sets) for _, sets in found) == len(possible)
    for shown, sets in found:
        for cell in (cell for cell, count in enumerate(shown) if count is None):
            counts = {possible[one][cell] for one in sets}
            assert len(counts) > 1 or counts.isdisjoint(range(1, 5)), [possible[one] for one in sets]


def of_few(macros: Any, sets: str) -> str:
    """Return a query of sets (`saet`, `celle`, `n`, `del`) and totals: `heraf` is how many of the `personer` have something."""
    base_hidden = macros.hidden_total("n", "skjult", "sum(n)")
    part_hidden = macros.hidden_total("del", "del_skjult", "sum(del)", among="skjult", whole=base_hidden)
    return f"""
        with base as (select *, {macros.hidden_cell("n", ["saet"], "celle")} as skjult from ({sets})),
        valgt as (select *, {macros.hidden_cell("del", ["saet"], "celle", among="skjult", of="n")} as del_skjult from base)
        select saet, celle, if(skjult, null, n) as personer, if(del_skjult, null, del) as heraf from valgt
        union all
        select saet, 'I alt', if({base_hidden}, null, sum(n)), if({part_hidden}, null, sum(del)) from valgt group by saet
    """


@pytest.mark.parametrize(
    "persons", [(1, 7), (3, 9), (1, 1), (2, 6, 8), (1, 6, 12), (3, 3, 7), (0, 1, 4), (0, 2, 6), (1, 2, 8, 9)]
)
def test_who_knows_the_few_does_not_read_what_they_have(macros: Any, recovered: Any, persons: tuple[int, ...]) -> None:
    """Of all that the parts can be, what is published leaves it open whether any of a few persons, whom one knows, has it."""
    possible = list(itertools.product(*(range(count + 1) for count in persons)))
    rows = [(saet, f"c{cell}", persons[cell], part) for saet, parts in enumerate(possible) for cell, part in enumerate(parts)]
    with duckdb.connect() as connection:
        connection.execute(f"create table sets as from (values {', '.join(map(str, rows))}) as t (saet, celle, n, del)")
        connection.execute(f"create table mart as {of_few(macros, 'from sets')}")
        found = connection.execute(
            "select saet, list(heraf order by celle = 'I alt', celle) from mart group by saet order by saet"
        ).fetchall()
        checked = recovered("mart", ["saet"], "celle = 'I alt'", [], ["heraf"], 5, {"heraf": "personer"})
        assert connection.execute(checked).fetchall() == []
        question = {
            "within": ["saet"],
            "total": "celle = 'I alt'",
            "measures": [],
            "counts": ["heraf"],
            "parts": {"heraf": "personer"},
        }
        assert list(recoverable(connection, "mart", question)) == []
    alike: dict[tuple[int | None, ...], list[tuple[int, ...]]] = {}
    for saet, shown in found:
        alike.setdefault(tuple(shown), []).append(possible[saet])
    for shown, sets in alike.items():
        if sum(sets[0]) == 0 and shown[-1] == 0:
            continue  # nobody in the whole set has it
        for cell, count in enumerate(persons):
            if 0 < count < 5:
                assert shown[cell] is None
                # Where more have it than the largest of the other groups could, nearly all do: that is theirs to tell.
                left = (shown[-1] or 0) - sum(part or 0 for part in shown[:-1])
                others = max(
                    (persons[other] for other, part in enumerate(shown[:-1]) if other != cell and part is None), default=0
                )
                assert {min(parts[cell], 1) for parts in sets} == {0, 1} or left > others, (shown, cell, sets)


PERSONS = st.lists(st.integers(0, 9), min_size=1, max_size=5)


@given(PERSONS, PERSONS, st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_who_keeps_yesterdays_version_reads_no_small_cell(macros: Any, before: list[int], now: list[int], few: bool) -> None:
    """What the one version shows in place of what the other hides leaves no small cell, whichever cells did not change."""
    if few:  # Corrections as they mostly come: one cell, by a person or two.
        now = [*before[:-1], max(0, before[-1] + now[0] % 5 - 2)]
    with duckdb.connect() as connection:
        for name, persons in (("before", before), ("now", now)):
            connection.execute(f"create table {name} as {published(macros, persons)}")
        question = {"within": ["maaned"], "total": "celle = 'I alt'", "measures": ["kroner"], "counts": ["personer"]}
        if told_by_two(connection, "before", "now", ["celle"], question, "told"):
            return  # published as before
        versions = [dict(connection.execute(f"select celle, personer from {name}").fetchall()) for name in ("before", "now")]
    for one, other, persons in zip(versions, reversed(versions), (before, now), strict=True):
        hidden = [cell for cell, count in one.items() if count is None]
        if one["I alt"] is None:
            continue
        left = one["I alt"] - sum(count for cell, count in one.items() if cell not in hidden and cell != "I alt")
        for cell in hidden:
            beside = [other.get(another, 0) for another in hidden if another != cell]
            told = None if None in beside else left - sum(beside)
            assert told is None or told != persons[int(cell[1:])] or told >= 5
