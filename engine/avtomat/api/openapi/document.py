"""Describe the HTTP API: one table of operations, from which the OpenAPI document and the page /docs are made."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Final

from avtomat.access.model import Scope
from avtomat.api.clients.jobs import HISTORY_PAGE_MAX, PAGE_DEFAULT, PAGE_MAX, SUBMIT
from avtomat.api.openapi.deciding import DECIDING, LINKS
from avtomat.api.openapi.operating import OPERATING
from avtomat.api.openapi.operation import Operation, Parameter, idempotency_key
from avtomat.api.openapi.schemas import SCHEMAS, ref
from avtomat.core.formula import Json
from avtomat.runtime.jobs.clients import STATUS_WORDS

_WAIT: Final = Parameter(
    name="wait", text="Seconds to wait for the job's end, at most 60.", schema={"type": "number", "minimum": 0}
)
_CURSOR_TEXT: Final = "`next_cursor` of the page before."
_CURSOR: Final = Parameter(
    name="cursor", text=_CURSOR_TEXT, schema={"type": "string", "pattern": r"^[0-9]{1,15}\.[0-9a-z]{1,64}$"}
)
_HISTORY_CURSOR: Final = Parameter(
    name="cursor", text=_CURSOR_TEXT, schema={"type": "string", "pattern": "^[0-9]{1,9}$"}
)
_KEY: Final = idempotency_key(
    "The same key with the same body is the same job, for as long as it is kept; with another body, 409."
)
_TRACE: Final = Parameter(
    name="traceparent", text="W3C Trace Context; kept with the job.", schema={"type": "string"}, place="header"
)


def _limit(default: int, most: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter(name="limit", text="How many at most.", schema=schema)


_JOB: Final = "/api/v1/jobs/{job}"
_READING: Final = (Scope.CLIENT, Scope.VIEWER)

OPERATIONS: Final = (
    Operation(
        method="post",
        path=SUBMIT,
        id="submitJob",
        door="client",
        scopes=(Scope.CLIENT,),
        summary="Submit a job, or a list of up to 100",
        text="202 and a Location once the job is stored. With `wait`: 200 and the whole job if it ends in time, even "
        "if it failed, else 202 and the whole job. A list gets a result each, in its order.",
        parameters=(_WAIT, _KEY, _TRACE),
        body=("Submission", "Submissions"),
        answers={202: ("Accepted", "Job", "AcceptedList"), 200: "Job"},
        refusals=(404, 409, 422, 503),
    ),
    Operation(
        method="get",
        path="/api/v1/jobs",
        id="listJobs",
        door="client",
        scopes=_READING,
        summary="List jobs, newest first",
        text="A status that an open job derives from what it waits for filters each page, which may then be short.",
        parameters=(
            Parameter(name="status", text="Only these.", schema={"type": "string", "enum": sorted(STATUS_WORDS)}),
            Parameter(name="blueprint", text="Only jobs of this blueprint.", schema={"type": "string"}),
            _limit(PAGE_DEFAULT, PAGE_MAX),
            _CURSOR,
        ),
        answers={200: "JobPage"},
        refusals=(422, 503),
    ),
    Operation(
        method="get",
        path=_JOB,
        id="getJob",
        door="client",
        scopes=_READING,
        summary="Read a job",
        text="With `wait`: once it has ended, or when the time is over. Has an ETag.",
        parameters=(_WAIT,),
        answers={200: "Job", 304: None},
        refusals=(404, 422, 503),
    ),
    Operation(
        method="post",
        path=_JOB + "/signals/{name}",
        id="sendSignal",
        door="client",
        scopes=(Scope.CLIENT, Scope.OPERATOR),
        summary="Send a signal to a job",
        text="202 once it is stored: the state that waits for the signal and its key goes on with the payload, now or "
        "when it comes to wait. 200 when a signal with this id was taken before.",
        body="Signal",
        body_required=False,
        answers={202: "SignalAccepted", 200: "SignalAccepted"},
        refusals=(404, 409, 413, 422, 429, 503),
    ),
    *DECIDING,
    *OPERATING,
    Operation(
        method="get",
        path=_JOB + "/history",
        id="getHistory",
        door="client",
        scopes=_READING,
        summary="Read a job's history, oldest first",
        parameters=(_limit(PAGE_MAX, HISTORY_PAGE_MAX), _HISTORY_CURSOR),
        answers={200: "History"},
        refusals=(404, 422, 503),
    ),
    Operation(
        method="get",
        path=_JOB + "/tasks",
        id="getTasks",
        door="client",
        scopes=_READING,
        summary="Read a job's open tasks: who works on what, since when, how far",
        answers={200: "Tasks"},
        refusals=(404, 422, 503),
    ),
    Operation(
        method="get",
        path="/api/v1/blueprints",
        id="listBlueprints",
        door="client",
        scopes=_READING,
        summary="List the blueprints in use, and what is wrong with newer ones",
        answers={200: "Blueprints", 304: None},
        refusals=(422,),
    ),
    Operation(
        method="get",
        path="/api/v1/blueprints/{name}",
        id="getBlueprint",
        door="client",
        scopes=_READING,
        summary="Read a blueprint",
        answers={200: "Blueprint", 304: None},
        refusals=(404, 422),
    ),
    Operation(
        method="post",
        path="/api/v1/blueprints/{name}/restore",
        id="restoreBlueprint",
        door="client",
        scopes=(Scope.AUTHOR,),
        summary="Make an earlier version of a blueprint current again",
        text="It stays until the file changes; the first digits of the version are enough.",
        body="Restore",
        answers={200: "Blueprint"},
        refusals=(404, 422, 503),
    ),
    Operation(
        method="post",
        path="/_worker/workers/register",
        id="registerWorker",
        door="worker",
        summary="Make a worker known",
        body="Map",
        answers={200: "Map"},
        refusals=(503,),
    ),
    Operation(
        method="patch",
        path="/_worker/workers/{worker}",
        id="heartbeat",
        door="worker",
        summary="Say that a worker lives, and what it works on",
        text="404: the worker is not known and must register again.",
        body="Map",
        body_required=False,
        answers={200: "Map"},
        refusals=(404, 503),
    ),
    Operation(
        method="get",
        path="/_worker/workers/{worker}/tasks/next",
        id="pollTasks",
        door="worker",
        summary="Wait for tasks and take them under a lease",
        parameters=(
            Parameter(name="timeout", text="Seconds to wait; 30 if unset.", schema={"type": "number"}),
            Parameter(name="available_skills", text="Kinds of task, with commas.", schema={"type": "string"}),
            Parameter(name="max", text="How many at most; the answer is a list then.", schema={"type": "integer"}),
            Parameter(name="nonce", text="The same again gets the same tasks again.", schema={"type": "string"}),
            Parameter(
                name="holding", text="Ids of all tasks it has; others are taken back.", schema={"type": "string"}
            ),
        ),
        answers={200: ("Map", "Maps"), 204: None},
        refusals=(400, 429),
    ),
    Operation(
        method="post",
        path="/_worker/tasks/result",
        id="deliverResult",
        door="worker",
        summary="Deliver the result of a task, or a list of them, and take the next tasks with the answer",
        parameters=(
            Parameter(
                name="next", text="Hand out tasks of these kinds, with commas; none waits.", schema={"type": "string"}
            ),
            Parameter(name="max", text="With next: how many at most, as `tasks`.", schema={"type": "integer"}),
            Parameter(name="nonce", text="With next: the same again gets the same tasks.", schema={"type": "string"}),
        ),
        body=("Map", "Maps"),
        answers={200: ("Map", "Maps")},
        refusals=(429,),
    ),
    Operation(
        method="post",
        path="/_worker/events",
        id="tellEvent",
        door="worker",
        summary="Tell an event, such as progress",
        body="Map",
        answers={200: "Map"},
        refusals=(503,),
    ),
    Operation(
        method="get",
        path="/_worker/ws/{worker}",
        id="openSocket",
        door="worker",
        summary="Hold a WebSocket on which commands come at once",
        answers={101: None},
        refusals=(400,),
    ),
    Operation(
        method="get",
        path="/healthz",
        id="health",
        door="public",
        summary="Whether the process serves",
        answers={200: "Map"},
    ),
    Operation(
        method="get",
        path="/readyz",
        id="readiness",
        door="public",
        summary="Whether this replica should get requests, and why not",
        answers={200: "Map", 503: "Map"},
    ),
    Operation(
        method="get",
        path="/metrics",
        id="metrics",
        door="public",
        summary="Metrics for Prometheus",
        answers={200: None},
    ),
    Operation(
        method="get",
        path="/version",
        id="version",
        door="public",
        summary="The version of the engine",
        answers={200: "Map"},
    ),
    Operation(
        method="get",
        path="/openapi.json",
        id="openapi",
        door="public",
        summary="This description",
        answers={200: "Map", 304: None},
    ),
    Operation(
        method="get", path="/docs", id="docs", door="public", summary="This description to read", answers={200: None}
    ),
    *LINKS,
    Operation(
        method="get", path="/docs.css", id="docsStyle", door="public", summary="The look of /docs", answers={200: None}
    ),
)
"""All operations, in the order in which they are shown."""

_SCHEMES: Final = {"client": ("bearer", "clientToken"), "worker": ("bearer", "workerToken"), "public": ()}


@cache
def openapi_document() -> dict[str, Json]:
    """The document, in OpenAPI 3.1."""
    paths: dict[str, dict[str, Json]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation_as_json(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Avtomat",
            "version": version("avtomat"),
            "description": "Long-lived workflows that are written in YAML.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "clientToken": {"type": "apiKey", "in": "header", "name": "X-Client-Token"},
                "workerToken": {"type": "apiKey", "in": "header", "name": "X-Worker-Token"},
            },
        },
    }


def _operation_as_json(operation: Operation) -> dict[str, Json]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    told: dict[str, Json] = {
        "operationId": operation.id,
        "tags": [operation.door],
        "summary": operation.summary,
        "security": _security(operation),
        "parameters": in_path + [parameter.as_json() for parameter in operation.parameters],
        "responses": _responses(operation),
    }
    text = " ".join(each for each in (operation.text, _scopes_in_words(operation)) if each)
    if text:
        told["description"] = text
    if operation.body:
        told["requestBody"] = {"required": operation.body_required, "content": _content(operation.body)}
    return told


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """Any one of these: a token in one of its headers, at the clients' door one that has a scope."""
    roles = [[scope.value] for scope in operation.scopes] or [[]]
    return [{scheme: role} for role in roles for scheme in _SCHEMES[operation.door]]


