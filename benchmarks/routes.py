"""What a route costs beyond what it must: OData and REST against their server, XML and Excel against the bare parser, memory.

`python benchmarks/routes.py [rows]` prints, for OData and REST, our CPU time as a share of wall time, with a server in a process
of its own that lets each page wait 20 ms (budget 30 %), and for XML and Excel MB/s beside the parser alone.
`python benchmarks/routes.py memory GIGABYTES` lands a CSV of that size and prints the most memory that took (budget 1 GiB).
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from landing import COLUMNS, register

from ingestion.connectors import connector_for
from ingestion.connectors.base import ReadContext
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register import System

LATENCY = 0.02
PAGES = (100, 1000)
"""Rows a page. The longer a page, the more we do for each wait."""


def row(number: int) -> dict[str, object]:
    return {
        "id": number, "konto": f"{number % 9973:08}", "omkostningssted": f"{number % 997:010}", "bilag": f"B{number // 7}",
        "tekst": f"Postering nr. {number} på æøå", "belob": number * 7919 % 10_000_000 / 100, "moms": number * 31 % 100_000 / 100,
        "antal": number % 50, "bogfoert": f"2026-01-{number % 28 + 1:02}", "valuta": f"2026-01-{number % 28 + 1:02}",
        "rettet": "2026-01-01T08:30:00", "aktiv": number % 3 == 0,
    }  # fmt: skip


def serve(rows: int, page: int, told: Connection) -> None:
    """Give pages that were written beforehand, each after `LATENCY`."""
    pages = {start: [row(n) for n in range(start, min(start + page, rows))] for start in range(0, rows, page)}
    rest = {start: json.dumps(records, ensure_ascii=False).encode() for start, records in pages.items()}
    more = {start: {"@odata.nextLink": f"Poster?$skip={start + page}"} if start + page < rows else {} for start in pages}
    odata = {
        start: json.dumps({"@odata.count": rows, "value": records, **more[start]}, ensure_ascii=False).encode()
        for start, records in pages.items()
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # Else a short page waits 40 ms more, for the client's acknowledgement.

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            start = int(query.get("$skip") or query.get("offset") or 0)
            body = odata[start] if parts.path.endswith("Poster") else rest.get(start, b"[]")
            time.sleep(LATENCY)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.send(server.server_port)
    server.serve_forever()


def over_http(folder: Path, rows: int, page: int) -> None:
    folder.mkdir()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(rows, page, theirs), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    rest = {"path": "/poster", "paging": {"type": "offset", "limit": page}}
    routes: list[tuple[str, dict[str, object], dict[str, object]]] = [
        ("odata", {"dialect": "v4", "metadata": False}, {"entity_set": "Poster"}),
        ("rest", {}, rest),
    ]
    for protocol, more, source in routes:
        system = register(folder, protocol, {"protocol": protocol, "url": url, **more}, source)
        land_system(system, Home(folder / f"{protocol}-first"))  # imports
        wall, burnt = time.perf_counter(), time.process_time()
        assert read_all(system, folder) == rows
        wall, burnt = time.perf_counter() - wall, time.process_time() - burnt
        tell(f"{protocol:6} {page:5} a page, reading", rows, wall, burnt)
        wall, burnt = time.perf_counter(), time.process_time()
        assert land_system(system, Home(folder / protocol)).tables["posteringer"].rows == rows
        wall, burnt = time.perf_counter() - wall, time.process_time() - burnt
        tell(f"{protocol:6} {page:5} a page, landing", rows, wall, burnt)
    server.terminate()


def tell(what: str, rows: int, wall: float, burnt: float) -> None:
    print(f"{what}  {rows / wall:10,.0f} rows/s   {burnt:.2f} s of CPU in {wall:.2f} s: {burnt / wall:.0%}", flush=True)


def read_all(system: System, folder: Path) -> int:
    table = system.tables["posteringer"]
    with tempfile.TemporaryDirectory(dir=folder) as workdir:
        context = ReadContext(Path(workdir), load_id="1")
        found = connector_for(system)(system, "posteringer", table, context)
        count = sum(batch.num_rows if hasattr(batch, "num_rows") else batch.rows for batch in found)  # type: ignore[union-attr]
        context.close()
    return count


def of_files(folder: Path, rows: int) -> None:
    for name, write, bare, source in (
        ("poster.xml", write_xml, bare_xml, {"format": "xml", "record": "post"}),
        ("poster.xlsx", write_excel, bare_excel, {"format": "excel", "sheet": "Ark"}),
    ):
        drop = folder / name.replace(".", "-")
        drop.mkdir()
        path = drop / name
        write(path, rows)
        kind = name.partition(".")[2]
        connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
        system = register(folder, kind, connection, {"glob": name, **source})
        size = path.stat().st_size / 1e6
        parser = min(seconds(lambda bare=bare, path=path: bare(path)) for _ in range(3))  # type: ignore[misc]
        ours = min(seconds(lambda system=system: read_all(system, folder)) for _ in range(3))  # type: ignore[misc]
        print(
            f"{kind:6} {size:.0f} MB: {size / ours:.1f} MB/s, {rows / ours:,.0f} rows/s;"
            f" the parser alone {size / parser:.1f} MB/s: {ours / parser:.2f} x"
        )


def write_xml(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("<poster>")
        for number in range(rows):
            fields = "".join(f"<{name}>{value}</{name}>" for name, value in row(number).items())
            file.write(f"<post>{fields}</post>\n")
        file.write("</poster>")


def bare_xml(path: Path) -> None:
    """Go through the records, look at each text, forget them: what streaming needs at least."""
    from lxml import etree

    for _, element in etree.iterparse(str(path), events=("end",), tag="post"):
        for child in element:
            child.text  # noqa: B018
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def write_excel(path: Path, rows: int) -> None:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Ark")
    sheet.append(list(COLUMNS))
    for number in range(rows):
        sheet.append(list(row(number).values()))
    book.save(path)


def bare_excel(path: Path) -> None:
    import python_calamine

    with path.open("rb") as file, python_calamine.load_workbook(file) as book:
        book.get_sheet_by_name("Ark").to_python(skip_empty_area=False)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def memory(folder: Path, gigabytes: float) -> None:
    def lines() -> Iterator[str]:
        written, number = 0, 0
        while written < gigabytes * 1e9:
            text = "".join(";".join(map(str, row(n).values())) + "\n" for n in range(number, number + 1000))
            number, written = number + 1000, written + len(text.encode())
            yield text

    drop = folder / "drop"
    drop.mkdir()
    rows = 0
    with (drop / "poster.csv").open("w", encoding="utf-8") as file:
        file.write(";".join(COLUMNS) + "\n")
        for text in lines():
            file.write(text)
            rows += 1000
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    system = register(folder, "csv", connection, {"format": "csv", "glob": "*.csv"})
    load = land_system(system, Home(folder / "home")).tables["posteringer"]
    assert load.table_rows == rows, load.message
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{gigabytes} GB of CSV, {rows:,} rows, landed in {load.seconds:.0f} s of extraction; at most {peak:,.0f} MiB of memory"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        if sys.argv[1:2] == ["memory"]:
            memory(Path(name), float(sys.argv[2]))
        else:
            wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
            for page in PAGES:
                over_http(Path(name) / str(page), wanted, page)
            of_files(Path(name), wanted)
