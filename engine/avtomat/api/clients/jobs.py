"""The clients' door: submit jobs, read them, wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from avtomat.access.model import Scope
from avtomat.api.clients.submissions import SUBMISSIONS_MAX, read_key, read_submission, read_trace
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer, problem_of, tagged_answer
from avtomat.api.http.auth import Caller
from avtomat.api.http.bodies import json_body
from avtomat.api.http.queries import count, query_of, refuse_unknown, seconds
from avtomat.api.http.refusals import refusal_of
from avtomat.api.http.requests import Request, single_header
from avtomat.api.http.routes import Route, Routes
from avtomat.core.formula import Json
from avtomat.core.model import ENDED
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.clients import STATUS_WORDS, Accepted, ClientOperations
from avtomat.runtime.jobs.submission import Submission
from avtomat.settings import Settings
from avtomat.storage.port.answers import Query
from avtomat.suggest import did_you_mean

JOBS: Final = "/api/v1/jobs"
SUBMIT: Final = "/api/v1/blueprints/{blueprint}/jobs"
OLD_SUBMIT: Final = JOBS + "/{blueprint}"
"""The older address, which is no longer described."""

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
HISTORY_PAGE_MAX: Final = 1_000

T = TypeVar("T")


class JobRoutes:
    """The routes below /api/v1/jobs."""

    def __init__(self, clients: ClientOperations, settings: Settings) -> None:
        self._clients = clients
        self._body_bytes_max = settings.body_bytes_max
        self._wait_max_s = settings.wait_max.total_seconds()

    # --- submitting ---------------------------------------------------------------------------------------------------

    async def submit(self, request: Request) -> Answer:
        """Accept a job, or a list of them. With `wait`: 200 and the whole job if it ends in time."""
        query = query_of(request)
        refuse_unknown(query, ("wait",))
        refuse_blueprint(request.caller, request.parts["blueprint"])
        body = await json_body(request, self._body_bytes_max)
        if isinstance(body, list):
            return await self._submit_all(request, body, waits="wait" in query)
        wait_s = seconds(query, "wait", default=0, most=self._wait_max_s)
        asked = _submission_of(request, body, read_key(single_header(request, "Idempotency-Key")))
        submitting = self._clients.submit(asked, wait_s, request.let_go)
        del asked, body  # so that who waits holds neither
        accepted = await submitting
        if "wait" in query:
            answer = await self._whole(accepted)
        else:
            answer = json_answer(accepted_as_json(accepted), status=202)
        answer.set("Location", f"{JOBS}/{accepted.job_id}")
        if not accepted.fresh:
            answer.set("Idempotency-Replayed", "true")
        return answer

    async def _whole(self, accepted: Accepted) -> Answer:
        if accepted.ended is not None:
            return json_answer({"job_id": accepted.job_id, **accepted.ended})
        job = await self._clients.job(accepted.job_id, None)
        if job is None:
            raise RequestRefused("the job was removed meanwhile", status=409, code="job.gone")
        return json_answer({"job_id": accepted.job_id, **job}, status=status_of(job))

    async def _submit_all(self, request: Request, bodies: Sequence[Json], *, waits: bool) -> Answer:
        """Accept each of a list for itself: the results are in the order of the list."""
        if waits or not 0 < len(bodies) <= SUBMISSIONS_MAX:
            text = "a list of jobs cannot be waited for" if waits else f"a list has 1 to {SUBMISSIONS_MAX} submissions"
            raise RequestRefused(text, status=422, code="request.invalid")
        key = read_key(single_header(request, "Idempotency-Key"))
        results = await asyncio.gather(
            *(
                self._submit_one(request, body, None if key is None else f"{key}/{index}", f"/{index}")
                for index, body in enumerate(bodies)
            )
        )
        return json_answer({"results": results}, status=202)

    async def _submit_one(self, request: Request, body: Json, key: str | None, pointer: str) -> Mapping[str, Json]:
        try:
            return accepted_as_json(await self._clients.submit(_submission_of(request, body, key, pointer)))
        except Exception as error:
            return {"problem": problem_of(refusal_of(error))}

    # --- reading ------------------------------------------------------------------------------------------------------

    async def show(self, request: Request) -> Answer:
        """The whole job; with `wait`, once it has ended or the time is over."""
        query = query_of(request)
        refuse_unknown(query, ("wait",))
        job_id = request.parts["job"]
        wait_s = seconds(query, "wait", default=0, most=self._wait_max_s)
        return tagged_answer(request, found(await self._clients.job(job_id, request.caller.reads, wait_s), job_id))

    async def list(self, request: Request) -> Answer:
        """A page of jobs, newest first."""
        query = query_of(request)
        refuse_unknown(query, ("status", "blueprint", "limit", "cursor"))
        wanted = Query(
            client=request.caller.reads,
            blueprint=query.get("blueprint"),
            limit=count(query, "limit", default=PAGE_DEFAULT, least=1, most=PAGE_MAX),
            cursor=query.get("cursor"),
        )
        jobs, cursor = await self._clients.jobs(wanted, _status_word(query.get("status")))
        return json_answer({"jobs": jobs, "next_cursor": cursor})

    async def history(self, request: Request) -> Answer:
        """The job's history, oldest first, a page at a time."""
        query = query_of(request)
        refuse_unknown(query, ("limit", "cursor"))
        job_id = request.parts["job"]
        after = count(query, "cursor", default=0, least=0, most=10**9)
        limit = count(query, "limit", default=PAGE_MAX, least=1, most=HISTORY_PAGE_MAX)
        entries = found(await self._clients.history(job_id, request.caller.reads, after, limit), job_id)
        cursor = str(entries[-1]["seq"]) if len(entries) == limit else None
        return json_answer({"history": entries, "next_cursor": cursor})

    async def tasks(self, request: Request) -> Answer:
        """The job's open tasks: who works on what, since when, how far."""
        refuse_unknown(query_of(request))
        job_id = request.parts["job"]
        return json_answer({"tasks": found(await self._clients.tasks(job_id, request.caller.reads), job_id)})


