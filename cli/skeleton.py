"""The file that `faellesdata systems new` writes: valid once its examples are replaced, with a word on every field."""

from __future__ import annotations

import json

from ingestion.register.vocabulary import terms

_CONNECTION = {
    "sql": """\
  url: {{env: {ENV}_URL}}            # SQLAlchemy URL without the password: postgresql+psycopg://reader@host:5432/database
  password: {{env: {ENV}_PASSWORD}}
""",
    "odata": """\
  url: {{env: {ENV}_URL}}
  dialect: v4                       # v2 (SAP Gateway), v4 (Microsoft and others), plain (a `value` array and $filter, no more)
  auth: {{type: basic, username: {{env: {ENV}_USERNAME}}, password: {{env: {ENV}_PASSWORD}}}}
""",
    "rest": """\
  url: {{env: {ENV}_URL}}
  auth:                             # or: basic, bearer, api_key
    type: oauth2
    token_url: {{env: {ENV}_TOKEN_URL}}
    client_id: {{env: {ENV}_CLIENT_ID}}
    client_secret: {{env: {ENV}_CLIENT_SECRET}}
""",
    "graphql": """\
  url: {{env: {ENV}_URL}}
  auth: {{type: bearer, token: {{env: {ENV}_TOKEN}}}}               # or: oauth2, basic, api_key
""",
    "soap": """\
  wsdl: {{env: {ENV}_WSDL}}          # address or file
  # certificate and key as PEM, in files that the service alone can read
  certificate: {{certificate: {{env: {ENV}_CERTIFICATE}}, key: {{env: {ENV}_KEY}}}}
""",
    "files": """\
  # or sftp: host, port, username, password or private_key, host_key, folder
  transport: {{type: local, folder: {{env: {ENV}_FOLDER}}}}
  quiet_seconds: 60                 # a file younger than this may be half-written and waits for the next load
""",
    "python": """\
  settings: {{url: {{env: {ENV}_URL}}}}      # given to the function by name
""",
}
_SOURCE = {
    "sql": "{table: public.eksempel}          # or: query: select …",
    "odata": "{entity_set: EksempelSet}",
    "rest": "{path: /eksempel, records: $.items, paging: {type: page, size: 250}}   # paging: page, cursor, next_link, single",
    "graphql": "{query: 'query ($after: String) {…}', records: $.eksempler.nodes}   # paging: {variable, cursor, more}",
    "soap": "{operation: HentEksempler, arguments: {}, record: Eksempel}",
    "files": '{format: csv, glob: "eksempel*.csv", encoding: cp1252}   # or format: excel, xml, fixed',
    "python": '{function: "ingestion.functions.eksempel:rows"}',
}


def skeleton(system_id: str, title: str, department: str, protocol: str) -> str:
    """Return the text of a new system's register file."""

    def codes(vocabulary: str) -> str:
        return ", ".join(terms(vocabulary))

    return f"""\
# {title}. What the source does that one must know: its quirks, and who can explain them.
# yaml-language-server: $schema=../schema.json
id: {system_id}
title: {json.dumps(title, ensure_ascii=False)}
description: Hvad systemet bruges til, i én sætning.
department: {department}
product: Produktets navn
vendor: Leverandøren
owner: {{team: Afdelingen, email: afdelingen@example.dk}}          # who answers for the system, and is told when it fails
data_steward: {{team: Teamet, email: teamet@example.dk}}           # who corrects its data
cadence: daily                      # {codes("cadences")}
freshness: {{warn_after_hours: 30, error_after_hours: 54}}         # age of the last good load
classification: P2                  # the highest class of any column: {codes("classifications")}
modifiers: []                       # {codes("modifiers")}
legal_basis: [gdpr_6_1_e]           # {codes("legal_bases")}
purpose: [statistik]                # {codes("purposes")}
retention: {{period: P5Y, after: Hvad fristen regnes fra}}         # ISO 8601, as in KLE
# Addresses and secrets are references: {{env: NAME}}, from the environment or connections.env, or {{file: path}}.
connection:
  protocol: {protocol}
{_CONNECTION[protocol].format(ENV=system_id.upper())}\
tables:
  eksempel:
    title: Eksempler
    description: Hvad én række er.
    key: [Id]                       # what identifies a row, by the source's names
    # cursor: {{column: Ændret, lag: P1D}}   # what tells new rows from old; needed for merge
    write: replace                  # replace (all rows each time), merge (new and changed), append (files, each once)
    expected_rows: {{min: 1, max: 1000000}}                        # fewer: the load fails; more: it warns
    source: {_SOURCE[protocol]}
    columns:                        # by the source's own names. Types: {codes("types")}
      Id: {{type: text, label: Id, description: Rækkens id}}
      CPR-nummer:
        type: cpr
        name: person_id             # a CPR number becomes the person's id; the number itself stays in the raw zone
        label: Person
        description: Pseudonym for borgerens personnummer
        pii: P2
        key_domain: citizen         # what the column identifies, so that systems can be combined
"""
