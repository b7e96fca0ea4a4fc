"""Unilogin user names: given once to each person in day care and school, child or adult."""

from __future__ import annotations

import hashlib

_LETTERS, _ALL = "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789"


def unilogin(cpr: str) -> str:
    """Return the user name of the person who has `cpr` now: four letters, and four letters or digits."""
    number = int.from_bytes(hashlib.sha256(f"unilogin/{cpr}".encode()).digest()[:8], "big")
    found = ""
    for alphabet in (_LETTERS,) * 4 + (_ALL,) * 4:
        number, rest = divmod(number, len(alphabet))
        found += alphabet[rest]
    return found
