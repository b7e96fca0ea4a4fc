"""Object stores as folders: S3 and what speaks like it, and Azure Blob, by the clients that come with pyarrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ingestion.connectors.base import SourceError
from ingestion.connectors.folders import Folder, Listed
from ingestion.connectors.http import is_loopback
from ingestion.connectors.http_answers import PROXY_ADVICE
from ingestion.register.basics import Limits
from ingestion.register.files import AzureTransport, S3Transport
from ingestion.settings import resolve

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

_NOT_THERE = ("NO_SUCH_BUCKET", "ContainerNotFound")
_REFUSED = ("ACCESS_DENIED", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "AuthenticationFailed", "AuthorizationFailure")


@contextmanager
def opened(transport: S3Transport | AzureTransport, limits: Limits) -> Iterator[Folder]:
    """Yield the bucket's (or container's) objects below the prefix as a folder.

    Raises:
        SourceError: one line on what the store answered.

    """
    if isinstance(transport, S3Transport):
        kind, bucket, store = "bucket", resolve(transport.bucket), _s3(transport, limits)
    else:
        kind, bucket, store = "container", resolve(transport.container), _azure(transport)
    place = f"{kind} {bucket}"
    try:
        yield _Objects(store, f"{bucket}/{transport.prefix or ''}".strip("/"), place)
    except OSError as error:
        # An address that it quotes holds the shared access signature, in another order than it was given.
        said = re.sub(r"\?\S*", "", " ".join(str(error).split()))[:300]
        if isinstance(error, FileNotFoundError) or any(mark in said for mark in _NOT_THERE):
            raise SourceError(f"{place} is not there, or an object went while it was read. Check {kind} and prefix") from None
        # As words: a port may hold the same digits.
        if any(re.search(rf"\b{mark}\b", said) for mark in _REFUSED):
            raise SourceError(f"{place} refuses the key. Check the key, and that it may list and read") from None
        if re.search(r"\b407\b", said):
            raise SourceError(f"the proxy on the way to {place} lets nobody through so: {PROXY_ADVICE}") from None
        raise SourceError(
            f"no answer from the store of {place} ({said}). Check endpoint and region and whether it is up"
        ) from None


class _Objects(Folder):
    def __init__(self, store: FileSystem, root: str, place: str) -> None:
        self._store = store
        self._root = root
        self.place = place

    def list(self, deep: bool) -> list[Listed]:
        from pyarrow.fs import FileSelector, FileType

        found = self._store.get_file_info(FileSelector(self._root, recursive=deep))
        return [self._listed(info) for info in found if info.type == FileType.File]

    def stat(self, name: str) -> Listed:
        from pyarrow.fs import FileType

        info = self._store.get_file_info(f"{self._root}/{name}")
        if info.type != FileType.File:
            raise FileNotFoundError(name)
        return self._listed(info)

    def open(self, name: str) -> AbstractContextManager[Any]:
        stream: AbstractContextManager[Any] = self._store.open_input_stream(f"{self._root}/{name}")
        return stream

    def move(self, name: str, target: str) -> None:
        from pyarrow import ArrowNotImplementedError

        source, target = f"{self._root}/{name}", f"{self._root}/{target}"
        try:
            self._store.move(source, target)
        except ArrowNotImplementedError:
            # Azure Blob without a hierarchical namespace renames nothing.
            self._store.copy_file(source, target)
            self._store.delete_file(source)

    def _listed(self, info: FileInfo) -> Listed:
        return Listed(info.path.removeprefix(f"{self._root}/"), info.size or 0, (info.mtime_ns or 0) / 1e9)


def _s3(transport: S3Transport, limits: Limits) -> FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem
    from requests.utils import get_environ_proxies, select_proxy

    scheme, host = _endpoint(resolve(transport.endpoint)) if transport.endpoint else ("https", None)
    address = f"{scheme}://{host or f's3.{transport.region}.amazonaws.com'}"
    return S3FileSystem(
        access_key=resolve(transport.access_key),
        secret_key=resolve(transport.secret_key),
        region=transport.region,
        endpoint_override=host,
        scheme=scheme,
        # Amazon's client alone does not look for the machine's proxy by itself.
        proxy_options=None if is_loopback(address) else select_proxy(address, get_environ_proxies(address)),
        request_timeout=limits.timeout_seconds,
        connect_timeout=limits.timeout_seconds,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=limits.retries + 1),
    )


def _azure(transport: AzureTransport) -> FileSystem:
    from pyarrow.fs import AzureFileSystem

    place: dict[str, str] = {}
    if transport.endpoint:
        scheme, host = _endpoint(resolve(transport.endpoint))
        place = {
            f"{part}_storage_{what}": value
            for part in ("blob", "dfs")
            for what, value in (("authority", host), ("scheme", scheme))
        }
    return AzureFileSystem(
        resolve(transport.account),
        account_key=resolve(transport.account_key) if transport.account_key else None,
        # Azure hands it out without the mark; pyarrow takes it for a folder's name then.
        sas_token="?" + resolve(transport.sas_token).strip().removeprefix("?") if transport.sas_token else None,
        **place,
    )


def _endpoint(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if not parts.netloc or parts.scheme not in ("http", "https"):
        raise SourceError("transport.endpoint is not an address like https://s3.example.dk. Correct it")
    if parts.scheme == "http" and not is_loopback(url):
        raise SourceError("transport.endpoint has no TLS (http:). Use https:")
    return parts.scheme, parts.netloc
