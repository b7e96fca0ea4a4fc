"""JSON as the connectors read it: msgspec's speed, with every number and every fault as Python's own parser has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from connectors_support import column, context, rows, system
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.connectors.base import Number, SourceError, loads, text

_NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
_ODD = st.sampled_from(
    ["-0", "0", "1.10", "1E5", "-0.0", "-0e1", "1e400", "18446744073709551616", "-9223372036854775809", "9" * 4301]
)
_STRINGS = st.builds(json.dumps, st.text(), ensure_ascii=st.booleans()) | st.sampled_from(['"-0"', '"\\ud800"', '"\\u00e6\\/"'])
_WORDS = st.sampled_from(["true", "false", "null", "NaN", "Infinity", "-Infinity"])
_SPACE = st.sampled_from(["", " ", "\n", "\t\r"])


def _list(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda found, space: f"[{space}{f',{space}'.join(found)}{space}]", st.lists(items, max_size=5), _SPACE)


def _object(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(['"a"', '"A"', '"\\u0061"', '"år"']) | _STRINGS  # "a" may come twice.
    pairs = st.lists(st.builds(lambda name, space, value: f"{name}{space}:{value}", names, _SPACE, values), max_size=5)
    return st.builds(lambda found, space: f"{{{space}{f'{space},'.join(found)}}}", pairs, _SPACE)


DOCUMENTS = st.recursive(_NUMBERS | _ODD | _STRINGS | _WORDS, lambda inner: _list(inner) | _object(inner), max_leaves=20)


def python_alone(content: str | bytes) -> Any:
    return json.loads(content, parse_float=Number, parse_int=Number, parse_constant=Number)


def outcome(parse: Any, content: str | bytes) -> Any:
    try:
        return told(parse(content))
    except (ValueError, RecursionError) as error:
        # How deep is too deep hangs on where the parser is called from.
        return type(error) if isinstance(error, RecursionError) else (type(error), str(error))


def told(value: Any) -> Any:
    """All that a connector can see of a value: order of names, what is a number and what a text, and how it is written."""
    if isinstance(value, dict):
        return [(name, told(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [*map(told, value)]
    return type(value) is str, isinstance(value, bool), text(value), text([value])


@given(DOCUMENTS)
def test_what_is_read_is_what_python_reads(document: str) -> None:
    assert outcome(loads, document) == outcome(python_alone, document)
    content = document.encode()
    assert outcome(loads, content) == outcome(python_alone, content)


@given(
    DOCUMENTS,
    st.integers(0, 200),
    st.integers(0, 3),
    st.binary(max_size=3) | st.sampled_from([b"-", b"0", b",", b'"', b"\\", b"]"]),
)
@example("[1]", 0, 0, b"\xef\xbb\xbf")
@example('"\u00e6"', 1, 1, b"")
@example('["\u00e6"]', 1, 0, b"\xff")
def test_faults_are_told_as_python_tells_them(document: str, place: int, cut: int, put: bytes) -> None:
    whole = document.encode()
    place = min(place, len(whole))
    content = whole[:place] + put + whole[place + cut :]
    assert outcome(loads, content) == outcome(python_alone, content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings_that_python_knows_are_read(encoding: str) -> None:
    assert outcome(loads, '{"år":-0}'.encode(encoding)) == outcome(python_alone, '{"år":-0}')
    assert outcome(loads, '{"år":1.10}'.encode(encoding)) == outcome(python_alone, '{"år":1.10}')


def test_too_deep_is_refused() -> None:
    with pytest.raises(RecursionError):
        loads(b"[" * 100_000 + b"]" * 100_000)


def read(tmp_path: Path, document: str, encoding: str = "utf-8", **columns: Any) -> list[dict[str, Any]]:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "a.json").write_text(document, encoding=encoding)
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(folder)}}
    return rows(system(connection, {"glob": "*", "format": "json"}, columns, write="append"), context(tmp_path))


def test_a_field_called_as_a_column_that_stands_elsewhere(tmp_path: Path) -> None:
    found = read(tmp_path, '[{"id": 5, "person": {"id": "0101"}}, {"id": 6}]', id=column(path="person.id"))
    assert [(row["id"], row["id_felt"]) for row in found] == [("0101", "5"), (None, "6")]


def test_half_an_emoji_costs_no_more_than_itself(tmp_path: Path) -> None:
    """A program that cuts a text off at so many UTF-16 units leaves half of one, which no file or database can hold."""
    document = '[{"id": 1, "a": "god dag \\ud83d", "b": "\\ufeff\\ud83d\\ude00"}, {"id": 2, "a": 5, "b": {"c": "\\ude00"}}]'
    found = read(tmp_path, document, id=column("integer"))
    assert [(row["a"], row["b"]) for row in found] == [("god dag \ufffd", "\ufeff\U0001f600"), ("5", '{"c":"\ufffd"}')]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_document_of_powershell(tmp_path: Path, encoding: str) -> None:
    assert [row["navn"] for row in read(tmp_path, '[{"navn": "Åse"}]', encoding, navn=column())] == ["Åse"]


def test_a_document_that_goes_too_deep_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.json is not whole or not JSON \(maximum recursion"):
        read(tmp_path, "[" * 100_000 + "]" * 100_000, id=column())


def test_columns_that_come_and_go_among_thousands_of_records(tmp_path: Path) -> None:
    """Records become Arrow some at a time; what one lot lacks is NULL there, and all stand where they stood."""
    sent = [{"id": n, "a": {"b": n} if n % 3 else None, **({"sent": [n, 1.5]} if n > 2_100 else {})} for n in range(2_500)]
    found = read(tmp_path, json.dumps(sent), id=column("integer"), b={**column("integer"), "path": "a.b"})
    assert [row["_source_row"] for row in found] == [*range(1, 2_501)]
    assert {row["_source_ref"] for row in found} == {"a.json"}
    assert [(row["id"], row["b"], row["sent"]) for row in found] == [
        (str(n), str(n) if n % 3 else None, f"[{n},1.5]" if n > 2_100 else None) for n in range(2_500)
    ]


def test_a_column_of_many_kinds_keeps_each_as_written(tmp_path: Path) -> None:
    written = [
        "1.10",
        "1E5",
        "-0",
        "0",
        "true",
        '"1.10"',
        "18446744073709551616",
        "NaN",
        '{"ø":[1.10,"1.10",null,false]}',
        "[]",
        "null",
    ]
    found = read(tmp_path, "[" + ",".join(f'{{"v": {value}}}' for value in written) + "]", v=column("text"))
    assert [row["v"] for row in found] == [*(value.strip('"') for value in written[:-1]), None]
