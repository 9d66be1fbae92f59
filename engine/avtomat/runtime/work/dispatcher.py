"""Do what workers ask: the one object behind the workers' door, made of registrations, polls and their settling."""

from __future__ import annotations

from datetime import timedelta

from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.trust.trust import Trust
from avtomat.runtime.work.events import WorkerEvents
from avtomat.runtime.work.following import Following
from avtomat.runtime.work.polls import Polls
from avtomat.runtime.work.queues import Queues
from avtomat.runtime.work.registrations import Registrations
from avtomat.runtime.work.settling import Settling
from avtomat.secrets import Secrets
from avtomat.storage.port.store import Store


class Dispatcher:
    """The operations behind the workers' door, of one replica; each is described where it is done."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        scopes: Scopes,
        queues: Queues,
        vault: Secrets,
        trust: Trust,
        *,
        lease: timedelta,
        task_secret: str | None = None,
    ) -> None:
        lease_ms = round(lease.total_seconds() * 1000)
        registrations = Registrations(store, queues, trust.reputations, lease_ms=lease_ms)
        trust.reputations.listen(registrations.regarded)
        self.seats = registrations.seats
        self.register = registrations.register
        self.heartbeat = registrations.heartbeat
        self.connect = registrations.connect
        self.disconnect = registrations.disconnect
        self.connect_nameless = registrations.connect_nameless
        self.disconnect_nameless = registrations.disconnect_nameless
        self.holder = registrations.holder
        self.revoked = registrations.revoked
        self.reserved = registrations.reserved
        self.kinds_polled = registrations.kinds_polled
        self.leaving = registrations.leaving
        settling = Settling(store, executor, scopes, registrations, vault, trust.note)
        self.result = settling.result
        self.events = WorkerEvents(store, registrations)
        self.event = self.events.event
        polls = Polls(
            store,
            scopes,
            queues,
            vault,
            registrations,
            settling,
            trust.breakers.admit,
            lease_ms=lease_ms,
            task_secret=task_secret,
        )
        self.poll = polls.poll
        self.release = polls.release
        self.weigh = polls.weigh
        self.result_and_next = Following(registrations, queues, settling, polls).result
