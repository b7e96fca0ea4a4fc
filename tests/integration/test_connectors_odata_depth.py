"""OData beyond plain reads: changes by delta links and tokens, `$metadata`, counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pytest
from connectors_support import TABLE, column, context, rows, system
from http_support import Server
from pydantic import ValidationError

from ingestion.connectors.base import SourceError
from ingestion.connectors.odata_delta import deleted_key, token_of_this_read
from ingestion.home import Home
from ingestion.landing import TableLoad, land_system
from ingestion.register.model import System

COLUMNS = {"Belnr": column(), "Linje": column("integer"), "Tekst": column()}


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def odata(server: Server, dialect: str, source: Any = None, columns: Any = None, connection: Any = None, **table: Any) -> System:
    asked = {"protocol": "odata", "url": f"{server.url}/svc", "dialect": dialect, **(connection or {})}
    table = {"key": ["Belnr", "Linje"] if columns is None else list(columns)[:1], **table}
    return system(asked, {"entity_set": "Poster", **(source or {})}, columns or COLUMNS, **table)


class Service:
    """An entity set that keeps a list of its changes, as SAP Gateway and V4 services do."""

    def __init__(self, server: Server, dialect: str, links: bool = True) -> None:
        self.rows: dict[tuple[str, int], str] = {}
        self.log: list[tuple[str, int]] = []
        self.dialect, self.links, self.server = dialect, links, server
        self.tokens: list[int] = []
        self.forgotten, self.forgets_by = 0, 410
        server.answer = self.answer

    def put(self, belnr: str, linje: int, tekst: str) -> None:
        self.rows[belnr, linje] = tekst
        self.log.append((belnr, linje))

    def drop(self, belnr: str, linje: int) -> None:
        del self.rows[belnr, linje]
        self.log.append((belnr, linje))

    def entry(self, key: tuple[str, int]) -> dict[str, Any]:
        if key in self.rows:
            return {"Belnr": key[0], "Linje": key[1], "Tekst": self.rows[key]}
        address = f"{self.server.url}/svc/Poster(Belnr='{key[0]}',Linje={key[1]})"
        if self.dialect == "v4":
            return {"@removed": {"reason": "deleted"}, "@id": address}
        return {"@odata.context": "$metadata#Poster/$deletedEntity", "id": address}

    def answer(self, path: str, query: dict[str, Any], headers: Any) -> Any:
        if path == "/svc/DeltaLinksOfPoster":
            listed = [{"DeltaToken": f"T{token}", "CreatedAt": f"/Date({1000 + token})/"} for token in self.tokens]
            return {"d": {"results": listed}}
        assert query["sap-client"] == "100"
        if self.dialect == "v2":
            token = query.get("!deltatoken", "").strip("'").removeprefix("T")
        else:
            token = query.get("$deltatoken", "")
        if token:
            if int(token) < self.forgotten:
                return (self.forgets_by, {}, {"error": {"message": "ukendt"}})
            keys = list(dict.fromkeys(self.log[int(token) :]))
        else:
            assert headers["Prefer"] == "odata.track-changes"
            keys = list(self.rows)
        skip = int(query.get("$skiptoken", 0))
        page, more = [self.entry(key) for key in keys[skip : skip + 2]], skip + 2 < len(keys)
        self.tokens.append(len(self.log))
        own = {
            "$skiptoken": str(skip + 2),
            **({"!deltatoken" if self.dialect == "v2" else "$deltatoken": token} if token else {}),
        }
        following = "Poster?sap-client=100&" + "&".join(f"{name}={value}" for name, value in own.items())
        if self.dialect == "v4":
            link = {"@odata.nextLink": following} if more else {"@odata.deltaLink": f"Poster?$deltatoken={len(self.log)}"}
            return {"value": page, "@odata.count": len(keys), **link}
        changes = {"__delta": f"{self.server.url}/svc/Poster?!deltatoken='T{len(self.log)}'"} if self.links else {}
        return {"d": {"results": page, **({"__next": f"{self.server.url}/svc/{following}"} if more else changes)}}


def tracked(server: Server, dialect: str, **source: str) -> System:
    connection = {"params": {"sap-client": "100"}}
    return odata(server, dialect, {"delta": True, **source}, connection=connection, write="merge", on_deleted="keep")


def land(of: System, home: Home) -> TableLoad:
    return land_system(of, home).tables[TABLE]


def stored(home: Home, table: str = TABLE) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home.raw_file("proeve")), read_only=True) as connection:
        return connection.sql(f'select belnr, linje, tekst from raw."{table}" order by all').fetchall()


@pytest.mark.parametrize(("dialect", "links"), [("v2", True), ("v2", False), ("v4", True)])
def test_changes_and_deletions_come_by_the_link(server: Server, home: Home, dialect: str, links: bool) -> None:
    service = Service(server, dialect, links)
    for n in range(5):
        service.put(f"a{n}", n, "før")
    of = tracked(server, dialect)
    assert (land(of, home).rows, len(stored(home))) == (5, 5)
    assert land(of, home).status == "unchanged"
    service.put("a1", 1, "efter")
    service.put("ny", 1, "ny")
    service.drop("a3", 3)
    service.drop("a4", 4)
    service.put("a4", 4, "igen")
    server.requests.clear()
    found = land(of, home)
    assert (found.status, found.rows, found.deleted_rows) == ("loaded", 3, 1)
    assert stored(home) == [
        ("a0", "0", "før"), ("a1", "1", "efter"), ("a2", "2", "før"), ("a4", "4", "igen"), ("ny", "1", "ny")
    ]  # fmt: skip
    assert stored(home, f"{TABLE}__deleted") == [("a3", "3", "før")]
    assert "T5" in unquote(str(server.requests)) or server.requests[0][1].get("$deltatoken") == "5"


def test_of_several_words_on_one_entry_the_last_counts(server: Server, home: Home) -> None:
    """Services that find out what has changed page by page tell one entry several times (Microsoft Graph calls it replays)."""
    service = Service(server, "v4")
    for n in range(6):
        service.put(f"a{n}", n, "før")
    of = tracked(server, "v4")
    land(of, home)

    def entry(n: int, tekst: str | None) -> dict[str, Any]:
        there = {"Belnr": f"a{n}", "Linje": n}
        return {**there, "@removed": {"reason": "deleted"}} if tekst is None else {**there, "Tekst": tekst}

    told = [(0, "mens"), (1, None), (2, "mens"), (0, None), (1, "igen"), (2, "efter"), (17, "x"), (17, None)]
    server.answer = lambda *_: {"value": [entry(*one) for one in told], "@odata.deltaLink": "Poster?$deltatoken=9"}
    found = land(of, home)
    assert (found.status, found.deleted_rows) == ("loaded", 1)
    assert [key for key, *_ in stored(home)] == [
        "a1",
        "a2",
        "a2",
        "a3",
        "a4",
        "a5",
    ]  # Of two rows with one key staging takes the last.
    assert stored(home, f"{TABLE}__deleted") == [("a0", "0", "før")]


@pytest.mark.parametrize("dialect", ["v2", "v4"])
@pytest.mark.parametrize("by", [410, 400, 500, "the register"])
def test_where_the_link_is_forgotten_everything_is_read_anew_and_the_gone_are_seen(
    server: Server, home: Home, dialect: str, by: int | str
) -> None:
    """SAP knows of no 410: it fails."""
    service = Service(server, dialect)
    service.forgets_by = by if isinstance(by, int) else 410
    for n in range(6):
        service.put(f"a{n}", n, "før")
    of = tracked(server, dialect)
    land(of, home)
    service.drop("a3", 3)
    if by != "the register":
        service.forgotten = 10
    else:  # A link goes on with the filter that it was made with.
        of = tracked(server, dialect, filter="Linje lt 9")
    found = land(of, home)
    assert (found.status, found.rows, found.table_rows, found.deleted_rows) == ("loaded", 5, 5, 1)
    assert stored(home, f"{TABLE}__deleted") == [("a3", "3", "før")]
    service.forgotten = 0
    service.put("ny", 1, "ny")
    assert land(of, home).rows == 1


def test_a_failed_load_goes_on_from_where_the_last_good_one_ended(server: Server, home: Home) -> None:
    service = Service(server, "v4")
    service.put("a", 1, "før")
    of = tracked(server, "v4")
    land(of, home)
    service.put("a", 1, "efter")
    server.answer = lambda path, query, headers: (400, {}, "")
    assert land(of, home).status == "failed"
    server.answer = service.answer
    land(of, home)
    assert stored(home) == [("a", "1", "efter")]


def test_a_service_without_links_is_told(server: Server, home: Home) -> None:
    server.answer = lambda path, query, headers: (404, {}, "") if "DeltaLinks" in path else {"d": {"results": []}}
    assert "gives no delta link" in land(tracked(server, "v2"), home).message


@pytest.mark.parametrize(
    ("record", "key"),
    [
        ({"id": "Poster(Belnr='a''b,(c)',Linje=7)"}, {"belnr": "a'b,(c)", "linje": "7"}),
        ({"id": "http://x/Poster(Linje=7L,Belnr='x')"}, {"belnr": "x", "linje": "7"}),
        ({"@id": "http://x/Poster(Belnr=%27%C3%A6%20b%2F1%27,Linje=7)"}, {"belnr": "æ b/1", "linje": "7"}),
        ({"Belnr": "x", "Linje": "7", "id": ""}, {"belnr": "x", "linje": "7"}),
        ({"id": "Poster('x')"}, None),
        ({"id": "Poster"}, None),
    ],
)
def test_keys_of_deleted_entries(server: Server, record: dict[str, Any], key: Any) -> None:
    assert deleted_key(record, odata(server, "v4").tables[TABLE]) == key  # type: ignore[arg-type]


def test_a_single_key_needs_no_name(server: Server) -> None:
    of = odata(server, "v2", columns={"Id": column("uuid")})
    assert deleted_key({"id": "Poster(guid'0-1')"}, of.tables[TABLE]) == {"id": "0-1"}  # type: ignore[arg-type]


def test_the_token_of_a_read_is_never_later_than_the_read() -> None:
    assert token_of_this_read({"a": "1"}, {"a": "1", "c": "3", "b": "2"}) == "b"
    assert token_of_this_read({"a": "1", "b": "2"}, {"b": "2"}) == "b"
    assert token_of_this_read({}, {}) is None


# --- $metadata ---------------------------------------------------------------------------------------------------------------

EDMX = """<?xml version="1.0"?>
<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices>
<Schema Namespace="N" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
<EntityType Name="Grund"><Property Name="Belnr" Type="Edm.String"/></EntityType>
<EntityType Name="Post" BaseType="N.Grund"><Property Name="Linje" Type="Edm.Int32"/><Property Name="Tekst" Type="{text}"/>
</EntityType>
<EntityContainer Name="C"><EntitySet Name="Poster" EntityType="N.Post"/></EntityContainer></Schema>
</edmx:DataServices></edmx:Edmx>"""


def test_what_metadata_has_not_is_named_before_reading(server: Server, tmp_path: Path) -> None:
    server.metadata = EDMX.format(text="Edm.String")
    server.answer = lambda path, query, headers: {"value": []}
    assert rows(odata(server, "v4"), context(tmp_path)) == []
    server.requests.clear()
    with pytest.raises(SourceError, match=r"by its \$metadata 'Poster' has no 'Findes', 'Ikke'\. Ask the vendor"):
        rows(odata(server, "v4", columns={**COLUMNS, "Findes": column(), "Ikke": column()}), context(tmp_path))
    with pytest.raises(SourceError, match=r"the service has no entity set 'Andre'\. It has: Poster"):
        rows(odata(server, "v4", {"entity_set": "Andre"}), context(tmp_path))
    assert server.requests == []
    warned = odata(server, "v4", columns={**COLUMNS, "Findes": column()}, on_missing_column="warn")
    assert rows(warned, context(tmp_path)) == []
    unasked = odata(server, "v4", columns={**COLUMNS, "Findes": column()}, connection={"metadata": False})
    assert rows(unasked, context(tmp_path)) == []


@pytest.mark.parametrize(
    ("dialect", "edm", "declared", "fits"),
    [
        ("v2", "Edm.DateTime", "odata_date", True),
        ("v2", "Edm.DateTime", "date", False),
        ("v4", "Edm.DateTimeOffset", "timestamp", True),
        ("v4", "Edm.Date", "odata_date", False),
        ("v4", "Edm.Boolean", "decimal", False),
        ("v4", "Edm.Decimal", "decimal", True),
        ("v2", "Edm.String", "decimal_sap", True),
        ("v4", "Edm.Guid", "uuid", True),
        ("v4", "Edm.Int32", "date", False),
        ("v4", "N.Art", "integer", True),
    ],
)
def test_types_that_cannot_be(server: Server, tmp_path: Path, dialect: str, edm: str, declared: str, fits: bool) -> None:
    server.metadata = EDMX.format(text=edm)
    server.answer = lambda path, query, headers: {"value": []} if dialect == "v4" else {"d": {"results": []}}
    of = odata(server, dialect, columns={"Belnr": column(), "Tekst": column(declared)})
    if fits:
        assert rows(of, context(tmp_path)) == []
    else:
        with pytest.raises(SourceError, match=rf"'Tekst' is {edm}, and {declared} in the register"):
            rows(of, context(tmp_path))


@pytest.mark.parametrize("metadata", ["", "{}", "<html>nej</html>", "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"])
def test_a_service_that_says_nothing_of_itself_is_read(server: Server, tmp_path: Path, metadata: str) -> None:
    server.metadata = metadata
    server.answer = lambda path, query, headers: {"value": []}
    assert rows(odata(server, "v4"), context(tmp_path)) == []


def test_what_stands_in_a_complex_type_has_a_path(server: Server, tmp_path: Path) -> None:
    server.metadata = EDMX.format(text="Edm.String")
    server.answer = lambda *_: {"value": [{"Belnr": "a", "Tekst": {"By": {"Nr": "4500"}}}, {"Belnr": "b", "Tekst": None}]}
    columns = {"Belnr": column(), "Postnr": column(path="Tekst.By.Nr")}
    found = [(row["belnr"], row["postnr"], len(row)) for row in rows(odata(server, "v4", columns=columns), context(tmp_path))]
    assert found == [("a", "4500", 4), ("b", None, 4)]
    with pytest.raises(ValueError, match="the service is asked for it by name"):
        odata(server, "v4", columns={"Belnr": column(path="Nr.Bel")})


# --- Counts ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "counted"), [("3", 3), ("\ufeff3", 3), ((404, {}, ""), None), ({"value": 3}, None)])
def test_near_odata_is_asked_for_its_count(server: Server, tmp_path: Path, said: Any, counted: int | None) -> None:
    server.counts = True
    server.answer = lambda path, query, headers: said if path.endswith("/$count") else {"value": [{"Belnr": "a"}]}
    found = context(tmp_path)
    rows(odata(server, "plain", {"filter": "x eq 1"}), found)
    assert found.source_rows == counted
    assert server.requests[0] == ("/svc/Poster/$count", {"$filter": "(x eq 1)"})


@pytest.mark.parametrize("knows_skip", [True, False])
def test_near_odata_that_cuts_off_without_a_word_is_found_out(server: Server, tmp_path: Path, knows_skip: bool) -> None:
    server.answer = lambda path, query, headers: (
        {"value": [{"Belnr": str(n)} for n in range(5)][int(query.get("$skip", 0)) if knows_skip else 0 :][:2]}
    )
    if not knows_skip:
        assert len(rows(odata(server, "plain"), context(tmp_path))) == 2
        return
    with pytest.raises(SourceError, match=r"sends 2 rows, and has more\. Set source\.page_size"):
        rows(odata(server, "plain"), context(tmp_path))


def test_a_count_that_counts_something_else_is_left_out(server: Server, tmp_path: Path) -> None:
    server.counts = True
    server.answer = lambda path, query, headers: {"value": []}
    for dialect in ("plain", "v4"):
        rows(odata(server, dialect, {"count": False}), context(tmp_path))
    assert [query for _, query in server.requests] == [{}, {}]


@pytest.mark.parametrize(
    ("dialect", "source", "table", "message"),
    [
        ("plain", {"delta": True}, {"write": "merge"}, "the plain dialect has no `delta`"),
        ("v4", {"delta": True}, {}, "`delta` goes with `write: merge`"),
        ("v2", {"delta": True, "page_size": 5}, {"write": "merge"}, "V2 tracks no changes of pages"),
    ],
)
def test_what_delta_cannot_be(server: Server, dialect: str, source: Any, table: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        odata(server, dialect, source, **table)
