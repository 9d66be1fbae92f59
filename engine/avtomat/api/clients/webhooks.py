"""The clients' door: what is sent of jobs to endpoints, and sending again what nobody took."""

from __future__ import annotations

from typing import Final, TypeVar

from avtomat.access.model import Scope
from avtomat.api.clients.jobs import PAGE_DEFAULT, PAGE_MAX
from avtomat.api.clients.submissions import read_key
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.queries import count, query_of, refuse_unknown
from avtomat.api.http.requests import Request, single_header
from avtomat.api.http.routes import Route, Routes
from avtomat.errors import RequestRefused
from avtomat.runtime.webhooks.operations import WebhookOperations
from avtomat.storage.port.answers import Query

WEBHOOKS: Final = "/api/v1/webhooks"

T = TypeVar("T")


class WebhookRoutes:
    """The routes below /api/v1/webhooks."""

    def __init__(self, webhooks: WebhookOperations) -> None:
        self._webhooks = webhooks

    async def list(self, request: Request) -> Answer:
        """A page, newest first."""
        query = query_of(request)
        refuse_unknown(query, ("job", "endpoint", "status", "limit", "cursor"))
        wanted = Query(
            client=request.caller.reads,
            parent=query.get("job"),
            limit=count(query, "limit", default=PAGE_DEFAULT, least=1, most=PAGE_MAX),
            cursor=query.get("cursor"),
        )
        found, cursor = await self._webhooks.page(wanted, endpoint=query.get("endpoint"), status=query.get("status"))
        return json_answer({"webhooks": found, "next_cursor": cursor})

    async def show(self, request: Request) -> Answer:
        """One with its dead letters."""
        refuse_unknown(query_of(request))
        webhook_id = request.parts["webhook"]
        return json_answer(_found(await self._webhooks.show(webhook_id, request.caller.reads), webhook_id))

    async def resend(self, request: Request) -> Answer:
        """Send its dead letters again: 202 with what sends them."""
        refuse_unknown(query_of(request))
        webhook_id, key = request.parts["webhook"], read_key(single_header(request, "Idempotency-Key"))
        begun = _found(await self._webhooks.resend(webhook_id, request.caller.acts, key), webhook_id)
        answer = json_answer(begun, status=202)
        answer.set("Location", f"{WEBHOOKS}/{begun['id']}")
        return answer


ROUTES: Final = Routes(
    WebhookRoutes,
    (
        Route(
            "GET",
            WEBHOOKS,
            WebhookRoutes.list,
            id="listWebhooks",
            summary="List what is sent of jobs to endpoints, newest first",
            scopes=(Scope.CLIENT, Scope.VIEWER),
            answers={200: "WebhookPage"},
            refusals=(422, 503),
        ),
        Route(
            "GET",
            WEBHOOKS + "/{webhook}",
            WebhookRoutes.show,
            id="getWebhook",
            summary="Read how the events of a job are sent, and which nobody took",
            scopes=(Scope.CLIENT, Scope.VIEWER),
            answers={200: "Webhook"},
            refusals=(404, 422, 503),
        ),
        Route(
            "POST",
            WEBHOOKS + "/{webhook}/resend",
            WebhookRoutes.resend,
            id="resendWebhook",
            summary="Send its dead letters again",
            scopes=(Scope.CLIENT, Scope.OPERATOR),
            answers={202: "Webhook"},
            refusals=(404, 409, 422, 503),
        ),
    ),
)


def _found(value: T | None, webhook_id: str) -> T:
    if value is None:
        raise RequestRefused(f"there is no webhook {webhook_id[:80]!r}", status=404, code="webhook.not_found")
    return value
