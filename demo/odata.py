"""An OData server of our own, in three dialects: V2 as SAP Gateway speaks it, V4 as ASP.NET does, and GeoEnviron's near-OData.

It pages by itself (`$skiptoken`), whatever the caller asks for, because that is where extracts lose rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode
from xml.sax.saxutils import quoteattr

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.odata_filter import comparable, parse_filter
from demo.web import MAX_PAGE, Check, Fault, Site, json_body, whole_number

Dialect = Literal["v2", "v4", "plain"]
_BASE = "odata-base:/"
"""Stands for the service's address in stored rows: the port is not known until the server runs."""


@dataclass(frozen=True)
class Entity:
    """An entity set, and the table that holds its rows."""

    name: str
    type_name: str
    table: str
    key: tuple[str, ...]
    fields: Mapping[str, str]
    """Field → Edm type, in the order of `$metadata`."""
    sort: str | None = None
    """The field whose values, as UTC text, stand beside the stored rows."""


# --- Values as V2 writes them ------------------------------------------------------------------------------------------------


def v2_date(day: date | None) -> str | None:
    """Return a day as `/Date(ms)/`."""
    return None if day is None else f"/Date({_milliseconds(datetime(day.year, day.month, day.day))})/"


def v2_moment(moment: datetime | None) -> str | None:
    """Return a moment in UTC as `/Date(ms+0000)/`."""
    return None if moment is None else f"/Date({_milliseconds(moment)}+0000)/"


def _milliseconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp()) * 1000


