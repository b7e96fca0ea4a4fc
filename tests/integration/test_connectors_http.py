"""OData and REST against a server that behaves as badly as real ones."""

from __future__ import annotations

import contextlib
import itertools
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from connectors_support import TABLE, column, context, rejected, rows, system
from http_support import ForwardProxy, Server

from ingestion.connectors import http, http_answers
from ingestion.connectors.base import SourceError
from ingestion.connectors.odata import literal
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register.model import System

SECRET = "meget-hemmelig-kode"
BASIC = "Basic w6Y6bWVnZXQtaGVtbWVsaWcta29kZQ=="


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SECRET", SECRET)
    running = Server()
    yield running
    running.close()


def odata(server: Server, dialect: str = "v4", url: str = "/svc", auth: Any = None, **table: Any) -> System:
    source = {"entity_set": "Posteringer", **table.pop("source", {})}
    columns = table.pop("columns", {"Id": column("integer"), "Beloeb": column("decimal"), "Rettet": column("timestamp")})
    return system({"protocol": "odata", "url": server.url + url, "dialect": dialect, "auth": auth}, source, columns, **table)


def rest(server: Server, paging: dict[str, Any], auth: Any = None, headers: Any = None, **table: Any) -> System:
    source = {"path": "/ting", "paging": paging, **table.pop("source", {})}
    columns = table.pop("columns", {"id": column("integer")})
    connection = {"protocol": "rest", "url": server.url, "auth": auth, "headers": headers or {}}
    return system(connection, source, columns, **table)


def ids(of: System, into: Any) -> list[str]:
    return [row["id"] for row in rows(of, into)]


# --- The way out -------------------------------------------------------------------------------------------------------------


def test_the_machines_proxy_is_the_way_out_and_the_certificates_hold_beyond_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, theirs = trustme.CA(), trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("fagsystem.example").configure_cert(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    theirs.configure_trust(tls)
    ours = theirs.issue_cert("faellesdata.example")
    monkeypatch.setenv("AUTHORITY", authority.cert_pem.bytes().decode())
    monkeypatch.setenv("KEY", ours.private_key_pem.bytes().decode())
    monkeypatch.setenv("CERTIFICATE", ours.cert_chain_pems[0].bytes().decode())
    with (
        contextlib.closing(Server(tls)) as server,
        contextlib.closing(ForwardProxy("kommune", SECRET, ("127.0.0.1", int(server.url.rpartition(":")[2])))) as proxy,
    ):
        server.answer = lambda *_: [{"id": 1}]
        monkeypatch.setenv("HTTPS_PROXY", f"http://kommune:{SECRET}@127.0.0.1:{proxy.server_port}")
        place = {"protocol": "rest", "url": "https://fagsystem.example/v1", "authority": {"env": "AUTHORITY"}}
        source = {"path": "/ting", "paging": {"type": "single"}}
        of = system(
            {**place, "certificate": {"certificate": {"env": "CERTIFICATE"}, "key": {"env": "KEY"}}},
            source,
            {"id": column("integer")},
        )
        assert ids(of, context(tmp_path)) == ["1"]
        assert proxy.asked == ["fagsystem.example:443"]
        assert server.requests == [("/v1/ting", {})]


def test_an_authority_that_the_machine_trusts_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "authorities.pem")
    with contextlib.closing(Server(tls)) as server:
        server.answer = lambda *_: [{"id": 1}]
        of = rest(server, {"type": "single"})
        with pytest.raises(SourceError, match="install the root certificate"):
            rows(of, context(tmp_path))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))  # As OpenSSL is told of the machine's.
        monkeypatch.setattr(http, "_of_the_machine", ssl.create_default_context)  # It has been read in this process.
        assert ids(of, context(tmp_path)) == ["1"]


