"""STIL SkoleGrunddata, export service WS17: SOAP over TLS with a client certificate, four full exports of an institution a day.

Names are after the service's own; what it holds of contacts and addresses is left out. The day's exports are counted while the
server runs; `quota.json` in the system's folder may allow more (`{"per_day": 100}`).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from demo.administration import Institution
from demo.certificates import AUTHORITY, CLIENT, CLIENT_KEY
from demo.defects import CANNOT_CONVERT, MISSING, UNKNOWN_VALUE, Defects, broken_cpr
from demo.files import cpr_then
from demo.municipality import TODAY, Municipality
from demo.population.common import school_year
from demo.population.unilogin import unilogin
from demo.rows import Row
from demo.truth import Truth
from demo.web import Fault, Site, practice_secret

if TYPE_CHECKING:
    from lxml.etree import _Element

SYSTEM = "stil_ws17"
USERNAME = "306WS17"
PER_DAY = 4
NAMESPACE = "https://wsieksport.unilogin.dk/ws"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_CALLER = '<xs:element name="wsBrugerid" type="xs:string"/><xs:element name="wsPassword" type="xs:string"/>'
WSDL = f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:w="{NAMESPACE}" targetNamespace="{NAMESPACE}">
  <types><xs:schema targetNamespace="{NAMESPACE}" elementFormDefault="qualified">
    <xs:element name="hentDataAftaler"><xs:complexType><xs:sequence>{_CALLER}</xs:sequence></xs:complexType></xs:element>
    <xs:element name="eksporterXmlFuld"><xs:complexType><xs:sequence>{_CALLER}
      <xs:element name="instnr"><xs:simpleType><xs:restriction base="xs:string"><xs:length value="6"/></xs:restriction>
      </xs:simpleType></xs:element></xs:sequence></xs:complexType></xs:element>
    <xs:element name="svar"><xs:complexType><xs:sequence><xs:any/></xs:sequence></xs:complexType></xs:element>
  </xs:schema></types>
  <message name="Aftaler"><part name="parameters" element="w:hentDataAftaler"/></message>
  <message name="Eksport"><part name="parameters" element="w:eksporterXmlFuld"/></message>
  <message name="Svar"><part name="parameters" element="w:svar"/></message>
  <portType name="wsiEksport">
    <operation name="hentDataAftaler"><input message="w:Aftaler"/><output message="w:Svar"/></operation>
    <operation name="eksporterXmlFuld"><input message="w:Eksport"/><output message="w:Svar"/></operation>
  </portType>
  <binding name="wsiEksportSoap" type="w:wsiEksport">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="hentDataAftaler"><soap:operation soapAction="hentDataAftaler"/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
    <operation name="eksporterXmlFuld"><soap:operation soapAction="eksporterXmlFuld"/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  </binding>
  <service name="wsiEksportService"><port name="wsiEksportPort" binding="w:wsiEksportSoap">
    <soap:address location="ADDRESS"/></port></service>
</definitions>
"""
_KINDS = {"skole": "121", "dagtilbud": "112"}
Fields = dict[str, str]


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the agreements and, for each institution, its export; and their truth."""
    folder.mkdir(parents=True, exist_ok=True)
    institutions = municipality.institutions
    agreements = "".join(
        f"<DataAftale><instnr>{i.number}</instnr><instnavn>{escape(i.name)}</instnavn><insttype>{_KINDS[i.kind]}</insttype>"
        f"<pnummer>{i.p_number}</pnummer></DataAftale>"
        for i in institutions
    )
    (folder / "aftaler.xml").write_text(agreements, encoding="utf-8")
    truth.table(SYSTEM, "institutioner", len(institutions), staging=len(institutions))
    groups, persons = _groups(municipality), list(_persons(municipality))
    spoilt_groups = Defects(truth, SYSTEM, "grupper", len(groups))
    spoilt_groups.put("GroupLevel", CANNOT_CONVERT, 1, "3x")
    spoilt = Defects(truth, SYSTEM, "personer", len(persons))
    spoilt.plant(
        "CivilRegistrationNumber",
        CANNOT_CONVERT,
        2,
        lambda row: row.__setitem__("CivilRegistrationNumber", broken_cpr(row["CivilRegistrationNumber"])),
    )
    spoilt.put("UserId", MISSING, 1, "", drops_row=True)
    spoilt.put("Role", UNKNOWN_VALUE, 1, "Praktikant")
    inside: dict[str, list[str]] = defaultdict(list)
    for number, row in spoilt_groups.spoil((group.pop("instnr"), group) for group in groups):
        inside[number].append(f"<Group>{_elements(row)}</Group>")
    for number, row in spoilt.spoil((person.pop("instnr"), person) for person in persons):
        inside[number].append(f"<InstitutionPerson>{_elements(row)}</InstitutionPerson>")
    for institution in institutions:
        text = _export(institution, inside[institution.number])
        (folder / f"{institution.number}.xml").write_text(text, encoding="utf-8")
    pupils = sum(person["Role"] != "Medarbejder" for person in persons)
    truth.table(SYSTEM, "grupper", len(groups), staging=len(groups))
    truth.table(SYSTEM, "personer", len(persons), staging=len(persons) - len(spoilt.dropped), boern=pupils)


def _export(institution: Institution, inside: list[str]) -> str:
    return (
        f'<UNILoginExport accessLevel="full" schoolyear="{school_year(TODAY).replace("/", "-")}"><Institution>'
        f"<InstitutionNumber>{institution.number}</InstitutionNumber><InstitutionName>{escape(institution.name)}</InstitutionName>"
        f"{''.join(inside)}</Institution></UNILoginExport>"
    )


def _elements(row: Row) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" if value else f"<{name}/>" for name, value in row.items())


def _groups(municipality: Municipality) -> list[Fields]:
    """Return the classes and rooms that have children today."""
    found = sorted({(e.institution, e.group) for e in municipality.enrolments if e.end is None})
    return [
        {
            "instnr": number, "GroupId": f"{number}-{group}", "GroupName": group,
            "GroupLevel": group.partition(".")[0] if "." in group else "",
        }
        for number, group in found
    ]  # fmt: skip


def _persons(municipality: Municipality) -> Iterator[Fields]:
    """Yield the children enrolled today, and the staff employed today, by institution."""
    names = {person.cpr: person for person in municipality.persons}
    then = cpr_then(municipality)
    by_institution: dict[str, list[Fields]] = defaultdict(list)
    for e in municipality.enrolments:
        if e.end is None:
            person = names[e.cpr]
            by_institution[e.institution].append({
                "CivilRegistrationNumber": then(e.cpr, e.start), "FirstName": person.first_name, "FamilyName": person.last_name,
                "UserId": unilogin(e.cpr), "Role": "Elev" if "." in e.group else "Barn",
                "MainGroupId": f"{e.institution}-{e.group}",
            })  # fmt: skip
    units = {institution.org_unit: institution.number for institution in municipality.institutions}
    for employee in municipality.employees:
        for number in {units[job.org_unit] for job in employee.employments if job.leave is None and job.org_unit in units}:
            by_institution[number].append({
                "CivilRegistrationNumber": employee.cpr, "FirstName": employee.first_name, "FamilyName": employee.last_name,
                "UserId": unilogin(employee.cpr), "Role": "Medarbejder", "MainGroupId": "",
            })  # fmt: skip
    for number, persons in sorted(by_institution.items()):
        # Who is enrolled twice, for two school years on end, is one person here.
        for fields in {fields["UserId"]: fields for fields in persons}.values():
            yield {"instnr": number, **fields}


# --- The server --------------------------------------------------------------------------------------------------------------


def _envelope(inside: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SOAP}"><s:Body>{inside}</s:Body></s:Envelope>'


def _fault(status: int, message: str) -> Response:
    said = f"<s:Fault><faultcode>s:Client</faultcode><faultstring>{escape(message)}</faultstring></s:Fault>"
    return Response(_envelope(said), status, media_type="text/xml")


class _Service:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = Site(folder, lambda request: True, lambda status, message: _fault(500, message))
        self.pulls: Counter[tuple[date, str]] = Counter()

    async def wsdl(self, request: Request) -> Response:
        return Response(WSDL.replace("ADDRESS", str(request.url.replace(query=""))), media_type="text/xml")

    async def call(self, request: Request) -> Response:
        from lxml import etree

        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        body = etree.fromstring(await request.body(), parser).find(f"{{{SOAP}}}Body")
        if body is None or not len(body):
            return _fault(500, "Kaldet er tomt")
        asked: _Element = body[0]
        operation = etree.QName(asked).localname
        given = {etree.QName(child).localname: child.text or "" for child in asked}
        table = "institutioner" if operation == "hentDataAftaler" else "personer"

        def respond(fault: Fault) -> Response:
            if (given.get("wsBrugerid"), given.get("wsPassword")) != (USERNAME, practice_secret(SYSTEM, "password")):
                return _fault(500, "wsBrugerid eller wsPassword er forkert")
            inside = self._agreements() if operation == "hentDataAftaler" else self._pull(given.get("instnr", ""))
            return Response(_envelope(f'<svar xmlns="{NAMESPACE}">{inside}</svar>'), media_type="text/xml")

        return await self.site.serve(request, table, True, respond)

    def _agreements(self) -> str:
        return (self.folder / "aftaler.xml").read_text(encoding="utf-8")

    def _pull(self, number: str) -> str:
        path = self.folder / f"{number}.xml"
        if not number.isalnum() or not path.exists():
            raise ValueError(f"Der er ingen dataaftale med institution {number}")
        quota = self.folder / "quota.json"
        most = int(json.loads(quota.read_bytes())["per_day"]) if quota.exists() else PER_DAY
        today = date.today()
        if self.pulls[today, number] >= most:
            raise ValueError(f"Institution {number} er hentet {most} gange i dag; den kan ikke hentes fuldt igen før i morgen")
        self.pulls[today, number] += 1
        return path.read_text(encoding="utf-8")


def routes(folder: Path) -> list[BaseRoute]:
    """Return the service's routes, below the system's own path."""
    service = _Service(folder)
    return [Route("/ws", service.wsdl, methods=["GET"]), Route("/ws", service.call, methods=["POST"])]


def settings(url: str, pem: dict[str, str]) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {
        "STIL_WS17_WSDL": f"{url}/ws?wsdl",
        "STIL_WS17_USERNAME": USERNAME,
        "STIL_WS17_PASSWORD": practice_secret(SYSTEM, "password"),
        "STIL_WS17_CERTIFICATE": pem[CLIENT],
        "STIL_WS17_KEY": pem[CLIENT_KEY],
        "STIL_WS17_AUTHORITY": pem[AUTHORITY],
    }