def v2_rows(entity: Entity, namespace: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Put `__metadata` in front of each row, as V2 does."""
    for row in rows:
        key = ",".join(f"{name}='{row[name]}'" for name in entity.key)
        address = f"{_BASE}{entity.name}({key})"
        yield {"__metadata": {"id": address, "uri": address, "type": f"{namespace}.{entity.type_name}"}, **row}


# --- The server --------------------------------------------------------------------------------------------------------------


class ODataServer:
    """Serves the entity sets of one system from the rows under `folder`."""

    def __init__(
        self,
        folder: Path,
        dialect: Dialect,
        namespace: str,
        entities: Iterable[Entity],
        check: Check,
        page_size: int = MAX_PAGE,
        realm: str = "",
    ) -> None:
        self.dialect = dialect
        self.namespace = namespace
        self.entities = {entity.name: entity for entity in entities}
        self.page_size = page_size
        self.realm = realm
        self.site = Site(folder, check, self._refuse)

    def routes(self) -> list[Route]:
        if self.dialect == "plain":
            return [Route(f"/{name}", self._collection) for name in self.entities]
        return [
            Route("/", self._service),
            Route("/$metadata", self._metadata),
            Route("/{entity}", self._collection),
            Route("/{entity}/$count", self._count),
        ]

    def _refuse(self, status: int, message: str) -> Response:
        headers = {"WWW-Authenticate": f'Basic realm="{self.realm}"'} if status == 401 and self.realm else None
        body: dict[str, Any]
        if self.dialect == "v2":
            error = {"code": f"/IWBEP/CM_MGW_RT/{status}", "message": {"lang": "da", "value": message}, "innererror": {}}
            body = {"error": error}
        elif self.dialect == "v4":
            body = {"error": {"code": str(status), "message": message}}
        else:
            body = {"Message": message}
        return JSONResponse(body, status, headers)

    def _require_client(self, request: Request) -> None:
        if self.dialect == "v2" and not request.query_params.get("sap-client", "").isdigit():
            raise ValueError("Angiv klienten med sap-client")

    async def _service(self, request: Request) -> Response:
        def respond(_: Fault) -> Response:
            self._require_client(request)
            names = list(self.entities)
            if self.dialect == "v2":
                return JSONResponse({"d": {"EntitySets": names}})
            sets = [{"name": name, "kind": "EntitySet", "url": name} for name in names]
            return JSONResponse({"@odata.context": "$metadata", "value": sets})

        return await self.site.serve(request, "", True, respond)

    async def _metadata(self, request: Request) -> Response:
        def respond(_: Fault) -> Response:
            self._require_client(request)
            return Response(edmx(self.dialect, self.namespace, self.entities.values()), media_type="application/xml")

        return await self.site.serve(request, "", True, respond)

    async def _count(self, request: Request) -> Response:
        entity = self.entities.get(request.path_params["entity"])
        if entity is None:
            return self._refuse(404, "Ressourcen findes ikke")

        def respond(fault: Fault) -> Response:
            self._require_client(request)
            _, total = self.site.page(entity.table, fault, 0, 0, self._selection(entity, request))
            return Response(str(total), media_type="text/plain")

        return await self.site.serve(request, entity.table, True, respond)

    async def _collection(self, request: Request) -> Response:
        entity = self.entities.get(request.path_params.get("entity") or request.url.path.rsplit("/", 1)[-1])
        if entity is None:
            return self._refuse(404, "Ressourcen findes ikke")
        first = "$skiptoken" not in request.query_params and request.query_params.get("$skip", "0") == "0"
        return await self.site.serve(request, entity.table, first, lambda fault: self._page(entity, request, fault))

    def _page(self, entity: Entity, request: Request, fault: Fault) -> Response:
        self._require_client(request)
        params = request.query_params
        if params.get("$format", "json") != "json":
            raise ValueError("$format: kun json understøttes")
        given = whole_number(request, "$skiptoken", 0, most=10**9)
        start = whole_number(request, "$skip", 0, most=10**9) + given
        most = self._page_size(request)
        top = whole_number(request, "$top", 10**9, most=10**9)
        size = max(0, min(most, top - given))
        rows, total = self.site.page(entity.table, fault, start, size, self._selection(entity, request))
        rows = _select(rows, params.get("$select"), entity)
        more = start + size < total and given + size < top
        query = urlencode({**params, "$skiptoken": str(given + size)}) if more else ""
        if self.dialect == "v2":
            wants_count = params.get("$inlinecount") == "allpages"
            tail: dict[str, Any] = {"__count": str(total)} if wants_count else {}
            if more:
                tail["__next"] = str(request.url.replace(query=query))
            base = str(request.url.replace(query="")).removesuffix(entity.name)
            body = b'{"d":' + json_body({}, "results", rows, tail).replace(_BASE.encode(), base.encode()) + b"}"
        elif self.dialect == "v4":
            head: dict[str, Any] = {"@odata.context": f"$metadata#{entity.name}"}
            if params.get("$count") == "true":
                head["@odata.count"] = total
            body = json_body(head, "value", rows, {"@odata.nextLink": f"{entity.name}?{query}"} if more else {})
        else:
            body = json_body({}, "value", rows)
        version = {"v2": {"DataServiceVersion": "2.0"}, "v4": {"OData-Version": "4.0"}}.get(self.dialect)
        return Response(body, media_type="application/json", headers=version)

    def _page_size(self, request: Request) -> int:
        for preference in request.headers.get("Prefer", "").split(","):
            name, _, value = preference.strip().partition("=")
            if self.dialect == "v4" and name.strip() in ("odata.maxpagesize", "maxpagesize") and value.isdigit() and value != "0":
                return min(self.page_size, int(value))
        return self.page_size

    def _selection(self, entity: Entity, request: Request) -> list[int] | None:
        """Return the positions of the rows asked for, in the order asked for; None for all as they stand."""
        wanted, order = request.query_params.get("$filter"), request.query_params.get("$orderby")
        if not wanted and not order:
            return None
        stored = self.site.table(entity.table)
        found = stored.remembered((wanted, order))
        if found is not None:
            return found
        fields = dict(entity.fields)
        condition = parse_filter(wanted, fields) if wanted else None
        if condition and condition.fields == {entity.sort} and not order:
            matches = condition.matches
            answers = {value: matches({entity.sort: value or None}.get) for value in set(stored.sort_values())}
            indices = [index for index, value in enumerate(stored.sort_values()) if answers[value]]
            return stored.remember((wanted, order), indices)
        rows = [{name: comparable(edm, row.get(name)) for name, edm in fields.items()} for row in stored.parsed()]
        indices = [index for index, row in enumerate(rows) if condition is None or condition.matches(row.get)]
        for part in reversed((order or "").split(",") if order else []):
            name, _, direction = part.strip().partition(" ")
            if name not in fields:
                raise ValueError(f"$orderby: property '{name}' not found")
            indices.sort(key=lambda index: _sortable(rows[index][name]), reverse=direction.strip() == "desc")
        return stored.remember((wanted, order), indices)


def _sortable(value: Any) -> tuple[bool, Decimal, str]:
    number = isinstance(value, Decimal)
    return (value is not None, value if number else Decimal(0), "" if number else str(value))


def _select(rows: list[bytes], wanted: str | None, entity: Entity) -> list[bytes]:
    if not wanted or wanted == "*":
        return rows
    names = [name.strip() for name in wanted.split(",")]
    unknown = [name for name in names if name not in entity.fields]
    if unknown:
        raise ValueError(f"$select: property '{unknown[0]}' not found")
    keep = {"__metadata", *names}
    selected = ({name: value for name, value in json.loads(row).items() if name in keep} for row in rows)
    return [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() for row in selected]


def edmx(dialect: Dialect, namespace: str, entities: Iterable[Entity]) -> str:
    """Return the `$metadata` document."""
    version, edmx_ns, edm_ns = (
        ("1.0", "http://schemas.microsoft.com/ado/2007/06/edmx", "http://schemas.microsoft.com/ado/2008/09/edm")
        if dialect == "v2"
        else ("4.0", "http://docs.oasis-open.org/odata/ns/edmx", "http://docs.oasis-open.org/odata/ns/edm")
    )
    services = (
        '<edmx:DataServices m:DataServiceVersion="2.0" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
        if dialect == "v2"
        else "<edmx:DataServices>"
    )
    types, sets = [], []
    for entity in entities:
        keys = "".join(f"<PropertyRef Name={quoteattr(name)}/>" for name in entity.key)
        properties = "".join(
            f'<Property Name={quoteattr(name)} Type={quoteattr(edm)} Nullable="{"false" if name in entity.key else "true"}"/>'
            for name, edm in entity.fields.items()
        )
        types.append(f"<EntityType Name={quoteattr(entity.type_name)}><Key>{keys}</Key>{properties}</EntityType>")
        sets.append(f"<EntitySet Name={quoteattr(entity.name)} EntityType={quoteattr(f'{namespace}.{entity.type_name}')}/>")
    container = f'<EntityContainer Name="Container">{"".join(sets)}</EntityContainer>'
    return (
        f'<?xml version="1.0" encoding="utf-8"?><edmx:Edmx Version="{version}" xmlns:edmx="{edmx_ns}">{services}'
        f'<Schema Namespace={quoteattr(namespace)} xmlns="{edm_ns}">{"".join(types)}{container}</Schema>'
        "</edmx:DataServices></edmx:Edmx>"
    )
