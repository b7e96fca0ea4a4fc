"""XML, element by element, so that a file of any size fits in memory. Entities and network are off, and a DTD is refused."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ingestion.connectors.base import (
    LACKING,
    SAFE_XML,
    SOURCE_REF,
    SOURCE_ROW,
    RawNames,
    ReadContext,
    Row,
    SourceError,
    batches,
    text,
)
from ingestion.register.basics import TableBase
from ingestion.register.files import FilesTable, XmlSource

if TYPE_CHECKING:
    import pyarrow as pa
    from lxml.etree import _Element

_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"


def parse(path: Path, ref: str, table: FilesTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the record elements of `path` as rows of text."""
    source = table.source
    if not isinstance(source, XmlSource):
        raise TypeError(source)
    yield from batches(_rows(path, ref, table, source, context))


def _rows(path: Path, ref: str, table: FilesTable, source: XmlSource, context: ReadContext) -> Iterator[Row]:
    to_row = Shape(table)
    steps = source.each.split("/") if source.each is not None else []
    above, records, ordinal = _above(table, len(steps)), 0, 0
    for record in elements(path, ref, source.record, above):
        records += 1
        for element in below(record, steps):
            if context.limit is not None and ordinal >= context.limit:
                return
            ordinal += 1
            yield {**to_row(element), SOURCE_REF: ref, SOURCE_ROW: ordinal}
    if not records:
        _is_empty(path, ref, source, {*source.besides, *above, *context.beside} - {source.record.rpartition("/")[2]})
    elif not ordinal and source.each_missing == "fail":
        raise SourceError(f"{ref}: no '{source.record}' has '{source.each}'. {LACKING}")


def _is_empty(path: Path, ref: str, source: XmlSource, known: Collection[str]) -> None:
    """Raise if a file without records holds something else: an attribute or a text, that is not in an element called as one of
    those that are `known`. It would be taken for a delivery in which all rows are gone.
    """
    from lxml import etree

    with path.open("rb") as file:
        options = {"encoding": _encoding(file), **SAFE_XML}
        for _, element in etree.iterparse(file, huge_tree=True, remove_comments=True, remove_pis=True, **options):
            names = [local_name(node.tag) for node in (element, *element.iterancestors())]
            container = len(names) == 1 or names[0] in source.record.split("/")[:-1]
            says = (element.text or "").strip() or (not container and _attributes(element))
            if says and not set(names) & set(known):
                raise SourceError(
                    f"{ref} has no '{source.record}', but {'/'.join(reversed(names))}. Correct `record`, ask what changed or, "
                    "where that stands in an empty delivery too, name it in `besides`"
                )
            _forget_before(element, ())


def _above(table: FilesTable, depth: int) -> set[str]:
    """Names of the elements that columns climb to from a row `depth` steps below its record: what stands before the records."""
    paths = [(spec.path or "").split("/") for spec in table.columns.values()]
    climbing = [(steps, steps.count("..")) for steps in paths]
    return {steps[up] for steps, up in climbing if depth < up < len(steps) and not steps[up].startswith("@")}


