"""How far an incremental table has been read, in the source's own way of writing it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from ingestion.danish_time import DENMARK

if TYPE_CHECKING:
    import duckdb

_ODATA = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
_DURATION = re.compile(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?$")

_MILLISECONDS = (
    "case when starts_with({0}, '/Date(') then try_cast(regexp_extract({0}, '-?[0-9]+') as bigint)"
    " when regexp_matches({0}, '[T ].*(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$') then epoch_ms(try_cast({0} as timestamptz))"
    " else epoch_ms(try_cast({0} as timestamp)) end"
)
"""As V2 writes a moment, and as V4 does."""
_ORDER = {"integer": "try_cast({0} as hugeint)", "odata_date": _MILLISECONDS, "odata_timestamp": _MILLISECONDS}
_CEILING = {
    "date": "%Y-%m-%d",
    "date_sap": "%Y%m%d",
    "timestamp": "%Y-%m-%dT%H:%M:%S",
    "iso_week": "%GW%V",
}


_SHAPE = {
    "date": r"\d{4}-\d\d-\d\d.*",
    "date_sap": r"\d{8}",
    "timestamp": r"\d{4}-\d\d-\d\d([T ]\d\d.*)?",
    "iso_week": r"\d{4}W\d\d",
}
"""What is written otherwise is no watermark: nothing could be reckoned from it."""


def highest(connection: duckdb.DuckDBPyConnection, relation: str, column: str, column_type: str) -> str | None:
    """Return the highest value of `column` in `relation` (SQL), as the source wrote it, or None if there is none.

    A value later than now is passed over: after a row dated 9999-12-31 every later load would read nothing, and after one dated
    tomorrow the next would lack what is written today. Where the source writes local time, that is the last hour or two too.
    """
    written = f'cast("{column}" as varchar)'
    if column_type == "timestamp":  # What is text stays as it is: a database that compares texts puts ' ' before 'T'.
        written = f"case typeof(\"{column}\") when 'VARCHAR' then {written} else replace({written}, ' ', 'T') end"
    order = _ORDER.get(column_type, "{0}").format(written)
    now = datetime.now(DENMARK if column_type in ("date", "date_sap", "iso_week") else UTC)
    if column_type in _CEILING:
        within = f"{order} <= '{now.strftime(_CEILING[column_type])}' and regexp_full_match({order}, '{_SHAPE[column_type]}')"
        if column_type == "date":
            within += f" and try_cast(left({order}, 10) as date) is not null"
        elif column_type == "timestamp":
            within += f" and try_cast({order} as timestamp) is not null"
    elif column_type in ("odata_date", "odata_timestamp"):
        within = f"{order} <= {int(now.timestamp() * 1000)}"
    else:
        within = "true"
    row = connection.sql(f"select max_by({written}, {order}) from {relation} where {within}").fetchone()
    return row[0] if row else None


def less_lag(value: str, column_type: str, lag: str | None) -> str:
    """Return `value` moved back by the ISO duration `lag` (a month counts 31 days, a year 366), written as it was."""
    if lag is None:
        return value
    match = _DURATION.match(lag)
    if match is None:
        raise ValueError(f"'{lag}' is not an ISO 8601 duration")
    years, months, weeks, days = (int(part or 0) for part in match.groups())
    back = timedelta(days=366 * years + 31 * months + 7 * weeks + days)
    if found := _ODATA.match(value):
        milliseconds = int(found[1]) - int(back.total_seconds() * 1000)
        return f"/Date({milliseconds}{found[2] or ''})/"
    if column_type == "date_sap":
        return (datetime.strptime(value, "%Y%m%d") - back).strftime("%Y%m%d")
    if column_type == "iso_week":
        return (datetime.strptime(f"{value}1", "%GW%V%u") - back).strftime("%GW%V")
    if column_type in ("date", "odata_date"):
        return (date.fromisoformat(value[:10]) - back).isoformat()
    if column_type in ("timestamp", "odata_timestamp"):
        return (datetime.fromisoformat(value) - back).isoformat(sep=value[10:11] or "T")
    return value
