"""What a request's parameters, body, variables or arguments may hold in braces, and the values that go there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ingestion.connectors.base import SourceError
from ingestion.danish_time import DENMARK

_PLACE = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
_LEFT_OUT: Any = object()


def names(since: str | None, parameters: Mapping[str, str]) -> dict[str, str | None]:
    """Return what may stand in braces: `since`, `today` (Danish date), `now` (UTC) and the parameters of `for_each`."""
    now = datetime.now(UTC)
    return {
        "since": since,
        "today": now.astimezone(DENMARK).date().isoformat(),
        "now": now.replace(tzinfo=None).isoformat(timespec="seconds") + "Z",
        **parameters,
    }


def fill(value: Any, known: Mapping[str, str | None]) -> Any:
    """Return JSON-like `value` with what is in braces filled in; members and elements without a value are left out."""
    filled = _fill(value, known)
    return None if filled is _LEFT_OUT else filled


def fill_texts(texts: Mapping[str, str], known: Mapping[str, str | None]) -> dict[str, str]:
    """Return `texts` filled in, without those that have no value."""
    return dict(fill(dict(texts), known))


def _fill(value: Any, known: Mapping[str, str | None]) -> Any:
    if isinstance(value, dict):
        pairs = ((name, _fill(inner, known)) for name, inner in value.items())
        return {name: inner for name, inner in pairs if inner is not _LEFT_OUT}
    if isinstance(value, list):
        return [inner for inner in (_fill(element, known) for element in value) if inner is not _LEFT_OUT]
    if not isinstance(value, str):
        return value
    given = []
    for name, default in _PLACE.findall(value):
        if name not in known:
            raise SourceError(f"'{{{name}}}' is none of {', '.join(known)}. Correct it in the register")
        given.append(known[name] if known[name] is not None else default or None)
    if None in given:
        return _LEFT_OUT
    values = iter(given)
    return _PLACE.sub(lambda _: str(next(values)), value)
