"""JSON records as they become columns: each value as text, as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectors_support import column, context, rows, system


def read(tmp_path: Path, document: str, **columns: Any) -> list[dict[str, Any]]:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "a.json").write_text(document, encoding="utf-8")
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(folder)}}
    return rows(system(connection, {"glob": "*", "format": "json"}, columns, write="append"), context(tmp_path))


def test_columns_that_come_and_go_among_thousands_of_records(tmp_path: Path) -> None:
    """Records become Arrow some at a time; what one lot lacks is NULL there, and all stand where they stood."""
    sent = [{"id": n, "a": {"b": n} if n % 3 else None, **({"sent": [n, 1.5]} if n > 2_100 else {})} for n in range(2_500)]
    found = read(tmp_path, json.dumps(sent), id=column("integer"), b={**column("integer"), "path": "a.b"})
    assert [row["_source_row"] for row in found] == [*range(1, 2_501)]
    assert {row["_source_ref"] for row in found} == {"a.json"}
    assert [(row["id"], row["b"], row["sent"]) for row in found] == [
        (str(n), str(n) if n % 3 else None, f"[{n},1.5]" if n > 2_100 else None) for n in range(2_500)
    ]


def test_a_column_of_many_kinds_keeps_each_as_written(tmp_path: Path) -> None:
    written = [
        "1.10",
        "1E5",
        "-0",
        "0",
        "true",
        '"1.10"',
        "18446744073709551616",
        "NaN",
        '{"ø":[1.10,"1.10",null,false]}',
        "[]",
        "null",
    ]
    found = read(tmp_path, "[" + ",".join(f'{{"v": {value}}}' for value in written) + "]", v=column("text"))
    assert [row["v"] for row in found] == [*(value.strip('"') for value in written[:-1]), None]
