"""dbt's tests as the graph tells of them: what each looks at, in Danish, who mends it, and how serious it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Test = Mapping[str, Any]
_DEVELOPERS = "Logik: en udvikler retter modellen."
_DEPARTMENT = "Kildedata: fagområdet retter dem i systemet."
_PRIVACY = "Persondata: rettes, før noget udgives."
_TEXTS = {
    "unique_key": f"Nøglen ({{columns}}) er udfyldt og entydig. {_DEVELOPERS}",
    "unique": f"Ingen værdi i {{column_name}} forekommer to gange. {_DEVELOPERS}",
    "not_null": f"Kolonnen {{column_name}} er altid udfyldt. {_DEVELOPERS}",
    "accepted_values": f"Kolonnen {{column_name}} har kun værdierne {{values}}. {_DEPARTMENT}",
    "relationships": f"Hver værdi i {{column_name}} findes i {{to}}. {_DEVELOPERS}",
    "not_null_share": f"Kolonnen {{column_name}} er udfyldt i mindst {{at_least}} af rækkerne. {_DEPARTMENT}",
    "accepted_codes": f"Kolonnen {{column_name}} har kun de kendte koder ({{labels}}). {_DEVELOPERS}",
    "members": f"Hver nøgle findes i sin dimension ({{keys}}); -1 står for ukendt. {_DEVELOPERS}",
    "unknown_share": f"Højst {{at_most}} af rækkerne peger på ukendt i {{column_name}}. {_DEPARTMENT}",
    "intervals_apart": f"Gyldighedsperioderne for hver {{member}} overlapper ikke. {_DEVELOPERS}",
    "intervals_meet": f"Gyldighedsperioderne for hver {{member}} følger på hinanden uden huller. {_DEPARTMENT}",
    "totals_agree": f"Summerne er dem, som staging har ({{totals}}): intet går tabt eller tælles dobbelt. {_DEVELOPERS}",
    "rows_reconcile": f"Intet går tabt: rækker i raw er rækker i staging plus rækker i karantænen ({{tables}}). {_DEVELOPERS}",
    "rows_in_range": f"Tabellerne har så mange rækker, som registeret venter ({{tables}}). {_DEPARTMENT}",
    "no_cpr": f"Ingen tekst rummer et CPR-nummer. {_PRIVACY}",
    "not_recoverable": f"Ingen skjult celle kan regnes ud af det, der udgives. {_PRIVACY}",
}


def described(test: Test) -> str:
    """Return what the test looks at: its own description where it has one, otherwise the text of its kind."""
    if test.get("description"):
        return str(test["description"])
    kind, arguments = _kind(test)
    return _TEXTS.get(kind, f"dbt-testen {test['name']} finder ingen rækker.").format_map(_Shown(arguments))


def signed(description: str, owner: str, level: str) -> str:
    """Return the description with owner and severity: Dagster's page shows nothing else that a check says of itself."""
    return f"{description} Ejer: {owner}. Alvor: {'fejl' if level == 'error' else 'advarsel'}."


def severity(test: Test) -> str:
    """Return `error` or `warn`, as dbt's test is configured."""
    return str(test.get("config", {}).get("severity") or "error").lower()


def _kind(test: Test) -> tuple[str, Mapping[str, Any]]:
    metadata = test.get("test_metadata") or {}
    return str(metadata.get("name", "")), metadata.get("kwargs") or {}


class _Shown(dict[str, Any]):
    """A test's arguments as they are read in a sentence."""

    def __getitem__(self, name: str) -> str:
        return _shown(self.get(name, "?"))


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(str(key) for key in value)
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    if isinstance(value, float):
        return f"{value:.0%}".replace("%", " %")
    return str(value)
