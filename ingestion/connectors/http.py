"""HTTP as the connectors need it: log-in, patience, and numbers kept as the text the source wrote.

dlt's RESTClient is not used: it and its paginators parse every body with `response.json()`, which turns `0.10` into a float and
`12345678901234567890.10` into another number, and its OAuth2 class does not ask for a new token when the server refuses the old.
"""

from __future__ import annotations

import base64
import functools
import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote_plus, urlsplit

from ingestion.connectors.base import ReadContext, SourceError, text, too_long
from ingestion.connectors.http_answers import PROXY_ADVICE, body_of, cause, next_link, place_of, tls_fault
from ingestion.connectors.quota import Quota
from ingestion.register.api import (
    ApiKeyAuth,
    BasicAuth,
    BearerAuth,
    HttpConnection,
    OAuth2Auth,
    SoapConnection,
    Tls,
)
from ingestion.register.basics import Limits
from ingestion.settings import resolve

if TYPE_CHECKING:
    import ssl

    import requests

_RETRIED = (429, 500, 502, 503, 504)
_LONGEST_WAIT = 300
"""Seconds: a server that asks for more patience than this is left until the next load."""
_EARLY = 30
"""Seconds before its expiry that a token is renewed."""


_last_asked: dict[str, float] = {}
"""Server → when it was last asked, for `requests_per_second`: all tables of a system share it."""


class Answer(NamedTuple):
    body: Any
    """Parsed; `text` gives the numbers in it exactly as sent."""
    next_link: str | None
    """The next page's address, where the `Link` header has one."""
    partial: bool
    """The server says that this is not all (206)."""


