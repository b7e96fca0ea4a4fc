"""The dbt models in SQL that follow from the register: staging and quarantine. The rules are macros, which these models call."""

from __future__ import annotations

from collections.abc import Mapping

from ingestion.naming import fold
from ingestion.register.model import Column, Register, System, Table
from ingestion.register.vocabulary import terms
from ingestion.seeds import Mendings

META_COLUMNS = {
    "_dlt_load_id": "Id på den indlæsning rækken kom med.",
    "_source_ref": "Fil, adresse eller tabel som rækken kom fra.",
    "_source_row": "Linje- eller løbenummer i kilden.",
}
PERSONAL = "P2"
"""From this class on, quarantine shows a value by its shape alone."""


def hidden(column: Column) -> bool:
    """Whether the column stays in the raw zone: it names a person outright, or may hold anything."""
    return column.direct_identifier or column.free_text


def _read_as_others(source: str, column: Column, mended: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the values that are read as others, those that say nothing as empty; the look-up has the last word."""
    return {**dict.fromkeys(column.blank, ""), **mended.get(fold(source), {})}


def staging(system: System, name: str, table: Table, mendings: Mendings) -> str:
    """Convert the columns, leave out the rows that lack a value they must have, and of each key keep the row that came last."""
    mended = mendings.get((system.id, name), {})
    names = table.warehouse_names()
    needed = {source for source, column in table.columns.items() if column.required or source in table.key}
    converted, joins, final = [], [], []
    internal = {}
    for source, column in table.columns.items():
        if hidden(column) and source not in needed:
            continue
        # A key that names a person outright still tells rows apart, but goes no further than this query.
        internal[source] = f"_hidden_{names[source]}" if hidden(column) else names[source]
        expression = _converted(source, column, _read_as_others(source, column, mended))
        named = "" if expression.endswith(f".{internal[source]}") else f" as {internal[source]}"
        converted.append(f"        {expression}{named}")
        if column.type == "cpr":
            joins.append(f"    {{{{ person_of('{fold(source)}') }}}}")
        if not hidden(column):
            final.append(f"    {names[source]}")
    converted += [f"        source.{meta}" for meta in META_COLUMNS]
    final += [f"    {meta}" for meta in META_COLUMNS]
    conditions = "\n    and ".join(f"{internal[source]} is not null" for source in table.columns if source in needed)
    key = ", ".join(internal[source] for source in table.key)
    # A table whose key is not in staging is made whole each time: the rows to be replaced could not be found there.
    rows = "source" if any(hidden(table.columns[source]) for source in table.key) else "rows_of"
    lines = [
        "with",
        "",
        "converted as (",
        "    select",
        ",\n".join(converted),
        f"    from {{{{ {rows}('{system.id}', '{name}') }}}} as source",
        *joins,
        ")",
        "",
        "select",
        ",\n".join(final),
        "from converted",
        "where",
        f"    {conditions}",
        f"qualify row_number() over (partition by {key} order by {{{{ latest_first() }}}}) = 1",
    ]
    return "\n".join(lines) + "\n"


def _converted(source: str, column: Column, changes: Mapping[str, str]) -> str:
    """Return what stands in staging for a column's value; `changes` are the values that are read as others."""
    if column.type == "cpr":
        return f"person_of_{fold(source)}.person_id"
    value = f"'source.\"{fold(source)}\"'"
    if changes:
        value = f"mended({value}, {mapping(changes)})"
    if column.values:
        return f"{{{{ accepted({value}, '{column.type}', [{', '.join(_quoted(code) for code in column.values)}]) }}}}"
    return f"{{{{ to_{column.type}({value}) }}}}"


def quarantine(system: System, mendings: Mendings) -> str:
    """Call `quarantine_of` with the columns that can fail: those with a type, with accepted values, or that must be there."""
    order = list(terms("classifications"))
    lines = [f"{{{{ quarantine_of('{system.id}', {{"]
    for name, table in system.tables.items():
        names, mended = table.warehouse_names(), mendings.get((system.id, name), {})
        lines.append(f"    '{name}': {{")
        lines.append(f"        'key': [{', '.join(_quoted(fold(source)) for source in table.key)}],")
        lines.append(f"        'compared': [{', '.join(_quoted(fold(source)) for source in table.columns)}],")
        lines.append("        'columns': [")
        for source, column in table.columns.items():
            required = column.required or source in table.key
            if not required and (hidden(column) or (column.type == "text" and not column.values)):
                continue
            masked = column.type == "cpr" or hidden(column) or order.index(column.pii) >= order.index(PERSONAL)
            entry = f"'raw': '{fold(source)}', 'type': '{column.type}', 'required': {required}, 'masked': {masked}"
            if not hidden(column):
                entry += f", 'name': '{names[source]}'"
            if column.values:
                entry += f", 'values': [{', '.join(_quoted(code) for code in column.values)}]"
            if changes := _read_as_others(source, column, mended):
                entry += f", 'mended': {mapping(changes)}"
            lines.append(f"            {{{entry}}},")
        lines += ["        ],", "    },"]
    return "\n".join([*lines, "}) }}"]) + "\n"


def quarantine_of_all(register: Register) -> str:
    parts = [f"select * from {{{{ ref('qua_{system}') }}}}" for system in register.systems]
    # What landing could not read as a row never reached a table. It is shown by its shape where the system is confidential, and
    # where a name or free text may be in it: both stay in the raw zone.
    rejects = """select
    rejects.system_id,
    rejects.table_name,
    rejects.column_name,
    case
        when systems.classification >= 'P2' or (rejects.system_id, rejects.table_name) in (
            select (columns.system_id, columns.table_name)
            from {{ source('platform', 'system_columns') }} as columns
            where columns.direct_identifier or columns.free_text
        ) then {{ shape('rejects.raw_text') }}
        else {{ without_cpr('rejects.raw_text') }}
    end as raw_value,
    rejects.reason,
    null::varchar[] as row_key,
    true as row_dropped,
    rejects.load_id,
    rejects.source_ref,
    rejects.source_row
from {{ source('platform', 'rejects') }} as rejects
left join {{ source('platform', 'systems') }} as systems on rejects.system_id = systems.system_id"""
    return "\nunion all\n".join([*parts, rejects]) + "\n"


def mapping(changes: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{_quoted(before)}: {_quoted(after)}' for before, after in changes.items())}}}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