_READING: Final = (Scope.CLIENT, Scope.VIEWER)
ROUTES: Final = Routes(
    JobRoutes,
    (
        Route(
            "POST",
            SUBMIT,
            JobRoutes.submit,
            id="submitJob",
            summary="Submit a job, or a list of up to 100",
            scopes=(Scope.CLIENT,),
            body=("Submission", "Submissions"),
            answers={202: ("Accepted", "Job", "AcceptedList"), 200: "Job"},
            refusals=(404, 409, 422, 503),
            old_path=OLD_SUBMIT,
        ),
        Route(
            "GET",
            JOBS,
            JobRoutes.list,
            id="listJobs",
            summary="List jobs, newest first",
            scopes=_READING,
            answers={200: "JobPage"},
            refusals=(422, 503),
        ),
        Route(
            "GET",
            JOBS + "/{job}",
            JobRoutes.show,
            id="getJob",
            summary="Read a job",
            scopes=_READING,
            answers={200: "Job", 304: None},
            refusals=(404, 422, 503),
        ),
        Route(
            "GET",
            JOBS + "/{job}/history",
            JobRoutes.history,
            id="getHistory",
            summary="Read a job's history, oldest first",
            scopes=_READING,
            answers={200: "History"},
            refusals=(404, 422, 503),
        ),
        Route(
            "GET",
            JOBS + "/{job}/tasks",
            JobRoutes.tasks,
            id="getTasks",
            summary="Read a job's open tasks: who works on what, since when, how far",
            scopes=_READING,
            answers={200: "Tasks"},
            refusals=(404, 422, 503),
        ),
    ),
)


def _submission_of(request: Request, body: Json, key: str | None, pointer: str = "") -> Submission:
    headers, caller = request.headers, request.caller
    return read_submission(
        body,
        blueprint=request.parts["blueprint"],
        client=caller.name,
        labels={} if caller.client is None else caller.client.labels,
        key=key,
        trace=read_trace(headers.get("traceparent")),
        whole="X-Avtomatika-Token" in headers,
        pointer=pointer,
    )


def may_see(caller: Caller, name: str) -> bool:
    """Whether a blueprint is shown to this caller: all are to who sees all jobs, else those that they may use."""
    return caller.reads is None or caller.client is None or caller.client.may_use(name)


def refuse_blueprint(caller: Caller, name: str) -> None:
    """Refuse a blueprint that this client may not use, in the same words whether there is one or not."""
    if caller.client is not None and not caller.client.may_use(name):
        text = f"there is no blueprint {name[:80]!r} that {caller.name} may use"
        raise RequestRefused(text, status=404, code="blueprint.not_found")


def accepted_as_json(accepted: Accepted) -> dict[str, Json]:
    """What a client is told of a job that was just taken."""
    return {
        "job_id": accepted.job_id,
        "status": accepted.status,
        "blueprint": accepted.blueprint,
        "version": accepted.version,
    }


def status_of(job: Mapping[str, Json]) -> int:
    """200 for a job that has ended, 202 for one that goes on."""
    return 200 if job["status"] in ENDED else 202


def found(value: T | None, job_id: str) -> T:
    """What was asked of a job; 404 when there is none."""
    if value is None:
        raise RequestRefused(f"there is no job {job_id[:80]!r}", status=404, code="job.not_found")
    return value


def acted(value: T | None, request: Request) -> T:
    """What came of acting on the job of the address; 404 when there is none that this caller may act on."""
    caller = request.caller
    if value is None and caller.reads is None and caller.acts is not None:
        text = f"there is no job {request.parts['job'][:80]!r} of {caller.name}"
        hint = "to act on the jobs of other clients, the scope operator is needed"
        raise RequestRefused(text, status=404, code="job.not_found", hint=hint)
    return found(value, request.parts["job"])


def _status_word(word: str | None) -> str | None:
    if word is None or word in STATUS_WORDS:
        return word
    meant = did_you_mean(word, STATUS_WORDS)
    raise RequestRefused(
        f"status={word[:80]} is not a status of jobs",
        status=422,
        code="request.parameter",
        hint=f"did you mean {meant}?" if meant else f"there are {', '.join(sorted(STATUS_WORDS))}",
    )
