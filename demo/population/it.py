"""The municipality's IT systems as OS2kitos knows them: some two hundred, of which the register reads some."""

from __future__ import annotations

import random
import uuid

from demo.administration import ItInterface, ItRelation, ItSystem
from demo.municipality import TODAY, Municipality, kitos_uuid
from demo.population.common import FIRST_DAY, cvr, day_between, moment, stream
from demo.population.organisation import DEPARTMENTS

KNOWN = (
    ("cpr_sf6002", "CPR-abonnement", "CPR-kontoret", "kultur_fritid_borgerservice", "PersonData", ["23.05.00"]),
    ("kmd_elev", "KMD Elev", "KMD", "dagtilbud_skole", "SensitiveData", ["17.01.00"]),
    ("specialtilbud", "Specialtilbud (regneark)", "Odsherred Kommune", "dagtilbud_skole", "SensitiveData", ["17.03.00"]),
    ("opus_oekonomi", "Opus Økonomi", "KMD", "oekonomi_indkoeb", "SensitiveData", ["00.32.00"]),
    ("opus_loen", "OPUS Løn", "KMD", "hr_it_digitalisering", "SensitiveData", ["81.08.00"]),
    ("os2kitos", "OS2kitos", "OS2", "hr_it_digitalisering", "PersonData", ["85.00.00"]),
    ("dubu", "DUBU", "KOMBIT", "boern_familie", "SensitiveData", ["27.24.00"]),
    ("nexus", "KMD Nexus", "KMD", "omsorg_sundhed", "SensitiveData", ["27.36.04"]),
    ("vagtplan", "Temponizer", "Temponizer", "omsorg_sundhed", "PersonData", ["81.20.00"]),
    ("ydelsesrefusion", "Ydelsesrefusion", "KOMBIT", "social_arbejdsmarked", "PersonData", ["32.00.00"]),
    ("momentum", "KMD Momentum", "KMD", "social_arbejdsmarked", "SensitiveData", ["15.20.00"]),
    ("jobindsats", "Jobindsats", "STAR", "social_arbejdsmarked", "None", ["15.00.00"]),
    ("budgetaftale", "Budgetaftale (regneark)", "Odsherred Kommune", "oekonomi_indkoeb", "None", ["00.30.02"]),
    ("stil_ws17", "SkoleGrunddata WS17", "STIL", "dagtilbud_skole", "SensitiveData", ["17.01.00"]),
    ("novax", "Novax Sundhedspleje", "Novax", "boern_familie", "SensitiveData", ["29.09.04"]),
    ("scanxnet", "ScanXNET", "Scanvægt", "plan_byg_natur_miljoe", "None", ["07.18.00"]),
    ("marius_pedersen", "Marius Pedersen kundeportal", "Marius Pedersen", "plan_byg_natur_miljoe", "None", ["07.18.00"]),
    ("aula", "Aula", "KOMBIT", "dagtilbud_skole", "SensitiveData", ["17.01.00"]),
    ("esdh", "SBSYS", "SBSYS", "kultur_fritid_borgerservice", "SensitiveData", ["00.15.02"]),
    ("esdh_visning", "SBSYS rapportvisning", "SBSYS", "kultur_fritid_borgerservice", "SensitiveData", ["00.15.02"]),
    ("frontdesk", "Frontdesk", "Frontdesk", "kultur_fritid_borgerservice", "PersonData", ["23.05.00"]),
    ("fbs", "FBS/Cicero", "Systematic", "kultur_fritid_borgerservice", "PersonData", ["21.05.00"]),
    ("energykey", "EnergyKey", "EG", "plan_byg_natur_miljoe", "None", ["82.07.00"]),
    ("os2mo", "OS2mo", "OS2", "hr_it_digitalisering", "PersonData", ["81.00.00"]),
    ("geoenviron", "GeoEnviron", "Norconsult Digital", "plan_byg_natur_miljoe", "PersonData", ["02.34.02"]),
    ("truelink", "Truelink E-handel", "Mercell", "oekonomi_indkoeb", "None", ["88.12.00"]),
    ("oioubl", "NemHandel OIOUBL", "Erhvervsstyrelsen", "oekonomi_indkoeb", "SensitiveData", ["00.32.00"]),
    ("kmd_insight", "KMD Insight Custom Data (Sofus)", "KMD", "boern_familie", "SensitiveData", ["17.03.00"]),
    ("budgettildeling", "Budgettildeling (regneark)", "Odsherred Kommune", "omsorg_sundhed", "None", ["27.36.04"]),
    ("dagi", "DAGI", "Klimadatastyrelsen", "national", "None", ["02.00.00"]),
    ("kle", "KLE", "KL", "national", "None", ["00.13.02"]),
    ("kontoplan", "Autoriseret kontoplan", "Indenrigs- og Sundhedsministeriet", "national", "None", ["00.32.00"]),
    ("dst", "StatBank", "Danmarks Statistik", "national", "None", ["00.30.02"]),
    ("datafordeler", "Datafordeler", "Klimadatastyrelsen", "plan_byg_natur_miljoe", "None", ["02.00.00"]),
)
FIRST_WORDS = (
    "Aula",
    "Intra",
    "Vej",
    "Bibliotek",
    "Borger",
    "Kort",
    "Energi",
    "Mad",
    "Tand",
    "Miljø",
    "Journal",
    "Plan",
    "Kursus",
    "Bolig",
)
SECOND_WORDS = ("Portal", "Registrering", "Booking", "Rapport", "Arkiv", "Måling", "Tilsyn", "Betaling", "Post", "Overblik")
SYSTEMS = 200


