"""HTTP as the OData and REST connectors need it: log-in, patience, and numbers kept as the text the source wrote.

dlt's RESTClient is not used: it and its paginators parse every body with `response.json()`, which turns `0.10` into a float and
`12345678901234567890.10` into another number, and its OAuth2 class does not ask for a new token when the server refuses the old.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ingestion.connectors.base import Number, SourceError
from ingestion.register.api import ApiKeyAuth, Auth, BasicAuth, BearerAuth, OAuth2Auth
from ingestion.register.basics import Limits
from ingestion.settings import resolve

if TYPE_CHECKING:
    import requests

_RETRIED = (429, 500, 502, 503, 504)
_LONGEST_WAIT = 300
"""Seconds: a server that asks for more patience than this is left until the next load."""
_EARLY = 30
"""Seconds before its expiry that a token is renewed."""


class HttpClient:
    """A session with one system: retries with back-off, time-outs, log-in."""

    def __init__(self, auth: Auth | None, headers: Mapping[str, str], limits: Limits) -> None:
        self._session = _session(limits)
        self._session.headers.update({"Accept": "application/json", **headers})
        self._limits = limits
        self._auth = auth
        self._token: str | None = None
        self._token_expires = 0.0

    def close(self) -> None:
        self._session.close()

    def get(self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """Return the parsed body of `url`. Numbers in it are `Number`s: text, exactly as sent.

        Raises:
            SourceError: no connection, no answer in time, refused, failed or not JSON.

        """
        response = self._send("GET", url, params=params, headers={**self._login(), **(headers or {})})
        if response.status_code == 401 and isinstance(self._auth, OAuth2Auth):
            # The server may forget a token before the time it promised.
            self._token = None
            response = self._send("GET", url, params=params, headers={**self._login(), **(headers or {})})
        return _body(response)

    def _login(self) -> dict[str, str]:
        auth = self._auth
        if isinstance(auth, BasicAuth):
            pair = f"{resolve(auth.username)}:{resolve(auth.password)}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        if isinstance(auth, BearerAuth):
            return {"Authorization": f"Bearer {resolve(auth.token)}"}
        if isinstance(auth, ApiKeyAuth):
            return {auth.header: resolve(auth.value)}
        if isinstance(auth, OAuth2Auth):
            return {"Authorization": f"Bearer {self._oauth2_token(auth)}"}
        return {}

    def _oauth2_token(self, auth: OAuth2Auth) -> str:
        if self._token is None or time.monotonic() >= self._token_expires:
            form = {
                "grant_type": "client_credentials",
                "client_id": resolve(auth.client_id),
                "client_secret": resolve(auth.client_secret),
            }
            if auth.scope:
                form["scope"] = auth.scope
            answer = _body(self._send("POST", resolve(auth.token_url), data=form))
            if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
                raise SourceError("the token service answers without an access_token. Check token_url")
            self._token = answer["access_token"]
            lifetime = float(answer["expires_in"]) if answer.get("expires_in") else float("inf")
            self._token_expires = time.monotonic() + max(lifetime - _EARLY, lifetime / 2)
        return self._token

    def _send(self, method: str, url: str, **arguments: Any) -> requests.Response:
        import requests

        place = _place(url)
        try:
            # Redirects are not followed: the log-in would go along, API keys even to another host.
            return self._session.request(method, url, timeout=self._limits.timeout_seconds, allow_redirects=False, **arguments)
        except requests.exceptions.SSLError:
            raise SourceError(
                f"{place} has a certificate that isn't trusted. Ask the vendor, or install the root certificate"
            ) from None
        except requests.exceptions.Timeout:
            raise SourceError(self._slow(place)) from None
        except requests.exceptions.RequestException as error:
            if "timed out" in str(error):  # A time-out that outlived its retries comes as a ConnectionError.
                raise SourceError(self._slow(place)) from None
            raise SourceError(
                f"no connection to {place} ({_cause(error)}). Check the address, the firewall and whether the system is up"
            ) from None

    def _slow(self, place: str) -> str:
        return f"{place} gave no answer within {self._limits.timeout_seconds} s. Try later, or raise limits.timeout_seconds"


@contextmanager
def client(auth: Auth | None, headers: Mapping[str, str], limits: Limits) -> Iterator[HttpClient]:
    http = HttpClient(auth, headers, limits)
    try:
        yield http
    finally:
        http.close()


def follow(current: str, link: str) -> str:
    """Return the absolute address of `link`, which may be relative to `current`.

    Raises:
        SourceError: it leads to another server, which must not get this one's log-in.

    """
    target = urljoin(current, link)
    if urlsplit(target)[:2] != urlsplit(current)[:2]:
        raise SourceError(
            f"the next page is on another server, {_place(target)}, than {_place(current)}. "
            "Ask the vendor, or put the right address in the register"
        )
    return target


def counted(value: Any) -> int | None:
    """Return a server's row count, which comes as a number or as text, or None where there is none."""
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        raise SourceError(f"the row count is {str(value)[:40]!r}, not a number. Ask the vendor") from None


