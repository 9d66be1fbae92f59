"""The clients' door: see the schedules of blueprints, pause them, let them go on, make a job of one by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from avtomat.access.model import Scope
from avtomat.api.clients.bodies import fields_of, invalid
from avtomat.api.clients.jobs import JOBS, refuse_blueprint
from avtomat.api.clients.operating import TEXT_CHARACTERS_MAX
from avtomat.api.clients.submissions import read_key
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.bodies import optional_json_body
from avtomat.api.http.queries import query_of, refuse_unknown
from avtomat.api.http.requests import Request, single_header
from avtomat.api.http.routes import Route, Routes
from avtomat.runtime.schedules.operations import ScheduleOperations
from avtomat.settings import Settings

SCHEDULES: Final = "/api/v1/schedules"
SCHEDULE: Final = SCHEDULES + "/{blueprint}/{name}"


class ScheduleRoutes:
    """The routes below /api/v1/schedules."""

    def __init__(self, schedules: ScheduleOperations, settings: Settings) -> None:
        self._schedules = schedules
        self._body_bytes_max = settings.body_bytes_max

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
        body = fields_of(await optional_json_body(request, self._body_bytes_max), ("reason",))
        reason = body.get("reason", "")
        if not isinstance(reason, str) or len(reason) > TEXT_CHARACTERS_MAX:
            raise invalid(f"reason is a text of at most {TEXT_CHARACTERS_MAX} characters", "/reason")
        return reason


def _action(
    name: str, handler: Callable[[ScheduleRoutes, Request], Awaitable[Answer]], summary: str
) -> Route[ScheduleRoutes, Answer]:
    return Route(
        "POST",
        f"{SCHEDULE}/{name}",
        handler,
        id=f"{name}Schedule",
        summary=summary,
        scopes=(Scope.OPERATOR,),
        body="Reason",
        body_required=False,
        answers={202: "Triggered"} if name == "trigger" else {200: "Schedule"},
        refusals=(404, 409, 422, 503) if name == "trigger" else (404, 422, 503),
    )


ROUTES: Final = Routes(
    ScheduleRoutes,
    (
        Route(
            "GET",
            SCHEDULES,
            ScheduleRoutes.list,
            id="listSchedules",
            summary="List the schedules of the blueprints in use",
            scopes=(Scope.VIEWER,),
            answers={200: "Schedules"},
            refusals=(422, 503),
        ),
        Route(
            "GET",
            SCHEDULE,
            ScheduleRoutes.show,
            id="getSchedule",
            summary="Read a schedule: its next times, and what became of its last runs",
            scopes=(Scope.VIEWER,),
            answers={200: "Schedule"},
            refusals=(404, 422, 503),
        ),
        _action("pause", ScheduleRoutes.pause, "Let no run of a schedule begin"),
        _action("resume", ScheduleRoutes.resume, "Let a paused schedule go on"),
        _action("trigger", ScheduleRoutes.trigger, "Make a job of a schedule now, with its input"),
    ),
)