def _scopes_in_words(operation: Operation) -> str:
    if not operation.scopes:
        return ""
    return f"Needs the scope {' or '.join(operation.scopes)}."


def _responses(operation: Operation) -> dict[str, Json]:
    answers: dict[str, Json] = {
        str(status): {"description": _MEANINGS[status], **({} if names is None else {"content": _content(names)})}
        for status, names in operation.answers.items()
    }
    if operation.door == "public":
        return answers
    kind = "application/problem+json" if operation.door == "client" else "application/json"
    schema = ref("Problem") if operation.door == "client" else ref("Map")
    for status in operation.all_refusals():
        answers[str(status)] = {"description": _MEANINGS[status], "content": {kind: {"schema": schema}}}
        if status == 429:
            answers[str(status)]["headers"] = _LATER if operation.door == "worker" else {**_LATER, **_LIMITS}
    return answers


_LATER: Final[dict[str, Json]] = {
    "Retry-After": {"description": "When to ask again, in seconds.", "schema": {"type": "integer", "minimum": 1}}
}
_LIMITS: Final[dict[str, Json]] = {
    "RateLimit-Policy": {"description": "The rate and the quota of this client.", "schema": {"type": "string"}},
    "RateLimit": {"description": "What remains of them, and for how long.", "schema": {"type": "string"}},
}
"""Of answers to clients with limits, other answers as well."""


def _content(names: str | tuple[str, ...]) -> dict[str, Json]:
    schema = ref(names) if isinstance(names, str) else {"anyOf": [ref(name) for name in names]}
    return {"application/json": {"schema": schema}}


_MEANINGS: Final = {
    101: "The connection is a WebSocket now",
    200: "Done",
    202: "Accepted: it is stored and will be carried out",
    204: "Nothing there is to hand out",
    304: "Nothing has changed since",
    400: "What was sent is not of the expected form",
    401: "A token is needed",
    403: "Not allowed",
    404: "There is no such thing, or it is another client's",
    408: "The body did not come in time",
    409: "It contradicts what is there",
    410: "It is over",
    413: "The body is too large",
    415: "The body is not application/json, or is compressed",
    422: "The values are not what is expected",
    429: "Not now: repeat after Retry-After",
    503: "Not now: repeat after Retry-After",
}
