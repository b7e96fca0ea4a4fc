"""The dbt files in YAML that follow from the register: sources, models with their tests, groups of owners."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ingestion.naming import fold
from ingestion.register.generated_sql import META_COLUMNS, PERSONAL, hidden
from ingestion.register.model import Column, Register, System, Table
from ingestion.register.vocabulary import terms

WAREHOUSE_OWNER = "hr_it_digitalisering"
"""The department that runs the warehouse owns what no single department owns."""
Tree = dict[str, Any]


def groups(register: Register) -> Tree:
    """One dbt group a department. Its owner is the department; who answers for a system stands in the model's meta."""
    return {
        "version": 2,
        "groups": [
            {"name": code, "owner": {"name": term.title, "email": _mailbox(register, code)}}
            for code, term in terms("departments").items()
        ],
    }


def _mailbox(register: Register, department: str) -> str | None:
    """The mailbox that most of the department's systems name; None where it has no system yet."""
    addresses = [system.owner.email for system in register.systems.values() if system.department == department]
    return max(sorted(set(addresses)), key=addresses.count, default=None)


def _owner(system: System) -> Tree:
    return {
        "system": system.id,
        "department": system.department,
        "owner": {"team": system.owner.team, "email": system.owner.email},
        "data_steward": {"team": system.data_steward.team, "email": system.data_steward.email},
        "classification": system.classification,
        "modifiers": list(system.modifiers),
        "legal_basis": list(system.legal_basis),
        "purpose": list(system.purpose),
    }


def sources(system: System) -> Tree:
    tables = [
        {
            "name": name,
            "description": f"{table.title}. {table.description}",
            "columns": [
                {"name": fold(source), "description": column.description, "config": {"meta": _column_meta(source, column)}}
                for source, column in table.columns.items()
            ]
            + [{"name": name, "description": description} for name, description in META_COLUMNS.items()],
        }
        for name, table in system.tables.items()
    ]
    source = {
        "name": system.id,
        "database": f"raw_{system.id}",
        "schema": "raw",
        "description": f"{system.title}. {system.description}",
        "config": {"meta": _owner(system)},
        "tables": tables,
    }
    return {"version": 2, "sources": [source]}


def _column_meta(source: str, column: Column) -> Tree:
    meta: Tree = {"label": column.label, "source_name": source, "pii": "P3" if column.free_text else column.pii}
    if column.key_domain:
        meta["key_domain"] = column.key_domain
    if column.values:
        meta["values"] = dict(column.values)
    return meta


def models(system: System) -> Tree:
    return {"version": 2, "models": [_model(system, name, table) for name, table in system.tables.items()]}


def _model(system: System, name: str, table: Table) -> Tree:
    names = table.warehouse_names()
    staged = {source: column for source, column in table.columns.items() if not hidden(column)}
    key = [names[source] for source in table.key if source in staged]
    tests: list[Tree] = []
    if len(key) == len(table.key):
        tests.append({"unique_key": {"name": f"unique_key__{system.id}__{name}", "arguments": {"columns": key}}})
    return {
        "name": f"stg_{system.id}__{name}",
        "description": f"Én række pr. {_words(names[source] for source in table.key)}. {table.title}: {table.description}",
        "config": {"group": system.department, "meta": {**_owner(system), "table": name, "grain": key}},
        "data_tests": tests,
        "columns": [
            {
                "name": names[source],
                "data_type": terms("types")[column.type].extra["sql"],
                "description": column.description,
                "config": {"meta": _column_meta(source, column)},
            }
            for source, column in staged.items()
        ]
        + [{"name": meta, "description": description} for meta, description in META_COLUMNS.items()],
    }


def _words(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} og {last}" if others else last


def quality(register: Register) -> Tree:
    columns = [
        ("system_id", "Systemets id i registeret."),
        ("table_name", "Tabellens navn i registeret."),
        ("column_name", "Kolonnens navn i råzonen; nøglens kolonner ved dubletter."),
        (
            "raw_value",
            "Kildens værdi uden CPR-numre; kun dens form (9 for cifre, a for bogstaver), hvor den er fortrolig eller følsom.",
        ),
        (
            "reason",
            "Mangler, kan ikke konverteres, ukendt værdi, dubleret række, dubleret nøgle, eller hvad indlæsningen melder.",
        ),
        ("row_key", "Rækkens nøgle i kilden uden CPR-numre, en værdi for hver kolonne; tom, hvor den er fortrolig eller følsom."),
        ("row_dropped", "Om hele rækken mangler i staging; ellers er det kun værdien, der er tom."),
        ("load_id", "Id på den indlæsning rækken kom med."),
        ("source_ref", "Fil, adresse eller tabel som rækken kom fra."),
        ("source_row", "Linje- eller løbenummer i kilden."),
    ]

    def model(name: str, description: str, group: str, meta: Tree, tests: list[Tree]) -> Tree:
        return {
            "name": name,
            "description": description,
            "config": {"group": group, "meta": meta},
            "data_tests": tests,
            "columns": [{"name": column, "description": text} for column, text in columns],
        }

    models = [
        model(
            "quarantine",
            "Én række pr. værdi eller række, der ikke kom uskadt gennem indlæsning og konvertering, for alle systemer.",
            WAREHOUSE_OWNER,
            {"classification": PERSONAL, "grain": []},
            [],
        )
    ]
    for system in register.systems.values():
        tables = {name: {"min": table.expected_rows.min, "max": table.expected_rows.max} for name, table in system.tables.items()}
        tests: list[Tree] = [
            {test: {"name": f"{test}__{system.id}", "arguments": {"system": system.id, "tables": of}}}
            for test, of in (("rows_reconcile", list(tables)), ("rows_in_range", tables))
        ]
        description = f"Én række pr. værdi eller række fra {system.title}, der ikke er kommet med i staging."
        models.append(model(f"qua_{system.id}", description, system.department, _owner(system), tests))
    return {"version": 2, "models": models}
