"""The clients' door: which blueprints there are, what is wrong with newer ones, and how an earlier one comes back."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from avtomat.access.model import Scope
from avtomat.api.clients.jobs import may_see, refuse_blueprint
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer, tagged_answer
from avtomat.api.http.bodies import json_body
from avtomat.api.http.queries import query_of, refuse_unknown
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import Route, Routes
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.clients import ClientOperations
from avtomat.settings import Settings
from avtomat.suggest import did_you_mean

BLUEPRINTS: Final = "/api/v1/blueprints"
DIGEST_CHARACTERS_MIN: Final = 8
_DIGEST: Final = re.compile(rf"[0-9a-f]{{{DIGEST_CHARACTERS_MIN},64}}", re.ASCII)

Problems = Callable[[], Sequence[Json]]
"""What is wrong in the folder, with file and line; none when the files are in use."""

Restore = Callable[[str, str], Awaitable[None]]
"""Makes the version with this digest current under this name."""


class BlueprintRoutes:
    """The routes below /api/v1/blueprints."""

    def __init__(self, clients: ClientOperations, problems: Problems, restore: Restore, settings: Settings) -> None:
        self._clients = clients
        self._problems = problems
        self._restore = restore
        self._body_bytes_max = settings.body_bytes_max

    async def list(self, request: Request) -> Answer:
        """All current blueprints, or those that this client may use; `problems` says why the files are not what is in
        use, to whoever may see all.
        """
        refuse_unknown(query_of(request))
        caller = request.caller
        if caller.reads is None:
            return tagged_answer(request, {"blueprints": self._clients.blueprints(), "problems": self._problems()})
        own = [each for each in self._clients.blueprints() if may_see(caller, each["name"])]
        return tagged_answer(request, {"blueprints": own, "problems": []})

    async def show(self, request: Request) -> Answer:
        """One blueprint whole."""
        refuse_unknown(query_of(request))
        if request.caller.reads is not None:
            refuse_blueprint(request.caller, request.parts["name"])
        return tagged_answer(request, self._shown(request.parts["name"]))

    async def restore(self, request: Request) -> Answer:
        """Make an earlier version current again."""
        refuse_unknown(query_of(request))
        body = await json_body(request, self._body_bytes_max)
        digest = body.get("digest") if isinstance(body, dict) and len(body) == 1 else None
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            text = f'the body is {{"digest": "…"}}, with at least {DIGEST_CHARACTERS_MIN} digits of the version'
            raise RequestRefused(text, status=422, code="request.invalid", pointer="/digest")
        await self._restore(request.parts["name"], digest)
        return json_answer(self._shown(request.parts["name"]))

    def _shown(self, name: str) -> Json:
        """One blueprint whole."""
        found = self._clients.blueprint(name)
        if found is None:
            meant = did_you_mean(name, [each["name"] for each in self._clients.blueprints()])
            raise RequestRefused(
                f"there is no blueprint {name[:80]!r}",
                status=404,
                code="blueprint.not_found",
                hint=f"did you mean {meant}?" if meant else None,
            )
        return found


ROUTES: Final = Routes(
    BlueprintRoutes,
    (
        Route(
            "GET",
            BLUEPRINTS,
            BlueprintRoutes.list,
            id="listBlueprints",
            summary="List the blueprints in use, and what is wrong with newer ones",
            scopes=(Scope.CLIENT, Scope.VIEWER),
            answers={200: "Blueprints", 304: None},
            refusals=(422,),
        ),
        Route(
            "GET",
            BLUEPRINTS + "/{name}",
            BlueprintRoutes.show,
            id="getBlueprint",
            summary="Read a blueprint",
            scopes=(Scope.CLIENT, Scope.VIEWER),
            answers={200: "Blueprint", 304: None},
            refusals=(404, 422),
        ),
        Route(
            "POST",
            BLUEPRINTS + "/{name}/restore",
            BlueprintRoutes.restore,
            id="restoreBlueprint",
            summary="Make an earlier version of a blueprint current again",
            scopes=(Scope.AUTHOR,),
            body="Restore",
            answers={200: "Blueprint"},
            refusals=(404, 422, 503),
        ),
    ),
)
