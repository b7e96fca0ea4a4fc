"""An HTTP server that answers as a test says."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class ForwardProxy(BaseHTTPRequestHandler):
    """Asks in the client's place, if its log-in is the server's."""

    server: ForwardProxyServer

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        self.server.asked.append(asked.path)
        if self.headers.get("Proxy-Authorization") != self.server.login:
            self.send_error(407)
            return
        onward = HTTPConnection(asked.netloc)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if not name.startswith("Proxy-")}
        onward.request(self.command, self.path.removeprefix(f"{asked.scheme}://{asked.netloc}"), body, headers)
        answer = onward.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        onward.close()

    do_HEAD = do_PUT = do_POST = do_CONNECT = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


class ForwardProxyServer(ThreadingHTTPServer):
    def __init__(self, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), ForwardProxy)
        self.login = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
