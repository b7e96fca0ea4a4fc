"""Python's garbage collector, kept still while definitions load.

What loading makes lives as long as the process. Looking through all of it again and again for what could be thrown away took a
quarter of the time with 200 systems.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def still() -> Iterator[None]:
    """Collect nothing for as long as the context lasts; what was made in it is never looked through afterwards."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
