"""The practice systems that speak HTTP: what a caller meets at each, and that every row they hold can be had."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import duckdb
import pytest
import requests

from demo.municipality import kitos_uuid
from demo.truth import Truth
from ingestion.connectors.duck import Scan
from ingestion.register import read_register

TIMEOUT = 10
Json = Any


@dataclass
class Demo:
    """The running systems."""

    folder: Path
    truth: Truth
    settings: dict[str, str]

    def rows(self, system: str, table: str) -> int:
        return int(self.truth.systems[system][table]["rows"])

    def get(self, system: str, path: str, **params: str) -> requests.Response:
        """Ask a system as its register entry would: with its log-in and standing parameters."""
        url = self.settings[f"{system.upper()}_URL"]
        return requests.get(
            f"{url}/{path}", params=self._standing(system) | params, headers=self.headers(system), timeout=TIMEOUT
        )

    def follow(self, system: str, link: str) -> requests.Response:
        return requests.get(link, headers=self.headers(system), timeout=TIMEOUT)

    def _standing(self, system: str) -> dict[str, str]:
        return {"sap-client": "306"} if system == "opus_oekonomi" else {}

    def headers(self, system: str) -> dict[str, str]:
        prefix = system.upper()
        if f"{prefix}_PASSWORD" in self.settings:
            pair = f"{self.settings[f'{prefix}_USERNAME']}:{self.settings[f'{prefix}_PASSWORD']}"
            return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        if f"{prefix}_TOKEN_URL" in self.settings:
            key = {"apikey": self.settings[f"{prefix}_APIKEY"]} if f"{prefix}_APIKEY" in self.settings else {}
            return {"Authorization": f"Bearer {self.token(system)}", **key}
        if system == "vagtplan":
            return {"X-API-Key": self.settings["VAGTPLAN_APIKEY"]}
        token = self.settings[f"{prefix}_TOKEN"]
        return {"Authorization": token if system == "jobindsats" else f"Bearer {token}"}

    def token(self, system: str) -> str:
        prefix = system.upper()
        form = {
            "grant_type": "client_credentials",
            "client_id": self.settings[f"{prefix}_CLIENT_ID"],
            "client_secret": self.settings[f"{prefix}_CLIENT_SECRET"],
        }
        answer = requests.post(self.settings[f"{prefix}_TOKEN_URL"], data=form, timeout=TIMEOUT)
        assert answer.status_code == 200
        return str(answer.json()["access_token"])

    @contextmanager
    def fault(self, system: str, **fault: Any) -> Iterator[None]:
        path = self.folder / system / "fault.json"
        path.write_text(json.dumps(fault), encoding="utf-8")
        try:
            yield
        finally:
            path.unlink()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    import uvicorn

    from demo.http import SYSTEMS, app_for, http_settings
    from demo.municipality import build_municipality

    folder = tmp_path_factory.mktemp("demo")
    municipality, truth = build_municipality(306, 0.02), Truth(0.02, 306)
    for name, module in SYSTEMS.items():
        module.build(municipality, folder / name, truth)
    server = uvicorn.Server(
        uvicorn.Config(app_for(folder), host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Demo(folder, truth, http_settings(f"http://127.0.0.1:{port}"))
    server.should_exit = True
    thread.join()


# --- Every row can be had ----------------------------------------------------------------------------------------------------

_V2 = {
    "PosteringSet": "posteringer",
    "BudgetSet": "budget",
    "OmkostningsstedSet": "omkostningssteder",
    "ArtskontoSet": "artskonti",
    "ArtskontoTilknytningSet": "artskonto_tilknytninger",
    "PspElementSet": "psp_elementer",
}


@pytest.mark.parametrize(("entity", "table"), _V2.items())
def test_v2_pages_lead_to_all_rows(demo: Demo, entity: str, table: str) -> None:
    body = demo.get("opus_oekonomi", entity, **{"$inlinecount": "allpages"}).json()["d"]
    assert body["__count"] == str(demo.rows("opus_oekonomi", table))
    rows, pages = body["results"], 1
    while "__next" in body:
        assert body["__next"].startswith(demo.settings["OPUS_OEKONOMI_URL"])  # absolute
        body = demo.follow("opus_oekonomi", body["__next"]).json()["d"]
        rows, pages = rows + body["results"], pages + 1
    assert len(rows) == demo.rows("opus_oekonomi", table)
    assert pages > 1 or len(rows) <= 500
    address = rows[0]["__metadata"]["uri"]
    assert address.startswith(f"{demo.settings['OPUS_OEKONOMI_URL']}/{entity}(")


@pytest.mark.parametrize(("entity", "table"), [("Sag", "sager"), ("Underretning", "underretninger"), ("Ydelse", "ydelser")])
def test_v4_pages_lead_to_all_rows(demo: Demo, entity: str, table: str) -> None:
    response = demo.get("dubu", entity, **{"$count": "true"})
    assert response.json()["@odata.count"] == demo.rows("dubu", table)
    rows = response.json()["value"]
    while link := response.json().get("@odata.nextLink"):
        assert link.startswith(f"{entity}?")  # relative
        response = demo.follow("dubu", urljoin(response.url, link))
        rows += response.json()["value"]
    assert len(rows) == demo.rows("dubu", table)


def test_geoenviron_gives_everything_at_once(demo: Demo) -> None:
    body = demo.get("geoenviron", "view_bldCasefile()").json()
    assert list(body) == ["value"]
    assert len(body["value"]) == demo.rows("geoenviron", "byggesager")


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("it-system-usages", "it_systemer"),
        ("it-interfaces", "snitflader"),
        ("it-system-usages/outgoing-system-relations", "relationer"),
        ("data-processing-registrations", "databehandlinger"),
    ],
)
def test_kitos_pages_count_from_zero(demo: Demo, path: str, table: str) -> None:
    rows: list[Json] = []
    for page in range(1000):
        got = demo.get("os2kitos", path, page=str(page), pageSize="50").json()
        if not got:
            break
        rows += got
    assert len({row["uuid"] for row in rows}) == len(rows) == demo.rows("os2kitos", table)


@pytest.mark.parametrize(("path", "table"), [("patients", "borgere"), ("grants", "indsatser"), ("visits", "besoeg")])
def test_nexus_links_lead_to_all_rows(demo: Demo, path: str, table: str) -> None:
    body = demo.get("nexus", path).json()
    assert body["totalElements"] == demo.rows("nexus", table)
    rows, pages = body["content"], 1
    while "next" in body["_links"]:
        body = demo.follow("nexus", body["_links"]["next"]["href"]).json()
        rows, pages = rows + body["content"], pages + 1
    assert len(rows) == demo.rows("nexus", table)
    assert pages > 1


@pytest.mark.parametrize(("path", "table"), [("citizens", "borgere"), ("contacts", "kontaktforloeb"), ("offers", "tilbud")])
def test_momentum_pages_lead_to_all_rows(demo: Demo, path: str, table: str) -> None:
    rows: list[Json] = []
    for page in range(1, 1000):
        body = demo.get("momentum", path, page=str(page), pageSize="20").json()
        rows += body["data"]
        if len(rows) >= body["totalCount"]:
            break
    assert len({row["id"] for row in rows}) == len(rows) == demo.rows("momentum", table)


def test_vagtplan_cursor_leads_to_all_rows_and_asks_to_wait(demo: Demo) -> None:
    rows: list[Json] = []
    waited: list[str] = []
    params: dict[str, str] = {}
    while True:
        response = demo.get("vagtplan", "vagter", **params)
        if response.status_code == 429:
            waited.append(response.headers["Retry-After"])
            assert set(waited) <= {"0", "1"}
            continue
        body = response.json()
        rows += body["items"]
        if body["nextCursor"] is None:
            break
        params = {"cursor": body["nextCursor"]}
    assert len(rows) == demo.rows("vagtplan", "vagter")
    assert waited[0] == "1"
    assert len(waited) > 1


def test_jobindsats_gives_months_and_sums(demo: Demo) -> None:
    body = demo.get("jobindsats", "data/ptv_a01", **{"period.M": "*"}).json()
    assert len(body["data"]) == body["rows"] == demo.rows("jobindsats", "ydelsesmodtagere")
    assert all(re.fullmatch(r"\d{4}M\d{2}", row["periode"]) for row in body["data"])
    sums = [row for row in body["data"] if row["kommunekode"] is None or row["ydelsesgruppe"] == "Ydelser i alt"]
    assert len(sums) == demo.truth.systems["jobindsats"]["ydelsesmodtagere"]["heraf_summer"]
    month = demo.get("jobindsats", "data/ptv_a01", **{"period.M": "2026M01"}).json()["data"]
    assert {row["periode"] for row in month} == {"2026M01"}


# --- The connectors meet them ------------------------------------------------------------------------------------------------


def _tables() -> list[tuple[str, str]]:
    from demo.http import SYSTEMS

    register = read_register()
    return [(name, table) for name in SYSTEMS for table in register.systems[name].tables]


def _arrow(batch: Any) -> Any:
    """Rows that DuckDB is to read later, read now."""
    return duckdb.sql(batch.sql).to_arrow_table() if isinstance(batch, Scan) else batch


@pytest.mark.parametrize(("system_id", "table_name"), _tables())
def test_the_register_reads_every_row_and_column(
    demo: Demo, system_id: str, table_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingestion.connectors import connector_for
    from ingestion.connectors.base import ReadContext

    for name, value in demo.settings.items():
        monkeypatch.setenv(name, value)
    system = read_register().systems[system_id]
    table = system.tables[table_name]
    context = ReadContext(tmp_path, "load")
    batches = [_arrow(batch) for batch in connector_for(system)(system, table_name, table, context)]
    context.close()
    assert sum(batch.num_rows for batch in batches) + context.rejects == demo.rows(system_id, table_name)
    names = {name for batch in batches for name in batch.column_names} - {"_source_ref", "_source_row", "_dlt_load_id"}
    assert names == set(table.raw_names().values())
    for source, column in table.columns.items():
        if column.values:
            raw = table.raw_names()[source]
            served = {value for batch in batches for value in batch.column(raw).to_pylist() if value is not None}
            unknown = demo.truth.planted.get(system_id, {}).get(table_name, {}).get(f"{raw}: ukendt værdi", 0)
            assert len(served - set(column.values)) <= unknown, (source, served)


def test_every_system_of_the_register_stands_in_kitos(demo: Demo) -> None:
    usages = [row for page in range(4) for row in demo.get("os2kitos", "it-system-usages", page=str(page), pageSize="50").json()]
    by_uuid = {row["uuid"]: row for row in usages}
    for system in read_register().systems.values():
        assert system.kitos_uuid == kitos_uuid(system.id)
        assert by_uuid[system.kitos_uuid]["general"]["localSystemId"] == system.id
    dark = [row for row in usages if row["general"]["localSystemId"] is None]
    assert len(dark) == demo.truth.systems["os2kitos"]["it_systemer"]["moerke"]
    assert len(dark) > 150


# --- Changes since -----------------------------------------------------------------------------------------------------------


def test_v2_filters_by_datetimeoffset(demo: Demo) -> None:
    def count(condition: str) -> int:
        return int(demo.get("opus_oekonomi", "PosteringSet/$count", **{"$filter": condition}).text)

    everything = demo.rows("opus_oekonomi", "posteringer")
    later = count("Aedat ge datetimeoffset'2026-01-05T00:00:00Z'")
    with_empty = count("(Aedat ge datetimeoffset'2026-01-05T00:00:00Z' or Aedat eq null)")
    empty = demo.truth.planted["opus_oekonomi"]["posteringer"]["aedat: vandmærke mangler"]
    assert 0 < later < everything
    assert with_empty == later + empty
    assert later + count("Aedat lt datetimeoffset'2026-01-05T00:00:00Z'") + empty == everything


def test_v2_filters_other_fields_selects_and_cuts(demo: Demo) -> None:
    params = {"$filter": "Dranst eq '2' and Budat ge datetime'2025-01-01T00:00:00'", "$select": "Belnr,Beloeb", "$top": "3"}
    body = demo.get("opus_oekonomi", "PosteringSet", **params).json()["d"]
    assert [sorted(row) for row in body["results"]] == [["Belnr", "Beloeb", "__metadata"]] * 3
    assert "__next" not in body
    skipped = demo.get("opus_oekonomi", "PosteringSet", **{**params, "$skip": "1"}).json()["d"]
    assert skipped["results"][:2] == body["results"][1:]


def test_v2_values_are_written_as_sap_writes_them(demo: Demo) -> None:
    rows = demo.get("opus_oekonomi", "PosteringSet").json()["d"]["results"]
    amounts = [row["Beloeb"] for row in rows]
    assert all(isinstance(amount, str) for amount in amounts)
    assert any(amount.endswith("-") for amount in amounts)
    assert any(amount.startswith("-") for amount in amounts)
    assert all(re.fullmatch(r"/Date\(\d+\)/", row["Budat"]) for row in rows if row["Budat"])
    assert all(re.fullmatch(r"/Date\(\d+\+0000\)/", row["Aedat"]) for row in rows if row["Aedat"])
    assert {len(row["Omkostningssted"]) for row in rows} == {10}


def test_v4_filters_and_takes_a_page_size(demo: Demo) -> None:
    later = demo.get("dubu", "Underretning", **{"$filter": "Aendret ge 2026-01-01T00:00:00Z", "$count": "true"}).json()
    assert 0 < later["@odata.count"] < demo.rows("dubu", "underretninger")
    headers = demo.headers("dubu") | {"Prefer": "odata.maxpagesize=2"}
    page = requests.get(f"{demo.settings['DUBU_URL']}/Sag", headers=headers, timeout=TIMEOUT).json()
    assert len(page["value"]) == 2
    assert "@odata.nextLink" in page


def test_geoenviron_filters_with_its_decimal_suffix(demo: Demo) -> None:
    wanted = demo.get("geoenviron", "view_bldCasefile()").json()["value"][3]["task_seq_no"]
    body = demo.get("geoenviron", "view_bldCasefile()", **{"$filter": f"task_seq_no eq {wanted}M"}).json()
    assert [row["task_seq_no"] for row in body["value"]] == [wanted]
    assert demo.get("geoenviron", "view_bldCasefile()", **{"$filter": "task_seq_no eq 1M"}).json() == {"value": []}


@pytest.mark.parametrize(
    ("system", "path", "param", "rows_at"),
    [
        ("nexus", "visits", "changedSince", "content"),
        ("momentum", "contacts", "changedSince", "data"),
        ("vagtplan", "vagter", "aendretEfter", "items"),
        ("os2kitos", "it-system-usages", "changedSinceGtEq", None),
    ],
)
def test_rest_gives_what_changed_since(demo: Demo, system: str, path: str, param: str, rows_at: str | None) -> None:
    since = "2026-09-01T00:00:00Z"
    body = demo.get(system, path, **{param: since}).json()
    rows = body[rows_at] if rows_at else body
    changed = [row.get("changedAt") or row.get("senestAendret") or row.get("aendret") or row.get("lastModified") for row in rows]
    assert changed
    assert all(moment >= since for moment in changed)


# --- Refusals ----------------------------------------------------------------------------------------------------------------

_ONE_PATH = {
    "opus_oekonomi": "PosteringSet", "dubu": "Sag", "geoenviron": "view_bldCasefile()", "os2kitos": "it-interfaces",
    "nexus": "grants", "vagtplan": "vagter", "momentum": "offers", "jobindsats": "data/ptv_a01?period.M=*",
}  # fmt: skip


@pytest.mark.parametrize("system", _ONE_PATH)
def test_nobody_gets_in_without_logging_in(demo: Demo, system: str) -> None:
    url = f"{demo.settings[f'{system.upper()}_URL']}/{_ONE_PATH[system]}"
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer forkert", "X-API-Key": "forkert"}):
        assert requests.get(url, headers=headers, timeout=TIMEOUT).status_code == 401


def test_momentum_wants_both_token_and_key(demo: Demo) -> None:
    url, headers = f"{demo.settings['MOMENTUM_URL']}/offers", demo.headers("momentum")
    assert requests.get(url, headers=headers, timeout=TIMEOUT).status_code == 200
    for name in headers:
        others = {key: value for key, value in headers.items() if key != name}
        assert requests.get(url, headers=others, timeout=TIMEOUT).status_code == 401


def test_tokens_run_out_and_need_the_right_secret(demo: Demo) -> None:
    from demo.web import Tokens

    form = {"grant_type": "client_credentials", "client_id": demo.settings["NEXUS_CLIENT_ID"], "client_secret": "forkert"}
    answer = requests.post(demo.settings["NEXUS_TOKEN_URL"], data=form, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    wrong_grant = form | {"grant_type": "password"}
    assert requests.post(demo.settings["NEXUS_TOKEN_URL"], data=wrong_grant, timeout=TIMEOUT).status_code == 400
    tokens = Tokens("id", "secret", seconds=0.05)
    token = tokens.issue()
    assert tokens.valid(token)
    time.sleep(0.06)
    assert not tokens.valid(token)


def test_errors_are_worded_as_each_dialect_words_them(demo: Demo) -> None:
    url = f"{demo.settings['OPUS_OEKONOMI_URL']}/PosteringSet"
    no_client = requests.get(url, headers=demo.headers("opus_oekonomi"), timeout=TIMEOUT)
    assert no_client.status_code == 400
    assert "sap-client" in no_client.json()["error"]["message"]["value"]
    unknown_field = demo.get("opus_oekonomi", "PosteringSet", **{"$filter": "Nix eq '1'"})
    assert unknown_field.status_code == 400
    assert "Nix" in unknown_field.json()["error"]["message"]["value"]
    bare_literal = demo.get("opus_oekonomi", "PosteringSet", **{"$filter": "Budat ge 2026-01-05"})
    assert bare_literal.status_code == 400
    assert demo.get("opus_oekonomi", "NixSet").status_code == 404
    assert isinstance(demo.get("dubu", "Sag", **{"$filter": "Nix eq 1"}).json()["error"]["message"], str)
    assert demo.get("os2kitos", "it-interfaces", pageSize="251").status_code == 400
    assert demo.get("momentum", "offers", pageSize="501").status_code == 400
    assert demo.get("vagtplan", "vagter", cursor="forkert").status_code == 400
    assert demo.get("nexus", "visits", changedSince="i går").status_code == 400


@pytest.mark.parametrize("system", ["opus_oekonomi", "dubu"])
def test_metadata_names_every_field_of_the_register(demo: Demo, system: str) -> None:
    from xml.etree import ElementTree

    document = ElementTree.fromstring(demo.get(system, "$metadata").text)
    fields = {
        (entity.get("Name"), field.get("Name"))
        for entity in document.iter()
        if entity.tag.endswith("}EntityType")
        for field in entity
        if field.tag.endswith("}Property")
    }
    register = read_register().systems[system]
    for table in register.tables.values():
        entity = getattr(table.source, "entity_set").removesuffix("Set")  # noqa: B009 - the union has no such field
        assert {(entity, column) for column in table.columns} <= fields


# --- Broken nights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", _ONE_PATH)
def test_faults_are_switched_on_and_off(demo: Demo, system: str) -> None:
    with demo.fault(system, mode="500"):
        assert demo.get(system, _ONE_PATH[system]).status_code == 500
    with demo.fault(system, mode="401"):
        assert demo.get(system, _ONE_PATH[system]).status_code == 401
    with demo.fault(system, mode="truncate"), pytest.raises(requests.JSONDecodeError):
        demo.get(system, _ONE_PATH[system]).json()
    with demo.fault(system, mode="new_column:Ny"):
        assert '"Ny":"ny"' in demo.get(system, _ONE_PATH[system]).text
    with demo.fault(system, mode="empty"):
        assert '"Ny"' not in demo.get(system, _ONE_PATH[system]).text
    assert demo.get(system, _ONE_PATH[system]).status_code == 200


def test_a_fault_keeps_to_its_table_and_pages(demo: Demo) -> None:
    with demo.fault("dubu", mode="drop_column:Paragraf", table="sager"):
        assert all("Paragraf" not in row for row in demo.get("dubu", "Sag").json()["value"])
        assert all("Paragraf" in row for row in demo.get("dubu", "Ydelse").json()["value"])
    with demo.fault("nexus", mode="500", table="besoeg", later_pages=True):
        first = demo.get("nexus", "visits")
        assert first.status_code == 200
        assert demo.follow("nexus", first.json()["_links"]["next"]["href"]).status_code == 500


def test_a_system_that_hangs_says_nothing(demo: Demo) -> None:
    with demo.fault("vagtplan", mode="hang"), pytest.raises(requests.exceptions.Timeout):
        requests.get(f"{demo.settings['VAGTPLAN_URL']}/vagter", headers=demo.headers("vagtplan"), timeout=0.5)
    assert demo.get("vagtplan", "vagter").status_code == 200


def test_the_build_is_the_same_every_time(demo: Demo, tmp_path: Path) -> None:
    from demo.http import SYSTEMS
    from demo.municipality import build_municipality

    municipality, truth = build_municipality(306, 0.02), Truth(0.02, 306)
    for name, module in SYSTEMS.items():
        module.build(municipality, tmp_path / name, truth)
    assert truth == demo.truth
    for path in sorted(tmp_path.rglob("*.jsonl")):
        assert path.read_bytes() == (demo.folder / path.relative_to(tmp_path)).read_bytes()
