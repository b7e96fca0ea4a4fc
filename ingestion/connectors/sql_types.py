"""Values of databases: which Arrow type a column gets, and each database's oddities on the way there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_ZERO_DATE = "0000-00-00"
"""MariaDB's and MySQL's date that is no date; their drivers hand it on as text."""
_MONEY_SCALE = 4


def cursor_value(column_type: str, value: str) -> object:
    """Return the cursor's last value as the driver wants it."""
    if column_type == "timestamp":
        return datetime.fromisoformat(value)
    if column_type == "date":
        return date.fromisoformat(value[:10])
    return int(value) if column_type == "integer" else value


def read_as(declared: Any, dialect: str = "") -> Any:
    """Return the SQLAlchemy type to read a column as.

    SQLite keeps what it is given, whatever the column's type: what doesn't fit would fail the table, and integers lose digits.

    Oracle's NUMBER without a scale would come as a float, and lose digits; MySQL's DOUBLE as a decimal with digits made up; its
    TIME as a time of day, which `-30:00:00` isn't; and its JSON parsed, without the digits of `1.10`.
    """
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    if dialect == "sqlite":
        return sa.types.NullType()
    if isinstance(declared, sa.Float):
        return sa.Float(asdecimal=False)
    if isinstance(declared, (mysql.TIME, mysql.JSON)):
        return sa.types.NullType()
    if isinstance(declared, sa.Numeric) and declared.scale is None:
        return sa.Numeric(asdecimal=True)
    return declared


def kind_of(declared: Any, values: list[Any]) -> pa.DataType:
    """Return the Arrow type for what the database declares or, for queries, for what the first rows hold.

    A naive timestamp stays naive: in Arrow with a zone it would be moved. A decimal of unknown scale stays text.
    """
    import pyarrow as pa
    import sqlalchemy as sa
    from sqlalchemy.dialects import mssql, mysql

    if isinstance(declared, (mssql.MONEY, mssql.SMALLMONEY)):
        return pa.decimal128(38, _MONEY_SCALE)
    if isinstance(declared, mssql.DATETIMEOFFSET):  # SQLAlchemy doesn't call it a type with a time zone.
        return pa.timestamp("us", tz="UTC")
    if isinstance(declared, mysql.BIGINT) and declared.unsigned:
        return pa.decimal128(38, 0)
    if isinstance(declared, sa.Float):
        return pa.float64()
    if isinstance(declared, sa.Numeric):
        # Oracle allows negative scales: rounded left of the point.
        return pa.string() if declared.scale is None else pa.decimal128(38, max(declared.scale, 0))
    for known, kind in ((sa.Boolean, pa.bool_()), (sa.Integer, pa.int64()), (sa.Date, pa.date32())):
        if isinstance(declared, known):
            return kind
    if isinstance(declared, sa.DateTime):
        return pa.timestamp("us", tz="UTC" if declared.timezone else None)
    found = {type(value) for value in values if value is not None and not _is_zero_date(value)} if declared is None else set()
    zone = "UTC" if any(isinstance(value, datetime) and value.tzinfo for value in values) else None
    by_value = {
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        date: pa.date32(),
        datetime: pa.timestamp("us", tz=zone),
    }
    return by_value.get(next(iter(found)), pa.string()) if len(found) == 1 else pa.string()


def taken_whole(values: Iterable[Any], kind: pa.DataType) -> bool:
    """Return whether Arrow takes a driver's values for `kind` as they are, or refuses them: of a fraction it would take the
    whole number, of a moment the day, and bytes for text.
    """
    import pyarrow as pa

    found = {*map(type, values)}
    if pa.types.is_string(kind):
        return found <= {str, type(None)}
    if pa.types.is_integer(kind):
        return found <= {int, type(None)}
    return not (pa.types.is_date(kind) and datetime in found)


def fitted(value: Any, kind: pa.DataType) -> Any:
    """Return a driver's value as Arrow takes it for `kind`.

    Raises:
        ValueError: a part of it would be lost.
    """
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_integer(kind) and isinstance(value, (float, Decimal)) and value % 1:
        raise ValueError(value)
    if pa.types.is_date(kind) and isinstance(value, datetime) and value.time() != time():
        raise ValueError(value)
    if not pa.types.is_string(kind):
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
        return None if _is_zero_date(value) else value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, (set, frozenset)):  # MySQL's SET, in an order that doesn't change from load to load.
        return ",".join(sorted(map(str, value)))
    if isinstance(value, timedelta):
        return _clock(value)
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def fitted_of_sqlite(value: Any, kind: pa.DataType) -> Any:
    """Return what SQLite keeps, text or a number, as Arrow takes it for `kind`.

    Raises:
        ValueError: it is no such value.
    """
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None or (pa.types.is_date(kind) and moment.time() != time()):
            raise ValueError(value)
        moment = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
        return moment.date() if pa.types.is_date(kind) else moment
    if pa.types.is_decimal(kind):
        # A fraction is a double there: of 0.1 + 0.2 the column's own digits are meant.
        return Decimal(f"{value:.{kind.scale}f}" if isinstance(value, float) else value)
    if pa.types.is_boolean(kind) and value not in (0, 1):
        raise ValueError(value)
    return bool(value) if pa.types.is_boolean(kind) else fitted(value, kind)


def _is_zero_date(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_ZERO_DATE)


def _clock(value: timedelta) -> str:
    """MySQL's TIME, which may be negative or above 24 hours, as `hh:mm:ss`."""
    seconds = abs(value) // timedelta(seconds=1)
    fraction = f".{abs(value).microseconds:06}" if value.microseconds else ""
    sign = "-" if value < timedelta() else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
