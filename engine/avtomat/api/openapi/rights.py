"""Say which scopes open which operation of the clients' door, by the table of operations."""

from __future__ import annotations

from avtomat.access.model import Scope
from avtomat.api.clients.jobs import OLD_SUBMIT, SUBMIT
from avtomat.api.openapi.document import OPERATIONS


def rights() -> dict[tuple[str, str], frozenset[Scope]]:
    """The scopes by method and path: any of them opens the operation."""
    found = {
        (operation.method.upper(), operation.path): frozenset(operation.scopes)
        for operation in OPERATIONS
        if operation.door == "client"
    }
    return {**found, ("POST", OLD_SUBMIT): found["POST", SUBMIT]}
