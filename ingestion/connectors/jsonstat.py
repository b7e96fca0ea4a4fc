"""JSON-stat (json-stat.org, versions 1 and 2): a cube of values, as a row for each combination of its dimensions' codes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, Row, SourceError, batches, text
from ingestion.connectors.json import document
from ingestion.register.files import FilesTable, JsonStatSource

if TYPE_CHECKING:
    import pyarrow as pa

_LABEL = ".label"


@dataclass(frozen=True)
class _Dimension:
    name: str
    codes: list[str]
    labels: dict[str, str]


def parse(path: Path, ref: str, table: FilesTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the cube in `path`, which is held in memory, as rows of text."""
    if not isinstance(table.source, JsonStatSource):
        raise TypeError(table.source)
    body = document(path, ref)
    try:
        cube = body.get("dataset", body)  # Version 1 has the cube one level down.
        dimensions = _dimensions(cube)
        cells, status = cube["value"], cube.get("status") or {}
        last = len(cells) - 1 if isinstance(cells, list) else max(map(int, cells), default=0)
        sizes = cube.get("size") or cube["dimension"].get("size") or []
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{ref} is not JSON-stat (no {error}). Ask for the format JSONSTAT, or ask what changed") from None
    count = 1
    for dimension in dimensions:
        count *= len(dimension.codes)
    if (isinstance(cells, list) and len(cells) != count) or last >= count:
        raise SourceError(f"{ref}: the dimensions make {count} cells, the file has {last + 1} values. Have it sent again")
    if sizes and [*map(int, sizes)] != [len(dimension.codes) for dimension in dimensions]:
        raise SourceError(f"{ref}: the dimensions have other codes than the sizes {text(sizes)}. Have it sent again")
    yield from batches(_rows(dimensions, cells, status, ref, table, context))
    if context.limit is None:
        context.source_rows = (context.source_rows or 0) + count


def _dimensions(cube: dict[str, Any]) -> list[_Dimension]:
    described = cube["dimension"]
    found = []
    for name in cube.get("id") or described["id"]:
        category = described[name]["category"]
        labels = category.get("label") or {}
        # The order stands in `index`, as a list or as code → place; a single code may have a label alone.
        index = category.get("index") or list(labels)
        found.append(
            _Dimension(
                name, [*map(str, index)] if isinstance(index, list) else sorted(index, key=lambda code: int(index[code])), labels
            )
        )
    return found


def _rows(
    dimensions: list[_Dimension], cells: Any, status: Any, ref: str, table: FilesTable, context: ReadContext
) -> Iterator[Row]:
    names = RawNames()
    labelled = [(place, dim) for place, dim in enumerate(dimensions) if f"{dim.name}{_LABEL}" in table.columns]
    for place, codes in enumerate(itertools.product(*(dimension.codes for dimension in dimensions))):
        if context.limit is not None and place >= context.limit:
            return
        row: Row = {names[dimension.name]: code for dimension, code in zip(dimensions, codes, strict=True)}
        row |= {names[f"{dim.name}{_LABEL}"]: text(dim.labels.get(codes[at])) for at, dim in labelled}
        row["value"] = _cell(cells, place)
        if "status" in table.columns:
            row["status"] = status if isinstance(status, str) else _cell(status, place)
        yield {**row, SOURCE_REF: ref, SOURCE_ROW: place + 1}


def _cell(cells: Any, place: int) -> str | None:
    """Return the cell at `place` of a list, or of an object that has the filled places alone."""
    if isinstance(cells, list):
        return text(cells[place]) if place < len(cells) else None
    return text(cells.get(str(place)))
