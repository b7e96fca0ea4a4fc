"""What the loading of definitions is spared with hundreds of systems."""

from __future__ import annotations

import gc
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def quickly() -> Iterator[None]:
    """Load definitions without garbage collection, and without what Dagster would find out anew for each input and output.

    What loading makes lives as long as the process: looking through all of it again and again for what could be thrown away took
    a quarter of the time with 200 systems, and it is never looked through afterwards. Of the rest a fifth went into what the same
    few types are (27,000 times) and to which class an output manager belongs (100,000 times).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        with _asked_once():
            yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@contextmanager
def _asked_once() -> Iterator[None]:
    from dagster._core.definitions import input as inputs
    from dagster._core.definitions import output as outputs
    from dagster._core.definitions.resource_requirement import OutputManagerRequirement
    from dagster._core.storage.io_manager import IOManagerDefinition
    from dagster._core.types.dagster_type import resolve_dagster_type

    known = cache(resolve_dagster_type)

    def resolve(dagster_type: Any) -> Any:
        return known(dagster_type) if isinstance(dagster_type, Hashable) else resolve_dagster_type(dagster_type)

    instead: list[tuple[Any, str, Any]] = [
        (inputs, "resolve_dagster_type", resolve),
        (outputs, "resolve_dagster_type", resolve),
        (OutputManagerRequirement, "expected_type", IOManagerDefinition),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in instead]
    for owner, name, value in instead:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
