"""A large table in ranges of its key: the conditions of each, and several read at once."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import TypeVar

from ingestion.connectors.base import SourceError
from ingestion.register.database import KeyRanges

Session = TypeVar("Session")
Rows = TypeVar("Rows")


def conditions(ranges: KeyRanges, quoted: str, least: object, most: object, rows: int) -> list[str]:
    """Return SQL conditions that share out `rows` rows with keys from `least` to `most`: each row meets exactly one of them.

    The first and the last are open, for keys that come meanwhile; rows without a key are a part of their own.
    """
    number = max(-(-rows // ranges.rows), ranges.connections)
    if least is None or most is None:
        return [""]
    if not isinstance(least, (int, float, Decimal)) or not isinstance(most, (int, float, Decimal)):
        raise SourceError(f"'{ranges.column}' holds no numbers, so it has no ranges. Correct source.ranges")
    if number == 1:
        return [""]
    step = max(1, -(-(int(most) - int(least) + 1) // number))
    starts = list(range(int(least) + step, int(most) + 1, step))
    if not starts:
        return [""]
    between = [f"{quoted} >= {start} AND {quoted} < {end}" for start, end in itertools.pairwise(starts)]
    return [f"{quoted} < {starts[0]}", *between, f"{quoted} >= {starts[-1]}", f"{quoted} IS NULL"]


def at_once(
    connections: int,
    connect: Callable[[], AbstractContextManager[Session]],
    parts: Sequence[str],
    read: Callable[[Session, str], Iterator[Rows]],
) -> Generator[Rows]:
    """Yield what `read` yields for each part, in no order, over so many sessions; no more waits in memory than one for each."""
    waiting, found = deque(parts), queue.Queue[Rows | Exception | None](connections)
    over = threading.Event()

    def hand_over(what: Rows | Exception | None) -> None:
        while not over.is_set():
            try:
                found.put(what, timeout=0.2)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            with connect() as session:
                while waiting and not over.is_set():
                    try:
                        part = waiting.popleft()
                    except IndexError:
                        break
                    for rows in read(session, part):
                        hand_over(rows)
                        if over.is_set():
                            break
            hand_over(None)
        except Exception as error:
            hand_over(error)

    with ThreadPoolExecutor(connections) as pool:
        try:
            for _ in range(connections):
                pool.submit(work)
            running = connections
            while running:
                what = found.get()
                if isinstance(what, Exception):
                    raise what
                if what is None:
                    running -= 1
                else:
                    yield what
        finally:
            over.set()
