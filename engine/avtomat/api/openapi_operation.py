"""Say what one operation of the HTTP API is, and one of its parameters, before they become OpenAPI."""

from __future__ import annotations

from dataclasses import dataclass

from avtomat.core.formula import Json


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. `answers` are names of schemas by status (None: no JSON); `refusals` are statuses of problems."""

    method: str
    path: str
    id: str
    door: str
    summary: str
    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: tuple[str, ...] = ()
    body_required: bool = True
    answers: dict[int, str | None]
    refusals: tuple[int, ...] = ()
