"""Opus Økonomi: an SAP Gateway, OData V2. Amounts are text, dates are `/Date(ms)/`, keys are padded, the client must be named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute, Mount

from demo.administration import Posting
from demo.defects import CANNOT_CONVERT, MISSING, NO_CURSOR, UNKNOWN_VALUE, Defects, with_cpr
from demo.municipality import Municipality
from demo.odata import Entity, ODataServer, v2_date, v2_moment, v2_rows
from demo.truth import Truth
from demo.values import iso, kroner_text, utc
from demo.web import basic, practice_secret

SYSTEM = "opus_oekonomi"
PAGE = 500
SERVICE = "/sap/opu/odata/kmd/ZFI_OPUS_SRV"
NAMESPACE = "ZFI_OPUS_SRV"
USERNAME = "DATAUDTRAEK"
_TEXT, _DATE, _MONEY = "Edm.String", "Edm.DateTime", "Edm.Decimal"

POSTINGS = Entity(
    "PosteringSet", "Postering", "posteringer", ("Gjahr", "Belnr", "Buzei"),
    {
        "Gjahr": _TEXT, "Belnr": _TEXT, "Buzei": _TEXT, "Monat": _TEXT, "Budat": _DATE, "Artskonto": _TEXT,
        "Omkostningssted": _TEXT, "Psp": _TEXT, "Funktion": _TEXT, "Dranst": _TEXT, "Beloeb": _MONEY, "Tekst": _TEXT,
        "Aedat": "Edm.DateTimeOffset",
    },
    sort="Aedat",
)  # fmt: skip
BUDGET = Entity(
    "BudgetSet", "Budget", "budget", ("Gjahr", "Version", "Omkostningssted", "Artskonto", "Funktion", "Dranst"),
    {
        "Gjahr": _TEXT, "Version": _TEXT, "Omkostningssted": _TEXT, "Artskonto": _TEXT, "Funktion": _TEXT, "Dranst": _TEXT,
        "Beloeb": _MONEY,
    },
)  # fmt: skip
COST_CENTRES = Entity(
    "OmkostningsstedSet", "Omkostningssted", "omkostningssteder", ("Kostl", "Datab"),
    {"Kostl": _TEXT, "Ktext": _TEXT, "Orgeh": _TEXT, "Funktion": _TEXT, "Fagomraade": _TEXT, "Datab": _DATE, "Datbi": _DATE},
)  # fmt: skip
ACCOUNTS = Entity("ArtskontoSet", "Artskonto", "artskonti", ("Saknr",), {"Saknr": _TEXT, "Txt50": _TEXT, "Hovedart": _TEXT})
PLACES = Entity(
    "ArtskontoTilknytningSet", "ArtskontoTilknytning", "artskonto_tilknytninger", ("Saknr", "Datab"),
    {
        "Saknr": _TEXT, "Datab": _DATE, "Datbi": _DATE, "Ejerforhold": _TEXT, "Gruppering": _TEXT, "Hovedart": _TEXT,
        "Art": _TEXT,
    },
)  # fmt: skip
PSP_ELEMENTS = Entity(
    "PspElementSet", "PspElement", "psp_elementer", ("Posid", "Datab"),
    {"Posid": _TEXT, "Datab": _DATE, "Datbi": _DATE, "Post1": _TEXT, "Funktion": _TEXT},
)  # fmt: skip
_OPEN_END = date(9999, 12, 31)


def sap_amount(oere: int, nth: int) -> str:
    """Return an amount as the Gateway writes it: usually `-12.50`, but many of the negative ones with the minus behind."""
    text = kroner_text(oere)
    if oere < 0 and nth % 3 == 0:
        return text[1:] + "-"
    if oere < 0 and nth % 20 == 1:
        whole, _, fraction = text[1:].partition(".")
        return f"{int(whole):,}".replace(",", ".") + f",{fraction}-"
    return text


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the rows of the four entity sets, and their truth."""
    _build_postings(municipality, folder, truth)

    lines = [(line, version) for line in municipality.budget for version in ("0", "1")]
    amounts = [line.original_oere if version == "0" else line.corrected_oere for line, version in lines]
    defects = Defects(truth, SYSTEM, BUDGET.table, len(lines))
    defects.put("Beloeb", CANNOT_CONVERT, 2, "ca. 10000")
    total = sum(amount for position, amount in enumerate(amounts) if defects.kept("Beloeb", position))
    budget = (
        {
            "Gjahr": str(line.year), "Version": version, "Omkostningssted": line.cost_centre.zfill(10), "Artskonto": line.account,
            "Funktion": line.function, "Dranst": line.dranst, "Beloeb": sap_amount(amount, nth),
        }
        for nth, ((line, version), amount) in enumerate(zip(lines, amounts, strict=True))
    )  # fmt: skip
    defects.write(folder, (("", row) for row in v2_rows(BUDGET, NAMESPACE, budget)), beloeb=kroner_text(total))

    versions = [*municipality.cost_centres, *municipality.former_cost_centres]
    defects = Defects(truth, SYSTEM, COST_CENTRES.table, len(versions))
    defects.put("Datbi", CANNOT_CONVERT, 1, "/Date(ukendt)/")
    centres = (
        {
            "Kostl": centre.code.zfill(10), "Ktext": centre.name, "Orgeh": centre.org_unit, "Funktion": centre.function,
            "Fagomraade": centre.department, "Datab": v2_date(centre.start), "Datbi": v2_date(centre.end or _OPEN_END),
        }
        for centre in versions
    )  # fmt: skip
    defects.write(folder, (("", row) for row in v2_rows(COST_CENTRES, NAMESPACE, centres)))

    defects = Defects(truth, SYSTEM, ACCOUNTS.table, len(municipality.accounts))
    accounts = ({"Saknr": account.number, "Txt50": account.name, "Hovedart": account.kind} for account in municipality.accounts)
    defects.write(folder, (("", row) for row in v2_rows(ACCOUNTS, NAMESPACE, accounts)))
    _build_chart(municipality, folder, truth)


