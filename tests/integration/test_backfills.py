"""Chosen periods are read again: their rows replaced, nothing doubled, other periods left alone."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import duckdb
import pytest
import yaml
from municipality_support import Municipality

from ingestion.register import RegisterError, read_register
from ingestion.register.files import Period
from orchestration.backfills import backfill_jobs, partitions
from orchestration.instance import open_instance

PERIOD = {"group": "maaned", "every": "month", "first": "202601"}


def monthly(municipality: Municipality, period: dict[str, str], write: str = "append", **source: str) -> None:
    path = next(municipality.register.rglob("beta.yml"))
    content = yaml.safe_load(path.read_text())
    ting = content["tables"]["ting"]
    ting["source"] |= {"name_pattern": r"ting(?P<maaned>\d{6})\.csv", "period": period, **source}
    ting["columns"]["maaned"] = {"type": "text", "label": "Måned", "description": "Måneden"}
    ting |= {"expected_rows": {"min": 1, "max": 100}, "write": write}
    path.write_text(yaml.safe_dump(content, allow_unicode=True))


def deliver(municipality: Municipality, month: str, *lines: str) -> Path:
    path = municipality.sources / "beta" / f"ting{month}.csv"
    path.write_text("\n".join(["nr;navn", *lines, ""]))
    return path


def landed(municipality: Municipality) -> list[tuple[str, str]]:
    with duckdb.connect(str(municipality.home.raw_file("beta")), read_only=True) as connection:
        return connection.execute("select maaned, navn from raw.ting order by all").fetchall()


@pytest.mark.parametrize("archive", [None, "arkiv/taget"])
def test_a_range_is_read_again_and_nothing_else(municipality: Municipality, archive: str | None) -> None:
    monthly(municipality, PERIOD, **({"archive": archive, "companion": "{stem}.ok"} if archive else {}))
    (municipality.sources / "beta" / "ting.csv").unlink()
    files = {month: deliver(municipality, month, "1;en", "2;to") for month in ("202601", "202602", "202603")}
    for path in files.values():
        path.with_suffix(".ok").touch()
    assert municipality.refresh().stages[0].ok
    if archive:
        assert not any(path.exists() for path in files.values()), "what was taken has been put away"
        away = {path.name.rpartition("_")[2]: path for path in (municipality.sources / "beta" / archive).iterdir()}
        files = {month: away[path.name] for month, path in files.items()}
    first = [(month, name) for month in files for name in ("en", "to")]
    assert landed(municipality) == first
    # What only reading anew can repair: a platform's hand went astray in two months; the third's file is gone.
    with duckdb.connect(str(municipality.home.raw_file("beta"))) as connection:
        connection.execute("delete from raw.ting where maaned = '202601' and navn = 'en'")
        connection.execute("update raw.ting set navn = 'rettet i hånden' where maaned = '202602'")
    files["202603"].unlink()
    [job] = backfill_jobs(read_register(municipality.register), municipality.home)
    assert job.partitions_def is not None
    keys = list(job.partitions_def.get_partition_keys())
    with open_instance(municipality.home) as instance:
        for key in keys[keys.index("202601") : keys.index("202602") + 1]:
            assert job.execute_in_process(instance=instance, partition_key=key).success
        assert landed(municipality) == first
        assert instance.get_materialized_partitions(dg.AssetKey(["raw", "beta", "ting"])) == {"202601", "202602"}
        failed = job.execute_in_process(instance=instance, partition_key="202603", raise_on_error=False)
    assert not failed.success
    assert landed(municipality) == first, "a period whose file is gone keeps its rows"
    assert municipality.refresh().stages[0].ok
    assert landed(municipality) == first, "and the next night takes none of it a second time"


def test_periods_are_named_as_the_files_are() -> None:
    keys = partitions(Period(group="g", every="year", first="2024")).get_partition_keys()
    assert list(keys[:2]) == ["2024", "2025"]
    keys = partitions(Period(group="g", every="day", first="30-12-2025", format="%d-%m-%Y")).get_partition_keys()
    assert list(keys[:3]) == ["30-12-2025", "31-12-2025", "01-01-2026"]


@pytest.mark.parametrize(
    ("period", "table", "message"),
    [
        ({**PERIOD, "group": "uge"}, {}, "has no group called uge"),
        ({**PERIOD, "first": "2026-01"}, {}, "is not written as %Y%m"),
        (PERIOD, {"write": "replace"}, "Leave out `period`"),
    ],
)
def test_what_cannot_be_is_told(municipality: Municipality, period: dict[str, str], table: dict[str, str], message: str) -> None:
    monthly(municipality, period, **table)
    with pytest.raises(RegisterError, match=message):
        read_register(municipality.register)
