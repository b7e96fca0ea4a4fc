"""Parquet files, batch by batch, with their own types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.connectors.base import BATCH_ROWS, SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, SourceError
from ingestion.register.files import FilesTable, ParquetSource

if TYPE_CHECKING:
    import pyarrow as pa


def parse(path: Path, ref: str, table: FilesTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the rows of `path`; `_source_row` is the row's number from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(table.source, ParquetSource):
        raise TypeError(table.source)
    try:
        with pq.ParquetFile(path) as file:
            names = RawNames()
            columns = [names[name] for name in file.schema_arrow.names]
            context.source_rows = (context.source_rows or 0) + file.metadata.num_rows
            given = 0
            for batch in file.iter_batches(min(BATCH_ROWS, context.limit or BATCH_ROWS)):
                read = pa.Table.from_batches([batch]).rename_columns(columns)
                read = read.append_column(SOURCE_REF, pa.repeat(pa.scalar(ref, pa.string()), read.num_rows))
                places = pa.array(range(given + 1, given + 1 + read.num_rows), pa.int64())
                given += read.num_rows
                yield read.append_column(SOURCE_ROW, places)
                if context.limit is not None and given >= context.limit:
                    return
    except (pa.ArrowInvalid, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise SourceError(f"{ref} is not a whole Parquet file ({said}). Have it sent again") from None
