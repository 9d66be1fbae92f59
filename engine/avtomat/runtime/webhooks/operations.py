"""Show what is sent of jobs to endpoints, and send again what nobody took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from avtomat.core.family import child_id
from avtomat.core.formula import Json
from avtomat.core.model import Ref
from avtomat.core.timestamp import format_time, from_ms
from avtomat.core.webhooks import COMPANION, Webhook
from avtomat.errors import RequestRefused
from avtomat.runtime.chance import random_hex
from avtomat.runtime.jobs.clients import ClientOperations
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.histories import Histories
from avtomat.runtime.jobs.jobview import error_code_of, scope_of_row, status_word
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.repeating import repeat
from avtomat.runtime.webhooks.endpoints import Webhooks
from avtomat.runtime.webhooks.telling import TRIED_FOR, Message
from avtomat.storage.port.answers import HistoryEntry, JobRow, Query
from avtomat.storage.port.codec import loads
from avtomat.storage.port.rules import is_cursor
from avtomat.storage.port.store import Store

ENTRIES_READ_AT_ONCE = 1_000


class WebhookOperations:
    """The operations on what is sent. `client` None reads as an admin: that of every client's jobs."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        clients: ClientOperations,
        scopes: Scopes,
        histories: Histories,
        webhooks: Webhooks,
        *,
        retention: timedelta,
    ) -> None:
        self._store = store
        self._executor = executor
        self._clients = clients
        self._scopes = scopes
        self._histories = histories
        self._webhooks = webhooks
        self._retention = retention

    async def page(
        self, query: Query, *, endpoint: str | None, status: str | None
    ) -> tuple[list[dict[str, Json]], str | None]:
        """A page, newest first; `endpoint` and `status` filter it, so that it may be short. Raises RequestRefused: 422
        request.parameter for what is no cursor.
        """
        if query.cursor is not None and not is_cursor(query.cursor):
            text = f"{query.cursor[:80]!r} is not a cursor of this engine"
            raise RequestRefused(text, status=422, code="request.parameter", hint="send next_cursor of the page before")
        page = await repeat(lambda: self._store.list_jobs(replace(query, blueprint=COMPANION)))
        shown = map(_view, page.rows)
        wanted = [each for each in shown if endpoint in (None, each["endpoint"]) and status in (None, each["status"])]
        return wanted, page.cursor

    async def show(self, webhook_id: str, client: str | None) -> dict[str, Json] | None:
        """One of them with its dead letters; None when there is none that this client may see."""
        row = await self._row(webhook_id, client)
        return None if row is None else _whole(row)

    async def resend(self, webhook_id: str, client: str | None, key: str | None) -> dict[str, Json] | None:
        """Send its dead letters again, in their order, to where the endpoint is now: by a new one, which is returned.
        The same key again is the same one.

        Raises RequestRefused: 409 webhook.nothing_dead, webhook.no_endpoint, webhook.gone.
        """
        row = await self._row(webhook_id, client)
        if row is None:
            return None
        dead = [letter["id"] for letter in scope_of_row(row).data.get("dead", ())]
        if not dead:
            raise RequestRefused("it has no dead letters", status=409, code="webhook.nothing_dead")
        fixed = loads(row.head)
        given, parent = fixed["input"], fixed["parent_id"]
        if not self._webhooks.knows(given["endpoint"]):
            text = f"the settings have no endpoint {given['endpoint']} any more"
            raise RequestRefused(text, status=409, code="webhook.no_endpoint")
        messages = await self._messages(row, dead)
        name = f"again {webhook_id} {random_hex(8) if key is None else f'key {key}'}"
        webhook = Webhook(job=child_id(parent, name, 0, 0), endpoint=given["endpoint"], url=given["url"], events=())
        beginning = await self._webhooks.again(
            webhook,
            messages,
            client=row.client,
            parent=parent,
            resend_of=row.job,
            now=self._executor.now(),
            retention=self._retention,
        )
        await self._executor.create(beginning)
        return await self.show(webhook.job, None)

    async def _row(self, webhook_id: str, client: str | None) -> JobRow | None:
        row = await self._clients.row(webhook_id, client)
        return None if row is None or row.blueprint != COMPANION else row

    async def _messages(self, row: JobRow, ids: Sequence[str]) -> list[Message]:
        """The messages with these ids, from the history of what got them. Raises RequestRefused for what is gone."""
        found: dict[str, Json] = {}
        after = 0
        while entries := await self._histories.entries(row.job, after, ENTRIES_READ_AT_ONCE, row.seq):
            for entry in entries:
                payload = await self._payload(row.job, entry)
                if payload is not None:
                    found[payload["id"]] = payload["body"]
            after = entries[-1].seq
        if not all(each in found for each in ids):
            raise RequestRefused("its history is not there any more", status=409, code="webhook.gone")
        until = self._executor.now() + TRIED_FOR
        return [Message(id=each, until=until, body=found[each]) for each in ids]

    async def _payload(self, job: str, entry: HistoryEntry) -> Json:
        record = loads(entry.record)
        if record["type"] != "SignalReceived":
            return None
        changed = record.get("set", {})
        ref = changed.get("refs", {}).get("event")
        if ref is not None:
            return loads(await self._scopes.text(job, Ref(*ref)))
        return changed.get("outputs", {}).get("event")


def _view(row: JobRow) -> dict[str, Json]:
    fixed, scope = loads(row.head), scope_of_row(row)
    given, data = fixed["input"], scope.data
    again = {"resend_of": given["resend_of"]} if "resend_of" in given else {}
    return {
        "id": row.job,
        "job_id": fixed["parent_id"],
        "endpoint": given["endpoint"],
        "url": given["url"],
        "status": status_word(row.status, scope.waiting, row.tasks),
        "error_code": error_code_of(row),
        "pending": row.finished_ms is None and scope.state == "send",
        "sent": data.get("sent", 0),
        "dead": data.get("dead_count", 0),
        "created_at": format_time(from_ms(row.created_ms)),
        "updated_at": format_time(from_ms(row.updated_ms)),
        "finished_at": None if row.finished_ms is None else format_time(from_ms(row.finished_ms)),
        **again,
    }


def _whole(row: JobRow) -> dict[str, Json]:
    letters: Sequence[Mapping[str, Json]] = scope_of_row(row).data.get("dead", ())
    return {**_view(row), "dead_letters": letters}
