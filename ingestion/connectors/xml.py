"""XML, element by element, so that a file of any size fits in memory. Entities and network are off, and a DTD is refused."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, Row, SourceError, batches, text
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
    records = _elements(path, ref, source.record)
    if source.each is not None:
        steps = source.each.split("/")
        records = (child for record in records for child in below(record, steps))
    for ordinal, element in enumerate(records, start=1):
        if context.limit is not None and ordinal > context.limit:
            return
        yield {**to_row(element), SOURCE_REF: ref, SOURCE_ROW: ordinal}


def _elements(path: Path, ref: str, record: str) -> Iterator[_Element]:
    """Yield each element at the end of the path `record` (`unit`, or `root/unit`), and forget it when the next is asked for.

    One inside another counts as part of it.
    """
    from lxml import etree

    steps = record.split("/")
    with path.open("rb") as file:
        events = etree.iterparse(
            file,
            events=("end",),
            tag=f"{{*}}{steps[-1]}",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            for _, element in events:
                if element.getroottree().docinfo.internalDTD is not None:
                    raise SourceError(f"{ref} has a DTD, which could hide or blow up content. Ask the vendor for a file without")
                if any(_is_at(ancestor, steps) for ancestor in element.iterancestors()):
                    continue
                if _is_at(element, steps):
                    yield element
                    element.clear()
                _forget_before(element)
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


def _forget_before(element: _Element) -> None:
    """Free what the parser has been through, or a large file would fill the memory."""
    for node in (element, *element.iterancestors()):
        parent = node.getparent()
        while parent is not None and node.getprevious() is not None:
            del parent[0]


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
            elif len(steps) > 1 or first.startswith("@"):
                values = values_at(element, steps)
            else:
                continue
            if values:
                row[self._names[column]] = joined(values)
        for name, values in self._others(element, children).items():
            row[self._names[name]] = joined(values)
        return row

    def _others(self, element: _Element, children: dict[str, list[_Element]]) -> dict[str, list[str | None]]:
        """What no path names: attributes, children, and attributes of children (as `child_attribute`)."""
        found: dict[str, list[str | None]] = {}
        for name, value in _attributes(element).items():
            if f"@{name}" not in self._taken:
                found.setdefault(name, []).append(value)
        for tag, alike in children.items():
            taken = tag in self._taken or tag in self.opened
            for child in alike:
                if not taken:
                    found.setdefault(tag, []).append(_value(child))
                if (attributes := _attributes(child)) and len(child) == 0:
                    for name, value in attributes.items():
                        if f"{tag}/@{name}" not in self._taken:
                            found.setdefault(f"{tag}_{name}", []).append(value)
        return found


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
    if step.startswith("@"):
        attributes = _attributes(element)
        return [attributes[step[1:]]] if step[1:] in attributes else []
    children = [child for child in element.iterchildren("*") if local_name(child.tag) == step]
    if not rest:
        return [_value(child) for child in children]
    return [value for child in children for value in values_at(child, rest)]


def _value(element: _Element) -> str | None:
    """The text of an element or, if it has elements inside, those as JSON."""
    if element.get(f"{_INSTANCE}nil") in ("true", "1"):
        return None
    if len(element):
        return text(_tree(element))
    return (element.text or "").strip() or None


def _tree(element: _Element) -> dict[str, object]:
    inside: dict[str, list[object]] = {f"@{name}": [value] for name, value in _attributes(element).items()}
    for child in element.iterchildren("*"):
        inside.setdefault(local_name(child.tag), []).append(_tree(child) if len(child) else _value(child))
    return {name: values[0] if len(values) == 1 else values for name, values in inside.items()}


def joined(values: list[str | None]) -> str | None:
    return values[0] if len(values) == 1 else text(values)


def _attributes(element: _Element) -> dict[str, str]:
    return {local_name(name): str(value) for name, value in element.items() if not str(name).startswith(_INSTANCE)}


@functools.lru_cache(4096)
def local_name(name: object) -> str:
    return str(name).rpartition("}")[2]
