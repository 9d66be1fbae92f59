"""The clients' door: which blueprints there are, and why a newer set of them was refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from avtomat.api.answer import Answer
from avtomat.api.answers import tagged_answer
from avtomat.api.doors import ClientRoute
from avtomat.api.queries import query_of, refuse_unknown
from avtomat.api.requests import Request
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.clients import ClientDoor
from avtomat.suggest import did_you_mean

BLUEPRINTS: Final = "/api/v1/blueprints"

Problems = Callable[[], Sequence[Json]]
"""The findings of the last reload that was refused, with file and line; none when the files are in use."""


class BlueprintRoutes:
    """The routes below /api/v1/blueprints."""

    def __init__(self, clients: ClientDoor, problems: Problems) -> None:
        self._clients = clients
        self._problems = problems

    def routes(self) -> Sequence[ClientRoute]:
        """All of them."""
        return (
            ("GET", BLUEPRINTS, self.list),
            ("GET", BLUEPRINTS + "/{name}", self.show),
        )

    async def list(self, request: Request) -> Answer:
        """All current blueprints; `problems` says why the files are not what is in use."""
        refuse_unknown(query_of(request))
        return tagged_answer(request, {"blueprints": self._clients.blueprints(), "problems": self._problems()})

    async def show(self, request: Request) -> Answer:
        """One blueprint whole."""
        refuse_unknown(query_of(request))
        name = request.parts["name"]
        found = self._clients.blueprint(name)
        if found is None:
            meant = did_you_mean(name, [each["name"] for each in self._clients.blueprints()])
            raise RequestRefused(
                f"there is no blueprint {name[:80]!r}",
                status=404,
                code="blueprint.not_found",
                hint=f"did you mean {meant}?" if meant else None,
            )
        return tagged_answer(request, found)
