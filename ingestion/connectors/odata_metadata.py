"""What an OData service says of itself in `$metadata`, held against the register before any row is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.connectors.base import SAFE_XML, SourceError
from ingestion.connectors.http import HttpClient
from ingestion.register.api import ODataTable

if TYPE_CHECKING:
    from lxml.etree import _Element

_INTEGERS = {"Byte", "SByte", "Int16", "Int32", "Int64"}
_NUMBERS = _INTEGERS | {"Decimal", "Double", "Single"}
_MOMENTS = {"Date", "DateTime", "DateTimeOffset"}
_FITTING = {
    "integer": _NUMBERS,
    "decimal": _NUMBERS,
    "decimal_dk": _NUMBERS,
    "decimal_sap": _NUMBERS,
    "boolean": _INTEGERS | {"Boolean"},
    "bool_dk": {"Boolean"},
    "date": _MOMENTS,
    "date_sap": _INTEGERS,
    "timestamp": _MOMENTS,
    "odata_date": _MOMENTS,
    "odata_timestamp": _MOMENTS,
    "uuid": {"Guid"},
}
"""Register type → Edm types whose values it reads; `Edm.String` fits all, since it may hold any of them."""


def check(http: HttpClient, url: str, params: dict[str, str], dialect: str, table: ODataTable) -> None:
    """Hold `table` against the service's `$metadata`. A service that doesn't show it is taken at its word.

    Raises:
        SourceError: there is no such entity set, it lacks a declared column, or has it with a type that doesn't fit.

    """
    entity_set = table.source.entity_set
    if "(" in entity_set or "/" in entity_set:  # A function's or a navigation's result, which has another name there.
        return
    response = http.send("GET", f"{url}/$metadata", {"Accept": "application/xml"}, params=params)
    document = _parsed(response.content) if response.status_code == 200 else None
    if document is None:
        return
    sets = {str(element.get("Name")): str(element.get("EntityType")) for element in document.iter("{*}EntitySet")}
    if not sets:
        return
    if entity_set not in sets:
        raise SourceError(f"the service has no entity set '{entity_set}'. It has: {', '.join(sorted(sets))[:300]}")
    properties = _properties(document, sets[entity_set])
    if properties is None:
        return
    outer = {name: (column.path or name).split(".")[0] for name, column in table.columns.items()}
    missing = [f"'{name}'" for name in outer.values() if name not in properties]
    if missing and table.on_missing_column == "fail":
        raise SourceError(
            f"by its $metadata '{entity_set}' has no {', '.join(missing)}. Ask the vendor, or change the register file"
        )
    if table.on_missing_column == "fail" and (wrong := _misfits(table, properties, dialect)):
        raise SourceError(f"by its $metadata of '{entity_set}' {'; '.join(wrong)}. Ask the vendor, or change the register file")


def _misfits(table: ODataTable, properties: dict[str, str], dialect: str) -> list[str]:
    wrong = []
    for name, column in table.columns.items():
        if column.path:
            continue  # It stands in a complex type or another entity.
        edm = properties.get(name, "Edm.String")
        kind = edm.removeprefix("Edm.")
        fits = kind == "String" or not edm.startswith("Edm.") or kind in _FITTING.get(column.type, {kind})
        # JSON in V2 writes moments as /Date(ms)/, V4 as ISO 8601: the register's types differ accordingly.
        if kind in _MOMENTS and column.type in ("date", "timestamp", "odata_date", "odata_timestamp"):
            fits = column.type.startswith("odata_") == (dialect == "v2")
        if not fits:
            wrong.append(f"'{name}' is {edm}, and {column.type} in the register")
    return wrong


def _parsed(content: bytes) -> _Element | None:
    from lxml import etree

    parser = etree.XMLParser(**SAFE_XML)
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _properties(document: _Element, qualified: str) -> dict[str, str] | None:
    """Return the properties of an entity type and of those it derives from; None for an open type, which may have any."""
    types = {str(element.get("Name")): element for element in document.iter("{*}EntityType")}
    found: dict[str, str] = {}
    name: str | None = qualified.rpartition(".")[2]
    while name:
        element = types.pop(name, None)
        if element is None or element.get("OpenType") == "true":
            return None
        found |= {str(one.get("Name")): str(one.get("Type")) for one in element.iterchildren("{*}Property")}
        name = str(element.get("BaseType") or "").rpartition(".")[2]
    return found
