"""An HTTP server on loopback in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.certificates import AUTHORITY, SERVER

if TYPE_CHECKING:
    from starlette.applications import Starlette


@contextmanager
def http_server(app: Starlette, port: int, tls: Path | None = None) -> Iterator[None]:
    """Serve `app` on 127.0.0.1:`port`; by TLS, to callers with a certificate, if `tls` is the folder of the server's own.

    Raises:
        RuntimeError: it did not start within ten seconds.

    """
    import ssl

    import uvicorn

    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="error" if tls is None else "critical", access_log=False, lifespan="off",
        timeout_graceful_shutdown=1, ssl_certfile=None if tls is None else str(tls / SERVER),
        ssl_ca_certs=None if tls is None else str(tls / AUTHORITY), ssl_cert_reqs=int(ssl.CERT_REQUIRED),
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="http", daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError(f"the HTTP server did not start on port {port}. Is the port taken?")
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)
