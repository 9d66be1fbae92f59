"""The clients' door: see the schedules of blueprints, pause them, let them go on, make a job of one by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from avtomat.api.clients.jobs import JOBS, refuse_blueprint
from avtomat.api.clients.operating import TEXT_CHARACTERS_MAX
from avtomat.api.clients.submissions import read_key
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.bodies import optional_json_body
from avtomat.api.http.doors import ClientRoute
from avtomat.api.http.queries import query_of, refuse_unknown
from avtomat.api.http.requests import Request, single_header
from avtomat.errors import RequestRefused
from avtomat.runtime.schedules.operations import ScheduleOperations
from avtomat.settings import Settings

SCHEDULES: Final = "/api/v1/schedules"
SCHEDULE: Final = SCHEDULES + "/{blueprint}/{name}"


class ScheduleRoutes:
    """The routes below /api/v1/schedules."""

    def __init__(self, schedules: ScheduleOperations, settings: Settings) -> None:
        self._schedules = schedules
        self._body_bytes_max = settings.body_bytes_max

    def routes(self) -> Sequence[ClientRoute]:
        """All of them."""
        return (
            ("GET", SCHEDULES, self.list),
            ("GET", SCHEDULE, self.show),
            ("POST", SCHEDULE + "/pause", self.pause),
            ("POST", SCHEDULE + "/resume", self.resume),
            ("POST", SCHEDULE + "/trigger", self.trigger),
        )

    async def list(self, request: Request) -> Answer:
        """All of them, or those of a blueprint."""
        query = query_of(request)
        refuse_unknown(query, ("blueprint",))
        return json_answer({"schedules": await self._schedules.list(query.get("blueprint"))})

    async def show(self, request: Request) -> Answer:
        """One of them."""
        refuse_unknown(query_of(request))
        return json_answer(await self._schedules.show(request.parts["blueprint"], request.parts["name"]))

    async def pause(self, request: Request) -> Answer:
        """Let no run begin; it is 200 for one that is paused already, too."""
        blueprint, name, reason = *self._asked(request), await self._reason(request)
        return json_answer(await self._schedules.pause(blueprint, name, request.caller.name, reason))

    async def resume(self, request: Request) -> Answer:
        """Let a paused one go on from now."""
        blueprint, name = self._asked(request)
        await self._reason(request)
        return json_answer(await self._schedules.resume(blueprint, name))

    async def trigger(self, request: Request) -> Answer:
        """Make a job now."""
        blueprint, name = self._asked(request)
        await self._reason(request)
        key = read_key(single_header(request, "Idempotency-Key"))
        job, is_fresh = await self._schedules.trigger(blueprint, name, request.caller.name, key)
        answer = json_answer({"job_id": job, "blueprint": blueprint, "schedule": name}, status=202)
        answer.set("Location", f"{JOBS}/{job}")
        if not is_fresh:
            answer.set("Idempotency-Replayed", "true")
        return answer

    def _asked(self, request: Request) -> tuple[str, str]:
        refuse_unknown(query_of(request))
        refuse_blueprint(request.caller, request.parts["blueprint"])
        return request.parts["blueprint"], request.parts["name"]

    async def _reason(self, request: Request) -> str:
        """The only field that a body may have."""
        body = await optional_json_body(request, self._body_bytes_max)
        if not isinstance(body, dict) or not body.keys() <= {"reason"}:
            text = "the body is a map with reason, or nothing"
            raise RequestRefused(text, status=422, code="request.invalid", pointer="")
        reason = body.get("reason", "")
        if not isinstance(reason, str) or len(reason) > TEXT_CHARACTERS_MAX:
            text = f"reason is a text of at most {TEXT_CHARACTERS_MAX} characters"
            raise RequestRefused(text, status=422, code="request.invalid", pointer="/reason")
        return reason