def add(municipality: Municipality) -> None:
    """Fill IT systems, interfaces and relations. Their number does not depend on the scale."""
    rng = stream(municipality, "it")
    vendors = {
        name: cvr(rng)
        for name in ("KMD", "KOMBIT", "EG", "Netcompany", "Systematic", "Visma", "Norconsult Digital", "OS2", "STAR")
    }

    def identity() -> str:
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))

    def system(register_id: str | None, name: str, vendor: str, department: str, level: str, kle: list[str]) -> ItSystem:
        vendors.setdefault(vendor, cvr(rng))
        changed = moment(rng, day_between(rng, FIRST_DAY, TODAY))
        cycle = (
            "Operational"
            if register_id
            else rng.choices(("Operational", "PhasingIn", "PhasingOut", "NotInUse"), (84, 6, 6, 4))[0]
        )
        return ItSystem(
            kitos_uuid(register_id) if register_id else identity(), identity(),
            register_id, name, vendor, vendors[vendor], department,
            level, cycle, rng.choice(("OnPremise", "External", "External", "Hybrid")), rng.random() < 0.3, kle,
            rng.choice((9, 49, 99, 499)), changed,
        )  # fmt: skip

    systems = [system(*known) for known in KNOWN]
    names = [f"{first}{second}" for first in FIRST_WORDS for second in SECOND_WORDS]
    names += [f"{name} Mobil" for name in names]
    for name in rng.sample(names, SYSTEMS - len(KNOWN)):
        level = rng.choices(("None", "PersonData", "SensitiveData", "LegalData"), (30, 48, 20, 2))[0]
        kle = [f"{rng.randint(0, 85):02d}.{rng.randint(1, 40):02d}.00"]
        systems.append(system(None, name, rng.choice(sorted(vendors)), rng.choice(tuple(DEPARTMENTS)), level, kle))
    municipality.it_systems = systems
    _connect(rng, municipality)


def _connect(rng: random.Random, municipality: Municipality) -> None:
    """Give a third of the systems an interface, and others relations to them."""
    systems = municipality.it_systems
    exposing = systems[: len(KNOWN)] + [system for system in systems[len(KNOWN) :] if rng.random() < 0.3]
    interfaces: dict[str, ItInterface] = {}
    for position, system in enumerate(exposing):
        identity = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        kind = rng.choice(("Webservice", "Fil", "OData", "REST", "SQL"))
        changed = moment(rng, day_between(rng, FIRST_DAY, TODAY))
        data = rng.sample(["Personoplysninger", "Sager", "Økonomi", "Organisation", "Stamdata"], 2)
        interfaces[system.usage_uuid] = ItInterface(
            identity, f"{system.name} – {kind}", f"IF-{position + 1:03d}", system.system_uuid, kind, data, changed
        )
    municipality.it_interfaces = list(interfaces.values())
    for system in systems:
        for target in rng.sample(exposing, rng.choice((0, 0, 1, 1, 2))):
            if target is not system:
                identity = str(uuid.UUID(int=rng.getrandbits(128), version=4))
                municipality.it_relations.append(
                    ItRelation(
                        identity, system.usage_uuid, target.usage_uuid, interfaces[target.usage_uuid].uuid,
                        rng.choice(("Dagligt", "Ugentligt", "Månedligt", "Hændelsesbaseret")),
                        f"{system.name} henter fra {target.name}",
                        moment(rng, day_between(rng, FIRST_DAY, TODAY)),
                    )
                )  # fmt: skip
