"""`$filter` as far as a warehouse's extract needs it: comparisons with literals, joined by and, or and parentheses."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from demo.web import utc_text

_TOKEN = re.compile(r"\s*(?:[()]|(?:datetime|datetimeoffset|guid)'[^']*'|'(?:[^']|'')*'|[^\s()']+)")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip
_EDM_MILLISECONDS = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_MOMENTS = ("Edm.DateTime", "Edm.DateTimeOffset", "Edm.Date")
_NUMBERS = ("Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double")

Getter = Callable[[str], Any]


@dataclass(frozen=True)
class Filter:
    """A `$filter`, ready to be asked about rows."""

    fields: frozenset[str]
    matches: Callable[[Getter], bool]


def comparable(edm_type: str, value: Any) -> Any:
    """Return a row's JSON value as what a filter compares: moments as UTC text, numbers as Decimal; None for none or nonsense."""
    if value is None or value == "":
        return None
    if edm_type in _MOMENTS:
        ticks = _EDM_MILLISECONDS.fullmatch(str(value))
        try:
            return edm_moment(int(ticks[1])) if ticks else utc_text(str(value))
        except (ValueError, OverflowError):
            return None
    if edm_type in _NUMBERS:
        try:
            return _decimal(str(value))
        except InvalidOperation:
            return None
    return value if isinstance(value, bool) else str(value)


def edm_moment(milliseconds: int) -> str:
    """Return milliseconds since 1970 as UTC text."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _decimal(text: str) -> Decimal:
    text = text.strip()
    return -Decimal(text[:-1]) if text.endswith("-") else Decimal(text)


def parse_filter(text: str, fields: dict[str, str]) -> Filter:
    """Return the filter that `text` says, for an entity with `fields` (name → Edm type).

    Raises:
        ValueError: the text is no filter, or names a field that isn't there.

    """
    tokens: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"$filter: syntax error at position {position}")
        tokens.append(match[0].strip())
        position = match.end()
    used: set[str] = set()

    def take() -> str:
        if not tokens:
            raise ValueError("$filter: the expression ends too early")
        return tokens.pop(0)

    def either() -> Callable[[Getter], bool]:
        parts = [both()]
        while tokens[:1] == ["or"]:
            take()
            parts.append(both())
        return parts[0] if len(parts) == 1 else lambda get: any(part(get) for part in parts)

    def both() -> Callable[[Getter], bool]:
        parts = [one()]
        while tokens[:1] == ["and"]:
            take()
            parts.append(one())
        return parts[0] if len(parts) == 1 else lambda get: all(part(get) for part in parts)

    def one() -> Callable[[Getter], bool]:
        name = take()
        if name == "(":
            inside = either()
            if take() != ")":
                raise ValueError("$filter: a parenthesis is not closed")
            return inside
        if name not in fields:
            raise ValueError(f"$filter: property '{name}' not found")
        used.add(name)
        verb = take()
        if verb not in _OPERATORS:
            raise ValueError(f"$filter: '{verb}' is not an operator")
        compare, wanted = _OPERATORS[verb], _literal(fields[name], take())
        if wanted is None:
            return lambda get: (get(name) is None) == (verb == "eq")

        def holds(get: Getter) -> bool:
            value = get(name)
            return value is not None and compare(value, wanted)

        return holds

    matches = either()
    if tokens:
        raise ValueError(f"$filter: '{tokens[0]}' is not expected here")
    return Filter(frozenset(used), matches)


def _literal(edm_type: str, text: str) -> Any:
    if text == "null":
        return None
    typed = re.fullmatch(r"(datetime|datetimeoffset|guid)'([^']*)'", text)
    plain = typed[2] if typed else text[1:-1].replace("''", "'") if text.startswith("'") else text
    if edm_type in _NUMBERS:
        try:
            return Decimal(re.sub(r"[MmLlDd]$", "", plain))
        except InvalidOperation:
            raise ValueError(f"$filter: '{text}' is not a number") from None
    if edm_type in _MOMENTS:
        if edm_type == "Edm.DateTime" and not typed:
            raise ValueError(f"$filter: '{text}' is not a moment. Write datetime'2026-01-05T00:00:00'")
        return utc_text(plain)
    if edm_type == "Edm.Boolean":
        return plain == "true"
    return plain
