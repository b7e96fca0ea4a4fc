r"""How a CPR number is written. All that look for one, in Python and in SQL, take their pattern from here.

A number is ten digits: day, month, year of two digits, and four more. It comes with a hyphen, a space or a dot before the last
four or between all parts, in an address (`%2D`), without the zero that a spreadsheet takes away, and as `101901234.0`. The day of
a replacement number is 60 more. The check digit says nothing: since 2007 numbers are given without one.

The digits are 0 to 9. A number in the digits of another script is none: the vault does not know it, it goes to the quarantine
like other text in a column of CPR numbers, and only its shape is shown there.

Three questions are asked, and each has its own answer:

1. *Who is it?* In a column that is declared to hold CPR numbers: `normalised_cpr` for the vault, the dbt macro `to_cpr` for
   staging. The vault takes all that has nine or ten digits, so that a misspelt number is found, too, where it does not belong;
   only not what stands for no number (all zeros or nines), for keys are padded with them. Staging takes only what has a date
   that exists.
2. *Could it be one that the vault knows?* In text of any kind: `COULD_BE`. It takes any nine or ten digits; the vault decides.
   `found_in` asks so for what is published, `numbers_in` for files' names, the dbt macro `digits_in` for all models. The test
   `no_cpr` does not ask the vault: of the same (`written_numbers`) it takes ten digits that begin with a day and a month.
   They differ in what may stand beside the digits. Hashes and UUIDs hold such digits by chance. `digits_in` looks at every
   column of every model and has no time to find out where there are any: it takes no number that only letters from a to f part
   from the end of the word (it overlooks `afd0101901234`). The others cut them out first, and then any letter may stand there.
3. *May it be shown?* Where nobody asks the vault: `READS_AS_ONE`, in `masked` for messages and the dbt macro `without_cpr` for
   the quarantine. It asks for a month, but for hardly a day: a slip of the pen tells who it is all the same.

The macros are in `dbt_project/macros/sql/digits.sql`; `tests/unit/test_cpr.py` holds all of these against one table of cases, and
the macros' patterns against those below. They are written so that Python and DuckDB read them alike: no `\d`, which in Python is
also other scripts' digits, and no looking ahead or behind, which DuckDB does not have.
"""

from __future__ import annotations

import re

SEPARATOR = r"(?:%[0-9A-Fa-f]{2}|[^0-9A-Za-z]){0,3}"
"""What may stand before the last four digits: up to three signs, also as an address writes them."""
COULD_BE = rf"(?:[0-9]{{5,6}}|[0-9]{{1,2}}[ ./-][0-9]{{2}}[ ./-][0-9]{{2}}){SEPARATOR}[0-9]{{4}}"
READS_AS_ONE = rf"[0-36-9]?[0-9][ ./-]?(?:0[1-9]|1[0-2])[ ./-]?[0-9]{{2}}{SEPARATOR}[0-9]{{4}}"
HASH = r"\b(?:[0-9a-f]{24}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b"
"""A word that is a hash or a generated id: a pseudonym is one of 64 letters, and one in twelve has nine or ten digits on end."""
NO_DIGIT = r"%[0-9A-Fa-f]{2}|[^0-9]"
"""What is taken out of a number that was found, so that its digits stay."""
MASK = "######-####"
_READS_AS_ONE = re.compile(f"(?<![0-9]){READS_AS_ONE}(?![0-9])")
_COULD_BE = re.compile(f"(?<![0-9]){COULD_BE}(?![0-9])")


def masked(text: str) -> str:
    """Return the text with a mask for all in it that reads as a CPR number."""
    return _READS_AS_ONE.sub(MASK, text)


def numbers_in(text: str) -> list[str]:
    """Return the ten digits of all that could be a CPR number in a text, as `found_in` does in SQL."""
    found = _COULD_BE.findall(re.sub(HASH, " ", text, flags=re.ASCII))
    return [re.sub(NO_DIGIT, "", number).zfill(10) for number in found]


def without_numbers(text: str) -> str:
    """Return the text without anything in it that could be a CPR number."""
    return _COULD_BE.sub("xxxxxx-xxxx", text)


def normalised_cpr(column: str) -> str:
    """Return SQL that gives a CPR number its ten digits, or NULL where there are not nine or ten, or all are 0 or 9.

    The dbt macro `to_cpr` looks its numbers up among these: what it gives must be what comes of it here.
    """
    text = f"trim(cast({column} as varchar))"
    digits = f"regexp_replace(if(suffix({text}, '.0'), {text}[:-3], {text}), '[^0-9]', '', 'g')"
    a_number = f"length({digits}) in (9, 10) and not regexp_full_match({digits}, '0+|9+')"
    return f"case when {a_number} then lpad({digits}, 10, '0') end"


def found_in(text: str, relation: str) -> str:
    """Return SQL for the ten digits (`cpr`) of all that could be a CPR number in `text`, an SQL expression over `relation`."""
    found = f"regexp_extract_all(regexp_replace({text}, '{HASH}', ' ', 'g'), '(?:^|[^0-9])({COULD_BE}[0-9]*)', 1)"
    digits = f"regexp_replace(unnest({found}), '{NO_DIGIT}', '', 'g')"
    return f"select lpad(digits, 10, '0') as cpr from (select {digits} as digits from {relation}) where length(digits) in (9, 10)"
