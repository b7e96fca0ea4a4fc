"""SOAP over TLS with a client certificate: a service with a WSDL of its own that checks each call against its schema."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn
from connectors_support import TABLE, column, context, rows, system
from http_support import Server
from lxml import etree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingestion.connectors.base import SourceError
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register.model import System

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSD = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:loen" elementFormDefault="qualified">
  <xs:element name="GetEmployment">
    <xs:complexType><xs:sequence>
      <xs:element name="InstitutionIdentifier" type="xs:string"/>
      <xs:element name="EffectiveDate" type="xs:date"/>
      <xs:element name="StatusActiveIndicator" type="xs:boolean"/>
      <xs:element name="ChangedSince" type="xs:dateTime" minOccurs="0"/>
      <xs:element name="Login" minOccurs="0"><xs:complexType><xs:sequence>
        <xs:element name="Kode" type="xs:string"/>
      </xs:sequence></xs:complexType></xs:element>
    </xs:sequence></xs:complexType>
  </xs:element>
  <xs:element name="GetEmploymentResponse"><xs:complexType><xs:sequence><xs:any/></xs:sequence></xs:complexType></xs:element>
</xs:schema>
"""
WSDL = """<?xml version="1.0"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:l="urn:loen"
  targetNamespace="urn:loen">
  <types>{xsd}</types>
  <message name="In"><part name="parameters" element="l:GetEmployment"/></message>
  <message name="Out"><part name="parameters" element="l:GetEmploymentResponse"/></message>
  <portType name="Loen"><operation name="GetEmployment"><input message="l:In"/><output message="l:Out"/></operation></portType>
  <binding name="LoenSoap" type="l:Loen">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetEmployment"><soap:operation soapAction="urn:loen#GetEmployment"/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  </binding>
  <service name="LoenService"><port name="LoenPort" binding="l:LoenSoap"><soap:address location="{address}"/></port></service>
</definitions>
"""
PERSON = """<l:Person><l:PersonCivilRegistrationIdentifier>010101000{n}</l:PersonCivilRegistrationIdentifier>
<l:Employment><l:EmploymentIdentifier>{n}1</l:EmploymentIdentifier><l:Timer>37.00</l:Timer>
<l:EmploymentStatus kode="8"><l:ActivationDate>2024-01-01</l:ActivationDate>
<l:DeactivationDate>2025-12-31</l:DeactivationDate></l:EmploymentStatus>
<l:EmploymentStatus kode="1"><l:ActivationDate>2026-01-01</l:ActivationDate>
<l:DeactivationDate>9999-12-31</l:DeactivationDate></l:EmploymentStatus>
</l:Employment><l:Employment><l:EmploymentIdentifier>{n}2</l:EmploymentIdentifier><l:Timer/></l:Employment></l:Person>"""


