"""CPR numbers for invented people: valid by date, century and sex, mostly also by modulus 11."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date

WEIGHTS = (4, 3, 2, 7, 6, 5, 4, 3, 2)


def modulus_11(number: str) -> bool:
    """Whether the ten digits satisfy the check that all numbers satisfied until 2007."""
    return sum(int(digit) * weight for digit, weight in zip(number, (*WEIGHTS, 1), strict=True)) % 11 == 0


class CprNumbers:
    """Hands out numbers, never the same twice."""

    def __init__(self, rng: random.Random, given: Iterable[str] = ()) -> None:
        self._rng = rng
        self._given = set(given)

    def take(self, born: date, sex: str, *, replacement: bool = False, checked: bool = True) -> str:
        """Return a new number.

        `sex` is `M` (last digit odd) or `K` (even). A `replacement` number has 60 added to the day. With `checked` false the
        number fails modulus 11, as some given after 2007 to people born on 1 January do.
        """
        centuries = "0123" if born.year < 2000 else "456789"
        while True:
            body = f"{born:%d%m%y}{self._rng.choice(centuries)}{self._rng.randint(0, 99):02d}"
            if replacement:
                body = f"{int(body[0]) + 6}{body[1:]}"
            last = -sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11
            if not checked:
                last = (last + self._rng.randint(1, 9)) % 11
            number = f"{body}{last}"
            if last == 10 or (last % 2 == 1) != (sex == "M") or number in self._given or modulus_11(number) != checked:
                continue
            self._given.add(number)
            return number
