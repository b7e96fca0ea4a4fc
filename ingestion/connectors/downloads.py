"""Files behind web addresses (Datafordeler's file downloads) as a folder: each under the name that the register gives it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ingestion.connectors import http
from ingestion.connectors.base import SourceError
from ingestion.connectors.folders import Folder, Listed
from ingestion.connectors.http_answers import check
from ingestion.register.basics import Limits
from ingestion.register.files import HttpTransport
from ingestion.settings import resolve

if TYPE_CHECKING:
    import requests
    from urllib3 import HTTPResponse

_NO_HEAD = (404, 405, 501)
"""What servers answer that know GET alone."""


@contextmanager
def opened(transport: HttpTransport, limits: Limits) -> Iterator[Folder]:
    """Yield the declared files as a folder.

    Raises:
        SourceError: one line on what the server answered.

    """
    from urllib3.exceptions import HTTPError

    client = http.HttpClient(transport, limits, None)
    try:
        yield _Downloads(client, transport)
    except HTTPError as error:
        said = " ".join(str(error).split())[:200]
        raise SourceError(f"the server stops in the middle of a file ({said}). Try later") from None
    finally:
        client.close()


class _Downloads(Folder):
    def __init__(self, client: http.HttpClient, transport: HttpTransport) -> None:
        self._client = client
        self._url = resolve(transport.url)
        self._query = {name: resolve(value) for name, value in transport.query.items()}
        self._files = transport.files
        self._now = int(time.time())
        self.place = self._url.partition("?")[0]

    def list(self, deep: bool) -> list[Listed]:
        return [self.stat(name) for name in self._files]

    def stat(self, name: str) -> Listed:
        response = self._ask("HEAD", name)
        if response.status_code in _NO_HEAD:
            response = self._ask("GET", name)
        with response:
            check(response)
            length = response.headers.get("Content-Length", "")
            changed = response.headers.get("Last-Modified")
        if not length.isdigit():
            raise SourceError(f"{self.place} does not tell the size of {name}. Ask the vendor whether it can be told")
        # Without a time, the file is as new as this load: it is fetched, and known again by its content.
        return Listed(name, int(length), int(parsedate_to_datetime(changed).timestamp()) if changed else self._now)

    @contextmanager
    def open(self, name: str) -> Iterator[HTTPResponse]:
        with self._ask("GET", name) as response:
            check(response)
            yield response.raw

    def move(self, name: str, target: str) -> None:
        raise SourceError(f"{self.place} lets nobody put files away. Leave out `archive` and `failed`")

    def _ask(self, method: str, name: str) -> requests.Response:
        # As it lies there: packed on the way, it would have another length than the server tells.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        return self._client.send(method, self._url, headers=headers, params=self._query | self._files[name], stream=True)
