"""Choose the endpoints that are told of a new job, and make the jobs that send to them: its companions.

A companion is a job of a blueprint of the engine's own, one version for each choice of secrets. It begins in the step
that creates the job it belongs to, in the same partition, and gets its events as signals. A job keeps the endpoints
that there were when it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import orjson

from avtomat.blueprint.building import build_program
from avtomat.core.family import child_id
from avtomat.core.formula import Json
from avtomat.core.messages import Change
from avtomat.core.model import Error, Head
from avtomat.core.program import Program
from avtomat.core.webhooks import COMPANION, EVENTS, SUBMISSION, Webhook
from avtomat.endpoints import Endpoint
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.submission import Beginning, Family, Submission, begin
from avtomat.runtime.jobs.writing import Begun
from avtomat.runtime.outgoing.addresses import Allowed, Refused
from avtomat.runtime.webhooks.telling import Message, post_of

_TEXT: Final = Path(__file__).with_name("companion.yaml")


class Webhooks:
    """The endpoints of this replica. `secrets` are the names of those that sign for endpoints given with a job."""

    def __init__(self, endpoints: Mapping[str, Endpoint], secrets: tuple[str, ...], allowed: Allowed) -> None:
        self._endpoints = endpoints
        self._secrets = secrets
        self._allowed = allowed
        self._programs: dict[tuple[str, ...], Program] = {}

    @property
    def secrets(self) -> frozenset[str]:
        """The names of all secrets that sign."""
        return frozenset(self._secrets).union(*(each.secrets for each in self._endpoints.values()))

    @property
    def programs(self) -> list[Program]:
        """The programs of all companions that may begin: the store must have them before."""
        named = {each.secrets for each in self._endpoints.values()} | ({self._secrets} if self._secrets else set())
        return [self._program(secrets) for secrets in sorted(named)]

    def chosen(self, job: str, asked: Submission) -> Submission:
        """The submission with the endpoints that are told of the job. Raises RequestRefused: 422 url.refused,
        webhook.no_secret.
        """
        endpoints = [each for each in self._endpoints.values() if each.takes(asked.blueprint)]
        if asked.webhook_url is not None:
            endpoints.append(self._of_submission(asked.webhook_url, asked.webhook_events))
        webhooks = [
            Webhook(job=_companion_id(job, each.name), endpoint=each.name, url=each.url, events=each.events)
            for each in endpoints
        ]
        return replace(asked, webhooks=tuple(webhooks)) if webhooks else asked

    def __bool__(self) -> bool:
        """Whether settings name endpoints."""
        return bool(self._endpoints)

    def knows(self, endpoint: str) -> bool:
        """Whether something can be sent to this endpoint now."""
        return bool(self._secrets) if endpoint == SUBMISSION else endpoint in self._endpoints

    async def with_companions(self, beginning: Beginning) -> Beginning:
        """The job that begins, with those that begin with it to send its events."""
        new, webhooks = beginning.new, beginning.kept.head.webhooks
        retention = timedelta(milliseconds=new.retention_ms)
        now = beginning.kept.head.created_at
        begun = [(await self._begin(webhook, new.client, new.job, now, retention)).new for webhook in webhooks]
        return replace(beginning, new=replace(new, writes=replace(new.writes, jobs=(*new.writes.jobs, *begun))))

    async def again(
        self, webhook: Webhook, messages: list[Message], *, client: str, parent: str, resend_of: str,
        now: datetime, retention: timedelta,
    ) -> Beginning:  # fmt: skip
        """A companion that sends these messages, in this order, to the endpoint as it is now."""
        endpoint = self._endpoints.get(webhook.endpoint)
        there = webhook if endpoint is None else replace(webhook, url=endpoint.url)
        beginning = await self._begin(there, client, parent, now, retention, resend_of=resend_of)
        last = len(messages) - 1
        posts = [post_of(replace(each, is_last=at == last), webhook.job) for at, each in enumerate(messages)]
        new = beginning.new
        return replace(beginning, new=replace(new, writes=replace(new.writes, posts=tuple(posts))))

    def _of_submission(self, url: str, events: tuple[str, ...]) -> Endpoint:
        from avtomat.runtime.outgoing.urls import read_url

        if not self._secrets:
            raise RequestRefused(
                "this engine has no secret to sign with for endpoints that come with a job",
                status=422,
                code="webhook.no_secret",
                pointer="/webhook_url",
                hint="its operator names one in the setting webhook_secret",
            )
        try:
            read_url(url, self._allowed)
        except Refused as refused:
            raise RequestRefused(str(refused), status=422, code="url.refused", pointer="/webhook_url") from None
        return Endpoint(name=SUBMISSION, url=url, secrets=self._secrets, events=events or EVENTS)

    async def _begin(
        self,
        webhook: Webhook,
        client: str,
        parent: str,
        now: datetime,
        retention: timedelta,
        resend_of: str | None = None,
    ) -> Beginning:
        endpoint = self._endpoints.get(webhook.endpoint)
        program = self._program(self._secrets if endpoint is None else endpoint.secrets)
        given: dict[str, Json] = {"url": webhook.url, "endpoint": webhook.endpoint}
        if resend_of is not None:
            given["resend_of"] = resend_of
        asked = Submission(blueprint=COMPANION, input=given, client=client, family=Family(parent_id=parent, depth=1))
        return await begin(
            webhook.job, program, asked, given, now, config={}, retention=retention, jobs_of=_begins_none
        )

    def _program(self, secrets: tuple[str, ...]) -> Program:
        program = self._programs.get(secrets)
        if program is None:
            program = self._programs[secrets] = companion_program(secrets)
        return program


def companion_program(secrets: tuple[str, ...]) -> Program:
    """The program of companions whose messages these secrets sign."""
    from avtomat.blueprint.compiler import compile_text

    text = _TEXT.read_text("utf-8").replace("secret: SECRETS", f"secret: [{', '.join(secrets)}]")
    compiled = compile_text(text, file=_TEXT.name)
    assert isinstance(compiled, Program), compiled
    content = {**orjson.loads(compiled.canonical), "blueprint": COMPANION}
    return build_program(orjson.dumps(content).decode())


def _companion_id(job: str, endpoint: str) -> str:
    return child_id(job, f"webhook {endpoint}", 0, 0)


async def _begins_none(_head: Head, _change: Change) -> Begun | Mapping[int, Error]:
    return Begun()
