"""Speak the worker protocol over HTTP: one method a call, every odd answer as an EngineError of its class.

Nothing is repeated here but what was refused for a token that is over or good for another one only: the worker then
gets itself a short-lived token, and asks once more. Who calls knows what else may be repeated, and when. Redirects are
not followed: they would carry the token elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from avtomat_worker.errors import EngineError, EngineRefusedError, EngineUnavailableError, UnknownWorkerError
from avtomat_worker.limits import Limits
from avtomat_worker.messages import PROTOCOL_VERSION, Assignment, Json, parse_assignment
from avtomat_worker.ports import Delivery, Orders, Poll, Receipt
from avtomat_worker.signing import is_from_engine, signed

logger = logging.getLogger(__name__)

NOTHING: frozenset[str] = frozenset()
PREFIX = "/_worker"
TOKEN_HEADER = "X-Worker-Token"  # noqa: S105 - the name of a header
_PASSING = {408, 425, 429}
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_JSON = {"Content-Type": "application/json"}


class EngineClient:
    """The engine, as one worker sees it. Use it as an async context manager: it owns its connections."""

    def __init__(
        self,
        url: str,
        *,
        worker_id: str,
        token: str | None,
        limits: Limits,
        signing: bool = False,
        task_secret: str | None = None,
    ) -> None:
        self._url = url.rstrip("/") + PREFIX
        self._own_token = token
        self._refresh_token: str | None = None
        self._renewing = asyncio.Lock()
        self._signing = signing and token is not None
        self._task_secret = task_secret
        self._worker_id = worker_id
        self._limits = limits
        self._headers = {"X-Worker-ID": worker_id, "X-RXON-Version": PROTOCOL_VERSION}
        if token:
            self._headers[TOKEN_HEADER] = token
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def register(self, body: bytes) -> frozenset[str]:
        """Make this worker known, with what it can do; returns what the engine offers beside the four calls."""
        answer = await self._request("POST", "/workers/register", self._signed(body))
        offers = answer.get("offers") if isinstance(answer, dict) else None
        return frozenset(offer for offer in offers if isinstance(offer, str)) if isinstance(offers, list) else NOTHING

    async def heartbeat(self, body: bytes) -> Orders:
        """Say that the worker lives and what it holds."""
        answer = await self._request("PATCH", f"/workers/{self._worker_id}", self._signed(body))
        known = answer if isinstance(answer, dict) else {}
        return Orders(
            cancel_task_ids=tuple(known.get("cancel_task_ids") or ()),
            register_again=bool(known.get("require_full_sync")),
            jitter_s=(known.get("next_heartbeat_jitter_ms") or 0) / 1000,
        )

    async def poll(self, poll: Poll) -> list[Assignment]:
        """Wait for tasks; none is an answer too."""
        query = {
            "timeout": f"{poll.timeout_s:g}",
            "available_skills": ",".join(poll.kinds),
            "max": str(poll.tasks_max),
            "nonce": poll.nonce,
        }
        if poll.holding is not None:
            query["holding"] = ",".join(poll.holding)
        if poll.hot is not None:
            query["hot_skills"] = ",".join(poll.hot)
        path = f"/workers/{self._worker_id}/tasks/next"
        wait_s = poll.timeout_s + self._limits.request_timeout_s
        answer = await self._request("GET", path, query=query, timeout_s=wait_s)
        return self._assignments(answer if isinstance(answer, list) else [answer] if answer else [])

    async def deliver(self, results: Sequence[bytes], wanted: Poll | None = None) -> Delivery:
        """Hand results over, as one request; with `wanted`, which waits for nothing, ask for tasks as well."""
        each = [self._signed(result) for result in results]
        body = each[0] if len(each) == 1 else b"[" + b",".join(each) + b"]"
        query = None if wanted is None else _next_query(wanted)
        answer = await self._request("POST", "/tasks/result", body, query=query)
        told = answer if isinstance(answer, dict) else {}
        receipts = answer if isinstance(answer, list) else told.get("answers", [answer])
        if not isinstance(receipts, list) or len(receipts) != len(results):
            raise EngineUnavailableError(f"{len(results)} results were sent, other receipts came back: {answer!r:.80}")
        tasks = told.get("tasks")
        return Delivery(
            receipts=tuple(map(_receipt, receipts)),
            assignments=tuple(self._assignments(tasks if isinstance(tasks, list) else [])),
        )

    def _assignments(self, payloads: Sequence[Json]) -> list[Assignment]:
        parsed = [self._assignment(payload) for payload in payloads]
        if None in parsed:
            logger.error("the engine sent a task without job_id, task_id or type; it is left alone")
        return [assignment for assignment in parsed if assignment is not None]

    async def event(self, body: bytes) -> None:
        """Tell the engine something about a task."""
        await self._request("POST", "/events", self._signed(body))

    def _signed(self, body: bytes) -> bytes:
        if not self._signing:
            return body
        assert self._own_token is not None
        return signed(body, worker_id=self._worker_id, token=self._own_token)

    def _assignment(self, payload: Json) -> Assignment | None:
        """The task, if it is one. Who checks signatures fails one that is not the engine's."""
        assignment = parse_assignment(payload, self._limits.lease_default_s)
        if assignment is None or self._task_secret is None or is_from_engine(payload, self._task_secret):
            return assignment
        logger.error("task %s is not signed by the engine", assignment.task_id)
        return replace(assignment, is_forged=True)

    async def _request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Json:
        """Return the answer's JSON, None for 204 and for an empty body; with another token if this one is over."""
        came_with = self._headers.get(TOKEN_HEADER)
        try:
            return await self._send(method, path, body, query=query, timeout_s=timeout_s)
        except EngineRefusedError as refused:
            if refused.status != 401 or not await self._renew(came_with):
                raise
        return await self._send(method, path, body, query=query, timeout_s=timeout_s)

    async def _renew(self, came_with: str | None) -> bool:
        """Get a short-lived token; False when there is none to be had. One that came meanwhile is good."""
        async with self._renewing:
            if came_with is None or self._own_token is None:
                return False
            if self._headers.get(TOKEN_HEADER) != came_with:
                return True
            if self._refresh_token is not None and await self._ask_for_token(
                "/auth/token/refresh", orjson.dumps({"refresh_token": self._refresh_token})
            ):
                return True
            self._headers[TOKEN_HEADER], self._refresh_token = self._own_token, None
            return await self._ask_for_token("/auth/token", None)

    async def _ask_for_token(self, path: str, body: bytes | None) -> bool:
        try:
            match await self._send("POST", path, body):
                case {"access_token": str(access), "refresh_token": str(refresh)}:
                    self._headers[TOKEN_HEADER], self._refresh_token = access, refresh
                    return True
        except (EngineRefusedError, UnknownWorkerError) as refused:
            logger.info("no short-lived token: %s", refused)
        return False

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        query: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Json:
        assert self._http is not None
        timeout = aiohttp.ClientTimeout(total=self._limits.request_timeout_s if timeout_s is None else timeout_s)
        headers = {**self._headers, **_JSON} if body else self._headers
        try:
            async with self._http.request(
                method,
                self._url + path,
                data=body,
                params=query,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return _answer(response.status, response.headers, await response.read())
        except aiohttp.InvalidURL as error:
            raise EngineRefusedError(f"{self._url} is not a URL", status=0) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise EngineUnavailableError(
                f"no answer from {self._url}: {type(error).__name__} {error}".rstrip()
            ) from error


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> Json:
    if 200 <= status < 300:
        try:
            return orjson.loads(body) if body else None
        except orjson.JSONDecodeError as error:
            raise EngineUnavailableError(f"the engine's answer is not JSON: {body[:80]!r}") from error
    raise _refusal(status, body[:500].decode(errors="replace"), headers.get("Retry-After"))


def _refusal(status: int, text: str, retry_after: str | None) -> EngineError:
    message = f"the engine answered {status}: {text}"
    if status in _PASSING or status >= 500:
        return EngineUnavailableError(message, retry_after_s=retry_after_s(retry_after, time.time()))
    if status == 404:
        return UnknownWorkerError(message)
    return EngineRefusedError(message, status=status)


def retry_after_s(header: str | None, now: float) -> float | None:
    """Return the seconds of a Retry-After header, which has a number or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if _NUMBER.fullmatch(header):
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except ValueError:
        return None


def _next_query(wanted: Poll) -> dict[str, str]:
    query = {"next": ",".join(wanted.kinds), "max": str(wanted.tasks_max), "nonce": wanted.nonce}
    if wanted.hot is not None:
        query["hot_skills"] = ",".join(wanted.hot)
    return query


def _receipt(answer: Any) -> Receipt:
    known = answer if isinstance(answer, dict) else {}
    return Receipt(accepted=known.get("status") != "ignored", reason=str(known.get("reason", "")))
