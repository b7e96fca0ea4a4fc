"""OS2mo: GraphQL with cursors, over a register of two times: when a thing holds (validity), and when it was noted (registration).

As there, a question without dates is answered for today, `from_date: null, to_date: null` gives all validities, and
`registration_time` what the register said at that time.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo, build_schema, graphql_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from demo.administration import OrgUnit
from demo.defects import CANNOT_CONVERT, MISSING, Defects
from demo.municipality import FIRST_DAY, TODAY, Municipality
from demo.population.places import house_uuid
from demo.rows import write_rows
from demo.truth import Truth
from demo.values import day
from demo.web import Fault, Site, header, practice_secret

SYSTEM = "os2mo"
API = "/graphql/v25"
LARGEST_PAGE = 500
TABLES = {"org_units": "enheder", "managers": "ledere", "kles": "kle_opgaver"}
CORRECTED = "enheder_foer_rettelse"
"""Registrations that have been superseded: only who asks for an earlier time meets them."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "os2mo.odsherred.invalid")
SCHEMA = """
scalar DateTime
scalar Cursor
input Filter { uuids: [ID!] from_date: DateTime to_date: DateTime registration_time: DateTime }
input AddressFilter { scope: String }
type Query {
  org_units(limit: Int, cursor: Cursor, filter: Filter): UnitPage!
  managers(limit: Int, cursor: Cursor, filter: Filter): ManagerPage!
  kles(limit: Int, cursor: Cursor, filter: Filter): KLEPage!
}
type PageInfo { next_cursor: Cursor }
type UnitPage { objects: [UnitResponse!]! page_info: PageInfo! }
type UnitResponse { uuid: ID! validities: [Unit!]! }
type ManagerPage { objects: [ManagerResponse!]! page_info: PageInfo! }
type ManagerResponse { uuid: ID! validities: [Manager!]! }
type KLEPage { objects: [KLEResponse!]! page_info: PageInfo! }
type KLEResponse { uuid: ID! validities: [KLE!]! }
type Validity { from: DateTime to: DateTime }
type Registration { start: DateTime end: DateTime }
type Class { user_key: String name: String }
type Address { scope: String value: String }
type Reference { uuid: ID user_key: String }
type Unit {
  user_key: String name: String parent: Reference unit_type: Class validity: Validity registration: Registration
  addresses(filter: AddressFilter): [Address!]!
}
type Manager { org_unit: Reference person: Person manager_type: Class validity: Validity }
type Person { uuid: ID engagements: [Reference!]! }
type KLE { org_unit: Reference kle_number: Class kle_aspect: Class validity: Validity }
"""
Row = dict[str, Any]


def mo_uuid(kind: str, identity: str) -> str:
    """Return the UUID that OS2mo gives the unit or person that OPUS knows by `identity`."""
    return str(uuid.uuid5(NAMESPACE, f"{kind}/{identity}"))


