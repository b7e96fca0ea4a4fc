"""Both sides' certificates for the practice systems that speak TLS, from an authority of their own that nobody else trusts."""

from __future__ import annotations

from pathlib import Path

AUTHORITY, SERVER, CLIENT, CLIENT_KEY = FILES = ("tls_authority.pem", "tls_server.pem", "tls_client.pem", "tls_client_key.pem")
"""Kept when the municipality is built anew, so that connections made earlier remain good."""


def certificates(folder: Path) -> dict[str, str]:
    """Make the certificates in `folder` unless they are there; return what a caller needs, as PEM, by file name."""
    if not all((folder / name).exists() for name in FILES):
        import trustme

        authority = trustme.CA(organization_name="Praktikkommunens udsteder")
        server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("fagsystem@odsherred.example")
        parts = {
            AUTHORITY: authority.cert_pem.bytes(),
            SERVER: server.private_key_and_cert_chain_pem.bytes(),
            CLIENT: b"".join(part.bytes() for part in client.cert_chain_pems),
            CLIENT_KEY: client.private_key_pem.bytes(),
        }
        for name, content in parts.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_bytes(content)
    return {name: (folder / name).read_text(encoding="ascii").strip() for name in (AUTHORITY, CLIENT, CLIENT_KEY)}
