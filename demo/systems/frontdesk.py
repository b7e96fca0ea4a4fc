"""Frontdesk, the queue at the counters, as in its SQL Server: waiting in milliseconds, service in decimal minutes, staff by
number, or blank where they are kept anonymous.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.database import Database
from demo.defects import CANNOT_CONVERT, MISSING, UNKNOWN_VALUE, Defects
from demo.municipality import Municipality
from demo.truth import Truth

SYSTEM = "frontdesk"
DATABASE = Database(
    SYSTEM,
    "dbo",
    """
create table "Queue" ("QueueId" integer primary key, "QueueName" varchar(60), "Location" varchar(40), "Topic" varchar(20));
create table "Ticket" (
    "TicketId" bigint primary key, "QueueId" integer, "CreatedAt" timestamp, "WaitMs" bigint, "ServiceMin" numeric(8, 2),
    "Outcome" char(1), "StaffId" varchar(10), "StaffAnonymised" smallint);
""",
    ("Queue", "Ticket"),
    'create index on "Ticket" ("CreatedAt")',
)


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write queues and tickets, and their truth."""
    queues, tickets = municipality.counter_queues, municipality.tickets
    defects = Defects(truth, SYSTEM, "koeer", len(queues))
    defects.put("Topic", CANNOT_CONVERT, 1, "KLE 23")
    rows: list[dict[str, Any]] = [
        {"QueueId": queue.id, "QueueName": queue.name, "Location": queue.place, "Topic": queue.kle} for queue in queues
    ]
    defects.copy(folder, "Queue", rows)
    defects = Defects(truth, SYSTEM, "billetter", len(tickets))
    defects.put("QueueId", MISSING, 2, None, drops_row=True)
    defects.put("Outcome", UNKNOWN_VALUE, 1, "?")
    kept = [ticket for position, ticket in enumerate(tickets) if position not in defects.dropped]
    rows = [
        {
            "TicketId": ticket.id, "QueueId": ticket.queue, "CreatedAt": ticket.created.isoformat(" "),
            "WaitMs": ticket.waited_ms, "ServiceMin": f"{ticket.served_hundredths / 100:.2f}" if ticket.came else None,
            "Outcome": "B" if ticket.came else "U", "StaffId": ticket.employment or " ",
            "StaffAnonymised": int(ticket.employment is None),
        }
        for ticket in tickets
    ]  # fmt: skip
    defects.copy(
        folder, "Ticket", rows, ventetid_ms=sum(ticket.waited_ms for ticket in tickets),
        staging_ventetid_ms=sum(ticket.waited_ms for ticket in kept),
        staging_betjening_hundrededele=sum(ticket.served_hundredths for ticket in kept),
        udeblevne=sum(not ticket.came for ticket in tickets),
    )  # fmt: skip
