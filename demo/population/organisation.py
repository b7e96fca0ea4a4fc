"""The organisation: units in a tree, institutions, cost centres and accounts."""

from __future__ import annotations

import random
from datetime import date

from demo.administration import Account, CostCentre, Institution, OrgUnit
from demo.municipality import MUNICIPALITY_NAME, TODAY, Municipality
from demo.population.common import day_between, ean, local_address, stream

DEPARTMENTS = {
    "oekonomi_indkoeb": ("Økonomi og Indkøb", "6.45.51", ("Økonomi og Analyse", "Regnskab", "Indkøb")),
    "hr_it_digitalisering": (
        "HR, IT og Digitalisering",
        "6.45.51",
        ("HR, Løn og Personalejura", "Digitalisering og IT", "Kommunikation"),
    ),
    "dagtilbud_skole": ("Dagtilbud og Skole", "3.22.01", ("Skoleafdelingen", "Dagtilbudsafdelingen", "PPR")),
    "boern_familie": ("Børn og Familie", "5.28.21", ("Familieafdelingen", "Sundhedsplejen", "Tandplejen")),
    "omsorg_sundhed": ("Omsorg og Sundhed", "5.30.26", ("Visitationen", "Træning og rehabilitering", "Sygeplejen")),
    "social_arbejdsmarked": ("Social og Arbejdsmarked", "6.45.53", ("Jobcentret", "Ydelsesteamet", "Voksensocial")),
    "plan_byg_natur_miljoe": ("Plan, Byg, Natur og Miljø", "6.45.54", ("Byggesager", "Natur og Miljø", "Vej og Park")),
    "kultur_fritid_borgerservice": (
        "Kultur, Fritid og Borgerservice",
        "3.32.50",
        ("Borgerservice", "Bibliotekerne", "Kultur og Fritid"),
    ),
}
FUNCTIONS = {"skole": "3.22.01", "dagtilbud": "5.25.14", "hjemmepleje": "5.30.26", "plejecenter": "5.30.27", "kommune": "6.42.41"}
ACCOUNTS = {
    "11000100": ("Månedsløn", "1"), "11000200": ("Pensionsbidrag", "1"), "22000100": ("Fødevarer", "2"),
    "22000200": ("Undervisningsmidler og materialer", "2"), "27000100": ("Anskaffelser", "2"),
    "40000100": ("Vikarer fra bureau", "4"),
    "46000100": ("Betaling for specialtilbud", "4"), "46000200": ("Foranstaltninger for børn og unge", "4"),
    "49000100": ("It-drift og licenser", "4"), "49000200": ("Bygningsdrift og energi", "4"),
    "52000100": ("Kontanthjælp", "5"), "52000200": ("Uddannelseshjælp", "5"),
    "52000300": ("Selvforsørgelses- og hjemrejseydelse", "5"),
    "52000400": ("Sygedagpenge", "5"), "52000500": ("Ressourceforløbsydelse", "5"), "52000600": ("Ledighedsydelse", "5"),
    "52000700": ("Fleksløntilskud", "5"), "52000800": ("Førtidspension", "5"), "52000900": ("Medfinansiering af dagpenge", "5"),
    "71000100": ("Byggesagsgebyrer", "7"), "86000100": ("Statsrefusion", "8"),
}  # fmt: skip
SCHOOLS = (
    "Nordskolen", "Højby Skole", "Vig Skole", "Asnæs Skole", "Fårevejle Skole", "Hørve Skole", "Grevinge Skole",
    "Rørvig Friskole",
    "Odden Skole", "Egebjerg Skole", "Sydskolen", "Ungdomsskolen", "Specialskolen Fjorden", "Heldagsskolen Birken",
)  # fmt: skip
NURSERIES = (
    "Solstrålen", "Myretuen", "Bøgelunden", "Klitrosen", "Mariehønen", "Troldehøj", "Egernbo", "Skovbørnehaven", "Havblik",
    "Regnbuen",
    "Svanereden", "Spirehuset", "Æblehaven", "Ønskeøen", "Ådalen", "Kastanjehuset", "Fjordbørn", "Muslingen", "Viben", "Stjernen",
    "Søhesten", "Krudtuglen", "Rævegraven", "Pilehytten", "Kløvermarken", "Ugleboet", "Fyrtårnet", "Lyngbakken", "Tusindfryd",
    "Bakkehuset",
)  # fmt: skip
HOME_CARE = ("Nord", "Syd", "Øst", "Vest", "Midt", "Aften", "Nat", "Rørvig")
NURSING_HOMES = ("Bobjergcentret", "Baeshøjgård", "Solvognen", "Præstevang", "Grønnegården", "Bakkebo")
SPECIAL_SCHOOLS = ("Specialskolen Fjorden", "Heldagsskolen Birken")