class HttpClient:
    """A session with one table of a system: retries with back-off, time-outs, log-in, the system's limits."""

    def __init__(
        self,
        connection: HttpConnection | SoapConnection,
        limits: Limits,
        quota: Quota | None,
        retried: Collection[int] = _RETRIED,
    ) -> None:
        self._session = _session(limits, connection, retried)
        self._session.headers.update({"Accept": "application/json"})
        self._session.headers.update({name: resolve(value) for name, value in connection.headers.items()})
        self._limits = limits
        self._auth = connection.auth
        self._quota = quota
        self._token: str | None = None
        self._token_expires = 0.0
        # Also where page after page is empty, so that nobody but us is ever asked whether the time is up.
        self._deadline = time.monotonic() + limits.table_seconds

    def close(self) -> None:
        self._session.close()

    def get(self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """Return the parsed body of `url`, as `ask` does."""
        return self.ask("GET", url, params, headers=headers).body

    def ask(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer. `body` is sent as JSON.

        Raises:
            SourceError: no connection, no answer in time, refused, failed or not JSON; `NotThereError` on 404.

        """
        response = self.send(method, url, params=params, json=body, headers=headers)
        return Answer(body_of(response), next_link(response.headers.get("Link", "")), response.status_code == 206)

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, counted_as: str | None = None, **arguments: Any
    ) -> requests.Response:
        """Send a request with the log-in, paced and counted (as `counted_as`; not at all if that is empty).

        Answers with an error status come back too.
        """
        if counted_as is None:
            counted_as = f"{method} {url} {_counted_arguments(arguments)}"
        key = self._auth
        if isinstance(key, ApiKeyAuth) and key.param and key.param not in parse_qs(urlsplit(url).query):  # As in a next link.
            arguments["params"] = {**(arguments.get("params") or {}), key.param: resolve(key.value)}
        response = self._send(method, url, counted_as, headers={**self._login(), **(headers or {})}, **arguments)
        if response.status_code == 401 and isinstance(self._auth, OAuth2Auth):
            # The server may forget a token before the time it promised.
            self._token = None
            response = self._send(method, url, counted_as, headers={**self._login(), **(headers or {})}, **arguments)
        return response

    def _login(self) -> dict[str, str]:
        auth = self._auth
        if isinstance(auth, BasicAuth):
            return _basic(resolve(auth.username), resolve(auth.password))
        if isinstance(auth, BearerAuth):
            return {"Authorization": f"Bearer {resolve(auth.token)}"}
        if isinstance(auth, ApiKeyAuth) and auth.header:
            return {auth.header: resolve(auth.value)}
        if isinstance(auth, OAuth2Auth):
            return {"Authorization": f"Bearer {self._oauth2_token(auth)}"}
        return {}

    def _oauth2_token(self, auth: OAuth2Auth) -> str:
        if self._token is None or time.monotonic() >= self._token_expires:
            form = {"grant_type": "client_credentials", **{name: resolve(value) for name, value in auth.params.items()}}
            if auth.scope:
                form["scope"] = auth.scope
            client, secret, headers = resolve(auth.client_id), resolve(auth.client_secret), {}
            if auth.credentials == "header":
                headers = _basic(quote_plus(client), quote_plus(secret))
            else:
                form |= {"client_id": client, "client_secret": secret}
            answer = body_of(self._send("POST", resolve(auth.token_url), "", data=form, headers=headers))
            if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
                raise SourceError("the token service answers without an access_token. Check token_url")
            self._token = answer["access_token"]
            lifetime = float(text(answer.get("expires_in")) or "inf")
            self._token_expires = time.monotonic() + max(lifetime - _EARLY, lifetime / 2)
        return self._token

    def _send(self, method: str, url: str, counted_as: str, **arguments: Any) -> requests.Response:
        import requests
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        place, streamed = place_of(url), bool(arguments.pop("stream", False))
        if self._quota is not None and counted_as:
            self._quota.take(counted_as)
        tries = 1 if streamed or self._limits.max_calls_per_day is not None else 1 + self._limits.retries
        try:
            for again in range(1, tries + 1):
                self._pace(url)
                # Redirects are not followed: the log-in would go along, API keys even to another host.
                response = self._session.request(
                    method, url, timeout=self._limits.timeout_seconds, allow_redirects=False, stream=True, **arguments
                )
                try:
                    if not streamed:
                        # Where requests keeps what it has read: an answer that drips would never time out there.
                        content = b"".join(pieces(response, self._limits))
                        response._content, response._content_consumed = content, True  # type: ignore[attr-defined]
                    break
                except HTTPError:  # In the middle of the answer, where urllib3 tries nothing again.
                    if again == tries:
                        raise
                    time.sleep(2 ** (again - 2))
            return response
        except requests.exceptions.SSLError as error:
            raise SourceError(f"{place} {tls_fault(str(error))}") from None
        except requests.exceptions.Timeout:
            raise SourceError(self._slow(place)) from None
        except requests.exceptions.ProxyError:
            raise SourceError(f"the proxy on the way to {place} lets nothing through, or is down: {PROXY_ADVICE}") from None
        except (requests.exceptions.RequestException, HTTPError) as error:
            # A time-out that outlived its retries comes as a ConnectionError.
            if isinstance(error, ReadTimeoutError) or "timed out" in str(error):
                raise SourceError(self._slow(place)) from None
            raise SourceError(
                f"no connection to {place} ({cause(error, url)}). Check the address, the firewall and whether the system is up"
            ) from None

    def _pace(self, url: str) -> None:
        if time.monotonic() > self._deadline:
            raise too_long(self._limits)
        if self._limits.requests_per_second is None:
            return
        server = urlsplit(url).netloc
        wait = _last_asked.get(server, 0.0) + 1 / self._limits.requests_per_second - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        _last_asked[server] = time.monotonic()

    def _slow(self, place: str) -> str:
        return f"{place} gave no answer within {self._limits.timeout_seconds} s. Try later, or raise limits.timeout_seconds"


@contextmanager
def client(
    connection: HttpConnection | SoapConnection, limits: Limits, context: ReadContext, retried: Collection[int] = _RETRIED
) -> Iterator[HttpClient]:
    quota = Quota(context.quota_file, limits) if context.quota_file and limits.max_calls_per_day else None
    http = HttpClient(connection, limits, quota, retried)
    try:
        yield http
    finally:
        http.close()


def _counted_arguments(arguments: Mapping[str, Any]) -> str:
    return json.dumps([arguments.get("params"), arguments.get("json")], sort_keys=True, default=str)


def pieces(response: requests.Response, limits: Limits) -> Iterator[bytes]:
    """Yield the body of a streamed `response` as it comes.

    Raises:
        SourceError: it is not over after `limits.table_seconds`, though never silent for long.

    """
    deadline = time.monotonic() + limits.table_seconds
    while piece := response.raw.read1(1 << 16, decode_content=True):
        yield piece
        if time.monotonic() > deadline:
            response.close()
            raise SourceError(
                f"{place_of(response.url)} was still answering after {limits.table_seconds} s. "
                "Ask the vendor why, or raise limits.table_seconds"
            )


def save(response: requests.Response, path: Path, limits: Limits) -> None:
    """Write the body of a streamed `response` to `path`, piece by piece.

    Raises:
        SourceError: it ends before its time, or does not come to an end.

    """
    from urllib3.exceptions import HTTPError

    new = path.with_suffix(".new")
    try:
        with new.open("wb") as file:
            file.writelines(pieces(response, limits))
    except HTTPError as error:
        raise SourceError(
            f"{place_of(response.url)} stops in the middle of its answer ({cause(error, response.url)}). Try later"
        ) from None
    new.replace(path)


def _session(limits: Limits, connection: Tls, retried: Collection[int]) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    class Patience(Retry):
        def parse_retry_after(self, retry_after: str) -> float:
            try:
                return super().parse_retry_after(retry_after)
            except InvalidHeader:
                return 0  # Neither whole seconds nor a date of HTTP's: the pause is our own.

    # Where calls are counted, a try that reached the server has been one; only connecting is tried again.
    counted = limits.max_calls_per_day is not None
    retry = Patience(
        total=limits.retries,
        read=0 if counted else None,
        status=0 if counted else None,
        other=0 if counted else None,
        status_forcelist=retried,
        allowed_methods={"GET", "HEAD", "POST"},  # Nothing that we send changes anything.
        backoff_factor=0.5,
        backoff_jitter=0.5,
        retry_after_max=_LONGEST_WAIT,
        raise_on_status=False,
    )
    tls = _tls(connection) if connection.certificate or connection.authority else _of_the_machine()

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
            super().init_poolmanager(*arguments, ssl_context=tls, **more)

        def proxy_manager_for(self, *arguments: Any, **more: Any) -> Any:
            return super().proxy_manager_for(*arguments, ssl_context=tls, **more)

        def send(self, request: requests.PreparedRequest, *arguments: Any, **more: Any) -> requests.Response:
            if is_loopback(request.url or ""):
                more["proxies"] = {}  # No proxy knows the way, and most machines' NO_PROXY doesn't say so.
            return super().send(request, *arguments, **more)

    session = requests.Session()
    session.mount("https://", Adapter(max_retries=retry))
    session.mount("http://", Adapter(max_retries=retry))
    # Without an auth of its own, requests lets a .netrc on the machine overrule our Authorization header.
    session.auth = lambda request: request
    return session


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


@functools.cache
def _of_the_machine() -> ssl.SSLContext:
    """A context that trusts whom the machine trusts, beside those that requests knows: the municipality's own authority too.

    Once in a process: to read all authorities takes 40 ms.
    """
    import ssl

    return ssl.create_default_context()


def _tls(connection: Tls) -> ssl.SSLContext:
    """A context that trusts the system's authority and shows our certificate. OpenSSL only reads the latter from a file, which
    stands for that moment.
    """
    import ssl
    import tempfile

    context = ssl.create_default_context()
    if connection.authority is not None:
        try:
            context.load_verify_locations(cadata=resolve(connection.authority))
        except (ssl.SSLError, ValueError):
            raise SourceError("the authority's certificate can't be read. Give it as PEM") from None
    certificate = connection.certificate
    if certificate is None:
        return context
    with tempfile.TemporaryDirectory() as folder:  # For this user alone (0700).
        path = Path(folder) / "client.pem"
        path.write_text(f"{resolve(certificate.key)}\n{resolve(certificate.certificate)}\n")
        try:
            password = resolve(certificate.password) if certificate.password else ""
            context.load_cert_chain(path, password=password)
        except (ssl.SSLError, ValueError):
            raise SourceError(
                "the client certificate and its key can't be read. Give both as PEM, and the right password for the key"
            ) from None
    return context


def _basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"}
