"""Say what one operation of the HTTP API is, and one of its parameters, before they become OpenAPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from avtomat.access.model import Scope
from avtomat.core.formula import Json

_OF_BODIES: Final = (400, 408, 413, 415)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter in the query or in a header."""

    name: str
    text: str
    schema: dict[str, Json]
    place: str = "query"

    def as_json(self) -> dict[str, Json]:
        """The parameter as OpenAPI has it."""
        return {"name": self.name, "in": self.place, "description": self.text, "schema": self.schema}


def idempotency_key(text: str) -> Parameter:
    """The header under which a request may be repeated, with what it does there."""
    schema: dict[str, Json] = {"type": "string", "pattern": "^[ -~]{1,255}$"}
    return Parameter(name="Idempotency-Key", text=text, schema=schema, place="header")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. `answers` are names of schemas by status (None: no JSON); `refusals` are statuses of problems,
    beside those that are of any body.
    """

    method: str
    path: str
    id: str
    door: str
    summary: str
    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: str | tuple[str, ...] = ()
    body_required: bool = True
    answers: dict[int, str | tuple[str, ...] | None]
    refusals: tuple[int, ...] = ()
    scopes: tuple[Scope, ...] = ()
    """Any of them opens an operation of the clients' door, and so does a scope that holds one of them."""

    def all_refusals(self) -> list[int]:
        """The statuses of all its refusals: its own, those of any body, and those of its door."""
        if self.door == "public":
            return []
        of_door = (401, 403, 429) if self.door == "client" else (401, 403)
        return sorted({*self.refusals, *(_OF_BODIES if self.body else ()), *of_door})