def add(municipality: Municipality) -> None:
    """Fill org units, cost centres, institutions and accounts."""
    _Builder(municipality).build()


class _Builder:
    def __init__(self, municipality: Municipality) -> None:
        self.municipality = municipality
        self.rng: random.Random = stream(municipality, "organisation")
        self.next_unit, self.next_centre = 50_000_100, 301_000

    def build(self) -> None:
        root = self._unit(None, MUNICIPALITY_NAME, "", "kommune", FUNCTIONS["kommune"])
        centres: dict[str, OrgUnit] = {}
        parents: dict[str, OrgUnit] = {}
        for code, (name, function, sections) in DEPARTMENTS.items():
            centres[code] = self._unit(root, name, code, "center", function)
            for section in sections:
                parents[section] = self._unit(centres[code], section, code, "afdeling", function)
        scale = self.municipality.scale
        districts = list(self.municipality.districts)
        for position, name in enumerate(_some(SCHOOLS, scale, 5)):
            self._institution(parents["Skoleafdelingen"], name, "skole", districts[position % len(districts)])
        for position, name in enumerate(_some(NURSERIES, scale, 6)):
            self._institution(parents["Dagtilbudsafdelingen"], name, "dagtilbud", districts[position % len(districts)])
        for name in _some(HOME_CARE, scale, 3):
            self._unit(
                centres["omsorg_sundhed"], f"Hjemmeplejen {name}", "omsorg_sundhed", "hjemmepleje", FUNCTIONS["hjemmepleje"]
            )
        for name in _some(NURSING_HOMES, scale, 2):
            self._unit(
                centres["omsorg_sundhed"], f"Plejecenter {name}", "omsorg_sundhed", "plejecenter", FUNCTIONS["plejecenter"]
            )
        self.municipality.accounts = [Account(number, name, kind) for number, (name, kind) in ACCOUNTS.items()]

    def _unit(self, parent: OrgUnit | None, name: str, department: str, kind: str, function: str) -> OrgUnit:
        self.next_unit += self.rng.randint(1, 40)
        self.next_centre += self.rng.randint(1, 30)
        start = date(2007, 1, 1)
        changed = day_between(self.rng, date(2024, 1, 1), TODAY) if parent and self.rng.random() < 0.15 else date(2023, 11, 23)
        unit = OrgUnit(
            str(self.next_unit), parent.id if parent else None, name, department, kind, str(self.next_centre), ean(self.rng),
            f"10{self.rng.randint(0, 99_999_999):08d}", start, None, changed,
            f"{name} (afd.)" if changed > date(2023, 11, 23) else None,
        )  # fmt: skip
        self.municipality.org_units.append(unit)
        self.municipality.cost_centres.append(CostCentre(unit.cost_centre, name, unit.id, department, function))
        return unit

    def _institution(self, parent: OrgUnit, name: str, kind: str, district: str) -> None:
        unit = self._unit(parent, name, "dagtilbud_skole", kind, FUNCTIONS[kind])
        taken = {institution.number for institution in self.municipality.institutions}
        number = ""
        while not number or number in taken:
            # Day-care numbers and some newer schools have a letter; older school numbers are digits alone.
            lettered = kind == "dagtilbud" or self.rng.random() < 0.2
            number = f"{'G' if lettered else '3'}{self.rng.randint(10_000, 99_999)}"
        places = self.rng.randint(40, 110) if kind == "dagtilbud" else self.rng.randint(180, 620)
        self.municipality.institutions.append(
            Institution(
                number, name, kind, local_address(self.rng, district),
                district, unit.ean, unit.p_number, unit.cost_centre, unit.id,
                max(10, round(places * min(1.0, self.municipality.scale * 2))),
            )
        )  # fmt: skip


def _some(names: tuple[str, ...], scale: float, at_least: int) -> tuple[str, ...]:
    """Return the share of `names` that fits the scale; the institutions of a smaller municipality are fewer, not tiny."""
    return names[: min(len(names), max(at_least, round(len(names) * scale)))]
