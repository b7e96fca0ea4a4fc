"""Read and check the register: every error of every file in one go, each with file, line and column."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from ingestion.register import vocabulary
from ingestion.register.model import Register, System, TaggedSystem
from ingestion.register.vocabulary import cron_is_valid, terms

SYSTEMS = Path(__file__).resolve().parent.parent / "systems"
RESERVED = {"platform", "vault"}
RESERVED_TABLES = {"load_log", "load_rejects", "file_names"}

# libyaml reads 200 systems in half a second, Python's own loader in four.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_adapter: TypeAdapter[System] = TypeAdapter(TaggedSystem)


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong in a register file, where (line and column from 1), and what to do."""

    file: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class RegisterError(Exception):
    """The register has errors; `problems` holds all of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def read_register(folder: Path = SYSTEMS) -> Register:
    """Return all systems below `folder`, or raise `RegisterError` with every problem found."""
    register, problems = read_leniently(folder)
    if problems:
        raise RegisterError(problems)
    return register


def read_leniently(folder: Path = SYSTEMS) -> tuple[Register, list[Problem]]:
    """Return the systems that can be read, and the problems of those that cannot.

    One bad file must not stop the others: the nightly refresh goes on with what is sound. A cadence whose `cron` is
    wrong is among the problems, and starts nothing.

    Raises:
        RegisterError: a controlled list cannot be read, without which no file can be judged.
    """
    systems: dict[str, System] = {}
    files: dict[str, Path] = {}
    problems = _vocabulary_problems()
    for path in sorted(folder.glob("*/*.yml")):
        system, found = read_file(path)
        if system is None:
            problems += found
        elif system.id in systems:
            problems.append(Problem(path, 1, 1, f"id '{system.id}' is taken by {files[system.id]}. Choose another id"))
        else:
            systems[system.id], files[system.id] = system, path
    return Register(systems=dict(sorted(systems.items()))), sorted(problems)


def _vocabulary_problems() -> list[Problem]:
    """Return the cadences whose `cron` is wrong; raise `RegisterError` with all that is wrong in lists that cannot be used."""
    broken, crons = [], []
    for path in sorted(vocabulary.FOLDER.glob("*.yml")):
        node, _, found = _load(path)
        broken += found
        for code, entry in node.value if node is not None else ():
            fields = {key.value: value for key, value in entry.value} if isinstance(entry, yaml.MappingNode) else {}
            cron = fields.get("cron")
            if "title" not in fields:
                broken.append(
                    Problem(path, *_position(code), f"'{code.value}' has no title. Write {{title: what staff call it}}")
                )
            elif path.stem == "cadences" and not (cron and cron_is_valid(cron.value)):
                message = f"cadence '{code.value}' is never run: its `cron` is not one. Write five fields, such as \"0 3 * * *\""
                crons.append(Problem(path, *_position(cron or code), message))
    if broken:
        raise RegisterError(broken + crons)
    return crons


def read_file(path: Path) -> tuple[System | None, list[Problem]]:
    """Return the system that `path` describes, or None and everything that is wrong with it."""
    node, data, problems = _load(path)
    if node is None:
        return None, problems
    try:
        system = _adapter.validate_python(data)
    except ValidationError as error:
        # A value of several possible shapes gives an error for each; told once is enough.
        return None, list(dict.fromkeys(problems + [_problem(path, node, detail) for detail in error.errors()]))
    problems += _cross_checks(path, node, system)
    return (None, problems) if problems else (system, [])


def _load(path: Path) -> tuple[yaml.MappingNode | None, Any, list[Problem]]:
    """Return the mapping that the file holds, with its positions and as data, and what is wrong with it as YAML."""
    try:
        text = path.read_text(encoding="utf-8")
        loader = _LOADER(text)
        node = loader.get_single_node()
        doubled: list[yaml.Node] = []
        data = _data(loader, node, doubled) if node is not None else None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        return None, None, [Problem(path, line, 1, "not UTF-8. Save the file as UTF-8")]
    except yaml.MarkedYAMLError as found:
        told = _better_told(text, found)
        mark = told.problem_mark or told.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = f"not valid YAML: {told.problem}. Check indentation, colons and quotes here"
        return None, None, [Problem(path, line, column, message)]
    if not isinstance(node, yaml.MappingNode):
        return None, None, [Problem(path, 1, 1, "the file is empty or not a mapping. Start from `faellesdata systems new`")]
    return node, data, [Problem(path, *_position(key), f"'{key.value}' is given twice. Keep one") for key in doubled]


def _better_told(text: str, error: yaml.MarkedYAMLError) -> yaml.MarkedYAMLError:
    """Return the same error as Python's own reader words it: libyaml places it past the end where something is left open."""
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as told:
        return told
    return error


