"""Two replicas that tell endpoints of jobs, and a receiver whose answers a test chooses."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks.webhooks import Webhook

from avtomat.core.timestamp import to_ms
from avtomat.core.webhooks import COMPANION
from avtomat.endpoints import Endpoint
from avtomat.runtime.webhooks.operations import WebhookOperations
from avtomat.secrets import InlineSecret
from avtomat.storage.port.answers import Query
from avtomat.storage.port.store import Store
from tests.runtime.replicas import replica_on
from tests.runtime.test_children import PATIENCE_S, House
from tests.storage.world import Clock

KEY = "whsec_" + base64.b64encode(b"a key of 24 bytes or so.").decode()
NEXT_KEY = "whsec_" + base64.b64encode(b"the key that comes next.").decode()
MINUTE_MS = 60_000
BLUEPRINTS = {
    "work": "states: {work: {task: work, next: end}}",
    "quick": "states: {done: {succeed: {n: 1}}}",
    "bad": "states: {done: {fail: {code: BAD}}}",
    "ask": "states: {ask: {approval: 'Pay?', assignees: [eve], remind: 1h}}",
    "parks": "unhandled: quarantine\nstates: {work: {task: work, retry: none}}",
}


class Receiver:
    """Takes requests; `seen` are those that were answered with less than 300, `refused` counts the others."""

    def __init__(self) -> None:
        self.status = 200
        self.seen: list[tuple[Mapping[str, str], bytes]] = []
        self.refused = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.status < 300:
            self.seen.append(({name.lower(): text for name, text in request.headers.items()}, body))
        else:
            self.refused += 1
        return web.Response(status=self.status, headers={"Location": "/elsewhere"} if self.status == 302 else {})

    def events(self, secret: str = KEY) -> list[dict[str, Any]]:
        """What was taken, as a receiver with this secret reads it. Raises for what is not signed with it."""
        return [_verified(secret, body, headers) for headers, body in self.seen]

    @property
    def types(self) -> list[str]:
        return [str(event["type"]) for event in self.events()]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.seen]


def _verified(secret: str, body: bytes, headers: Mapping[str, str]) -> Any:
    """The time is checked elsewhere: tests turn the clock of the engine far from that of this package."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    made = Webhook(secret).sign(headers["webhook-id"], at, body.decode())
    assert made in headers["webhook-signature"].split(" ")
    return json.loads(body)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/{rest:.*}", receiver.answer)
    async with TestServer(app) as server:
        receiver.url = f"http://127.0.0.1:{server.port}/hooks"
        yield receiver


class Office(House):
    """See `House`; `crm` is an endpoint of the settings."""

    def __init__(self, store: Store, clock: Clock, folder: Path, receiver: Receiver) -> None:
        super().__init__(store, clock, folder)
        self.receiver = receiver
        crm = Endpoint(name="crm", url=receiver.url, secrets=("key",))
        self.settings: dict[str, Any] = {
            "webhooks": {"crm": crm},
            "webhook_secret": ("key",),
            "secrets": {"key": InlineSecret(text=KEY), "next": InlineSecret(text=NEXT_KEY)},
            "calls_allow": (receiver.url.removeprefix("http://").partition("/")[0],),
        }

    async def begin(self) -> None:
        await self.shared.begin()
        self.replicas = [await replica_on(self.shared.store, self.folder, **self.settings) for _ in range(2)]

    @property
    def webhooks(self) -> WebhookOperations:
        return self.replicas[1].webhooks

    async def companions(self, job: str) -> list[dict[str, Any]]:
        """The jobs that send the events of this one, the oldest first."""
        jobs, _ = await self.replicas[1].clients.jobs(Query(parent=job, blueprint=COMPANION))
        return [await self.job(each["id"]) for each in jobs[::-1]]

    async def sent(self, job: str) -> list[dict[str, Any]]:
        """The companions, once all have ended."""
        return [await self.ended(each["id"]) for each in await self.companions(job)]

    async def turning(self, companion: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Turn the clock to the time at which the companion tries again, or gives up, until this is true of it."""
        turned = ""
        async with asyncio.timeout(PATIENCE_S):
            while not done(found := await self.job(companion)):
                tasks = await self.replicas[0].clients.tasks(companion, None)
                if tasks and tasks[0]["phase"] == "delayed" and tasks[0]["task_id"] != turned:
                    turned, now_ms = tasks[0]["task_id"], self.shared.store.now_ms()
                    texts = (tasks[0]["due"], found["outputs"]["event"]["until"])
                    due_ms, until_ms = (to_ms(datetime.fromisoformat(text)) - now_ms for text in texts)
                    self.turn(max(0, min(due_ms, until_ms) if until_ms > 0 else due_ms) + 1)
                await asyncio.sleep(0.001)
        return found

    async def restart(self, **settings: Any) -> None:
        """Other replicas on the same store, with other settings."""
        for each in self.replicas:
            await each.stop()
        self.settings |= settings
        self.replicas = [await replica_on(self.shared.store, self.folder, **self.settings) for _ in range(2)]

    async def quiet(self) -> None:
        """Wait until no request is under way: one that was sent at the last moment may still come."""
        async with asyncio.timeout(PATIENCE_S):
            while any(each._caller.under_way for each in self.replicas):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def seen(self, count: int) -> None:
        """Wait until the receiver has taken so many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.receiver.seen) < count:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.001)
