"""An HTTP server that answers as a test says."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Server:
    """Answers by `answer(path, query, headers)`: a body (or pieces of one, as they come), or (status, headers, body)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Callable[[str, dict[str, Any], Any], Any] = lambda path, query, headers: (404, {}, "")
        self.metadata = ""
        """Answers `$metadata`, which is not among the requests."""
        self.counts = False
        """Whether `…/$count` is asked of `answer`, and not just refused."""
        self.requests: list[tuple[str, dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query: dict[str, Any] = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                length = int(self.headers.get("Content-Length") or 0)
                if self.headers.get("Content-Type") == "application/json":
                    query["body"] = json.loads(self.rfile.read(length))
                elif length:
                    query |= {name: values[-1] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
                if parts.path.endswith("/$metadata"):
                    result: Any = outer.metadata or (404, {}, "")
                elif parts.path.endswith("/$count") and not outer.counts:
                    result = (404, {}, "")
                else:
                    outer.requests.append((parts.path, query))
                    result = outer.answer(parts.path, query, self.headers)
                status, headers, body = result if isinstance(result, tuple) else (200, {}, result)
                if isinstance(body, Iterator):  # piece by piece, until the other end has had enough
                    self.send_response(status)
                    self.end_headers()
                    for piece in body:
                        self.wfile.write(piece)
                    return
                data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(headers.get("X-Length", len(data))))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_HEAD = do_POST = do_GET

            def log_message(self, *arguments: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that gives up on a hanging answer is what one test is about."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Way(BaseHTTPRequestHandler):
    """A client's way through the proxy."""

    server: ForwardProxy

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        if self.headers.get("Proxy-Authorization") != self.server.login or self.server.leads_to is None:
            self.send_error(407)
            return
        with socket.create_connection(self.server.leads_to) as onward:
            self.send_response(200)
            self.end_headers()
            ends = {onward: self.connection, self.connection: onward}
            while all(ends[ready].sendall(data) is None for ready in select(ends, (), ())[0] if (data := ready.recv(1 << 16))):
                pass

    do_GET = do_HEAD = do_POST = do_CONNECT

    def log_message(self, *arguments: Any) -> None:
        pass


class ForwardProxy(ThreadingHTTPServer):
    """A machine's way out, for those who log in. Whatever host is asked for, it `leads_to` one server."""

    def __init__(self, user: str, password: str, leads_to: tuple[str, int] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Way)
        self.login = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        self.leads_to = leads_to
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
