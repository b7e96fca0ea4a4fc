"""A last look before publication: no cell that a mart hides can be worked out from what it shows.

dbt's test `not_recoverable` asks the same of each mart, but a failed test stops nothing: other departments' data go out all the
same. Here the mart's own words, in the manifest, are put to the rows that are about to be published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

TEST = "not_recoverable"
THRESHOLD = 5

Question = Mapping[str, Any]
"""The arguments of the dbt test: `within`, `total`, `measures`, and maybe `counts` and `threshold`."""


def questions(manifest: Mapping[str, Any]) -> dict[str, Question]:
    """Return what each model asks not to be recoverable, by the model's dbt unique id."""
    return {
        node["attached_node"]: node["test_metadata"]["kwargs"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and (node.get("test_metadata") or {}).get("name") == TEST
    }


def recoverable(connection: duckdb.DuckDBPyConnection, relation: str, question: Question) -> Iterator[str]:
    """Yield each measure of `relation` of which a hidden cell, or a hidden total, can be worked out; and in how many sets."""
    within, total = ", ".join(question["within"]), question["total"]
    counts = list(question.get("counts", ()))
    threshold = question.get("threshold", THRESHOLD)
    for measure in (*question["measures"], *counts):
        left = f"published - coalesce(sum({measure}) filter (where not ({total})), 0)"
        # As in the dbt test: one unknown in the sum, or a remainder that only the least possible cells add up to.
        least = f" or (hidden > 1 and {left} <= hidden - 1 + {threshold})" if measure in counts else ""
        found = connection.execute(
            f"select count(*) from (select count(*) filter (where not ({total}) and {measure} is null) as hidden,"
            f" max({measure}) filter (where {total}) as published from {relation} group by {within}"
            f" having (hidden = 1 and published is not null) or (hidden = 0 and published is null and bool_or({total})){least})"
        ).fetchone()
        if found and found[0]:
            yield f"{measure} in {found[0]} sets of {within}"
