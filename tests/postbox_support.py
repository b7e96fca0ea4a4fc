"""A real SMTP server on this machine, and what comes to it."""

from __future__ import annotations

import email
from email import policy

from aiosmtpd.smtp import SMTP, Envelope, Session


class Postbox:
    """Keeps what comes: (recipient, subject, text)."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=policy.default)
        body = message.get_body(("plain",))
        assert body is not None
        self.mails += [(to, str(message["Subject"]), body.get_content()) for to in envelope.rcpt_tos]
        return "250 OK"

    def take(self) -> list[tuple[str, str, str]]:
        taken, self.mails = self.mails, []
        return taken
