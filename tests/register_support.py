"""The beginning of a register file, the same for every library that the tests of the register make up."""

from __future__ import annotations


def library(system_id: str, tables: str) -> str:
    """Return the register file of a system of local files, whose folder is the setting `<ID>_FOLDER`; `tables` is its YAML."""
    return f"""\
id: {system_id}
title: Bibliotek
description: Udlån.
department: kultur_fritid_borgerservice
product: Cicero
vendor: Systematic
owner: {{team: Biblioteket, email: bibliotek@odsherred.example}}
data_steward: {{team: Biblioteket, email: bibliotek@odsherred.example}}
cadence: daily
freshness: {{warn_after_hours: 30, error_after_hours: 60}}
classification: P2
legal_basis: [gdpr_6_1_e]
purpose: [statistik]
retention: {{period: P1Y, after: Udlånet er afsluttet}}
connection:
  protocol: files
  transport: {{type: local, folder: {{env: {system_id.upper()}_FOLDER}}}}
tables:
{tables}"""
