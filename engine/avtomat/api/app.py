"""Put the doors together: one aiohttp application over the engine's operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from avtomat.api.auth import client_guard, worker_guard
from avtomat.api.blueprints import BlueprintRoutes
from avtomat.api.doors import ELSEWHERE, ClientsDoor, WorkersDoor, refuse_elsewhere
from avtomat.api.jobs import JobRoutes
from avtomat.api.metrics import Metrics, RequestCounts
from avtomat.api.operating import OperatingRoutes
from avtomat.api.operations import PublicRoutes
from avtomat.api.sockets import SOCKET, SocketRoute
from avtomat.api.workers import WORKERS, WorkerRoutes
from avtomat.core.formula import Json
from avtomat.runtime.clients import ClientDoor
from avtomat.runtime.dispatcher import Dispatcher
from avtomat.runtime.operating import Operators
from avtomat.runtime.why import Explainer
from avtomat.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.registry import Collector


class Served(Protocol):
    """What the doors need of an engine."""

    settings: Settings
    clients: ClientDoor
    operators: Operators
    explainer: Explainer
    dispatcher: Dispatcher

    def readiness(self) -> tuple[bool, Mapping[str, Json]]:
        """Whether this replica should get requests, and what is to be known about it."""

    def reload_problems(self) -> Sequence[Json]:
        """The findings that refused the last reload."""


def create_app(engine: Served, collectors: Iterable[Collector] = ()) -> web.Application:
    """The application; `collectors` add the engine's own metrics. Starting and stopping the engine is the caller's."""
    settings = engine.settings
    counts = RequestCounts()
    socket = SocketRoute(engine.dispatcher, settings)
    clients = ClientsDoor(client_guard(settings), counts)
    workers = WorkersDoor(worker_guard(settings), counts)
    everybody = ClientsDoor(None, counts)
    app = web.Application()
    app.add_routes(clients.keep(JobRoutes(engine.clients, settings).routes()))
    app.add_routes(clients.keep(OperatingRoutes(engine.operators, engine.explainer, settings).routes()))
    app.add_routes(workers.keep(WorkerRoutes(engine.dispatcher, settings).routes()))
    app.add_routes(workers.keep([("GET", SOCKET, socket.serve)]))
    app.add_routes(clients.keep(BlueprintRoutes(engine.clients, engine.reload_problems).routes()))
    app.add_routes(everybody.keep(PublicRoutes(engine.readiness, Metrics([counts, *collectors])).routes()))
    app.add_routes(workers.keep([("*", WORKERS + ELSEWHERE, refuse_elsewhere)]))
    app.add_routes(clients.keep([("*", ELSEWHERE, refuse_elsewhere)]))
    app.on_shutdown.append(socket.close_all)
    return app
