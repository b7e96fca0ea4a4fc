"""The one rule that turns a source's names into identifiers.

dlt's default folds `år`, `ær` and `ør` to one name and drops two of the three columns without a word, so Danish letters are
spelled out here (æ→ae, ø→oe, å→aa, as in addresses and e-mail). What still collides is refused when the register is read.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_DANISH = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa", "Æ": "Ae", "Ø": "Oe", "Å": "Aa"})
_IN_CAPITALS = re.compile("[ÆØÅ](?=[A-ZÆØÅ])|(?<=[A-ZÆØÅ])[ÆØÅ]")


@lru_cache(maxsize=1 << 16)  # each column is asked about some four times while the definitions load
def fold(name: str) -> str:
    """Return `name` as a lower-case ASCII identifier: `Beløb i DKK` → `beloeb_i_dkk`, `PostingDate` → `posting_date`.

    A leading digit gets an underscore in front; a name without letters or digits becomes `x`.
    """
    # Letters may arrive decomposed (a + ring); compose first so that å is one letter, then strip what accents remain.
    composed = unicodedata.normalize("NFC", name)
    spelled = _IN_CAPITALS.sub(lambda letter: letter[0].translate(_DANISH).upper(), composed).translate(_DANISH)
    ascii_only = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", ascii_only)
    identifier = re.sub(r"[^A-Za-z0-9]+", "_", words).strip("_").lower() or "x"
    return f"_{identifier}" if identifier[0].isdigit() else identifier
