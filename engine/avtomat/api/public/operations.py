"""What is told to everybody: whether the engine lives and is ready, its metrics, its version, its documentation."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import PROTOCOL_VERSION, json_answer, page_answer, tagged_answer
from avtomat.api.http.doors import ClientRoute
from avtomat.api.http.requests import Request
from avtomat.api.openapi.document import openapi_document
from avtomat.api.public.docs_page import POLICY, STYLE, docs_page
from avtomat.api.public.metrics import METRICS_TYPE, Metrics
from avtomat.core.formula import Json

Readiness = Callable[[], tuple[bool, Mapping[str, Json]]]


class PublicRoutes:
    """The routes that need no token."""

    def __init__(self, readiness: Readiness, metrics: Metrics) -> None:
        self._readiness = readiness
        self._metrics = metrics

    def routes(self) -> Sequence[ClientRoute]:
        """All of them."""
        return (
            ("GET", "/healthz", self.health),
            ("GET", "/readyz", self.ready),
            ("GET", "/metrics", self.metrics),
            ("GET", "/version", self.version),
            ("GET", "/openapi.json", self.openapi),
            ("GET", "/docs", self.docs),
            ("GET", "/docs.css", self.style),
        )

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
        return tagged_answer(request, openapi_document())

    async def docs(self, _request: Request) -> Answer:
        """The same to read."""
        return page_answer(docs_page().encode(), "text/html; charset=utf-8", POLICY)

    async def style(self, _request: Request) -> Answer:
        """The look of the page."""
        return page_answer(STYLE.encode(), "text/css; charset=utf-8")