def test_this_machine_is_never_asked_through_its_proxy(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.answer = lambda *_: [{"id": 1}]
    assert ids(rest(server, {"type": "single"}), context(tmp_path)) == ["1"]


# --- OData -------------------------------------------------------------------------------------------------------------------


def test_v4_follows_relative_links_and_keeps_numbers_as_written(server: Server, tmp_path: Path) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> str:
        first = int(query.get("$skiptoken", 0))
        link = f',"@odata.nextLink":"Posteringer?$skiptoken={first + 2}"' if first < 4 else ""
        ny = '{"a":[1.0,true,null]}'
        value = ",".join(f'{{"@odata.etag":"x","Id":{n},"Beloeb":12345678901234567890.10,"Ny":{ny}}}' for n in (first, first + 1))
        return f'{{"@odata.count":6,"value":[{value}]{link}}}'

    server.answer = answer
    found = context(tmp_path)
    result = rows(odata(server), found)
    assert [row["id"] for row in result] == ["0", "1", "2", "3", "4", "5"]
    assert found.source_rows == 6
    assert result[0] == {
        "id": "0", "beloeb": "12345678901234567890.10", "ny": '{"a":[1.0,true,null]}',
        "_source_ref": "Posteringer", "_source_row": 1,
    }  # fmt: skip
    assert server.requests[0][1] == {"$count": "true"}


@pytest.mark.parametrize("count", [6, "6"])
def test_v2_follows_next_and_counts_in_either_form(server: Server, tmp_path: Path, count: Any) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        first = int(query.get("$skiptoken", 0))
        results = [
            {
                "__metadata": {"uri": "u"},
                "Linjer": {"__deferred": {"uri": "u"}},
                "Id": n,
                "Beloeb": "1.10-",
                "Rettet": "/Date(0+0000)/",
            }
            for n in (first, first + 1)
        ]
        link = {"__next": f"{server.url}/svc/Posteringer?$skiptoken={first + 2}"} if first < 4 else {}
        return {"d": {"results": results, "__count": count, **link}}

    server.answer = answer
    found = context(tmp_path)
    result = rows(odata(server, "v2"), found)
    assert [row["id"] for row in result] == ["0", "1", "2", "3", "4", "5"]
    assert set(result[0]) == {"id", "beloeb", "rettet", "_source_ref", "_source_row"}
    assert (result[0]["beloeb"], result[0]["rettet"]) == ("1.10-", "/Date(0+0000)/")
    assert found.source_rows == 6


def test_client_paging_goes_on_past_a_server_limit_below_the_size_asked_for(server: Server, tmp_path: Path) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        skip = int(query["$skip"])
        return {"value": [{"Id": n} for n in range(skip, min(skip + 2, 5))]}

    server.answer = answer
    assert ids(odata(server, "plain", source={"page_size": 10}), context(tmp_path)) == ["0", "1", "2", "3", "4"]


def test_a_server_that_ignores_skip_is_found_out(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: {"value": [{"Id": 1}, {"Id": 2}]}
    with pytest.raises(SourceError, match=r"the same page again for another \$skip"):
        rows(odata(server, "plain", source={"page_size": 2}), context(tmp_path))


def test_a_next_link_to_another_server_is_not_followed(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: {"value": [], "@odata.nextLink": "http://evil.example/svc"}
    with pytest.raises(SourceError, match=r"another server, http://evil\.example/svc"):
        rows(odata(server), context(tmp_path))


def test_links_in_a_ring_end(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: {"value": [{"Id": 1}], "@odata.nextLink": "Posteringer?$skiptoken=1"}
    with pytest.raises(SourceError, match="in a ring"):
        rows(odata(server), context(tmp_path))


def test_links_that_lead_nowhere_new_end_too(server: Server, tmp_path: Path) -> None:
    links = itertools.count()
    server.answer = lambda path, query, headers: {
        "value": [{"Id": 1}],
        "@odata.nextLink": f"Posteringer?$skiptoken={next(links)}",
    }
    with pytest.raises(SourceError, match="in a ring"):
        rows(odata(server), context(tmp_path))


def test_empty_pages_without_end_are_given_up(server: Server, tmp_path: Path) -> None:
    """No row ever comes, so nobody but the client is asked whether the table's time is up."""
    links = itertools.count()
    server.answer = lambda path, query, headers: {"value": [], "@odata.nextLink": f"Posteringer?$skiptoken={next(links)}"}
    with pytest.raises(SourceError, match=r"took more than 1 s\. .* limits\.table_seconds"):
        rows(odata(server, limits={"timeout_seconds": 5, "table_seconds": 1, "retries": 0}), context(tmp_path))


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        ("?s=1", "https://Opus.example:443/svc/Set?s=1"),
        ("https://opus.example/svc/Set?s=1", "https://Opus.example:443/svc/Set?s=1"),
        ("http://opus.example/svc/Set?s=1", "https://Opus.example:443/svc/Set?s=1"),  # From behind a proxy that speaks TLS.
        ("https://opus.example:8443/svc/Set", None),
        ("http://opus.example:8080/svc/Set", None),
        ("https://andre.example/svc/Set", None),
    ],
)
def test_links_are_followed_on_the_server_itself(link: str, followed: str | None) -> None:
    current = "https://Opus.example:443/svc/Set"
    if followed is not None:
        assert http_answers.follow(current, link) == followed
        return
    with pytest.raises(SourceError, match=f"another server, {link}, than https"):
        http_answers.follow(current, link)


@pytest.mark.parametrize("dialect", ["v4", "plain"])
def test_v3_is_followed_too(server: Server, tmp_path: Path, dialect: str) -> None:
    """The JSON of V3 (Navision, SharePoint) writes its names without the sign."""

    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        later = "$skiptoken" in query
        more = {} if later else {"odata.nextLink": "Posteringer?$skiptoken=1", "odata.count": "2"}
        return {"odata.metadata": "x", "value": [{"Id": 2 if later else 1, "odata.etag": "W/1"}], **more}

    server.answer = answer
    found = context(tmp_path)
    assert [(row["id"], "odata_etag" in row) for row in rows(odata(server, dialect), found)] == [("1", False), ("2", False)]
    assert found.source_rows == 2


@pytest.mark.parametrize(
    ("dialect", "body", "message"),
    [
        ("v4", {"value": [{"Id": 1}], "error": {"message": "Timeout."}}, "the server answers: Timeout. Try later"),
        ("v4", {"value": [{"Id": 1, "Linjer": [], "Linjer@odata.nextLink": "x"}]}, r"more of what \$expand asks for"),
        ("v2", {"d": {"results": [{"Id": 1, "Linjer": {"results": [], "__next": "x"}}]}}, r"more of what \$expand asks for"),
    ],
)
def test_half_an_answer_is_no_answer(server: Server, tmp_path: Path, dialect: str, body: Any, message: str) -> None:
    server.answer = lambda path, query, headers: body
    with pytest.raises(SourceError, match=message):
        rows(odata(server, dialect), context(tmp_path))


@pytest.mark.parametrize(
    ("on_missing", "since", "condition"),
    [
        ("reject", "2026-01-05T10:00:00", "(x eq 1) and (Rettet ge 2026-01-05T10:00:00Z or Rettet eq null)"),
        ("exclude", "2026-01-05T10:00:00+01:00", "(x eq 1) and Rettet ge 2026-01-05T10:00:00+01:00"),
        ("exclude", None, "(x eq 1) and Rettet ne null"),
        ("include", None, "(x eq 1)"),
    ],
)
def test_the_cursor_becomes_a_filter(server: Server, tmp_path: Path, on_missing: str, since: str | None, condition: str) -> None:
    server.answer = lambda path, query, headers: {"value": []}
    of = odata(server, source={"filter": "x eq 1"}, write="merge", cursor={"column": "Rettet", "on_missing": on_missing})
    assert rows(of, context(tmp_path, since=since)) == []
    assert server.requests[0][1]["$filter"] == condition


@pytest.mark.parametrize(
    ("dialect", "kind", "value", "written"),
    [
        ("v2", "odata_date", "/Date(1767571200000)/", "datetime'2026-01-05T00:00:00'"),
        ("v2", "odata_timestamp", "/Date(1767607200500+0000)/", "datetimeoffset'2026-01-05T10:00:00.500Z'"),
        ("v2", "odata_date", "/Date(253402214400000)/", "datetime'9999-12-31T00:00:00'"),
        ("v2", "date", "2026-01-05", "datetime'2026-01-05T00:00:00'"),
        ("v2", "timestamp", "2026-01-05T10:00:00Z", "datetimeoffset'2026-01-05T10:00:00Z'"),
        ("v2", "decimal", "-1234.55", "-1234.55m"),
        ("v2", "date_sap", "20260105", "'20260105'"),
        ("v4", "date", "2026-01-05", "2026-01-05"),
        ("v4", "odata_date", "/Date(1767571200000)/", "2026-01-05"),
        ("v4", "timestamp", "2026-01-05T10:00:00", "2026-01-05T10:00:00Z"),
        ("plain", "timestamp", "2026-01-05T10:00:00", "2026-01-05T10:00:00"),
        ("v4", "integer", "7", "7"),
        ("v4", "text", "O'Hara", "'O''Hara'"),
    ],
)
def test_literals(dialect: str, kind: str, value: str, written: str) -> None:
    assert literal(dialect, kind, value) == written


# --- REST --------------------------------------------------------------------------------------------------------------------


def test_page_paging_goes_on_to_the_total_whatever_the_page_size(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: {
        "antal": "5", "data": {"poster": [{"id": n} for n in range(5)][int(query["page"]) * 2 :][:2]}
    }  # fmt: skip
    found = context(tmp_path)
    of = rest(server, {"type": "page", "size": 250}, source={"records": "$.data.poster", "total": "antal", "params": {"a": "b"}})
    assert ids(of, found) == ["0", "1", "2", "3", "4"]
    assert found.source_rows == 5
    assert [query for _, query in server.requests] == [{"a": "b", "page": str(n), "pageSize": "250"} for n in range(3)]


def test_page_paging_without_a_total_ends_on_an_empty_page(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": 1}] if query["page"] == "1" else []
    assert ids(rest(server, {"type": "page", "first": 1}), context(tmp_path)) == ["1"]


def test_a_server_that_ignores_the_page_is_found_out(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": 1}]
    with pytest.raises(SourceError, match="the same page again"):
        rows(rest(server, {"type": "page"}), context(tmp_path))


def test_a_server_that_begins_again_is_found_out(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": int(query["page"]) % 3}]
    with pytest.raises(SourceError, match="the same page again"):
        rows(rest(server, {"type": "page"}), context(tmp_path))


@pytest.mark.parametrize("answer", [(206, {}, [{"id": 1}]), (200, {"Link": '</ting?side=2>; rel="next"'}, [{"id": 1}])])
def test_a_first_page_is_not_taken_for_all(server: Server, tmp_path: Path, answer: Any) -> None:
    server.answer = lambda path, query, headers: answer
    with pytest.raises(SourceError, match=r"there are more pages\. Correct `paging`"):
        rows(rest(server, {"type": "single"}), context(tmp_path))


def test_no_content_is_no_rows(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: (204, {}, "") if query["page"] == "1" else {"poster": [{"id": 1}]}
    assert ids(rest(server, {"type": "page"}, source={"records": "poster"}), context(tmp_path)) == ["1"]


def test_a_cursor_from_which_nothing_comes_is_the_end(server: Server, tmp_path: Path) -> None:
    """Some always name one, from which to go on another day."""

    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        at = int(query.get("efter", 0))
        return {"items": [{"id": at}] if at < 2 else [], "next": str(min(at + 1, 2))}

    server.answer = answer
    of = rest(server, {"type": "cursor", "path": "next", "param": "efter"}, source={"records": "items"})
    assert ids(of, context(tmp_path)) == ["0", "1"]


def test_cursor_paging(server: Server, tmp_path: Path) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        at = int(query.get("efter", 0))
        return {"items": [{"id": at}], "meta": {"next": at + 1 if at < 2 else None}}

    server.answer = answer
    of = rest(server, {"type": "cursor", "path": "meta.next", "param": "efter"}, source={"records": "items"})
    assert ids(of, context(tmp_path)) == ["0", "1", "2"]


def test_next_links_paths_and_unknown_fields(server: Server, tmp_path: Path) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        record = {
            "id": 1 if path == "/ting" else 2,
            "borger": {"cpr": "0101010001"},
            "aktiv": True,
            "nyt": [1],
            "tom": None,
            "_links": {"self": "x"},
        }
        return {"items": [record], "_links": {"next": {"href": "/ting/2"}} if path == "/ting" else {}}

    server.answer = answer
    columns = {"id": column(), "cpr": column(path="borger.cpr"), "mangler": column(path="borger.x.y")}
    of = rest(server, {"type": "next_link", "path": "_links.next.href"}, source={"records": "items"}, columns=columns)
    first, second = rows(of, context(tmp_path))
    assert first == {
        "id": "1", "aktiv": "true", "nyt": "[1]", "tom": None, "cpr": "0101010001", "_source_ref": "/ting", "_source_row": 1
    }  # fmt: skip
    assert second["_source_row"] == 2


@pytest.mark.parametrize(
    ("path", "beside", "other"),
    [
        ("next", {"nextPage": "/ting?side=2"}, "nextPage"),
        ("_links.next.href", {"_links": {"self": {"href": "/ting"}, "næste": {"href": "?side=2"}}}, "_links.næste.href"),
        ("links.next", {"links": [{"rel": "self", "href": "/ting"}, {"rel": "next", "href": "/ting/2"}]}, "links.next.href"),
        ("cursor", {"meta": {"next_cursor": "abc"}}, "meta.next_cursor"),
        ("cursor", {"meta": {"hasMore": True}}, "meta.hasMore"),
    ],
)
def test_a_way_to_the_next_page_that_is_called_otherwise_one_day_is_no_end(
    server: Server, tmp_path: Path, path: str, beside: dict[str, Any], other: str
) -> None:
    server.answer = lambda path, query, headers: {"items": [{"id": 1}], **beside}
    paging = {"type": "cursor", "path": path, "param": "fra"} if path == "cursor" else {"type": "next_link", "path": path}
    with pytest.raises(SourceError, match=f"has no '{path}', but '{other}' tells of a next page"):
        rows(rest(server, paging, source={"records": "items"}), context(tmp_path))


@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"next": None, "nextPage": "/ting?side=2"},
        {"links": [{"rel": "self", "href": "/ting"}, {"rel": "first", "href": "/ting"}, {"rel": "next", "href": None}]},
        {
            "nextPage": None,
            "nextUpdate": "2026-11-28T03:00:00Z",
            "hasNext": False,
            "showNextPage": True,
            "nextRun": 3,
            "self": "/next",
        },
    ],
)
def test_the_only_page_may_lack_the_link_to_another(server: Server, tmp_path: Path, beside: dict[str, Any]) -> None:
    server.answer = lambda path, query, headers: {"items": [{"id": 1, "next": "/ting/2", "next_cursor": "x"}], **beside}
    for paging in ({"type": "next_link", "path": "next"}, {"type": "cursor", "path": "next", "param": "fra"}):
        assert ids(rest(server, paging, source={"records": "items"}), context(tmp_path)) == ["1"]


def test_below_a_null_everything_is_null_and_not_missing(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": 1, "borger": None}]
    columns = {"id": column(), "cpr": column(path="borger.cpr")}
    assert rows(rest(server, {"type": "single"}, columns=columns), context(tmp_path))[0]["cpr"] is None


def test_the_cursor_goes_out_as_a_parameter_and_excluded_rows_leave_the_count(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: {"n": 2, "items": [{"id": 1, "rettet": None}, {"id": 2, "rettet": "2026"}]}
    columns = {"id": column(), "rettet": column("timestamp")}
    of = rest(
        server, {"type": "single"}, columns=columns, source={"records": "items", "total": "n"}, write="merge",
        cursor={"column": "rettet", "param": "siden", "on_missing": "exclude"},
    )  # fmt: skip
    found = context(tmp_path, since="2026-01-01T00:00:00")
    assert [row["id"] for row in rows(of, found)] == ["2"]
    assert (found.source_rows, server.requests[0][1]) == (1, {"siden": "2026-01-01T00:00:00"})


def test_what_is_no_object_is_set_aside(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": 1}, 7]
    found = context(tmp_path)
    assert ids(rest(server, {"type": "single"}), found) == ["1"]
    assert [(r["source_row"], r["raw_text"]) for r in rejected(found)] == [(2, "7")]


def test_an_empty_table_is_no_error(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: []
    assert rows(rest(server, {"type": "page"}), context(tmp_path)) == []


def test_names_that_fold_to_one_are_refused(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": 1, "ny-kode": 1, "nyKode": 2}]
    with pytest.raises(SourceError, match="'ny-kode' and 'nyKode' both become 'ny_kode'"):
        rows(rest(server, {"type": "single"}), context(tmp_path))


def test_a_preview_asks_for_no_more_pages_than_it_needs(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": f"{query['page']}-{n}"} for n in range(10)]
    assert len(rows(rest(server, {"type": "page"}), context(tmp_path, limit=15))) == 15
    assert len(server.requests) == 2


# --- Log-in, patience, failures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (
            {"type": "basic", "username": "æ", "password": {"env": "SECRET"}},
            "Authorization",
            BASIC,
        ),
        ({"type": "bearer", "token": {"env": "SECRET"}}, "Authorization", f"Bearer {SECRET}"),
        ({"type": "api_key", "header": "X-Key", "value": {"env": "SECRET"}}, "X-Key", SECRET),
    ],
)
def test_log_ins(server: Server, tmp_path: Path, auth: Any, header: str, value: str) -> None:
    server.answer = lambda path, query, headers: [] if headers[header] == value and headers["Extra"] == SECRET else (401, {}, "")
    assert rows(rest(server, {"type": "single"}, auth, {"Extra": {"env": "SECRET"}}), context(tmp_path)) == []


def test_a_key_in_the_address_goes_along_with_every_page_and_into_no_message(server: Server, tmp_path: Path) -> None:
    key = {"type": "api_key", "param": "apikey", "value": {"env": "SECRET"}}
    links = [f"/poster?side=1&apikey={SECRET}", "/poster?side=2", None]

    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        page = int(query.get("side", 0))
        return {"poster": [{"id": page}], "next": links[page]} if query["apikey"] == SECRET else (401, {}, "")

    server.answer = answer
    of = rest(server, {"type": "next_link", "path": "next"}, key, source={"records": "poster"})
    assert ids(of, context(tmp_path)) == ["0", "1", "2"]
    server.answer = lambda path, query, headers: (403, {}, {"error": {"message": f"apikey={SECRET}"}})
    with pytest.raises(SourceError) as caught:
        rows(of, context(tmp_path))
    assert SECRET not in str(caught.value)
    with pytest.raises(ValueError, match="either `header` or `param`"):
        rest(server, {"type": "single"}, {**key, "header": "X-Key"})


def oauth2(server: Server) -> dict[str, Any]:
    secret = {"env": "SECRET"}
    return {"type": "oauth2", "token_url": f"{server.url}/token", "client_id": "os", "client_secret": secret}


@pytest.mark.parametrize("lifetime", [3600, "1", None])
def test_oauth2_renews_a_token_that_expires_or_is_forgotten(server: Server, tmp_path: Path, lifetime: Any) -> None:
    issued: list[str] = []
    uses: dict[str, int] = {}

    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        if path == "/token":
            assert (query["grant_type"], query["client_secret"]) == ("client_credentials", SECRET)
            issued.append(f"t{len(issued)}")
            return {"access_token": issued[-1]} | ({"expires_in": lifetime} if lifetime else {})
        token = headers["Authorization"].removeprefix("Bearer ")
        uses[token] = uses.get(token, 0) + 1
        if uses[token] > 2:
            return (401, {}, "")
        return [{"id": query["page"]}] if int(query["page"]) < 5 else []

    server.answer = answer
    assert ids(rest(server, {"type": "page"}, oauth2(server)), context(tmp_path)) == ["0", "1", "2", "3", "4"]
    assert len(issued) == 3


def test_oauth2_takes_what_else_a_token_service_wants(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6749, section 2.3.1: in the header, id and secret are form-encoded first."""
    monkeypatch.setenv("SECRET", "hemmelig:kode")
    asked: list[tuple[dict[str, str], str]] = []

    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        if path == "/token":
            asked.append((query, headers["Authorization"]))
            return {"access_token": "t"}
        return [{"id": 1}]

    server.answer = answer
    more = {"credentials": "header", "params": {"resource": "https://fagsystem.example"}, "scope": "laes"}
    assert ids(rest(server, {"type": "single"}, oauth2(server) | more), context(tmp_path)) == ["1"]
    form = {"grant_type": "client_credentials", "resource": "https://fagsystem.example", "scope": "laes"}
    assert asked == [(form, "Basic b3M6aGVtbWVsaWclM0Frb2Rl")]  # os:hemmelig%3Akode


def test_retry_after_is_honoured(server: Server, tmp_path: Path) -> None:
    answers = iter([(429, {"Retry-After": "1"}, ""), (503, {}, ""), [{"id": 1}]])
    server.answer = lambda path, query, headers: next(answers)
    started = time.monotonic()
    of = rest(server, {"type": "single"}, limits={"timeout_seconds": 5, "retries": 2})
    assert ids(of, context(tmp_path)) == ["1"]
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (500, {}, {"error": {"message": {"lang": "da", "value": "Den\ner låst"}}}),
            "answers 500: Den er låst. The server",
        ),
        ((400, {}, {"error": {"code": "x", "message": "Ukendt felt"}}), "answers 400: Ukendt felt"),
        ((401, {}, f"kode {SECRET}"), "answers 401. The log-in is refused"),
        ((403, {}, {"error": {"message": f"kode {SECRET} afvist"}}), r"kode \*\*\* afvist"),
        ((202, {}, []), r"not ready \(202\)"),
        ((404, {}, ""), "Nothing stands at that address"),
        ((302, {"Location": "https://login.example/?x=1"}, ""), "sends us on to login.example/"),
        ((200, {"Content-Type": "text/html"}, "<html>"), r"doesn't answer with valid JSON \(text/html\)"),
        ((200, {}, b'{"value": ["\xff"]}'), "byte 0xff is not UTF-8"),
        ((200, {}, '{"value": [{"Id": 1}'), "valid JSON"),
        ((200, {}, {"d": []}), "has no list of records"),
    ],
)
def test_failures_are_one_line_without_secrets(server: Server, tmp_path: Path, answer: Any, message: str) -> None:
    server.answer = lambda path, query, headers: answer
    auth = {"type": "bearer", "token": {"env": "SECRET"}}
    with pytest.raises(SourceError, match=message) as caught:
        rows(rest(server, {"type": "single"}, auth), context(tmp_path))
    said = str(caught.value)
    assert said.startswith("proeve.tabel: ")
    assert SECRET not in said
    assert "\n" not in said


def test_a_pause_that_cannot_be_read_is_our_own(server: Server, tmp_path: Path) -> None:
    answers = iter([(429, {"Retry-After": "0.5"}, ""), [{"id": 1}]])
    server.answer = lambda path, query, headers: next(answers)
    assert ids(rest(server, {"type": "single"}, limits={"timeout_seconds": 5, "retries": 1}), context(tmp_path)) == ["1"]


def test_an_answer_cut_short_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    answers = iter([(200, {"X-Length": "99", "Connection": "close"}, '[{"id": 1}]'), [{"id": 1}]])
    server.answer = lambda path, query, headers: next(answers)
    assert ids(rest(server, {"type": "single"}, limits={"timeout_seconds": 5, "retries": 1}), context(tmp_path)) == ["1"]


def test_an_older_encoding_is_read_where_the_server_says_so(server: Server, tmp_path: Path) -> None:
    columns = {"id": column("integer"), "navn": column()}
    body = '[{"id": 1, "navn": "Søren – €"}]'
    for charset, sent in (("ISO-8859-1", body.encode("cp1252")), ("iso-8859-1", body.encode())):  # The latter is wrong.
        kind = {"Content-Type": f"application/json; charset={charset}"}
        server.answer = lambda *_, kind=kind, sent=sent: (200, kind, sent)
        assert rows(rest(server, {"type": "single"}, columns=columns), context(tmp_path))[0]["navn"] == "Søren – €"


@pytest.mark.parametrize("auth", ["oauth2", "basic"])
def test_what_a_server_quotes_of_the_log_in_is_not_told(server: Server, tmp_path: Path, auth: str) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        if path == "/token":
            return {"access_token": "eyJhbGciOi.J9hemmelig.kode"}
        told = headers["Authorization"]
        return (403, {}, {"message": f"{told} refused; {told.partition(' ')[2] if auth == 'oauth2' else ''} halv \ud83d"})

    server.answer = answer
    basic = {"type": "basic", "username": "æ", "password": {"env": "SECRET"}}
    load = land_system(rest(server, {"type": "single"}, oauth2(server) if auth == "oauth2" else basic), Home(tmp_path))
    assert re.search(r"answers 403: \*\*\* refused; (\*\*\* )?halv \?\. The log-in", load.tables[TABLE].message)


def test_a_hanging_server_is_given_up(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: time.sleep(2.5) or []
    with pytest.raises(SourceError, match="gave no answer within 1 s"):
        rows(rest(server, {"type": "single"}, limits={"timeout_seconds": 1, "retries": 1}), context(tmp_path))


def test_a_server_that_drips_is_given_up_too(server: Server, tmp_path: Path) -> None:
    """No piece is late, so no time-out of a request ever comes; the table's own time is up, and the others are loaded."""

    def drip() -> Iterator[bytes]:
        while True:
            yield b" "
            time.sleep(0.2)

    dripping = rest(server, {"type": "single"}, limits={"timeout_seconds": 5, "table_seconds": 1, "retries": 0})
    sound = dripping.tables[TABLE].model_copy(update={"source": dripping.tables[TABLE].source.model_copy(update={"path": "/ok"})})
    both = dripping.model_copy(update={"tables": {TABLE: dripping.tables[TABLE], "anden": sound}})
    server.answer = lambda path, query, headers: [{"id": 1}] if path == "/ok" else drip()
    started = time.monotonic()
    outcome = land_system(both, Home(tmp_path / "home"))
    assert time.monotonic() - started < 15
    assert {name: load.status for name, load in outcome.tables.items()} == {TABLE: "failed", "anden": "loaded"}
    assert "was still answering after 1 s" in outcome.tables[TABLE].message


def test_an_answer_cut_short_is_no_shorter_table(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: (200, {"X-Length": "99", "Connection": "close"}, '[{"id": 1}]')
    with pytest.raises(SourceError, match="the answer is cut short"):
        rows(rest(server, {"type": "single"}), context(tmp_path))


def test_nobody_there(server: Server, tmp_path: Path) -> None:
    server.close()
    with pytest.raises(SourceError, match=r"no connection to 127\.0\.0\.1:\d+/ting \(the connection is refused\)"):
        rows(rest(server, {"type": "single"}), context(tmp_path))


def test_a_wrong_dialect_is_told(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: {"value": []}
    with pytest.raises(SourceError, match=r"no d\.results"):
        rows(odata(server, "v2"), context(tmp_path))


def test_a_count_that_is_none_is_told(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: {"value": [], "@odata.count": "mange"}
    with pytest.raises(SourceError, match="the row count is 'mange'"):
        rows(odata(server), context(tmp_path))