class Counterpart:
    """Answers calls that its schema lets through; each has to come with a certificate (TLS sees to that)."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", until: datetime | None = None) -> None:
        ca = trustme.CA()
        own, client, stranger = ca.issue_cert(host, not_after=until), ca.issue_cert("kommune@example.dk"), trustme.CA()
        ca.cert_pem.write_to_path(folder / "ca.pem")
        own.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        self.certificate = b"".join(part.bytes() for part in client.cert_chain_pems).decode()
        self.key = client.private_key_pem.bytes().decode()
        other = stranger.issue_cert("fremmed@example.dk")
        self.strange = other.cert_chain_pems[0].bytes().decode(), other.private_key_pem.bytes().decode()
        self.ca = folder / "ca.pem"
        self.calls: list[dict[str, str]] = []
        self.envelopes: list[bytes] = []
        self.schema = etree.XMLSchema(etree.fromstring(XSD))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self.xsd = XSD
        self.mtom = False
        self.body = "".join(PERSON.format(n=n) for n in range(1, 4))

    async def wsdl(self, request: Request) -> Response:
        return Response(WSDL.format(xsd=self.xsd, address=f"{self.url}/ws"), media_type="text/xml")

    async def call(self, request: Request) -> Response:
        assert request.headers["SOAPAction"].strip('"') == "urn:loen#GetEmployment"
        self.envelopes.append(await request.body())
        asked = etree.fromstring(self.envelopes[-1]).find(f"{{{SOAP}}}Body")[0]
        if not self.schema.validate(asked):
            return self.fault("soap:Client", str(self.schema.error_log.last_error))
        self.calls.append({etree.QName(child).localname: child.text or "" for child in asked})
        if self.calls[-1]["InstitutionIdentifier"] == "XX":
            return self.fault("soap:Client", "Ukendt institution XX.", "<code>4711</code>")
        inside = f'<l:GetEmploymentResponse xmlns:l="urn:loen">{self.body}</l:GetEmploymentResponse>'
        envelope = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{inside}</s:Body></s:Envelope>'
        if self.mtom:
            part = "--b\r\nContent-Type: {}\r\nContent-Transfer-Encoding: {}\r\nContent-ID: <{}>\r\n\r\n"
            first = part.format("image/png", "binary", "billede") + "\r\n"
            kind = 'multipart/related; type="application/xop+xml"; start="<rod>"; start-info="text/xml"; boundary="b"'
            second = part.format("application/xop+xml; charset=UTF-8", "8bit", "rod") + envelope
            return Response(f"{first}{second}\r\n--b--\r\n", headers={"Content-Type": kind})
        return Response(envelope, media_type="text/xml")

    def fault(self, code: str, said: str, detail: str = "") -> Response:
        inside = f"<s:Fault><faultcode>{code}</faultcode><faultstring>{said}</faultstring><detail>{detail}</detail></s:Fault>"
        return Response(f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{inside}</s:Body></s:Envelope>', 500, media_type="text/xml")


@contextmanager
def running(made: Counterpart, folder: Path) -> Iterator[Counterpart]:
    app = Starlette(routes=[Route("/ws", made.wsdl, methods=["GET"]), Route("/ws", made.call, methods=["POST"])])
    config = uvicorn.Config(
        app, host="127.0.0.1", port=made.port, log_level="critical", lifespan="off", ssl_certfile=str(folder / "server.pem"),
        ssl_ca_certs=str(made.ca), ssl_cert_reqs=int(ssl.CERT_REQUIRED),
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield made
    server.should_exit = True
    thread.join(10)


def trust(monkeypatch: pytest.MonkeyPatch, of: Counterpart) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(of.ca))
    monkeypatch.setenv("CERT", of.certificate)
    monkeypatch.setenv("KEY", of.key)
    monkeypatch.setenv("KODE", "hemmelig-kode")


@pytest.fixture
def counterpart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counterpart]:
    made = Counterpart(tmp_path)
    trust(monkeypatch, made)
    with running(made, tmp_path):
        yield made


ARGUMENTS = {
    "InstitutionIdentifier": "YX",
    "EffectiveDate": "{today}",
    "StatusActiveIndicator": True,
    "ChangedSince": "{since}",
}
PERSONS = {"cpr": column(path="PersonCivilRegistrationIdentifier")}
STATUS = {
    "cpr": column(path="../../PersonCivilRegistrationIdentifier"),
    "ansaettelse": column(path="../EmploymentIdentifier"),
    "kode": column(path="@kode"),
    "ActivationDate": column("date"),
    "DeactivationDate": column("date"),
}


def loen(of: Counterpart, record: str = "Person", columns: Any = PERSONS, **more: Any) -> System:
    source = {"operation": "GetEmployment", "arguments": {**ARGUMENTS, **more.pop("arguments", {})}, "record": record}
    connection = {
        "protocol": "soap",
        "wsdl": f"{of.url}/ws",
        "certificate": {"certificate": {"env": "CERT"}, "key": {"env": "KEY"}},
        **more.pop("connection", {}),
    }
    return system(connection, {**source, **more.pop("source", {})}, columns, **more)


def whole(of: Counterpart, **more: Any) -> System:
    """Persons, their employments and those's effective-dated statuses: three tables from one call."""
    employment = {
        "cpr": column(path="../PersonCivilRegistrationIdentifier"),
        "EmploymentIdentifier": column(),
        "Timer": column("decimal"),
    }
    made = loen(of, **more)
    tables = {
        "personer": made.tables[TABLE],
        "ansaettelser": loen(of, "Person/Employment", employment).tables[TABLE],
        "statusser": loen(of, "Person/Employment/EmploymentStatus", STATUS).tables[TABLE],
    }
    return made.model_copy(update={"tables": tables})


