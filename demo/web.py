"""What the HTTP systems share: log-in, faults on demand, and answers put together from rows that are JSON already.

A test breaks a system by writing `<folder>/<system>/fault.json`, which is read on every request:

    {"mode": "500"}                 the server answers 500
    {"mode": "401"}                 every log-in is refused
    {"mode": "hang"}                no answer until the caller hangs up
    {"mode": "truncate"}            the body ends in the middle
    {"mode": "empty"}               the table has no rows
    {"mode": "drop_column:<name>"}  the rows lack a column (top level)
    {"mode": "new_column:<name>"}   the rows have a column that nobody knows

`"table": "<name>"` narrows it to one table (its file's name); `"later_pages": true` spares the first page.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from demo.rows import StoredTable

MAX_PAGE = 100_000


@dataclass(frozen=True)
class Fault:
    """What a system does wrong at the moment; no mode is none."""

    mode: str = ""
    table: str | None = None
    later_pages: bool = False

    @classmethod
    def read(cls, folder: Path) -> Fault:
        """Return the fault that stands in `<folder>/fault.json`, if any."""
        try:
            return cls(**json.loads((folder / "fault.json").read_bytes()))
        except FileNotFoundError:
            return cls()

    def hits(self, table: str, first_page: bool) -> bool:
        return bool(self.mode) and self.table in (None, table) and not (self.later_pages and first_page)

    def columns(self, rows: list[bytes]) -> list[bytes]:
        """Return `rows` with the column dropped or added that the fault names."""
        kind, _, column = self.mode.partition(":")
        if kind not in ("drop_column", "new_column"):
            return rows
        changed = [json.loads(row) for row in rows]
        for row in changed:
            if kind == "drop_column":
                row.pop(column, None)
            else:
                row[column] = "ny"
        return [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() for row in changed]


async def hang(request: Request) -> Response:
    """Say nothing until the caller gives up."""
    while not await request.is_disconnected():
        await asyncio.sleep(0.1)
    return Response(status_code=499)


Check = Callable[[Request], bool]
Refusal = Callable[[int, str], Response]
"""How a system words an error: status and message."""


class Site:
    """One system's server: its rows, its log-in, its way of saying no."""

    def __init__(self, folder: Path, check: Check, refuse: Refusal) -> None:
        self.folder = folder
        self.check = check
        self.refuse = refuse
        self._tables: dict[str, StoredTable] = {}

    def table(self, name: str) -> StoredTable:
        if name not in self._tables:
            self._tables[name] = StoredTable(self.folder / f"{name}.jsonl")
        return self._tables[name]

    async def serve(self, request: Request, table: str, first_page: bool, respond: Callable[[Fault], Response]) -> Response:
        """Answer with `respond`, unless the caller is not let in or a fault is on. A ValueError is the caller's mistake: 400."""
        fault = Fault.read(self.folder)
        if not fault.hits(table, first_page):
            fault = Fault()
        if fault.mode == "401" or not self.check(request):
            return self.refuse(401, "Log ind med gyldige oplysninger")
        if fault.mode == "500":
            return self.refuse(500, "Intern fejl")
        if fault.mode == "hang":
            return await hang(request)
        try:
            response = respond(fault)
        except ValueError as error:
            return self.refuse(400, str(error))
        if fault.mode == "truncate":
            body = bytes(response.body)
            return Response(body[: len(body) // 2], response.status_code, media_type=response.media_type or "application/json")
        return response

    def page(self, table: str, fault: Fault, start: int, size: int, among: list[int] | None = None) -> tuple[list[bytes], int]:
        """Return rows `start` … of the table (or of those at the positions `among`), and how many there are in all."""
        if fault.mode == "empty":
            return [], 0
        stored = self.table(table)
        total = len(stored) if among is None else len(among)
        return fault.columns(stored.page(start, size, among)), total


def json_body(head: dict[str, Any], rows_at: str, rows: list[bytes], tail: dict[str, Any] | None = None) -> bytes:
    """Return a JSON object of `head`, the member `rows_at` holding `rows`, and `tail`, in that order."""

    def members(part: dict[str, Any]) -> list[bytes]:
        return [f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=False)}".encode() for key, value in part.items()]

    array = json.dumps(rows_at).encode() + b":" + json_array(rows)
    return b"{" + b",".join([*members(head), array, *members(tail or {})]) + b"}"


def json_array(rows: list[bytes]) -> bytes:
    return b"[" + b",".join(rows) + b"]"


def whole_number(request: Request, name: str, default: int, least: int = 0, most: int = MAX_PAGE) -> int:
    """Return a query parameter as a number.

    Raises:
        ValueError: it is no number, or outside `least` … `most`; the message names it.

    """
    value = request.query_params.get(name)
    if value is None:
        return default
    if not value.isdigit() or not least <= int(value) <= most:
        raise ValueError(f"{name} must be a number from {least} to {most}")
    return int(value)


def utc_text(value: str) -> str:
    """Return a moment, with or without zone (then UTC), as `2026-01-05T08:30:00`, which sorts as text.

    Raises:
        ValueError: it is no ISO 8601 moment.

    """
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def practice_secret(system_id: str, what: str) -> str:
    """Return a made-up password or token of the practice municipality: always the same, worth nothing anywhere else."""
    return "praktik-" + hashlib.sha256(f"{system_id}/{what}".encode()).hexdigest()[:20]


# --- Log-in ------------------------------------------------------------------------------------------------------------------


def basic(username: str, password: str) -> Check:
    """Accept HTTP Basic with this name and password."""
    expected = f"{username}:{password}".encode()

    def check(request: Request) -> bool:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            return scheme.lower() == "basic" and secrets.compare_digest(base64.b64decode(value, validate=True), expected)
        except binascii.Error:
            return False

    return check


def header(name: str, value: str) -> Check:
    """Accept requests whose header `name` is exactly `value`."""
    return lambda request: secrets.compare_digest(request.headers.get(name, "").encode(), value.encode())


@dataclass
class Tokens:
    """OAuth 2.0 client credentials: tokens that live `seconds` (RFC 6749, section 4.4)."""

    client_id: str
    client_secret: str
    seconds: float = 60.0
    _issued: dict[str, float] = field(default_factory=dict)

    async def endpoint(self, request: Request) -> Response:
        """Answer `POST …/token`; the credentials may come in the form or by Basic."""
        form = dict(parse_qsl((await request.body()).decode()))
        pair = (form.get("client_id", ""), form.get("client_secret", ""))
        by_header = basic(self.client_id, self.client_secret)(request)
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if not by_header and pair != (self.client_id, self.client_secret):
            return JSONResponse({"error": "invalid_client", "error_description": "Ukendt klient eller forkert hemmelighed"}, 401)
        return JSONResponse({"access_token": self.issue(), "token_type": "Bearer", "expires_in": int(self.seconds)})

    def issue(self) -> str:
        now = time.monotonic()
        self._issued = {token: until for token, until in self._issued.items() if until > now}
        token = secrets.token_urlsafe(24)
        self._issued[token] = now + self.seconds
        return token

    def valid(self, token: str) -> bool:
        return self._issued.get(token, 0.0) > time.monotonic()

    def check(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.valid(token)
