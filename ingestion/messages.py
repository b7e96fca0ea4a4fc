"""Messages are logged, mailed and shown to all who see the UI, and what they quote may hold a CPR number."""

from __future__ import annotations

import re

_CPR = re.compile(
    r"(?<!\d)(?:[0-36-9]?\d(?:0[1-9]|1[0-2])\d\d|[0-36-9]?\d[ ./-](?:0[1-9]|1[0-2])[ ./-]\d\d)"
    r"(?:[ ./_–—-]|%[0-9A-Fa-f]{2}){0,3}\d{4}(?!\d)"
)
"""However it is written, in a file too, in an address (%20), without its first zero. A replacement number has day + 60."""


def one_line(said: object) -> str:
    """Return what a source, a database or dbt says on one line, without CPR numbers."""
    return "no reason given" if said is None else _CPR.sub("######-####", " ".join(str(said).split()))