def _session(limits: Limits) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    retry = Retry(
        total=limits.retries,
        status_forcelist=_RETRIED,
        allowed_methods={"GET", "POST"},  # POST only asks for a token.
        backoff_factor=0.5,
        backoff_jitter=0.5,
        retry_after_max=_LONGEST_WAIT,
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    # Without an auth of its own, requests lets a .netrc on the machine overrule our Authorization header.
    session.auth = lambda request: request
    return session


def _body(response: requests.Response) -> Any:
    place, status = _place(response.url), response.status_code
    if 300 <= status < 400:
        raise SourceError(
            f"{place} sends us on to {_place(response.headers.get('Location', '?'))}. Put the new address in the register"
        )
    if status >= 400:
        said = _error_message(response)
        raise SourceError(f"{place} answers {status}{f': {said}' if said else ''}. {_ADVICE.get(status, _advice(status))}")
    try:
        return json.loads(response.content, parse_float=Number, parse_int=Number, parse_constant=Number)
    except (ValueError, RecursionError):
        kind = response.headers.get("Content-Type", "unknown type")
        raise SourceError(f"{place} doesn't answer with valid JSON ({kind}). Check the address; ask the vendor") from None


_ADVICE = {
    401: "The log-in is refused: check user name, password or key",
    403: "The log-in lacks rights: ask the vendor for read access",
    404: "Nothing stands at that address: check it in the register",
    410: "The address is retired: ask the vendor for the new version",
    429: "We ask too often: raise limits.retries, or load less often",
}


def _advice(status: int) -> str:
    return "The server failed: try later, then ask the vendor" if status >= 500 else "Check the request in the register"


def _error_message(response: requests.Response) -> str:
    """What the server says went wrong: OData V2 and V4, RFC 9457 problem details, OAuth 2.0, or nothing."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    error = body.get("error", body)
    said: Any = error
    if isinstance(error, dict):
        said = next((error[name] for name in ("message", "error_description", "detail", "title") if error.get(name)), "")
    if isinstance(said, dict):
        said = said.get("value", "")
    if isinstance(body.get("error_description"), str):
        said = body["error_description"]
    return " ".join(str(said).split())[:200].rstrip(".")


def _place(url: str) -> str:
    """The address without query, user name and password: none of those belong in a message."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _cause(error: Exception) -> str:
    reason = str(error)
    known = {
        "resolve": "the host's name is unknown",
        "Name or service": "the host's name is unknown",
        "refused": "the connection is refused",
        "reset": "the connection is cut",
        "aborted": "the connection is cut",
        "IncompleteRead": "the answer is cut short",
    }
    return next((text for mark, text in known.items() if mark in reason), type(error).__name__)