_NAMED = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*["']([^"']+)""")
_MEANT = {"utf-16": "utf-8", "unicode": "utf-8", "iso-8859-1": "cp1252", "latin1": "cp1252"}
"""What files are in that name another encoding. .NET calls text UTF-16 before it writes it as UTF-8; and what Windows' programs
call ISO-8859-1 has quotation marks, dashes and the euro sign where that has control characters."""


def _encoding(file: IO[bytes]) -> str | None:
    """Return the encoding to read by, None if it is as the file says."""
    found = _NAMED.match(file.read(200))
    file.seek(0)
    return _MEANT.get(found[1].decode("latin-1").lower()) if found else None


def elements(path: Path, ref: str, record: str, keep: Collection[str] = ()) -> Iterator[_Element]:
    """Yield each element at the end of the path `record` (`unit`, or `root/unit`), and forget it when the next is asked for.

    One inside another counts as part of it. Of what stands before it, elements called as one in `keep` stay.
    """
    from lxml import etree

    steps = record.split("/")
    with path.open("rb") as file:
        options = {"encoding": _encoding(file), **SAFE_XML}
        try:
            _, root = next(iter(etree.iterparse(file, events=("start",), **options)))
            if root.getroottree().docinfo.internalDTD is not None:
                raise SourceError(f"{ref} has a DTD, which could hide or blow up content. Ask the vendor for a file without")
            file.seek(0)
            options |= {"remove_comments": True, "remove_pis": True}
            # Without a DTD nothing can blow up; an invoice with its PDF inside has texts of more than 10 MB.
            events = etree.iterparse(file, events=("end",), tag=f"{{*}}{steps[-1]}", huge_tree=True, **options)
            for _, element in events:
                if any(_is_at(ancestor, steps) for ancestor in element.iterancestors()):
                    continue
                if _is_at(element, steps):
                    yield element
                    element.clear()
                _forget_before(element, keep)
        except etree.XMLSyntaxError as error:
            line = error.lineno or 1
            raise SourceError(f"{ref}:{line}: not whole or not valid XML ({error.msg}). Have the file sent again") from None


def _is_at(element: _Element, steps: list[str]) -> bool:
    """Whether the element and those above it have the local names in `steps`."""
    node: _Element | None = element
    for step in reversed(steps):
        if node is None or local_name(node.tag) != step:
            return False
        node = node.getparent()
    return True


def _forget_before(element: _Element, keep: Collection[str]) -> None:
    """Free what the parser has been through, or a large file would fill the memory."""
    for node in (element, *element.iterancestors()):
        parent = node.getparent()
        if parent is None:
            return  # The root.
        while not keep and node.getprevious() is not None:
            del parent[0]
        for earlier in list(node.itersiblings(preceding=True)) if keep else ():
            if local_name(earlier.tag) not in keep:
                parent.remove(earlier)


class Shape:
    """Turns an element into a row: declared columns by their path, then whatever else it holds under its own name."""

    def __init__(self, table: TableBase) -> None:
        self._paths = {column: (spec.path or column).split("/") for column, spec in table.columns.items()}
        self._taken = {"/".join(steps) for steps in self._paths.values()}
        self.opened = {steps[0] for steps in self._paths.values() if len(steps) > 1}
        self._names = RawNames()

    def __call__(self, element: _Element) -> Row:
        # Looked through once, not once for each column.
        children: dict[str, list[_Element]] = {}
        for child in element.iterchildren("*"):
            children.setdefault(local_name(child.tag), []).append(child)
        row: Row = {}
        for column, steps in self._paths.items():
            first = steps[0]
            if len(steps) == 1 and first in children:
                values = [_value(child) for child in children[first]]
            elif len(steps) > 1 or first == "." or first.startswith("@"):
                values = values_at(element, steps)
            else:
                continue
            if values:
                row[self._names[column]] = joined(values)
        for name, values in self._others(element, children).items():
            row[self._names[name]] = joined(values)
        return row

    def _others(self, element: _Element, children: dict[str, list[_Element]]) -> dict[str, list[str | None]]:
        """What no path names: text of its own, attributes, children, and attributes of children (as `child_attribute`).

        What is called as a column whose value stands elsewhere does not take its place.
        """
        found: dict[str, list[str | None]] = {}
        if "." not in self._taken and (own := _own_text(element)) is not None:
            found[self._free(local_name(element.tag), "tekst", children)] = [own]
        for name, value in _attributes(element).items():
            if f"@{name}" not in self._taken:
                found.setdefault(self._free(name, "attribut", children), []).append(value)
        for tag, alike in children.items():
            if tag not in self._taken and tag not in self.opened:
                found.setdefault(self._free(tag, "element", children), []).extend(map(_value, alike))
            for child in alike:
                if child.keys() and len(child) == 0:
                    for name, value in _attributes(child).items():
                        if f"{tag}/@{name}" not in self._taken:
                            found.setdefault(f"{tag}_{name}", []).append(value)
        return found

    def _free(self, name: str, kind: str, children: Collection[str]) -> str:
        path = self._paths.get(name)
        return name if path is None or (path == [name] and name not in children) else f"{name} {kind}"


def below(element: _Element, steps: list[str]) -> Iterator[_Element]:
    """Yield the elements at the path `steps` below `element`, which is itself at no steps."""
    if not steps:
        yield element
        return
    for child in element.iterchildren("*"):
        if local_name(child.tag) == steps[0]:
            yield from below(child, steps[1:])


def values_at(element: _Element, steps: list[str]) -> list[str | None]:
    """All values at a path below `element`."""
    step, rest = steps[0], steps[1:]
    if step == "..":
        above = element.getparent()
        return [] if above is None else values_at(above, rest)
    if step == ".":
        return [_own_text(element)]
    if step.startswith("@"):
        attributes = _attributes(element)
        return [attributes[step[1:]]] if step[1:] in attributes else []
    children = [child for child in element.iterchildren("*") if local_name(child.tag) == step]
    if not rest:
        return [_value(child) for child in children]
    return [value for child in children for value in values_at(child, rest)]


def _value(element: _Element) -> str | None:
    """The text of an element or, if it has elements inside, those as JSON."""
    if element.keys() and element.get(f"{_INSTANCE}nil") in ("true", "1"):  # Most have none: told at once.
        return None
    return text(_tree(element)) if len(element) else (element.text or "").strip() or None


def _own_text(element: _Element) -> str | None:
    """The text that stands in the element itself, around what other elements it has."""
    own = (element.text or "").strip()
    for child in element:
        if (after := child.tail) is not None and (after := after.strip()):
            own += f" {after}" if own else after
    return own or None


def _tree(element: _Element) -> dict[str, object]:
    inside: dict[str, list[object]] = {f"@{name}": [value] for name, value in _attributes(element).items()}
    for child in element.iterchildren("*"):
        whole = len(child) or (child.keys() and _attributes(child))
        inside.setdefault(local_name(child.tag), []).append(_tree(child) if whole else _value(child))
    if (own := _own_text(element)) is not None:
        inside["#text"] = [own]
    return {name: values[0] if len(values) == 1 else values for name, values in inside.items()}


def joined(values: list[str | None]) -> str | None:
    return values[0] if len(values) == 1 else text(values)


def _attributes(element: _Element) -> dict[str, str]:
    return {local_name(name): str(value) for name, value in element.items() if not str(name).startswith(_INSTANCE)}


@functools.lru_cache(4096)
def local_name(name: object) -> str:
    return str(name).rpartition("}")[2]
