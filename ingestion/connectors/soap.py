"""SOAP: zeep builds the envelope from the WSDL, and the answer is read as XML, so that values stay as the source wrote them."""

from __future__ import annotations

import contextlib
import email
import hashlib
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ingestion.connectors import arguments
from ingestion.connectors.base import SAFE_XML, SOURCE_REF, SOURCE_ROW, NotThereError, ReadContext, Row, SourceError, batches
from ingestion.connectors.http import HttpClient, client, save
from ingestion.connectors.http_answers import OtherServerError, check, check_status, follow
from ingestion.connectors.parents import parameters_of
from ingestion.connectors.xml import Shape, below, elements, local_name
from ingestion.naming import fold
from ingestion.register.api import SoapSource, SoapTable, UsernameTokenAuth
from ingestion.register.model import SoapSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import pyarrow as pa
    from lxml.etree import _Element

_RETRIED = (429, 502, 503, 504)
"""Not 500: that is how SOAP 1.1 says that a call is wrong, and it will be wrong again."""
_FAULT = "Fault"
_LONGEST_FAULT = 1 << 20
"""Bytes of a fault that are read."""


def read(system: SoapSystem, table_name: str, table: SoapTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the elements of the operation's answer in Arrow tables of text."""
    try:
        importlib.import_module("zeep")
    except ImportError:
        raise SourceError("SOAP needs zeep, which isn't installed. Install the extra: pip install 'faellesdata[soap]'") from None
    with client(system.connection, system.limits, context, _RETRIED) as http:
        yield from batches(_rows(_Service(http, system), system, table, context))


def _rows(service: _Service, system: SoapSystem, table: SoapTable, context: ReadContext) -> Iterator[Row]:
    source = table.source
    to_row = _ChildShape(system, table)
    ordinal, called = 0, False
    for parameters in parameters_of(system, source.for_each, context, read):
        given: Row = {fold(name): value for name, value in parameters.items() if name in table.columns}
        try:
            path, called = service.call(table, parameters, context), True
        except NotThereError:
            if source.for_each is None or source.for_each.missing == "fail":
                raise
            continue
        if source.status is not None:
            said = _text_at(path, source, source.status.message) if source.status.message else None
            check_status(source.status, f"'{source.operation}'", _text_at(path, source, source.status.path), said)
        for element in _elements(path, source.operation, source.record.split("/")):
            if context.limit is not None and ordinal >= context.limit:
                return
            ordinal += 1
            yield {**given, **to_row(element), SOURCE_REF: source.operation, SOURCE_ROW: ordinal}
    # What an answer of RPC style is wrapped in is called after the operation, without a word in the WSDL.
    steps = [step for step in source.record.split("/") if step != f"{source.operation}Response"]
    lost = next((step for step in steps if not service.knows(step)), None) if called and not ordinal else None
    if lost is not None:
        raise SourceError(
            f"no answer to '{source.operation}' has a '{lost}', and the WSDL knows none. Correct `record`, or ask what changed"
        )


# --- The call ----------------------------------------------------------------------------------------------------------------


class _Service:
    """The service that the WSDL describes; read when the first call needs it."""

    def __init__(self, http: HttpClient, system: SoapSystem) -> None:
        self._http = http
        self._connection, self._limits = system.connection, system.limits
        self._proxy: Any = None
        self._descriptions: list[bytes] = []

    def knows(self, element: str) -> bool:
        """Whether the WSDL, or a schema that it imports, speaks of an element of that name, or lets any be there.

        Any may stand in SOAP's own arrays (`arrayType`), whose elements have no name in the WSDL.
        """
        from lxml import etree

        self._bound()
        parser = etree.XMLParser(**SAFE_XML)
        nodes = (node for text in self._descriptions for node in etree.fromstring(text, parser).iter("{*}*"))
        return any(
            local_name(node.tag) == "any"
            or any(
                str(value).rpartition(":")[2] in (element, "anyType") or str(name).endswith("arrayType")
                for name, value in node.items()
            )
            for node in nodes
        )

    def call(self, table: SoapTable, parameters: dict[str, str], context: ReadContext) -> Path:
        """Return the file that holds the answer; one that another table of this load has asked for already stands there."""
        source = table.source
        filled = arguments.fill(source.arguments, arguments.names(context.since, parameters))
        folder = context.shared or context.workdir
        folder.mkdir(exist_ok=True)
        secrets = {name: reference.model_dump() for name, reference in source.secret_arguments.items()}
        name = hashlib.sha256(json.dumps([source.operation, filled, secrets], sort_keys=True).encode()).hexdigest()[:32]
        path = folder / f"{name}.xml"
        if not path.exists():
            address, message, headers = self._envelope(source.operation, _with_secrets(filled, table))
            # What moves by itself from call to call doesn't make it another call.
            still = arguments.fill(source.arguments, {**parameters, "since": "", "today": "", "now": ""})
            response = self._http.send(
                "POST", address, headers, json.dumps([source.operation, still], sort_keys=True), data=message, stream=True
            )
            with response:
                if response.status_code in (400, 500):  # The former is how SOAP 1.2 says that it is our fault.
                    said = response.raw.read(_LONGEST_FAULT, decode_content=True)
                    raise SourceError(_fault(said, source.operation, response.status_code))
                check(response)
                save(response, path, self._limits)
                kind = response.headers.get("Content-Type", "")
                if kind.lower().startswith("multipart/"):
                    path.write_bytes(_envelope_of(kind, path.read_bytes()))
        return path

    def _envelope(self, operation: str, filled: dict[str, Any]) -> tuple[str, bytes, dict[str, str]]:
        """Let zeep make the call, and catch it where it would be sent: our own client knows log-in, limits and patience."""
        zeep: Any = importlib.import_module("zeep")
        try:
            proxy = self._bound()
            method = getattr(proxy, operation, None)
            if method is None:
                listed = ", ".join(sorted(proxy._binding._operations))
                raise SourceError(f"the WSDL has no operation '{operation}'. It has: {listed[:300]}")
            method(**filled)
        except _Caught as caught:
            return caught.address, caught.message, caught.headers
        except (zeep.exceptions.Error, TypeError, ValueError) as error:
            said = " ".join(str(error).split())[:300].rstrip(".")
            raise SourceError(f"'{operation}' can't be called so: {said}. Check `arguments` in the register") from None
        raise SourceError(f"'{operation}' sends nothing. Check `operation` in the register")

    def _bound(self) -> Any:
        if self._proxy is not None:
            return self._proxy
        from lxml import etree

        zeep: Any = importlib.import_module("zeep")  # It has no types.
        connection, auth = self._connection, self._connection.auth
        token = None
        if isinstance(auth, UsernameTokenAuth):
            wsse: Any = importlib.import_module("zeep.wsse")
            token = wsse.UsernameToken(resolve(auth.username), resolve(auth.password), use_digest=auth.digest)
        address = resolve(connection.wsdl)
        try:
            settings = zeep.Settings(forbid_dtd=True)
            described = zeep.Client(address, wsse=token, transport=self._transport(address), settings=settings)
            proxy = described.bind(connection.service, connection.port)
            if connection.endpoint is not None:
                proxy = described.create_service(proxy._binding.name, resolve(connection.endpoint))
        except (zeep.exceptions.Error, etree.LxmlError, OSError, ValueError) as error:
            said = " ".join(str(error).split())[:300].rstrip(".")
            raise SourceError(f"the WSDL can't be read: {said}. Check `wsdl`, `service` and `port` in the register") from None
        self._proxy = proxy
        return proxy

    def _transport(self, wsdl: str) -> Any:
        transports: Any = importlib.import_module("zeep.transports")
        ours, connection, limits, descriptions = self._http, self._connection, self._limits, self._descriptions

        class Catching(transports.Transport):  # type: ignore[misc]
            def load(self, url: str) -> bytes:
                descriptions.append(self._read(url))
                return descriptions[-1]

            def _read(self, url: str) -> bytes:
                if urlsplit(url).scheme not in ("http", "https"):
                    return Path(url.removeprefix("file://")).read_bytes()
                try:
                    return _fetched(ours, follow(wsdl, url))
                except OtherServerError:  # One that publishes schemas, such as rep.oio.dk: the log-in is none of its business.
                    nobody = connection.model_copy(update={"auth": None, "headers": {}, "certificate": None})
                    with contextlib.closing(HttpClient(nobody, limits, None)) as stranger:
                        return _fetched(stranger, url)

            def post(self, address: str, message: bytes, headers: dict[str, str]) -> Any:
                raise _Caught(address, message, {**headers, "Accept": "text/xml, application/soap+xml"})

        return Catching()


def _fetched(http: HttpClient, url: str) -> bytes:
    response = http.send("GET", url, {"Accept": "text/xml, application/xml, */*"}, "")
    check(response)
    return response.content


class _Caught(Exception):
    """A call as zeep would send it."""

    def __init__(self, address: str, message: bytes, headers: dict[str, str]) -> None:
        super().__init__()
        self.address, self.message, self.headers = address, message, headers


def _with_secrets(filled: dict[str, Any], table: SoapTable) -> dict[str, Any]:
    filled = json.loads(json.dumps(filled))
    for name, secret in table.source.secret_arguments.items():
        inside = filled
        *outer, last = name.split(".")
        for step in outer:
            inside = inside.setdefault(step, {})
        inside[last] = resolve(secret)
    return filled


# --- The answer --------------------------------------------------------------------------------------------------------------


def _elements(path: Path, operation: str, steps: list[str]) -> Iterator[_Element]:
    """Yield the elements at the end of `steps`; one whole element of the first step is in memory at a time."""
    from lxml import etree

    tags = (f"{{*}}{steps[0]}", f"{{*}}{_FAULT}")
    with path.open("rb") as file:
        events = etree.iterparse(file, events=("end",), tag=tags, remove_comments=True, remove_pis=True, **SAFE_XML)
        try:
            for _, element in events:
                if element.getroottree().docinfo.internalDTD is not None:
                    raise SourceError(f"the answer to '{operation}' has a DTD, which could blow up. Ask the vendor")
                parent = element.getparent()
                if local_name(element.tag) == _FAULT and parent is not None and local_name(parent.tag) == "Body":
                    raise SourceError(_fault(etree.tostring(element), operation))
                if local_name(element.tag) != steps[0] or any(
                    local_name(above.tag) == steps[0] for above in element.iterancestors()
                ):
                    continue
                yield from below(element, steps[1:])
                element.clear()
                while parent is not None and element.getprevious() is not None:
                    del parent[0]
        except etree.XMLSyntaxError as error:
            raise SourceError(f"the answer to '{operation}' is not whole or not valid XML ({error.msg}). Try later") from None


def _text_at(path: Path, source: SoapSource, place: str) -> str | None:
    """Return what the first element at `place` holds."""
    found = next(elements(path, f"the answer to '{source.operation}'", place), None)
    return None if found is None else " ".join("".join(map(str, found.itertext())).split())


def _envelope_of(kind: str, parts: bytes) -> bytes:
    """Return the envelope of an answer in parts, as servers with MTOM send it: the part that `start` names, or the first."""
    answer = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + parts)
    found = [part for part in answer.walk() if not part.is_multipart()]
    root = next((part for part in found if part["Content-ID"] == answer.get_param("start")), found[0])
    payload = root.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


