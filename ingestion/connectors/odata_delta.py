"""OData's lists of changes: what a deleted entry looks like, and SAP Gateway's list of delta tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ingestion.connectors.base import NotThereError, SourceError, text
from ingestion.connectors.http import HttpClient
from ingestion.register.api import ODataTable

_KEY = re.compile(r"\(((?:[^()']|'(?:[^']|'')*')*)\)$")
_PART = re.compile(r"(?:(\w+)=)?(?:\w*'((?:[^']|'')*)'|([^,']+))(?:,|$)")


def is_deleted(record: Mapping[str, Any]) -> bool:
    """Whether the entry of a delta answer says that an entity is gone: as in 4.01, or as in 4.0, which V2 servers follow."""
    if "@removed" in record or "@odata.removed" in record:
        return True
    context = record.get("@odata.context") or record.get("@context") or ""
    return str(context).endswith("$deletedEntity")


def deleted_key(record: Mapping[str, Any], table: ODataTable) -> dict[str, str | None] | None:
    """Return the key (raw name → value) of a deleted entry, from its fields or its address; None if it has none."""
    names = table.raw_names()
    if all(record.get(column) is not None for column in table.key):
        return {names[column]: text(record[column]) for column in table.key}
    address = unquote(next((str(record[name]) for name in ("id", "@id", "@odata.id") if record.get(name)), ""))
    found = _KEY.search(address)
    if found is None:
        return None
    parts = [(name, (quoted or plain).replace("''", "'").strip()) for name, quoted, plain in _PART.findall(found[1])]
    given = {name: _plain(value) for name, value in parts} if parts and parts[0][0] else {}
    if not given and len(parts) == len(table.key) == 1:
        given = {table.key[0]: _plain(parts[0][1])}
    if set(given) != set(table.key):
        return None
    return {names[column]: given[column] for column in table.key}


def _plain(value: str) -> str:
    """V2 marks longs and decimals (`7L`, `1.5m`)."""
    return value[:-1] if re.fullmatch(r"-?[\d.]+[LlMm]", value) else value


def tokens(http: HttpClient, service: str, params: dict[str, str], table: ODataTable) -> dict[str, str]:
    """Return the delta tokens that SAP Gateway lists for the entity set, each with when it was made (sortable)."""
    try:
        body = http.get(f"{service}/DeltaLinksOf{table.source.entity_set}", params)
    except NotThereError:
        return {}
    inner = body.get("d") if isinstance(body, dict) else None
    listed = inner.get("results") if isinstance(inner, dict) else inner
    if not isinstance(listed, list) or not all(isinstance(one, dict) and one.get("DeltaToken") for one in listed):
        raise SourceError(f"DeltaLinksOf{table.source.entity_set} doesn't list tokens. Ask the vendor, or leave out `delta`")
    return {str(one["DeltaToken"]): "".join(re.findall(r"\d", str(one.get("CreatedAt")))) for one in listed}


def token_of_this_read(before: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    """Return the token to go on from after a full read, or None.

    Others read too: of the tokens made meanwhile the earliest is safe, since changes told twice do no harm, and failing that
    the latest from before.
    """
    made = {token: when for token, when in after.items() if token not in before}
    if made:
        return min(made, key=lambda token: made[token])
    return max(before, key=lambda token: before[token], default=None)