def _period(start: date, end: date | None) -> Row:
    return {"from": f"{start}T00:00:00+01:00", "to": None if end is None else f"{end}T00:00:00+01:00"}


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write units, managers and KLE tasks, one row for each validity, and their truth."""
    rows = [row for unit in [*municipality.org_units, *municipality.closed_units] for row in _unit(municipality, unit)]
    defects = Defects(truth, SYSTEM, "enheder", len(rows))

    def wrong_ean(row: Row) -> None:
        row["addresses"][0]["value"] = "5,798E+12"

    defects.plant("ean_nummer", CANNOT_CONVERT, 2, wrong_ean)
    units = len(municipality.org_units) + len(municipality.closed_units)
    defects.write(folder, (("", row) for row in rows), enheder=units, lukkede=len(municipality.closed_units))
    corrected = municipality.org_units[2]
    mistaken = {**_unit(municipality, corrected)[0], "name": "Økonmi og Analyse", "registration": _registration(FIRST_DAY, TODAY)}
    write_rows(folder, CORRECTED, [("", mistaken)])

    managers = [
        {
            "uuid": mo_uuid("leder", manager.org_unit), "org_unit": {"uuid": mo_uuid("enhed", manager.org_unit)},
            "person": {"uuid": mo_uuid("person", manager.employment), "engagements": [{"user_key": manager.employment}]}
            if manager.employment else None,
            "manager_type": {"user_key": "leder", "name": "Leder"}, "validity": _period(manager.start, manager.end),
        }
        for manager in municipality.unit_managers
    ]  # fmt: skip
    defects = Defects(truth, SYSTEM, "ledere", len(managers))
    defects.plant("enhed", MISSING, 1, lambda row: row.__setitem__("org_unit", None), drops_row=True)
    vacant = sum(manager["person"] is None for position, manager in enumerate(managers) if position not in defects.dropped)
    defects.write(folder, (("", row) for row in managers), vakante=vacant)

    tasks = [
        {
            "uuid": mo_uuid("kle", f"{task.org_unit}/{task.kle}"), "org_unit": {"uuid": mo_uuid("enhed", task.org_unit)},
            "kle_number": {"user_key": task.kle, "name": f"Emne {task.kle}"},
            "kle_aspect": {"user_key": task.aspect, "name": task.aspect.capitalize()}, "validity": _period(task.start, None),
        }
        for task in municipality.unit_tasks
    ]  # fmt: skip
    defects = Defects(truth, SYSTEM, "kle_opgaver", len(tasks))
    defects.plant("emne", CANNOT_CONVERT, 1, lambda row: row["kle_number"].__setitem__("user_key", "27.24.XX"))
    defects.write(folder, (("", row) for row in tasks))


def _registration(start: date, end: date | None = None) -> Row:
    return {"start": f"{day(start)}T08:00:00+01:00", "end": None if end is None else f"{day(end)}T08:00:00+01:00"}


def _unit(municipality: Municipality, unit: OrgUnit) -> list[Row]:
    """Return a unit's validities: as it was until it was renamed or moved, and as it has been since."""
    periods = [(unit.name, unit.parent, unit.start, unit.end)]
    if unit.former_name or unit.former_parent:
        before = (unit.former_name or unit.name, unit.former_parent or unit.parent, unit.start, unit.changed - timedelta(days=1))
        periods = [before, (unit.name, unit.parent, unit.changed, unit.end)]
    addresses = [{"scope": "EAN", "value": unit.ean}, {"scope": "PNUMBER", "value": unit.p_number}]
    if unit.kind == "plejecenter":  # These came with another payroll, and are known there still.
        addresses.append({"scope": "SD", "value": f"OD/{unit.cost_centre[-4:]}"})
    if unit.id in municipality.unit_addresses:
        addresses.append({"scope": "DAR", "value": house_uuid(municipality.unit_addresses[unit.id])})
    return [
        {
            "uuid": mo_uuid("enhed", unit.id), "user_key": unit.id, "name": name,
            "parent": {"uuid": mo_uuid("enhed", parent), "user_key": parent} if parent else None,
            "unit_type": {"user_key": unit.kind, "name": unit.kind.capitalize()}, "addresses": [dict(a) for a in addresses],
            "validity": _period(start, end), "registration": _registration(max(start, FIRST_DAY)),
        }
        for name, parent, start, end in periods
    ]  # fmt: skip


# --- The server --------------------------------------------------------------------------------------------------------------


