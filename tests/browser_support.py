"""A headless Chromium for tests, driven by its debugging protocol: no driver program, no download."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1600,1000",
]


class Page:
    """One page: go somewhere, wait for words, click on them, take a picture."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._last = connection, 0
        self._call("Page.enable")

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def text(self) -> str:
        return str(self.run("document.body ? document.body.innerText : ''"))

    def wait(self, *words: str, seconds: float = 60) -> str:
        """Return the page's text once it holds all `words`."""
        until = time.monotonic() + seconds
        while True:
            text = self.text()
            missing = [word for word in words if word not in text]
            if not missing:
                return text
            assert time.monotonic() < until, f"not on the page: {missing}\n{text}"
            time.sleep(0.3)

    def click(self, selector: str, words: str, seconds: float = 20) -> None:
        """Click the first element that matches `selector`, is enabled, and whose text begins with `words`."""
        find = (
            f"[...document.querySelectorAll({json.dumps(selector)})].find(e => e.innerText.trim().startsWith({json.dumps(words)})"
            " && !e.disabled)"
        )
        until = time.monotonic() + seconds
        while not self.run(f"(() => {{const e = {find}; if (e) e.click(); return Boolean(e)}})()"):
            assert time.monotonic() < until, f"no {selector} with {words!r}\n{self.text()}"
            time.sleep(0.3)

    def run(self, script: str) -> Any:
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _call(self, method: str, **parameters: Any) -> Any:
        self._last += 1
        self._connection.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=60))
            if message.get("id") == self._last:
                assert "error" not in message, message
                return message["result"]


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start Chromium with an empty profile in `folder` and yield its page."""
    assert CHROMIUM, "chromium is not installed"
    process = subprocess.Popen([CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank"], stderr=subprocess.DEVNULL)
    try:
        port_file = folder / "DevToolsActivePort"
        until = time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert process.poll() is None, "chromium ended"
            assert time.monotonic() < until, "chromium does not answer"
            time.sleep(0.1)
        port, path = port_file.read_text().split("\n")[:2]
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as root:
            targets = _ask(root, "Target.getTargets")["targetInfos"]
        target = next(info["targetId"] for info in targets if info["type"] == "page")
        with connect(f"ws://127.0.0.1:{port}/devtools/page/{target}", max_size=None, proxy=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        process.wait(20)


def _ask(connection: ClientConnection, method: str) -> Any:
    connection.send(json.dumps({"id": 1, "method": method}))
    return json.loads(connection.recv(timeout=30))["result"]
