"""The naming convention dlt uses for raw files: ours, so that Danish letters do not collide.

dlt's default folds `år`, `ær` and `ør` to the same name and keeps the last value only, without a warning.
"""

from __future__ import annotations

from dlt.common.normalizers.naming.naming import NamingConvention as DltNamingConvention

from ingestion.naming import fold


class NamingConvention(DltNamingConvention):
    """Fold names as the register does; dlt's own and the platform's underscore-prefixed columns pass unchanged."""

    @property
    def is_case_sensitive(self) -> bool:
        return False

    def normalize_identifier(self, identifier: str) -> str:
        identifier = super().normalize_identifier(identifier)
        return identifier if identifier.startswith("_") else fold(identifier)
