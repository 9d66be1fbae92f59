"""Put the doors together: one handler of requests over the engine's operations."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from avtomat.access.model import Scope
from avtomat.api.clients.approvals import ApprovalRoutes
from avtomat.api.clients.blueprints import BLUEPRINTS, BlueprintRoutes
from avtomat.api.clients.jobs import JOBS, JobRoutes
from avtomat.api.clients.operating import OperatingRoutes
from avtomat.api.clients.schedules import SCHEDULE, SCHEDULES, ScheduleRoutes
from avtomat.api.clients.signals import SignalRoutes
from avtomat.api.clients.trust import TrustRoutes
from avtomat.api.http.answer import Answer
from avtomat.api.http.auth import OpenGuard, client_guard, own_token_guard, worker_guard
from avtomat.api.http.doors import ClientsDoor, WorkersDoor
from avtomat.api.http.presence import Presence
from avtomat.api.http.refusals import MethodRefused
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import Handler, served_by
from avtomat.api.http.routing import Router
from avtomat.api.http.worker_tokens import WorkerTokens
from avtomat.api.public.about import PublicRoutes
from avtomat.api.public.approving import ApprovingRoutes
from avtomat.api.public.hooks import HookRoutes
from avtomat.api.public.metrics import Metrics, RequestCounts
from avtomat.api.table import CLIENT, EXCHANGE, PUBLIC, WORKER, rights
from avtomat.api.ui.acting import ActionRoutes, rights_of_actions
from avtomat.api.ui.door import PagesDoor
from avtomat.api.ui.engine import EnginePages
from avtomat.api.ui.entry import EntryRoutes
from avtomat.api.ui.jobs import JobPages
from avtomat.api.ui.schedules import SchedulePages
from avtomat.api.ui.sessions import Sessions
from avtomat.api.workers.calls import WORKERS, WorkerRoutes
from avtomat.api.workers.exchange import ExchangeRoutes
from avtomat.api.workers.signed import Signatures
from avtomat.api.workers.sockets import SocketRoute
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.access.keeper import AccessKeeper
from avtomat.runtime.access.limits import Limits
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.incoming.hooks import Hooks
from avtomat.runtime.jobs.clients import ClientOperations
from avtomat.runtime.jobs.signals import Signals
from avtomat.runtime.people.approvals import Approvals
from avtomat.runtime.people.operating import Operators
from avtomat.runtime.people.why import Explainer
from avtomat.runtime.people.workers import Workers
from avtomat.runtime.schedules.operations import ScheduleOperations
from avtomat.runtime.trust.trust import Trust
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.settings import Settings
from avtomat.storage.port.store import Store

if TYPE_CHECKING:
    from aiohttp import web
    from prometheus_client.registry import Collector


class Served(Protocol):
    """What the doors need of an engine."""

    settings: Settings
    clients: ClientOperations
    operators: Operators
    explainer: Explainer
    signals: Signals
    hooks: Hooks
    programs: Programs
    store: Store
    approvals: Approvals
    schedules: ScheduleOperations
    dispatcher: Dispatcher
    access: AccessKeeper
    limits: Limits
    workers: Workers
    trust: Trust

    def readiness(self) -> tuple[bool, Mapping[str, Json]]:
        """Whether this replica should get requests, and what is to be known about it."""

    def reload_problems(self) -> Sequence[Json]:
        """What is wrong in the folder of blueprints."""

    async def restore(self, name: str, digest: str) -> None:
        """Make an earlier version of a blueprint current again."""


class App:
    """The doors of one engine; `collectors` add the engine's own metrics.

    A request goes from here to its handler, wrapped by its door, and through nothing else.
    """

    def __init__(self, engine: Served, collectors: Iterable[Collector] = ()) -> None:
        settings = engine.settings
        counts, presence, access = RequestCounts(), Presence(), engine.access
        access.listen(presence.revoke)
        signatures = Signatures(engine.store.now_ms)
        self._socket = SocketRoute(engine.dispatcher, settings, signatures)
        clients = ClientsDoor(client_guard(settings, access), counts, presence, engine.limits)
        life_s = round(settings.worker_token_life.total_seconds())
        tokens = WorkerTokens(settings.worker_token_secret, life_s, engine.store.now_ms)
        workers = WorkersDoor(worker_guard(settings, access, tokens), counts, presence)
        newcomers = WorkersDoor(OpenGuard(), counts, presence)
        everybody = ClientsDoor(None, counts, presence, engine.limits)
        sessions, may = Sessions(settings, access), rights()
        pages = PagesDoor(client_guard(settings, access), sessions, counts, engine.limits)
        can_leave, actions = sessions.are_opened, rights_of_actions(may)
        jobs = JobPages(engine.clients, engine.explainer, engine.programs, actions, can_leave=can_leave)
        others = EnginePages(
            engine.clients,
            engine.programs,
            engine.store,
            engine.trust,
            engine.readiness,
            engine.reload_problems,
            can_leave=can_leave,
        )
        schedules = SchedulePages(engine.schedules, may["POST", SCHEDULE + "/trigger"], can_leave=can_leave)
        routes = (
            WorkerRoutes(engine.dispatcher, settings, signatures),
            ExchangeRoutes(tokens, own_token_guard(settings, access)),
            self._socket,
            JobRoutes(engine.clients, settings),
            SignalRoutes(engine.signals, settings),
            ApprovalRoutes(engine.approvals, settings),
            OperatingRoutes(engine.operators, engine.explainer, settings),
            TrustRoutes(engine.workers, engine.trust.breakers, settings),
            BlueprintRoutes(engine.clients, engine.reload_problems, engine.restore, settings),
            ScheduleRoutes(engine.schedules, settings),
            HookRoutes(engine.hooks, settings),
            ApprovingRoutes(engine.approvals, settings.public_url),
            PublicRoutes(engine.readiness, Metrics([counts, signatures, *collectors])),
        )
        self.router: Router[Handler] = Router(
            [
                *workers.keep(served_by(routes, WORKER)),
                *newcomers.keep(served_by(routes, EXCHANGE)),
                *clients.keep(served_by(routes, CLIENT)),
                *pages.keep(EntryRoutes(sessions).routes(), None),
                *pages.keep(jobs.routes(), may["GET", JOBS]),
                *pages.keep(ActionRoutes(engine.operators, engine.signals, actions).routes(), frozenset(Scope)),
                *pages.keep(others.routes_of_blueprints(), may["GET", BLUEPRINTS]),
                *pages.keep(others.routes(), frozenset({Scope.VIEWER})),
                *pages.keep(schedules.routes(), may["GET", SCHEDULES]),
                *pages.keep(schedules.routes_of_actions(), may["POST", SCHEDULE + "/trigger"]),
                *everybody.keep(served_by(routes, PUBLIC)),
            ]
        )
        self._elsewhere_of_workers = workers.wrap("*", WORKERS, self._refuse)
        self._elsewhere = clients.wrap("*", "/", self._refuse)

    def handle(self, request: web.BaseRequest) -> Awaitable[Answer | web.StreamResponse]:
        """Answer a request: what is nowhere is refused by the door that it would belong to."""
        assert isinstance(request, Request)
        path = request.rel_url.raw_path
        found = self.router.find(request.method, path)
        if found is not None:
            handler, request.parts = found
            return handler(request)
        return self._elsewhere_of_workers(request) if path.startswith(WORKERS) else self._elsewhere(request)

    async def close(self) -> None:
        """Let go the connections that would stay for ever."""
        await self._socket.close_all()

    async def _refuse(self, request: Request) -> Answer:
        allowed = self.router.methods(request.rel_url.raw_path)
        if not allowed:
            raise RequestRefused("there is nothing at this address", status=404, code="request.no_route")
        raise MethodRefused(request.method, allowed)
