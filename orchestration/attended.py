"""Run a module that ends with the process that started it: `python -m orchestration.attended MODULE ARGUMENT...`.

Its standard input is a pipe from that process. However the other end goes, `kill -9` included, the pipe closes, and no daemon is
left behind to compete with the next one.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

SECONDS_TO_END = 20


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    signal.raise_signal(signal.SIGINT)
    time.sleep(SECONDS_TO_END)
    os._exit(1)


def main() -> None:
    # Whoever starts this in the background may have interrupts ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_starter, name="attended", daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
