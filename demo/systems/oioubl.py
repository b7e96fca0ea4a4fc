"""OIOUBL: the invoices and credit notes of the year as UBL 2.0; a batch for each month, and a file each for the newest."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from xml.sax.saxutils import escape

from demo.administration import Invoice, InvoiceLine
from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW, with_cpr
from demo.municipality import TODAY, Municipality
from demo.truth import Truth
from demo.values import kroner_text

SYSTEM = "oioubl"
SINGLE_DAYS = 3
"""Invoices this young come as files of their own."""
UNITS = {"stk": "EA", "kg": "KGM", "liter": "LTR", "kWh": "KWH", "MWh": "MWH", "m3": "MTQ", "time": "HUR"}
UBL = "urn:oasis:names:specification:ubl:schema:xsd"
NAMESPACES = f'xmlns:cac="{UBL}:CommonAggregateComponents-2" xmlns:cbc="{UBL}:CommonBasicComponents-2"'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the files to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    year = [invoice for invoice in municipality.invoices if invoice.issued.year == TODAY.year]
    spoilt = _spoilt([invoice for invoice in year if invoice.oere > 0], municipality, truth)
    files: dict[str, list[str]] = defaultdict(list)
    documents = {(invoice.supplier_cvr, invoice.number): _document(invoice) for invoice in year}
    for key, (old, new) in spoilt.items():
        documents[key] = documents[key].replace(old, new, 1)
    for invoice in year:
        kind = "Kreditnota" if invoice.oere < 0 else "Faktura"
        key = (invoice.supplier_cvr, invoice.number)
        young = invoice.issued > TODAY - timedelta(days=SINGLE_DAYS)
        name = f"{kind}_{invoice.supplier_cvr}_{invoice.number}.xml" if young else f"{kind}_samlet_{invoice.issued:%Y-%m}.xml"
        files[name].append(documents[key])
    # Sent once more by itself, long after its month's batch.
    again = next(i for i in year if i.oere > 0 and (i.supplier_cvr, i.number) not in spoilt)
    files["Faktura_genfremsendt.xml"].append(documents[again.supplier_cvr, again.number])
    truth.plant(SYSTEM, "fakturaer", DUPLICATE_ROW)
    truth.plant(SYSTEM, "fakturalinjer", DUPLICATE_ROW, len(again.lines))
    for name, parts in files.items():
        inside = "".join(parts)
        (folder / name).write_text(f"{HEAD}{inside}" if len(parts) == 1 else f"{HEAD}<Samling>\n{inside}</Samling>\n", "utf-8")
    _tell(year, again, spoilt, len(files), truth)


Key = tuple[str, str]


def _spoilt(invoices: list[Invoice], municipality: Municipality, truth: Truth) -> dict[Key, tuple[str, str]]:
    """Return, by invoice, what stands there and what it becomes."""
    rng = random.Random(f"{truth.seed}/{SYSTEM}")
    chosen = rng.sample([invoice for invoice in invoices if len(invoice.lines) > 1], 5)
    ean, issued, total, quantity, note = chosen
    truth.plant(SYSTEM, "fakturaer", f"ean_nummer: {CANNOT_CONVERT}")
    truth.plant(SYSTEM, "fakturaer", f"issue_date: {CANNOT_CONVERT}")
    truth.plant(SYSTEM, "fakturaer", f"beloeb: {CANNOT_CONVERT}")
    truth.plant(SYSTEM, "fakturalinjer", f"invoiced_quantity: {CANNOT_CONVERT}")
    truth.plant(SYSTEM, "fakturaer", "note: cpr i fritekst")
    citizen = municipality.persons[0].cpr
    amount = f'<cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="DKK">{kroner_text(total.oere)}<'
    first = quantity.lines[0]
    written = f">{kroner_text(first.quantity_hundredths)}</cbc:InvoicedQuantity>"
    return {
        (ean.supplier_cvr, ean.number): (f">{ean.ean}<", f">{ean.ean[:-1]}<"),
        (issued.supplier_cvr, issued.number): (f"<cbc:IssueDate>{issued.issued}<", "<cbc:IssueDate>2026-02-30<"),
        (total.supplier_cvr, total.number): (amount, amount.replace(".", ",")),
        (quantity.supplier_cvr, quantity.number): (written, ">efter aftale</cbc:InvoicedQuantity>"),
        (note.supplier_cvr, note.number): ("<cbc:Note>", f"<cbc:Note>{with_cpr('Vedr. borger', citizen)} "),
    }


def _tell(year: list[Invoice], again: Invoice, spoilt: dict[Key, tuple[str, str]], files: int, truth: Truth) -> None:
    invoices = [invoice for invoice in year if invoice.oere > 0]
    lines = sum(len(invoice.lines) for invoice in invoices)
    lost = list(spoilt)[2]
    total = sum(invoice.oere for invoice in invoices if (invoice.supplier_cvr, invoice.number) != lost)
    truth.table(
        SYSTEM, "fakturaer", len(invoices) + 1, staging=len(invoices), staging_beloeb=kroner_text(total), filer=files,
        uden_ordrenummer=sum(not invoice.order for invoice in invoices),
    )  # fmt: skip
    truth.table(
        SYSTEM, "fakturalinjer", lines + len(again.lines), staging=lines,
        staging_beloeb=kroner_text(sum(invoice.oere for invoice in invoices)),
    )  # fmt: skip
    credits = [invoice for invoice in year if invoice.oere < 0]
    truth.table(
        SYSTEM, "kreditnotaer", len(credits), staging=len(credits), staging_beloeb=kroner_text(-sum(i.oere for i in credits))
    )


def _document(invoice: Invoice) -> str:
    """Return the invoice; or, with its amounts turned, the credit note."""
    root, sign = ("CreditNote", -1) if invoice.oere < 0 else ("Invoice", 1)
    oere = sign * invoice.oere
    vat = round(oere / 4)
    order = f"<cac:OrderReference><cbc:ID>{invoice.order}</cbc:ID></cac:OrderReference>" if invoice.order else ""
    due = f"<cac:PaymentMeans><cbc:PaymentDueDate>{invoice.due}</cbc:PaymentDueDate></cac:PaymentMeans>" if sign > 0 else ""
    lines = "".join(_line(line, root, sign) for line in invoice.lines)
    return (
        f'<{root} xmlns="{UBL}:{root}-2" {NAMESPACES}><cbc:CustomizationID>OIOUBL-2.02</cbc:CustomizationID>'
        f"<cbc:ID>{invoice.number}</cbc:ID><cbc:IssueDate>{invoice.issued}</cbc:IssueDate>"
        f"<cbc:Note>Levering efter aftale</cbc:Note><cbc:DocumentCurrencyCode>DKK</cbc:DocumentCurrencyCode>{order}"
        f"<cac:AccountingSupplierParty><cac:Party><cac:PartyName><cbc:Name>{escape(invoice.supplier)}</cbc:Name></cac:PartyName>"
        f'<cac:PartyLegalEntity><cbc:CompanyID schemeID="DK:CVR">DK{invoice.supplier_cvr}</cbc:CompanyID></cac:PartyLegalEntity>'
        f'</cac:Party></cac:AccountingSupplierParty><cac:AccountingCustomerParty><cac:Party><cbc:EndpointID schemeID="GLN">'
        f"{invoice.ean}</cbc:EndpointID></cac:Party></cac:AccountingCustomerParty>{due}"
        f'<cac:TaxTotal><cbc:TaxAmount currencyID="DKK">{kroner_text(vat)}</cbc:TaxAmount></cac:TaxTotal>'
        f'<cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="DKK">{kroner_text(oere)}</cbc:LineExtensionAmount>'
        f'<cbc:PayableAmount currencyID="DKK">{kroner_text(oere + vat)}</cbc:PayableAmount></cac:LegalMonetaryTotal>'
        f"{lines}</{root}>\n"
    )


def _line(line: InvoiceLine, root: str, sign: int) -> str:
    quantity = "InvoicedQuantity" if root == "Invoice" else "CreditedQuantity"
    amount, price = kroner_text(sign * line.oere), kroner_text(line.price_oere)
    return (
        f"<cac:{root}Line><cbc:ID>{line.number}</cbc:ID>"
        f'<cbc:{quantity} unitCode="{UNITS[line.unit]}">{kroner_text(sign * line.quantity_hundredths)}</cbc:{quantity}>'
        f'<cbc:LineExtensionAmount currencyID="DKK">{amount}</cbc:LineExtensionAmount>'
        f"<cac:Item><cbc:Name>{escape(line.item)}</cbc:Name><cac:SellersItemIdentification><cbc:ID>{line.item_number}</cbc:ID>"
        f'</cac:SellersItemIdentification></cac:Item><cac:Price><cbc:PriceAmount currencyID="DKK">{price}</cbc:PriceAmount>'
        f"</cac:Price></cac:{root}Line>"
    )
