"""The workers' door: a short-lived token for a worker's own, and the next one before its time is over.

A refreshed pair replaces none: the earlier one is good until its own time is over, so that an answer that is lost shuts
no worker out. All of them end at once when the worker's own token does.
"""

from __future__ import annotations

from typing import Final

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import worker_answer
from avtomat.api.http.auth import Caller, TokenGuard
from avtomat.api.http.bodies import json_body
from avtomat.api.http.requests import Request, single_header
from avtomat.api.http.routes import Route, Routes
from avtomat.api.http.worker_tokens import WorkerTokens
from avtomat.api.workers.allowed import refuse_other_worker
from avtomat.api.workers.messages import check_id
from avtomat.errors import RequestRefused

TOKEN: Final = "/_worker/auth/token"  # noqa: S105 - an address
REFRESH: Final = "/_worker/auth/token/refresh"
BODY_BYTES_MAX: Final = 16_384


class ExchangeRoutes:
    """The routes below /_worker/auth. `own` knows the workers' own tokens; None: this engine has none."""

    def __init__(self, tokens: WorkerTokens, own: TokenGuard | None) -> None:
        self._tokens = tokens
        self._own = own

    async def exchange(self, request: Request) -> Answer:
        """A pair of tokens for the worker's own, for the worker that X-Worker-ID names."""
        guard = self._guard()
        caller = guard.admit(request)
        worker = _worker_of(request, caller)
        return self._pair(worker, guard.token_of(request) or "")

    async def refresh(self, request: Request) -> Answer:
        """The next pair, for the refresh token of one. 401 auth.expired when its time is over, 403 when it is none."""
        guard = self._guard()
        body = await json_body(request, BODY_BYTES_MAX)
        said = body.get("refresh_token") if isinstance(body, dict) else None
        grant = self._tokens.read(said) if isinstance(said, str) else None
        if grant is None or grant.use != "refresh":
            raise RequestRefused("refresh_token is missing, or wrong", status=403, code="auth.wrong")
        if self._tokens.is_over(grant):
            raise RequestRefused("the refresh token's time is over", status=401, code="auth.expired")
        caller = guard.by_digest(grant.digest)
        if caller is None:
            raise RequestRefused("the worker's own token is no longer valid", status=403, code="auth.wrong")
        refuse_other_worker(caller, grant.worker)
        return self._pair(grant.worker, grant.own)

    def _guard(self) -> TokenGuard:
        if self._own is None or not self._tokens.are_made:
            text = "this engine gives out no short-lived tokens: worker_token_secret is not set"
            raise RequestRefused(text, status=404, code="auth.not_set")
        return self._own

    def _pair(self, worker: str, own: str) -> Answer:
        pair = self._tokens.issue(worker, own)
        told = {"access_token": pair.access, "refresh_token": pair.refresh, "expires_in": pair.expires_in_s}
        answer = worker_answer({**told, "worker_id": worker})
        answer.set("Cache-Control", "no-store")
        return answer


ROUTES: Final = Routes(
    ExchangeRoutes,
    (
        Route(
            "POST",
            TOKEN,
            ExchangeRoutes.exchange,
            id="exchangeWorkerToken",
            summary="Get a short-lived token for a worker's own, for the worker that X-Worker-ID names",
            answers={200: "Map"},
            refusals=(400, 404),
        ),
        Route(
            "POST",
            REFRESH,
            ExchangeRoutes.refresh,
            id="refreshWorkerToken",
            summary="Get the next pair of tokens for the refresh_token of one",
            body="Map",
            answers={200: "Map"},
            refusals=(404,),
        ),
    ),
)


def _worker_of(request: Request, caller: Caller) -> str:
    """Whom the token is for; a client that does not say it may be the one that the entry is for."""
    said = single_header(request, "X-Worker-ID")
    if said is None and caller.worker is not None and not caller.worker.is_pattern:
        return caller.worker.ids
    worker = check_id(said, "X-Worker-ID")
    refuse_other_worker(caller, worker)
    return worker