def _build_chart(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Where the local accounts and the projects stand in the authorised chart of accounts."""
    places, elements = municipality.account_places, municipality.psp_elements
    defects = Defects(truth, SYSTEM, PLACES.table, len(places))
    defects.put("Datbi", CANNOT_CONVERT, 1, "/Date(9999)/x")
    rows = (
        {
            "Saknr": place.account, "Datab": v2_date(place.start), "Datbi": v2_date(place.end or _OPEN_END), "Ejerforhold": "1",
            "Gruppering": place.grouping, "Hovedart": place.kind, "Art": place.art,
        }
        for place in places
    )  # fmt: skip
    defects.write(folder, (("", row) for row in v2_rows(PLACES, NAMESPACE, rows)))

    defects = Defects(truth, SYSTEM, PSP_ELEMENTS.table, len(elements))
    projects = (
        {
            "Posid": element.id, "Datab": v2_date(element.start), "Datbi": v2_date(element.end or _OPEN_END),
            "Post1": element.name, "Funktion": element.function,
        }
        for element in elements
    )  # fmt: skip
    defects.write(folder, (("", row) for row in v2_rows(PSP_ELEMENTS, NAMESPACE, projects)))


def _build_postings(municipality: Municipality, folder: Path, truth: Truth) -> None:
    postings = municipality.postings
    # Benefits and their refund stay sound, since other systems tell the same amounts.
    other = [nth for nth, posting in enumerate(postings) if posting.dranst == "1" and posting.account[0] != "5"]
    defects = Defects(truth, SYSTEM, POSTINGS.table, len(postings), other)
    defects.put("Beloeb", CANNOT_CONVERT, 3, "12O4.50", "#VÆRDI!", "1.2.3")
    defects.put("Budat", MISSING, 2, None, drops_row=True)
    defects.put("Aedat", NO_CURSOR, 2, None)
    defects.put("Dranst", UNKNOWN_VALUE, 1, "8")
    defects.put("Artskonto", "ukendt konto", 3, "99999999")
    citizens = iter(municipality.persons)
    defects.plant("Tekst", "cpr i fritekst", 3, lambda row: row.__setitem__("Tekst", with_cpr(row["Tekst"], next(citizens).cpr)))
    defects.repeat_at_page_end(PAGE)
    total = sum(posting.oere for position, posting in enumerate(postings) if defects.kept("Beloeb", position))
    rows = zip(map(_sort, postings), v2_rows(POSTINGS, NAMESPACE, _posting_rows(postings)), strict=True)
    defects.write(folder, rows, "Aedat", beloeb=kroner_text(total))


def _sort(posting: Posting) -> str:
    return iso(posting.changed)


def _posting_rows(postings: list[Posting]) -> Iterator[dict[str, Any]]:
    for nth, posting in enumerate(postings):
        yield {
            "Gjahr": str(posting.year), "Belnr": posting.document, "Buzei": f"{posting.line:03d}",
            "Monat": f"{posting.period:02d}", "Budat": v2_date(posting.posted), "Artskonto": posting.account,
            "Omkostningssted": posting.cost_centre.zfill(10), "Psp": posting.psp,
            "Funktion": "" if posting.psp else posting.function,  # a project has its own
            "Dranst": posting.dranst, "Beloeb": sap_amount(posting.oere, nth), "Tekst": posting.text,
            "Aedat": v2_moment(utc(posting.changed)),
        }  # fmt: skip


def routes(folder: Path) -> list[BaseRoute]:
    """Return the Gateway's routes, below the system's own path."""
    check = basic(USERNAME, practice_secret(SYSTEM, "password"))
    entities = (POSTINGS, BUDGET, COST_CENTRES, ACCOUNTS, PLACES, PSP_ELEMENTS)
    server = ODataServer(folder, "v2", NAMESPACE, entities, check, PAGE, realm="SAP NetWeaver Application Server [OPP/306]")
    return [Mount(SERVICE, routes=server.routes())]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {
        "OPUS_OEKONOMI_URL": f"{url}{SERVICE}",
        "OPUS_OEKONOMI_USERNAME": USERNAME,
        "OPUS_OEKONOMI_PASSWORD": practice_secret(SYSTEM, "password"),
    }
