"""What a server answers: its parsed body, its next page, or in one line what went wrong and what to do."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

from ingestion.connectors.base import GoneError, NotThereError, RefusedError, SourceError, loads
from ingestion.register.api import InBandStatus

if TYPE_CHECKING:
    import requests

PROXY_ADVICE = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the platform's settings"
_LINK = re.compile(r'<([^>]*)>((?:"(?:\\.|[^"\\])*"|[^",])*)')
"""One link of a `Link` header, and its parameters."""
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


class OtherServerError(SourceError):
    """A link leads to another server than it came from."""


def body_of(response: requests.Response) -> Any:
    check(response)
    if response.status_code == 204:
        return None
    try:
        return _parsed(response)
    except UnicodeDecodeError as error:
        byte = response.content[error.start]
        raise SourceError(
            f"{place_of(response.url)}: byte 0x{byte:02x} is not UTF-8, which JSON is. Ask the vendor what changed"
        ) from None
    except (ValueError, RecursionError):
        kind = response.headers.get("Content-Type", "unknown type")
        raise SourceError(
            f"{place_of(response.url)} doesn't answer with valid JSON ({kind}). Check the address; ask the vendor"
        ) from None


def _parsed(response: requests.Response) -> Any:
    try:
        return loads(response.content)
    except UnicodeDecodeError:
        declared = re.search(r"charset=\W?([\w-]+)", response.headers.get("Content-Type", ""), re.IGNORECASE)
        # What is called Latin-1 is Windows' mostly, as browsers take it too.
        if declared is None or declared[1].lower() not in ("iso-8859-1", "windows-1252"):
            raise
        return loads(response.content.decode("cp1252"))


def check(response: requests.Response) -> None:
    """Raise `SourceError` if the server says no; `NotThereError` on 404, `GoneError` on 410, `RefusedError` on 400 and 500."""
    place, status = place_of(response.url), response.status_code
    if status == 202:  # With a list in it as empty as one that has no rows.
        raise SourceError(f"{place} has its answer not ready (202). Load again later, or ask the vendor where it is fetched")
    if 300 <= status < 400:
        raise SourceError(
            f"{place} sends us on to {place_of(response.headers.get('Location', '?'))}. Put the new address in the register"
        )
    if status >= 400:
        said = _error_message(response)
        kind = {400: RefusedError, 404: NotThereError, 410: GoneError, 500: RefusedError}.get(status, SourceError)
        raise kind(f"{place} answers {status}{f': {said}' if said else ''}. {_advice(status, response.url)}")


def check_status(status: InBandStatus, place: str, code: str | None, said: str | None) -> None:
    """Raise `SourceError` if the status inside an answer, with what is `said` of it, is none that the register accepts."""
    if code not in status.accepted:
        told = f": {' '.join(said.split())[:200].rstrip('.')}" if said else ""
        raise SourceError(f"{place} answers with {status.path} = {code}{told}. Check the request, or ask the vendor")


def next_link(header: str) -> str | None:
    """Return the address that a `Link` header (RFC 8288) calls `next`, among other relations maybe.

    requests takes only the very word, and gives up at a `;` in the address or a `=` in a title: the other pages would be missing.
    """
    for target, parameters in _LINK.findall(header):
        relation = _RELATION.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(target)
    return None


def follow(current: str, link: object) -> str:
    """Return the absolute address, on the server of `current`, of `link`, which may be relative to it.

    Raises:
        OtherServerError: it leads to another server, which must not get this one's log-in.

    """
    target = urljoin(current, str(link))
    here, there = urlsplit(current), urlsplit(target)
    # Behind a proxy that speaks TLS for it, a server often writes `http`, for it knows no better; we keep to the proxy.
    proxied = there.scheme == "http" and here.scheme == "https" and there.port in (None, _PORTS["http"], here.port)
    if there.hostname != here.hostname or not (proxied or (there.scheme, _port(there)) == (here.scheme, _port(here))):
        raise OtherServerError(
            f"the next page is on another server, {there.scheme}://{place_of(target)}, than {here.scheme}://{place_of(current)}. "
            "Ask the vendor, or put the right address in the register"
        )
    return there._replace(scheme=here.scheme, netloc=here.netloc).geturl()


def _port(address: SplitResult) -> int | None:
    return address.port or _PORTS.get(address.scheme)


def counted(value: Any) -> int | None:
    """Return a server's row count, which comes as a number or as text, or None where there is none."""
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        raise SourceError(f"the row count is {str(value)[:40]!r}, not a number. Ask the vendor") from None


_ADVICE = {
    401: "The log-in is refused: check user name, password or key",
    403: "The log-in lacks rights: ask the vendor for read access",
    404: "Nothing stands at that address: check it in the register",
    407: f"The proxy lets nobody through so: {PROXY_ADVICE}",
    429: "We ask too often: raise limits.retries, or load less often",
}


def _advice(status: int, url: str) -> str:
    if status == 410:
        version = re.search(r"/(v\d+(?:\.\d+)*)(?=/|$)", urlsplit(url).path, re.IGNORECASE)
        retired = f"Version {version[1]} of the interface" if version else "The address"
        return f"{retired} is retired: ask the vendor for the new one, and change the address in the register"
    other = "The server failed: try later, then ask the vendor" if status >= 500 else "Check the request in the register"
    return _ADVICE.get(status, other)


def _error_message(response: requests.Response) -> str:
    try:
        return error_message(json.loads(response.content))
    except ValueError:
        return ""


def error_message(body: Any) -> str:
    """What the server says went wrong: OData V2 and V4, RFC 9457 problem details, OAuth 2.0, GraphQL, or nothing."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error", body)
    if isinstance(body.get("errors"), list) and body["errors"]:
        error = body["errors"][0]
    said: Any = error
    if isinstance(error, dict):
        said = next((error[name] for name in ("message", "error_description", "detail", "title") if error.get(name)), "")
    if isinstance(said, dict):
        said = said.get("value", "")
    if isinstance(body.get("error_description"), str):
        said = body["error_description"]
    return " ".join(str(said).split())[:200].rstrip(".")


def place_of(url: str) -> str:
    """The address without query, user name and password: none of those belong in a message."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def tls_fault(said: str) -> str:
    if "alert" in said:  # The server's word in the handshake, not ours.
        expired = " (expired)" if "expired" in said else ""
        return f"refuses our client certificate{expired}. Check `certificate`, or ask the vendor"
    if "has expired" in said:
        return "has a certificate that has expired. Ask the vendor to renew it"
    if "mismatch" in said or "doesn't match" in said or "not valid for" in said:
        return "has a certificate for another host. Check the address, or ask the vendor"
    return "has a certificate that isn't trusted. Ask the vendor, or install the root certificate"


def cause(error: Exception, url: str) -> str:
    reason = str(error)
    # TLS 1.3 servers that want another client certificate hang up instead of saying so.
    cut = "the connection is cut" + (", as it is where our client certificate is not accepted" if url.startswith("https") else "")
    known = {
        "resolve": "the host's name is unknown",
        "Name or service": "the host's name is unknown",
        "refused": "the connection is refused",
        "reset": cut,
        "aborted": cut,
        "IncompleteRead": "the answer is cut short",
    }
    return next((text for mark, text in known.items() if mark in reason), type(error).__name__)
