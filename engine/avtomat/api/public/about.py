"""What is told to everybody: whether the engine lives and is ready, its metrics, its version, its documentation.

What describes the API is imported when it is asked for: an engine that serves need not have it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import PROTOCOL_VERSION, json_answer, page_answer, tagged_answer
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import Route, Routes
from avtomat.api.public.metrics import METRICS_TYPE, Metrics
from avtomat.core.formula import Json

Readiness = Callable[[], tuple[bool, Mapping[str, Json]]]


class PublicRoutes:
    """The routes that need no token."""

    def __init__(self, readiness: Readiness, metrics: Metrics) -> None:
        self._readiness = readiness
        self._metrics = metrics

    async def health(self, _request: Request) -> Answer:
        """The process serves."""
        return json_answer({"status": "ok"})

    async def ready(self, _request: Request) -> Answer:
        """Whether this replica should get requests; 503 while it starts or drains, with the reasons."""
        ready, reasons = self._readiness()
        return json_answer({"ready": ready, **reasons}, status=200 if ready else 503)

    async def metrics(self, _request: Request) -> Answer:
        """All metrics of this process."""
        return page_answer(self._metrics.text(), METRICS_TYPE)

    async def version(self, _request: Request) -> Answer:
        """The engine's version, and those of what it speaks and runs on."""
        versions = {"version": version("avtomat"), "protocol": PROTOCOL_VERSION, "python": platform.python_version()}
        return json_answer(versions)

    async def openapi(self, request: Request) -> Answer:
        """The OpenAPI document."""
        from avtomat.api.openapi.document import openapi_document

        return tagged_answer(request, openapi_document())

    async def docs(self, _request: Request) -> Answer:
        """The same to read."""
        from avtomat.api.public.docs_page import POLICY, docs_page

        return page_answer(docs_page().encode(), "text/html; charset=utf-8", POLICY)

    async def style(self, _request: Request) -> Answer:
        """The look of the page."""
        from avtomat.api.public.docs_page import STYLE

        return page_answer(STYLE.encode(), "text/css; charset=utf-8")


ROUTES: Final = Routes(
    PublicRoutes,
    (
        Route(
            "GET",
            "/healthz",
            PublicRoutes.health,
            id="health",
            summary="Whether the process runs",
            answers={200: "Map"},
        ),
        Route(
            "GET",
            "/readyz",
            PublicRoutes.ready,
            id="readiness",
            summary="Whether this replica should get requests, and why not",
            answers={200: "Map", 503: "Map"},
        ),
        Route(
            "GET",
            "/metrics",
            PublicRoutes.metrics,
            id="metrics",
            summary="Metrics for Prometheus",
            answers={200: None},
        ),
        Route(
            "GET",
            "/version",
            PublicRoutes.version,
            id="version",
            summary="The version of the engine",
            answers={200: "Map"},
        ),
        Route(
            "GET",
            "/openapi.json",
            PublicRoutes.openapi,
            id="openapi",
            summary="This description",
            answers={200: "Map", 304: None},
        ),
        Route("GET", "/docs", PublicRoutes.docs, id="docs", summary="This description as a page", answers={200: None}),
        Route(
            "GET",
            "/docs.css",
            PublicRoutes.style,
            id="docsStyle",
            summary="The style sheet of /docs",
            answers={200: None},
        ),
    ),
)
