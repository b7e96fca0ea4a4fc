"""A last look before publication: no cell that a mart hides can be worked out from what it shows.

dbt's test `not_recoverable` asks the same of each mart, but a failed test stops nothing: other departments' data go out all the
same. Here the mart's own words, in the manifest, are put to the rows that are about to be published, and then to these and the
version that readers have already: what one hides the other must not show (`docs/decisions/0013-two-versions.md`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

TEST = "not_recoverable"
THRESHOLD = 5

Question = Mapping[str, Any]
"""The arguments of the dbt test: `within`, `total`, `measures`; maybe `counts`, `threshold`, `parts`, `persons`, `no_persons`."""


def questions(manifest: Mapping[str, Any]) -> dict[str, Question]:
    """Return what each model asks not to be recoverable, by the model's dbt unique id."""
    return {
        node["attached_node"]: node["test_metadata"]["kwargs"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and (node.get("test_metadata") or {}).get("name") == TEST
    }


def shown_small(connection: duckdb.DuckDBPyConnection, relation: str, question: Question) -> Iterator[str]:
    """Yield each count of persons of which `relation` shows fewer than its threshold; and in how many rows."""
    threshold, no_persons = question.get("threshold", THRESHOLD), question.get("no_persons", "false")
    for count in (*question.get("counts", ()), *question.get("persons", ())):
        found = connection.execute(
            f"select count(*) from {relation} where {count} > 0 and {count} < {threshold} and not ({no_persons})"
        ).fetchone()
        if found and found[0]:
            yield f"{count} in {found[0]} rows"


def recoverable(connection: duckdb.DuckDBPyConnection, relation: str, question: Question) -> Iterator[str]:
    """Yield each measure of `relation` of which a hidden cell, or a hidden total, can be worked out; and in how many sets."""
    within, total = ", ".join(question["within"]), question["total"]
    counts = list(question.get("counts", ()))
    threshold, parts = question.get("threshold", THRESHOLD), question.get("parts", {})
    for measure in (*question["measures"], *counts):
        left = f"published - coalesce(sum({measure}) filter (where not ({total})), 0)"
        # As in the dbt test: one unknown in the sum, a part shown of those who are hidden, or a remainder that only the least
        # possible cells add up to; a hidden part of hidden persons may be nobody.
        part, somebody = "", "hidden"
        if measure in parts:
            part = f" or (published is distinct from 0 and bool_or({parts[measure]} is null and {measure} is not null))"
            somebody = f"count(*) filter (where not ({total}) and {measure} is null and {parts[measure]} is not null)"
        least = f" or (hidden > 1 and {left} <= greatest({somebody} - 1, 0) + {threshold})" if measure in counts else ""
        found = connection.execute(
            f"select count(*) from (select count(*) filter (where not ({total}) and {measure} is null) as hidden,"
            f" max({measure}) filter (where {total}) as published from {relation} group by {within}"
            " having (hidden = 1 and published is not null)"
            f" or (hidden = 0 and published is null and bool_or({total})){part}{least})"
        ).fetchone()
        if found and found[0]:
            yield f"{measure} in {found[0]} sets of {within}"


def told_by_two(
    connection: duckdb.DuckDBPyConnection, before: str, now: str, grain: Sequence[str], question: Question, into: str
) -> int:
    """Write the sets of `now` of which two versions tell a hidden cell into the temporary table `into`; return how many.

    Who has both versions takes a cell for unchanged: what the one shows stands in the other's sum, and where that leaves one
    unknown, it is told. A remainder that no hidden cell can be (nothing, but for a part of hidden persons, or persons enough to
    be shown) tells that cells did change. Counts decide where the mart has any. `grain` are the columns that tell cells apart;
    `before` has those of `now`.
    """
    within, threshold = list(question["within"]), question.get("threshold", THRESHOLD)
    counts = list(question.get("counts", ()))
    keys, cells = ", ".join(within), f"not ({question['total']})"
    same_cell = " and ".join(f"one.{column} is not distinct from other.{column}" for column in dict.fromkeys((*within, *grain)))
    same_set = " and ".join(f"hidden.{column} is not distinct from total.{column}" for column in within)
    known = " and ".join(f"total.{column} is not distinct from beside.{column}" for column in within)
    parts = [
        f"""
        select {", ".join(f"hidden.{column}" for column in within)}
        from (
            select
                *,
                count(*) filter (value is null) over cells as unknown,
                count(*) filter (value is null and elsewhere is null) over cells as unknown_in_both,
                coalesce(sum(value) over cells, 0) as shown,
                coalesce(sum(elsewhere) filter (value is null) over cells, 0) as told
            from (
                select
                    {", ".join(f"one.{column}" for column in within)},
                    one.{measure} as value,
                    case when other.there is null then 0 else other.{measure} end as elsewhere
                from (select * from {one} where {cells}) as one
                left join (select *, true as there from {other} where {cells}) as other on {same_cell}
            )
            window cells as (partition by {keys})
        ) as hidden
        inner join (select {keys}, max({measure}) as published from {one} where {question["total"]} group by {keys}) as total
            on {same_set}
        where
            exists (select 1 from {other} as beside where {known})
            and value is null
            and unknown > 1
            and unknown_in_both = (elsewhere is null)::integer
            and published - shown - (told - coalesce(elsewhere, 0)) {">=" if measure in question.get("parts", {}) else ">"} 0
            {f"and published - shown - (told - coalesce(elsewhere, 0)) < {threshold}" if counts else ""}
        """
        for measure in counts or question["measures"]
        for one, other in ((before, now), (now, before))
    ]
    connection.execute(f"create or replace temp table {into} as {' union '.join(parts)}")
    found = connection.execute(f"select count(*) from {into}").fetchone()
    return int(found[0]) if found else 0
