"""Check a file of clients or of workers by itself, without the tokens that it refers to."""

from __future__ import annotations

from avtomat.access.clients_file import read_clients
from avtomat.access.workers_file import read_workers
from avtomat.blueprint.findings.finding import Finding


def findings_of(name: str, content: bytes) -> list[Finding]:
    """All findings of the file with this name, in its order."""
    return (read_workers if name.endswith("workers.toml") else read_clients)(content)[1]
