"""JSON-stat: a cube becomes rows, whichever version and way of writing the values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from connectors_support import column, context, rows, system

from ingestion.connectors.base import SourceError

DIMENSIONS: dict[str, Any] = {
    "OMRÅDE": {"category": {"index": {"306": 0}, "label": {"306": "Odsherred"}}},
    # Written out of order: the places decide, not the order in the file.
    "TID": {"category": {"index": {"2027": 1, "2026": 0}, "label": {"2026": "2026", "2027": "2027"}}},
}
OLD = {"dataset": {"dimension": {**DIMENSIONS, "id": ["OMRÅDE", "TID"], "size": [1, 2]}, "value": [33000.5, None]}}
NEW = {"class": "dataset", "id": ["OMRÅDE", "TID"], "size": [1, 2], "dimension": DIMENSIONS, "value": {"0": 33000.5}}
LIST = {**NEW, "dimension": {**DIMENSIONS, "TID": {"category": {"index": ["2026", "2027"]}}}, "status": {"1": ".."}}


def read(folder: Path, body: Any, *more: str) -> list[dict[str, Any]]:
    drop = folder / "drop"
    drop.mkdir(exist_ok=True)
    (drop / "a.json").write_text(json.dumps(body), encoding="utf-8")
    columns = {name: column() for name in ("OMRÅDE", "TID", "value", *more)}
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    found = context(folder)
    result = rows(system(connection, {"format": "jsonstat", "glob": "*.json"}, columns, write="append"), found)
    assert found.source_rows == len(result)
    return result


@pytest.mark.parametrize("body", [OLD, NEW, LIST], ids=["version 1", "values by place", "codes as a list"])
def test_a_row_for_each_combination(tmp_path: Path, body: Any) -> None:
    found = [(row["omraade"], row["tid"], row["value"]) for row in read(tmp_path, body)]
    assert found == [("306", "2026", "33000.5"), ("306", "2027", None)]


def test_labels_and_status_where_they_are_asked_for(tmp_path: Path) -> None:
    first, second = read(tmp_path, LIST, "OMRÅDE.label", "status")
    assert (first["omraade_label"], first["status"], second["status"]) == ("Odsherred", None, "..")
    assert "status" not in read(tmp_path, LIST)[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"rows": []}, "not JSON-stat"),
        ([1], "not JSON-stat"),
        ({**NEW, "value": None}, "not JSON-stat"),
        ({**NEW, "value": [1]}, "make 2 cells, the file has 1"),
        ({**NEW, "value": {"0": 1, "2": 5}}, "make 2 cells, the file has 3"),
        ({**NEW, "size": [2, 1]}, r"other codes than the sizes \[2,1\]"),
    ],
)
def test_what_is_no_cube_is_refused(tmp_path: Path, body: Any, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        read(tmp_path, body)
