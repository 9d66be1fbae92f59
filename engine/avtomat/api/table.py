"""The table of all routes of the HTTP API, by door. The router and the description of the API are made from it.

The pages below /ui are no part of it: they are for people, and offer nothing that the API does not.
"""

from __future__ import annotations

from typing import Any, Final

from avtomat.access.model import Scope
from avtomat.api.clients import approvals, blueprints, jobs, operating, schedules, signals, trust
from avtomat.api.http.answer import Answer
from avtomat.api.http.routes import Reply, Routes
from avtomat.api.public import about, approving, hooks
from avtomat.api.workers import calls, exchange, sockets

CLIENT: Final[tuple[Routes[Any, Answer], ...]] = (
    jobs.ROUTES,
    signals.ROUTES,
    approvals.ROUTES,
    operating.ROUTES,
    trust.ROUTES,
    blueprints.ROUTES,
    schedules.ROUTES,
)
WORKER: Final[tuple[Routes[Any, Reply], ...]] = (calls.ROUTES, sockets.ROUTES)
EXCHANGE: Final[tuple[Routes[Any, Reply], ...]] = (exchange.ROUTES,)
"""Asked by workers as well, which prove who they are by what they send."""

PUBLIC: Final[tuple[Routes[Any, Answer], ...]] = (about.ROUTES, hooks.ROUTES, approving.ROUTES)


def rights() -> dict[tuple[str, str], frozenset[Scope]]:
    """The scopes of the clients' door by method and path: any of them opens the operation."""
    return {(route.method, route.path): frozenset(route.scopes) for table in CLIENT for route in table.all}
