"""Parquet files, batch by batch, with their own types, as far as DuckDB has such."""

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
        # INT96, as Spark and Azure Data Factory write it, is nanoseconds to pyarrow if nothing is said, and 9999-12-31 in 1816.
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            names = RawNames()
            columns = [names[name] for name in file.schema_arrow.names]
            twice = next((name for name in file.schema_arrow.names if file.schema_arrow.names.count(name) > 1), None)
            if twice is not None:
                raise SourceError(f"{ref} has two columns called '{twice}'. Have one of them renamed in the source")
            declared = set(table.raw_names().values())
            kinds = [_kind(field, raw in declared, ref) for field, raw in zip(file.schema_arrow, columns, strict=True)]
            context.source_rows = (context.source_rows or 0) + file.metadata.num_rows
            if file.metadata.num_rows:
                context.headed(ref, columns, table.content_names())
            given = 0
            for batch in file.iter_batches(min(BATCH_ROWS, context.limit or BATCH_ROWS)):
                read = pa.table([_as(values, kind, ref) for values, kind in zip(batch.columns, kinds, strict=True)], columns)
                read = read.append_column(SOURCE_REF, pa.repeat(pa.scalar(ref, pa.string()), read.num_rows))
                places = pa.array(range(given + 1, given + 1 + read.num_rows), pa.int64())
                given += read.num_rows
                yield read.append_column(SOURCE_ROW, places)
                if context.limit is not None and given >= context.limit:
                    return
    except (pa.ArrowInvalid, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise SourceError(f"{ref} is not a whole Parquet file ({said}). Have it sent again") from None


def _kind(field: pa.Field, declared: bool, ref: str) -> pa.DataType:
    """Return the type to land a column as: the same whichever program wrote the file, and one that DuckDB has."""
    import pyarrow as pa

    kind, types = field.type, pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if types.is_time(kind):
        return pa.time64("us")
    if types.is_uint64(kind):
        return pa.decimal128(20)
    if types.is_integer(kind):
        return pa.int64()
    if types.is_floating(kind):
        return pa.float64()
    if declared and (types.is_binary(kind) or types.is_large_binary(kind)):
        return pa.string()  # Impala and Hive write text without saying that it is.
    if types.is_duration(kind) or types.is_interval(kind) or types.is_decimal256(kind):
        raise SourceError(f"{ref}: column '{field.name}' is of type {kind}, which has no place here. Have it sent as text")
    return kind


def _as(values: pa.Array, kind: pa.DataType, ref: str) -> pa.Array:
    import pyarrow as pa

    if values.type == kind:
        return values
    try:
        # What is finer than a microsecond is cut off.
        return values.cast(kind, safe=getattr(values.type, "unit", None) != "ns")
    except pa.ArrowInvalid as error:
        said = " ".join(str(error).split())[:100]
        raise SourceError(f"{ref}: a value is no {kind} ({said}). Ask the vendor what changed") from None