class _ChildShape(Shape):
    """As for XML files. Elements that have a table of their own are no column here."""

    def __init__(self, system: SoapSystem, table: SoapTable) -> None:
        asked = table.source.for_each
        parameters = set(asked.parameters) | set(asked.values) if asked else set()
        inside = {name: column for name, column in table.columns.items() if name not in parameters}
        super().__init__(table.model_copy(update={"columns": inside}))
        here = f"{table.source.record}/"
        self.opened |= {
            other.source.record.removeprefix(here).partition("/")[0]
            for other in system.tables.values()
            if other.source.operation == table.source.operation and other.source.record.startswith(here)
        }


def _fault(body: bytes, operation: str, status: int = 200) -> str:
    """What a fault says: SOAP 1.1 or 1.2, with the vendor's own detail."""
    from lxml import etree

    parser = etree.XMLParser(recover=True, **SAFE_XML)
    root = etree.fromstring(body, parser) if body.strip().startswith(b"<") else None
    found: dict[str, str] = {}
    for element in root.iter("{*}*") if root is not None else ():
        name = local_name(element.tag)
        if name in ("faultcode", "faultstring", "Value", "Text", "detail", "Detail"):
            found.setdefault(name, " ".join(" ".join(map(str, element.itertext())).split())[:200].rstrip("."))
    code = found.get("faultcode") or found.get("Value") or status
    said = [found.get("faultstring") or found.get("Text"), found.get("detail") or found.get("Detail")]
    told = ": ".join(part for part in said if part) or "no word of what is wrong"
    return f"'{operation}' fails ({code}): {told}. Check `arguments` and log-in, or ask the vendor"