class _Root:
    """Resolves the three collections of `Query`."""

    def __init__(self, site: Site, fault: Fault) -> None:
        self.site, self.fault = site, fault

    def org_units(self, info: GraphQLResolveInfo, **arguments: Any) -> Row:
        return self._collection("org_units", **arguments)

    def managers(self, info: GraphQLResolveInfo, **arguments: Any) -> Row:
        return self._collection("managers", **arguments)

    def kles(self, info: GraphQLResolveInfo, **arguments: Any) -> Row:
        return self._collection("kles", **arguments)

    def _collection(
        self,
        name: str,
        limit: int | None = None,
        cursor: str | None = None,
        filter: Row | None = None,
    ) -> Row:
        if limit is not None and not 0 < limit <= LARGEST_PAGE:
            raise GraphQLError(f"limit must be from 1 to {LARGEST_PAGE}")
        asked = filter or {}
        rows = list(_registered(self._rows(name), asked.get("registration_time")))
        rows = [row for row in rows if _holds(row["validity"], asked)]
        if asked.get("uuids") is not None:
            rows = [row for row in rows if row["uuid"] in asked["uuids"]]
        objects = [{"uuid": key, "validities": list(group)} for key, group in groupby(rows, lambda row: row["uuid"])]
        start = _position(cursor)
        end = len(objects) if limit is None else start + limit
        return {"objects": objects[start:end], "page_info": {"next_cursor": _cursor(end) if end < len(objects) else None}}

    def _rows(self, name: str) -> Iterator[Row]:
        table = TABLES[name]
        for stored in (table, CORRECTED) if name == "org_units" else (table,):
            rows = self.site.page(stored, self.fault, 0, len(self.site.table(stored)))[0]
            yield from (json.loads(row) for row in rows)


def _registered(rows: Iterator[Row], at: str | None) -> Iterator[Row]:
    """What the register said at `at`, or says now. A registration that was corrected later stood in place of the present one."""
    known = list(rows)
    mistaken = {(row["uuid"], row["validity"]["from"]): row for row in known if (row.get("registration") or {}).get("end")}
    for row in known:
        wrong = mistaken.get((row["uuid"], row["validity"]["from"]))
        if wrong is row:
            continue
        yield wrong if wrong is not None and at is not None and at < wrong["registration"]["end"] else row


def _holds(validity: Row, asked: Row) -> bool:
    """Whether a validity meets the dates asked for: today's without any; null is without bound."""
    after = asked.get("from_date", f"{TODAY}T00:00:00+01:00")
    before = asked.get("to_date", asked.get("from_date", f"{TODAY}T00:00:00+01:00"))
    starts = before is None or validity["from"] is None or validity["from"] <= before
    ends = after is None or validity["to"] is None or validity["to"] >= after
    return starts and ends


def _cursor(position: int) -> str:
    return base64.b64encode(json.dumps({"offset": position}).encode()).decode()


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(json.loads(base64.b64decode(cursor, validate=True))["offset"])
    except (ValueError, KeyError, TypeError):
        raise GraphQLError("cursor is not one that this server has given") from None


def _addresses(unit: Row, info: GraphQLResolveInfo, filter: Row | None = None) -> list[Row]:
    scope = (filter or {}).get("scope")
    return [address for address in unit.get("addresses", []) if scope in (None, address["scope"])]


def routes(folder: Path) -> list[BaseRoute]:
    """Return the API's route, below the system's own path."""

    def refuse(status: int, message: str) -> Response:
        return JSONResponse({"errors": [{"message": message}]}, status)

    site = Site(folder, header("Authorization", f"Bearer {practice_secret(SYSTEM, 'token')}"), refuse)
    schema = build_schema(SCHEMA)
    schema.type_map["Unit"].fields["addresses"].resolve = _addresses  # type: ignore[attr-defined]

    async def endpoint(request: Request) -> Response:
        asked = await request.json()
        variables = asked.get("variables") or {}
        table = next((table for name, table in TABLES.items() if name in asked["query"]), "")

        def respond(fault: Fault) -> Response:
            answer = graphql_sync(schema, asked["query"], _Root(site, fault), variable_values=variables)
            return JSONResponse(answer.formatted)

        return await site.serve(request, table, not variables.get("cursor"), respond)

    return [Route(API, endpoint, methods=["POST"])]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {"OS2MO_URL": f"{url}{API}", "OS2MO_TOKEN": practice_secret(SYSTEM, "token")}
