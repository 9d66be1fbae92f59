"""Describe what workers ask: the operations of the worker protocol."""

from __future__ import annotations

from typing import Final

from avtomat.api.openapi.operation import Operation, Parameter

WORKING: Final = (
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
        summary="Deliver the result of a task, or a list of them",
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
        path="/_worker/ws",
        id="openNamelessSocket",
        door="worker",
        summary="The same, for clients that name the worker in X-Worker-ID or not at all",
        answers={101: None},
        refusals=(400,),
    ),
    Operation(
        method="post",
        path="/_worker/auth/token",
        id="exchangeWorkerToken",
        door="worker",
        summary="Get a short-lived token for the worker's own",
        text="For the worker that X-Worker-ID names. 404: this engine gives out none.",
        answers={200: "Map"},
        refusals=(400, 404),
    ),
    Operation(
        method="post",
        path="/_worker/auth/token/refresh",
        id="refreshWorkerToken",
        door="worker",
        summary="Get the next pair of tokens for the `refresh_token` of one",
        body="Map",
        answers={200: "Map"},
        refusals=(404,),
    ),
)
