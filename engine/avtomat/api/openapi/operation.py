"""Say what one operation of the HTTP API is before it becomes OpenAPI: a route with its details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from avtomat.api.http.routes import Route
from avtomat.core.formula import Json

Door: TypeAlias = Literal["client", "worker", "public"]
_OF_BODIES: Final = (400, 408, 413, 415)
_OF_DOOR: Final[dict[Door, tuple[int, ...]]] = {"client": (401, 403, 429), "worker": (401, 403), "public": ()}


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
class Details:
    """What is said of a route beside its declaration."""

    text: str = ""
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """A route of a door, with its details."""

    door: Door
    route: Route[Any, Any]
    details: Details

    def all_refusals(self) -> list[int]:
        """The statuses of all its refusals: its own, those of any body, and those of its door."""
        if self.door == "public":
            return []
        return sorted({*self.route.refusals, *(_OF_BODIES if self.route.body else ()), *_OF_DOOR[self.door]})
