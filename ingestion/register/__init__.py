"""The register: one file per system, from which everything else follows."""

from ingestion.register.model import Register, System, Table
from ingestion.register.read import SYSTEMS, Problem, RegisterError, read_file, read_leniently, read_register

__all__ = ["SYSTEMS", "Problem", "Register", "RegisterError", "System", "Table", "read_file", "read_leniently", "read_register"]