def _cross_checks(path: Path, node: yaml.MappingNode, system: System) -> list[Problem]:
    """What one field of a file says against another."""

    def at(*location: str | int, message: str) -> Problem:
        return Problem(path, *_position(_find(node, location)), message)

    problems = []
    if system.id in RESERVED:
        problems.append(at("id", message=f"id '{system.id}' is reserved for the platform itself. Choose another id"))
    if path.stem != system.id:
        problems.append(at("id", message=f"id '{system.id}' differs from the file's name. Call the file {system.id}.yml"))
    if path.parent.name != system.department:
        problems.append(
            at(
                "department",
                message=f"department '{system.department}' differs from the folder {path.parent.name}. Correct one of them",
            )
        )
    if system.freshness.error_after_hours < system.freshness.warn_after_hours:
        problems.append(at("freshness", message="`error_after_hours` is below `warn_after_hours`. Swap or raise it"))
    order = list(terms("classifications"))
    for table_name, table in system.tables.items():
        for column_name, column in table.columns.items():
            unsaid = "pii" not in column.model_fields_set and not column.free_text
            if unsaid and (tells := _OF_A_PERSON.search(f"{column_name} {column.label}")):
                problems.append(
                    at(
                        "tables", table_name, "columns", column_name,
                        message=f"column '{column_name}' has no class, and '{tells[0]}' reads as if it told of a person. Add"
                        " `pii: P1` (or higher), or `pii: P0` where it tells of nobody",
                    )
                )  # fmt: skip
            pii = "P3" if column.free_text else column.pii
            if order.index(pii) > order.index(system.classification):
                problems.append(
                    at(
                        "tables", table_name, "columns", column_name,
                        message=f"column '{column_name}' is {pii}, the system only {system.classification}. Raise its class",
                    )
                )  # fmt: skip
        if table_name in RESERVED_TABLES:
            problems.append(at("tables", table_name, message=f"table '{table_name}' is the platform's own. Choose another name"))
        if table.write == "append" and system.connection.protocol != "files":
            problems.append(
                at("tables", table_name, "write", message="`append` is for files. Use `merge` with a key, or `replace`")
            )
        delta = getattr(table.source, "delta", False)
        if table.write == "merge" and system.connection.protocol != "files" and table.cursor is None and not delta:
            problems.append(at("tables", table_name, "write", message="`merge` needs a `cursor`. Add one, or use `replace`"))
    return problems


_OF_A_PERSON = re.compile(
    r"cpr|person(nr|nummer|_?id)|(for|efter|mellem)navn|(first|last|given|sur)_?name|telefon|phone|mobil|e-?mail|f(ø|oe)dsels|birth",
    re.I,
)
"""What a column is called that tells who somebody is: its class may not be left out by an oversight."""
_ADVICE = {
    "missing": "'{field}' is missing. Add it",
    "extra_forbidden": "unknown key '{field}'. Remove it, or correct its spelling",
    "union_tag_invalid": "{msg}",
    "union_tag_not_found": "`connection.protocol` is missing. Say how it is read: sql, odata, rest, graphql, soap, files, python",
}


_FORMS = {
    "email": "an address such as team@kommune.dk",
    "period": "an ISO 8601 duration such as P5Y or P30D",
    "lag": "an ISO 8601 duration such as P3D",
    "env": "the name of an environment variable, in capitals",
    "kitos_uuid": "a UUID in lower case",
}


def _problem(path: Path, node: yaml.Node, detail: Any) -> Problem:
    kind, location = detail["type"], detail["loc"]
    field = next((str(part) for part in reversed(location) if str(part) not in ("EnvRef", "FileRef", "[key]")), "")
    message = _ADVICE.get(kind, "'{field}': {msg}").format(field=field, msg=_plain(detail["msg"]))
    if kind == "string_pattern_mismatch":
        form = _FORMS.get(field, "lower-case letters, digits and underscores, beginning with a letter")
        message = f"'{field}' is not written right: {form}"
    elif {"EnvRef", "FileRef"} & set(map(str, location)) and kind != "extra_forbidden":
        message = f"'{field}' must be a reference, {{env: NAME}} or {{file: path}}. A secret never stands in the register"
    elif kind == "extra_forbidden" and field == "period":
        message = (
            "`period` is for files, whose names tell it. What a cursor has passed comes again within its `lag`, or all of it by "
            "`faellesdata refresh --system <id> --full`. Remove it"
        )
    elif kind == "union_tag_invalid" and not location:
        location = ("connection", "protocol")
    return Problem(path, *_position(_find(node, location, want_key=kind == "extra_forbidden")), message)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "should be").replace("Input tag", "the value")


def _find(node: yaml.Node, location: Iterable[str | int], want_key: bool = False) -> yaml.Node:
    """Return the deepest node that `location` leads to; parts that name a union's member are passed over."""
    key: yaml.Node = node
    for part in location:
        if isinstance(node, yaml.MappingNode):
            entry = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if entry is None:
                continue
            key, node = entry
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            key = node = node.value[part]
    return key if want_key or not isinstance(node, yaml.ScalarNode) else node


def _position(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_MERGE = "tag:yaml.org,2002:merge"


def _data(loader: Any, node: yaml.Node, doubled: list[yaml.Node]) -> Any:
    """Return what the node holds, and add to `doubled` the keys that a mapping has twice, of which YAML keeps the last.

    The loader's own way from nodes to data is made for classes of every kind and takes three times as long.
    """
    if node.tag not in _PLAIN:
        return loader.construct_object(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return [_data(loader, item, doubled) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a list or mapping as a key", key.start_mark)
        if key.value in seen:
            doubled.append(key)
        seen.add(key.value)
    if any(key.tag == _MERGE for key, _ in node.value):
        # Only now: it puts what is merged (`<<`) among the mapping's own keys.
        loader.flatten_mapping(node)
    return {_data(loader, key, doubled): _data(loader, value, doubled) for key, value in node.value}