def test_arguments_are_typed_and_rows_are_text(counterpart: Counterpart, tmp_path: Path) -> None:
    result = rows(loen(counterpart), context(tmp_path))
    assert [row["cpr"] for row in result] == ["0101010001", "0101010002", "0101010003"]
    assert (result[2]["_source_ref"], result[2]["_source_row"]) == ("GetEmployment", 3)
    (call,) = counterpart.calls
    assert call["StatusActiveIndicator"] == "true"
    assert "ChangedSince" not in call
    rows(loen(counterpart), context(tmp_path, since="2026-01-02T03:04:05"))
    # The folder of the first load is still there, but another `since` is another call.
    assert counterpart.calls[1]["ChangedSince"] == "2026-01-02T03:04:05"


def test_a_private_authority_is_trusted_where_the_register_says_so(
    counterpart: Counterpart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.setenv("AUTHORITY", counterpart.ca.read_text())
    with pytest.raises(SourceError, match="isn't trusted"):
        rows(loen(counterpart), context(tmp_path))
    trusting = loen(counterpart, connection={"authority": {"env": "AUTHORITY"}})
    assert len(rows(trusting, context(tmp_path))) == 3
    monkeypatch.setenv("AUTHORITY", "ikke et certifikat")
    with pytest.raises(SourceError, match="Give it as PEM"):
        rows(trusting, context(tmp_path))


def test_effective_dated_children_know_their_parents(counterpart: Counterpart, tmp_path: Path) -> None:
    result = rows(loen(counterpart, "Person/Employment/EmploymentStatus", STATUS), context(tmp_path))
    assert len(result) == 6
    assert result[1] == {
        "cpr": "0101010001", "ansaettelse": "11", "kode": "1", "activation_date": "2026-01-01", "deactivation_date": "9999-12-31",
        "_source_ref": "GetEmployment", "_source_row": 2,
    }  # fmt: skip


def test_three_tables_of_one_answer_cost_one_call_and_show_nothing_twice(counterpart: Counterpart, home: Home) -> None:
    limits = {"timeout_seconds": 5, "retries": 2, "max_calls_per_day": 1}
    found = land_system(whole(counterpart, limits=limits), home)
    assert {name: (load.status, load.rows) for name, load in found.tables.items()} == {
        "personer": ("loaded", 3), "ansaettelser": ("loaded", 6), "statusser": ("loaded", 6)
    }  # fmt: skip
    assert len(counterpart.calls) == 1
    # A child that has a table of its own is no column of its parent's; one that hasn't is seen.
    assert found.tables["ansaettelser"].new_columns == []
    assert found.tables["personer"].new_columns == []
    again = land_system(whole(counterpart, limits=limits), home)
    assert all("used up" in load.message for load in again.tables.values())
    assert len(counterpart.calls) == 1


def test_institutions_are_asked_one_by_one(counterpart: Counterpart, tmp_path: Path) -> None:
    source = {"for_each": {"values": {"institution": ["A1", "B2"]}}}
    columns = {"institution": column(), **PERSONS}
    result = rows(
        loen(counterpart, columns=columns, source=source, arguments={"InstitutionIdentifier": "{institution}"}), context(tmp_path)
    )
    assert [row["institution"] for row in result] == ["A1"] * 3 + ["B2"] * 3
    assert [call["InstitutionIdentifier"] for call in counterpart.calls] == ["A1", "B2"]


def test_the_log_in_goes_to_no_other_server(counterpart: Counterpart, tmp_path: Path) -> None:
    """Public schemas are fetched from where they are published (rep.oio.dk), which has nothing to do with the log-in."""
    login = {"auth": {"type": "bearer", "token": {"env": "KODE"}}, "headers": {"apikey": {"env": "KODE"}}}
    with contextlib.closing(Server()) as published:
        seen: list[Any] = []
        published.answer = lambda path, query, headers: (seen.append(dict(headers.items())), (200, {}, XSD))[1]
        counterpart.xsd = (
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
            f'<xs:import namespace="urn:loen" schemaLocation="{published.url}/loen.xsd"/></xs:schema>'
        )
        assert len(rows(loen(counterpart, connection=login), context(tmp_path))) == 3
    assert len(seen) == 1
    assert not [value for headers in seen for value in headers.values() if "hemmelig-kode" in value]


def test_a_fault_of_soap_1_2_is_told_too(counterpart: Counterpart, tmp_path: Path) -> None:
    counterpart.fault = lambda *_: Response(  # type: ignore[method-assign]
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code>'
        "<s:Reason><s:Text>Ukendt institution XX.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>", 400,
    )  # fmt: skip
    with pytest.raises(SourceError, match=r"'GetEmployment' fails \(s:Sender\): Ukendt institution XX\. Check"):
        rows(loen(counterpart, arguments={"InstitutionIdentifier": "XX"}), context(tmp_path))


def test_a_status_inside_the_answer_counts(counterpart: Counterpart, tmp_path: Path) -> None:
    """As of the common public services (OIO Sag og Dokument): whatever happens, the answer is a good one."""
    told = "<l:StandardRetur><l:StatusKode>{}</l:StatusKode><l:FejlbeskedTekst>{}</l:FejlbeskedTekst></l:StandardRetur>"
    status = {"path": "StandardRetur/StatusKode", "accepted": ["20", "44"], "message": "StandardRetur/FejlbeskedTekst"}
    for number, (code, rows_in_it) in enumerate([("20", counterpart.body), ("44", "")]):
        (tmp_path / str(number)).mkdir()
        counterpart.body = told.format(code, "OK") + rows_in_it
        assert len(rows(loen(counterpart, source={"status": status}), context(tmp_path / str(number)))) == (
            3 if rows_in_it else 0
        )
    counterpart.body = told.format("50", "Intern fejl.")
    with pytest.raises(SourceError, match=r"'GetEmployment' answers with StandardRetur/StatusKode = 50: Intern fejl\. Check"):
        rows(loen(counterpart, source={"status": status}), context(tmp_path))


def test_records_that_are_called_otherwise_are_no_empty_answer(counterpart: Counterpart, tmp_path: Path) -> None:
    typed = '<xs:element name="{name}" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>'
    counterpart.body = ""
    counterpart.xsd = XSD.replace("<xs:any/>", typed.format(name="Person"))
    assert rows(loen(counterpart), context(tmp_path)) == []
    counterpart.xsd = XSD.replace("<xs:any/>", typed.format(name="Frav&#230;r"))  # As do WSDLs that are not UTF-8.
    assert rows(loen(counterpart, "GetEmploymentResponse/Fravær"), context(tmp_path)) == []
    array = 'xmlns:w="http://schemas.xmlsoap.org/wsdl/" w:arrayType="l:Person[]" name'
    counterpart.xsd = XSD.replace("<xs:any/>", typed.replace("name", array, 1).format(name="Svar"))
    assert rows(loen(counterpart, "Svar/item"), context(tmp_path)) == []
    again = tmp_path / "igen"
    again.mkdir()
    counterpart.body = "<l:Borger>1</l:Borger>"
    counterpart.xsd = XSD.replace("<xs:any/>", typed.format(name="Borger"))
    with pytest.raises(
        SourceError, match=r"no answer to 'GetEmployment' has a 'Person', and the WSDL knows none\. Correct `record`"
    ):
        rows(loen(counterpart), context(again))


def test_an_answer_in_parts_is_read(counterpart: Counterpart, tmp_path: Path) -> None:
    """Java's servers send it so whether there are attachments or not, once MTOM is switched on."""
    (tmp_path / "plain").mkdir()
    counterpart.body = PERSON.format(n=1).replace("<l:Timer/>", "<l:Timer>æø</l:Timer>")
    plain = rows(loen(counterpart, "Person/Employment", {"Timer": column()}), context(tmp_path / "plain"))
    counterpart.mtom = True
    assert rows(loen(counterpart, "Person/Employment", {"Timer": column()}), context(tmp_path)) == plain
    assert [row["timer"] for row in plain] == ["37.00", "æø"]


def test_a_fault_is_told_and_not_tried_again(counterpart: Counterpart, tmp_path: Path) -> None:
    of = loen(counterpart, arguments={"InstitutionIdentifier": "XX"}, limits={"timeout_seconds": 5, "retries": 3})
    with pytest.raises(SourceError, match=r"'GetEmployment' fails \(soap:Client\): Ukendt institution XX: 4711\. Check"):
        rows(of, context(tmp_path))
    assert len(counterpart.calls) == 1


def test_secrets_go_in_the_envelope_and_nowhere_else(counterpart: Counterpart, tmp_path: Path) -> None:
    token = {"type": "username_token", "username": "fd", "password": {"env": "KODE"}}
    of = loen(counterpart, source={"secret_arguments": {"Login.Kode": {"env": "KODE"}}}, connection={"auth": token})
    assert len(rows(of, context(tmp_path))) == 3
    envelope = counterpart.envelopes[0].decode()
    assert "Kode>hemmelig-kode</" in envelope
    assert "UsernameToken" in envelope
    assert envelope.count("hemmelig-kode") == 2
    bad = loen(counterpart, source={"secret_arguments": {"Forkert": {"env": "KODE"}}})
    with pytest.raises(SourceError, match=r"can't be called so: .*unexpected keyword argument 'Forkert'") as caught:
        rows(bad, context(tmp_path))
    assert "hemmelig-kode" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": {"operation": "Ukendt"}}, r"the WSDL has no operation 'Ukendt'\. It has: GetEmployment"),
        ({"arguments": {"EffectiveDate": "{since}"}}, r"can't be called so: Missing element EffectiveDate"),
        ({"connection": {"wsdl": "/findes/ikke.wsdl"}}, r"the WSDL can't be read: .*No such file"),
        ({"connection": {"port": "Anden"}}, "the WSDL can't be read: Port not found"),
        ({"connection": {"certificate": None}}, "certificate"),
        ({"connection": {"certificate": {"certificate": {"env": "STRANGE_CERT"}, "key": {"env": "STRANGE_KEY"}}}}, "certificate"),
        (
            {"connection": {"certificate": {"certificate": {"env": "CERT"}, "key": {"env": "KODE"}}}},
            "can't be read. Give both as PEM",
        ),
    ],
)
def test_what_is_wrong_is_said(
    counterpart: Counterpart, tmp_path: Path, change: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRANGE_CERT", counterpart.strange[0])
    monkeypatch.setenv("STRANGE_KEY", counterpart.strange[1])
    with pytest.raises(SourceError, match=message):
        rows(loen(counterpart, **change), context(tmp_path))
    assert counterpart.calls == []


def test_an_untrusted_server_is_refused(counterpart: Counterpart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(SourceError, match="a certificate that isn't trusted"):
        rows(loen(counterpart), context(tmp_path))


@pytest.mark.parametrize(
    ("host", "until", "message"),
    [
        ("127.0.0.1", datetime(2020, 1, 1, tzinfo=UTC), "has a certificate that has expired. Ask the vendor to renew it"),
        ("andet.example.dk", None, "has a certificate for another host. Check the address"),
    ],
)
def test_a_certificate_that_does_not_hold_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, until: datetime | None, message: str
) -> None:
    made = Counterpart(tmp_path, host, until)
    trust(monkeypatch, made)
    with running(made, tmp_path), pytest.raises(SourceError, match=message):
        rows(loen(made), context(tmp_path))


def test_without_the_extra_it_says_which(counterpart: Counterpart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeep", None)
    with pytest.raises(SourceError, match=r"Install the extra: pip install 'faellesdata\[soap\]'"):
        rows(loen(counterpart), context(tmp_path))


def test_an_answer_that_ends_in_the_middle_sinks_the_table(counterpart: Counterpart, tmp_path: Path) -> None:
    counterpart.body = PERSON.format(n=1) + "<l:Person>"
    with pytest.raises(SourceError, match="not whole or not valid XML"):
        rows(loen(counterpart), context(tmp_path))


def test_paths_above_the_record_are_refused(counterpart: Counterpart) -> None:
    with pytest.raises(ValueError, match="columns cpr: the path goes above the first element"):
        loen(counterpart, "Person", {"cpr": column(path="../x")})
