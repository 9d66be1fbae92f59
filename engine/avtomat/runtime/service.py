"""Put the engine together from its settings, and start and stop its parts in order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence

from avtomat.blueprint.building import build_program
from avtomat.blueprint.registry import Compiled
from avtomat.core.formula import Json
from avtomat.core.kinds.calls import CALL
from avtomat.core.timestamp import format_time, from_ms
from avtomat.diagnostics import Diagnostic
from avtomat.errors import StoreError, StoreNotExecuted
from avtomat.runtime.access.keeper import AccessKeeper
from avtomat.runtime.access.limits import Limits
from avtomat.runtime.blueprints.compiling import CompileChild, compile_here
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.blueprints.reload import Reloader, counts_of
from avtomat.runtime.blueprints.undeclared import undeclared
from avtomat.runtime.incoming.hooks import Hooks
from avtomat.runtime.jobs.admission import Admission
from avtomat.runtime.jobs.children import Children
from avtomat.runtime.jobs.clients import ClientOperations
from avtomat.runtime.jobs.executor import Executor, Listeners
from avtomat.runtime.jobs.histories import Histories
from avtomat.runtime.jobs.kept import KeptScopes
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.jobs.signals import Signals
from avtomat.runtime.jobs.waiters import Waiters
from avtomat.runtime.measures import Measures, counted
from avtomat.runtime.opening import open_history, open_store
from avtomat.runtime.outgoing.addresses import Allowed
from avtomat.runtime.outgoing.client import Bounds, Outgoing
from avtomat.runtime.people.approvals import Approvals
from avtomat.runtime.people.links import Links
from avtomat.runtime.people.operating import Operators
from avtomat.runtime.people.why import Explainer
from avtomat.runtime.people.workers import Workers
from avtomat.runtime.repeating import repeat
from avtomat.runtime.schedules.duty import Schedules
from avtomat.runtime.schedules.making import Maker
from avtomat.runtime.schedules.operations import ScheduleOperations
from avtomat.runtime.time.duties import Duties, Duty
from avtomat.runtime.time.relay import Relay
from avtomat.runtime.time.timers import Timers
from avtomat.runtime.trust.trust import Trust
from avtomat.runtime.webhooks.endpoints import Webhooks
from avtomat.runtime.webhooks.operations import WebhookOperations
from avtomat.runtime.work.caller import Caller, Times
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.runtime.work.queues import Queues
from avtomat.secrets import Secrets
from avtomat.settings import Settings
from avtomat.storage.port.answers import Wakeups
from avtomat.storage.port.store import Store

log = logging.getLogger(__name__)

SCOPES_KEPT_MAX = 20_000
SCOPES_KEPT_BYTES_MAX = 128 * 1024 * 1024
STORE_TRIES = 6


class Service:
    """One replica: the doors' operations over one store. `start` before use; `drain`, then `stop`, at the end."""

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        store = store or open_store(settings)
        self.queues = Queues(store.partitions)
        self.measures = Measures(store, self.queues)
        self.store = counted(store, self.measures.tally)
        self._history = None if settings.history is None else open_history(settings.history)
        self.programs = Programs(self.store, build_program)
        self.access = AccessKeeper(settings.clients, settings.workers, environ=os.environ)
        self.limits = Limits(self.store, lambda: self.access.current, embedded=settings.embedded)
        self._waiters = Waiters()
        kept = KeptScopes(scopes_max=SCOPES_KEPT_MAX, bytes_max=SCOPES_KEPT_BYTES_MAX)
        self._scopes = Scopes(self.store, self.programs, kept)
        children = Children(self.programs.by_digest, retention=settings.retention_span)
        self._executor = Executor(self.store, self._scopes, self._waiters, children)
        vault = Secrets(settings.secrets, environ=os.environ)
        self.trust = Trust(self.store, self.queues, settings, self.measures.tally.breakers)
        self.dispatcher = self._make_dispatcher(vault)
        self._caller = self._make_caller()
        self._webhooks = Webhooks(
            settings.webhooks, settings.webhook_secret, Allowed(settings.calls_allow, settings.calls_ports)
        )
        self._make_operations(children, vault)
        timers = Timers(self.store, self._executor, self._scopes, self.trust.note)
        self._relay: Relay | None = None
        self._child: CompileChild | None = None
        self._reloader = self._make_reloader()
        self._duties = Duties(self.store, timers, self.queues, self.programs, self._further_duties())
        self._executor.listen(
            Listeners(revoked=self.dispatcher.revoked, due_at=self._duties.due_at, webhook=self._count_webhook)
        )
        self._heard_by: Callable[[str], None] = lambda _: None
        self.store_lost = asyncio.Event()
        self.store_error: StoreError | None = None
        self.access.listen(lambda _: self.weigh(self.access.current.weights))
        self._started = False
        self._draining = False

    async def start(self, *, watch: bool = True) -> None:
        """Open the store, load the blueprints, begin the duties. Raises StoreError when the store stays away, with
        nothing left open.
        """
        await self._open_store()
        self._child = CompileChild() if watch else None
        try:
            await self.access.load()
            await self._reloader.load()
            await self._keep_own_programs()
        except BaseException:
            await self._end_child()
            await self.store.close()
            raise
        self._duties.start()
        if watch:
            self._reloader.start()
        self._started = True

    async def _keep_own_programs(self) -> None:
        """Let the store have the programs of companions, which no folder has."""
        await self.programs.keep_own(self._webhooks.programs)
        for name in sorted(self._webhooks.secrets - self.settings.secrets.keys()):
            log.warning("webhooks are signed with the secret %s, which the settings do not declare", name)

    def _count_webhook(self, outcome: str) -> None:
        self.measures.tally.webhooks[outcome] += 1

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Give clients these shares of a queue that several wait for, in place of those before; of others it is 1."""
        self.dispatcher.weigh(weights)

    def tell(self, changed: Callable[[str], None]) -> None:
        """Call this from now on with the id of each job that the store says has changed."""
        self._heard_by = changed

    def tell_findings(self, findings_to: Callable[[Sequence[Diagnostic]], None]) -> None:
        """Call this from now on with what is newly wrong with a file of blueprints, instead of logging it."""
        self._reloader.tell_findings(findings_to)

    def time_turned(self) -> None:
        """The store's clock was turned by hand: look at once what is due."""
        self._duties.wake()
        self.trust.wake()
        self._schedules.wake()

    def drain(self) -> None:
        """Be not ready, and hand out no more tasks; what is under way goes on."""
        self._draining = True
        self._caller.drain()
        self.queues.close()
        self._waiters.close()

    async def stop(self) -> None:
        """End the duties and leave the store."""
        self.drain()
        await self._reloader.stop()
        await self._end_child()
        await self._caller.stop()
        await self._duties.stop()
        self._executor.stop()
        await self.trust.stop()
        await self.limits.stop()
        if self._history is not None:
            await self._history.close()
        await self.store.close()

    def readiness(self) -> tuple[bool, dict[str, Json]]:
        """Whether this replica should get requests, and what is to be known: it is `degraded` with a blueprint that is
        not what the folder has; why history is not carried.
        """
        reasons: dict[str, Json] = {}
        if not self._started:
            reasons["starting"] = True
        if self._draining:
            reasons["draining"] = True
        if not self._reloader.loaded:
            reasons["no_blueprints"] = True
        trouble = self.store.trouble()
        if trouble is not None:
            reasons["store"] = {"code": trouble.code, "message": trouble.message, "hint": trouble.hint}
        counts = counts_of(self._reloader, self.programs)
        ready = not reasons and not counts["never_good"]
        if counts["broken"] or counts["held_back"] or counts["missing"]:
            reasons["degraded"] = True
            reasons["blueprints"] = {word: number for word, number in counts.items() if number}
        if self.access.refused:
            reasons["degraded"] = True
            reasons["access_refused"] = self.access.refused
        ready = ready and self.access.is_whole
        if self.reloader_dead:
            reasons["reloader"] = "dead"
        if self._relay is not None and (away := self._relay.trouble) is not None:
            reasons["history"] = {"code": away.code, "message": away.message, "hint": away.hint}
        return ready, reasons

    @property
    def reloader_dead(self) -> bool:
        """Whether nobody watches the folder of blueprints any more, although somebody should."""
        return self._reloader.is_dead

    def blueprint_counts(self) -> tuple[Mapping[str, int], bool]:
        """Blueprints by how they stand, and whether the reloader is dead."""
        return counts_of(self._reloader, self.programs), self.reloader_dead

    def reload_problems(self) -> list[dict[str, Json]]:
        """What is wrong in the folder, by blueprint; empty when what is in the folder is current."""
        return [
            {
                "blueprint": name or None,
                "since": format_time(from_ms(since_ms)),
                "code": each.code,
                "message": each.message,
                "file": each.file,
                "line": each.line,
                "column": each.column,
                "hint": each.hint,
            }
            for name, since_ms, each in self._reloader.problems
        ]

    async def restore(self, name: str, digest: str) -> None:
        """Make an earlier version of a blueprint current again; RequestRefused: it is not kept."""
        await repeat(lambda: self.programs.restore(name, digest))

    async def reload(self) -> bool:
        """Load the folder now; False when something in it is wrong."""
        return await self._reloader.load()

    async def _compile(self, contents: Sequence[bytes]) -> Sequence[Compiled]:
        return await (compile_here if self._child is None else self._child.compile)(contents)

    async def _end_child(self) -> None:
        if self._child is not None:
            await self._child.close()

    def _admission(self) -> Admission:
        return Admission(
            lambda: self.measures.latest,
            self.store.trouble,
            jobs_open_max=self.settings.jobs_open_max,
            history_pending_max=self.settings.history_pending_max,
        )

    def _make_dispatcher(self, vault: Secrets) -> Dispatcher:
        return Dispatcher(
            self.store,
            self._executor,
            self._scopes,
            self.queues,
            vault,
            self.trust,
            lease=self.settings.lease,
            task_secret=self.settings.task_secret,
        )

    def _make_operations(self, children: Children, vault: Secrets) -> None:
        """What the doors ask for, beside the hand-out of tasks."""
        settings, histories, admission = self.settings, Histories(self.store, self._history), self._admission()
        self.clients = ClientOperations(
            self.store,
            self._executor,
            self._scopes,
            self.programs,
            self._waiters,
            histories,
            admission,
            self.limits,
            children=children,
            webhooks=self._webhooks,
            config=settings.config,
        )
        self.webhooks = WebhookOperations(
            self.store,
            self._executor,
            self.clients,
            self._scopes,
            histories,
            self._webhooks,
            retention=settings.retention_span,
        )
        self.operators = Operators(self.store, self._executor, self.clients, self.programs, histories)
        maker = Maker(self._executor, self.clients.begin, admission, retention=settings.retention_span)
        outcomes = self.measures.tally.schedule_runs
        self._schedules = Schedules(self.store, self.programs, self.operators, maker, outcomes)
        self.schedules = ScheduleOperations(self.store, self._schedules, maker)
        self.signals = Signals(self.store, self._executor, self.clients.row, self.programs)
        self.dispatcher.events.send = self.signals.send
        tally, now = self.measures.tally.hooks, self._executor.now
        self.hooks = Hooks(self.clients, self.signals, self.programs, vault, now, settings.config, tally)
        links = Links(settings.link_secret, settings.public_url)
        self.approvals = Approvals(self.store, self._executor, self._scopes, self.clients.row, histories, links)
        self.explainer = Explainer(
            self.store,
            self._scopes,
            self.clients,
            self.dispatcher,
            histories,
            self.trust,
            draining=lambda: self._draining,
        )
        self.workers = Workers(self.store, self.dispatcher, self.trust.reputations)

    def _make_caller(self) -> Caller:
        settings = self.settings
        bounds = Bounds(
            connections_max=settings.calls_at_once,
            connections_per_host_max=settings.calls_per_host,
            body_bytes_max=settings.calls_body_bytes_max,
            ca=settings.calls_ca,
        )
        times = Times(
            lease=settings.lease, usual=settings.calls_timeout, most=settings.calls_timeout_max, drain=settings.drain
        )
        client = Outgoing(Allowed(settings.calls_allow, settings.calls_ports), bounds)
        return Caller(self.store, self.dispatcher, client, self.measures, at_once=settings.calls_at_once, times=times)

    def _make_reloader(self) -> Reloader:
        return Reloader(
            self.settings.blueprints,
            self.programs,
            self._compile,
            self.store.now_ms,
            hold=self.settings.blueprints_hold,
            warnings_of=lambda program: undeclared(program, self.settings),
        )

    def _has_work(self, partition: int, queue: str) -> None:
        self.queues.has_work(partition, queue)
        if queue == CALL:
            self._caller.has_news()

    def _further_duties(self) -> dict[str, Duty]:
        duties: dict[str, Duty] = {
            "sampling": self.measures.run,
            "following what is current": self._reloader.run,
            "taking calls": self._caller.run,
            "keeping calls": self._caller.keep,
            "keeping reputations": self.trust.reputations.run,
            "running schedules": self._schedules.run,
        }
        if self.trust.breakers.are_kept:
            duties["keeping breakers"] = self.trust.breakers.run
        if self.access.has_files:
            duties.update({"following who may do what": self.access.run, "giving back unused quotas": self.limits.run})
        if self._history is not None:
            self._relay = relay = Relay(self.store, self._history, retention=self.settings.history_retention)
            duties.update({"carrying history": relay.run_carrying, "trimming history": relay.run_trimming})
        return duties

    async def _open_store(self) -> None:
        wakeups = Wakeups(
            queue=self._has_work,
            job=self._job_changed,
            elsewhere=self._executor.changed_elsewhere,
            lost=self._news_lost,
            deaf=self._waiters.deaf,
            broken=self._store_broken,
            reserved=self.dispatcher.reserved,
        )
        for number in range(1, STORE_TRIES + 1):
            try:
                await self.store.open(wakeups)
            except StoreNotExecuted as away:
                if number == STORE_TRIES or self.settings.embedded:
                    raise
                log.warning("the store is away: %s; again in %d s", away.message, number)
                await asyncio.sleep(number)
            else:
                break

    def _job_changed(self, job: str) -> None:
        self._executor.job_changed(job)
        self._schedules.job_changed(job)
        self._heard_by(job)

    def _store_broken(self, error: StoreError) -> None:
        """The store is of no use to this process any more: `store_lost` is set, and everything is answered 503."""
        log.error("the store is lost: %s%s", error.message, "" if error.hint is None else f"; {error.hint}")
        self.store_error = error
        self.store_lost.set()

    def _news_lost(self) -> None:
        """Messages of the store may be missing, or it is another store: nothing that is kept here is believed."""
        self._scopes.clear()
        self.programs.look_again()
        self.trust.look_again()
        self._schedules.look_again()
        self.queues.look_again()
        self._waiters.tell_all()
