"""Make the OpenAPI document from the table of routes."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from avtomat.api.http.routes import Routes
from avtomat.api.openapi.details import DETAILS
from avtomat.api.openapi.operation import Details, Door, Operation
from avtomat.api.openapi.schemas import SCHEMAS, ref
from avtomat.api.table import CLIENT, EXCHANGE, PUBLIC, WORKER
from avtomat.core.formula import Json

_NONE: Final = Details()
_DOORS: Final[dict[Door, tuple[Routes[Any, Any], ...]]] = {
    "client": CLIENT,
    "worker": (*WORKER, *EXCHANGE),
    "public": PUBLIC,
}

OPERATIONS: Final = tuple(
    Operation(door, route, DETAILS.get(route.id, _NONE))
    for door, tables in _DOORS.items()
    for table in tables
    for route in table.all
)
"""All operations, in the order in which they are shown."""

_SCHEMES: Final = {"client": ("bearer", "clientToken"), "worker": ("bearer", "workerToken"), "public": ()}


@cache
def openapi_document() -> dict[str, Json]:
    """The document, in OpenAPI 3.1."""
    paths: dict[str, dict[str, Json]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.route.path, {})[operation.route.method.lower()] = _operation_as_json(operation)
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
        for name in re.findall(r"{(\w+)}", operation.route.path)
    ]
    told: dict[str, Json] = {
        "operationId": operation.route.id,
        "tags": [operation.door],
        "summary": operation.route.summary,
        "security": _security(operation),
        "parameters": in_path + [parameter.as_json() for parameter in operation.details.parameters],
        "responses": _responses(operation),
    }
    text = " ".join(each for each in (operation.details.text, _scopes_in_words(operation)) if each)
    if text:
        told["description"] = text
    if operation.route.body:
        told["requestBody"] = {"required": operation.route.body_required, "content": _content(operation.route.body)}
    return told


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """Any one of these: a token in one of its headers, at the clients' door one that has a scope."""
    roles = [[scope.value] for scope in operation.route.scopes] or [[]]
    return [{scheme: role} for role in roles for scheme in _SCHEMES[operation.door]]


def _scopes_in_words(operation: Operation) -> str:
    if not operation.route.scopes:
        return ""
    return f"Needs the scope {' or '.join(operation.route.scopes)}."


def _responses(operation: Operation) -> dict[str, Json]:
    answers: dict[str, Json] = {
        str(status): {"description": _MEANINGS[status], **({} if names is None else {"content": _content(names)})}
        for status, names in operation.route.answers.items()
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
    204: "There is no task",
    304: "Nothing has changed since",
    400: "What was sent is not of the expected form",
    401: "A token is needed",
    403: "Not allowed",
    404: "It does not exist, or belongs to another client",
    408: "The body did not come in time",
    409: "It conflicts with what is there",
    410: "It is over",
    413: "The body is too large",
    415: "The body is not application/json, or is compressed",
    422: "The values are not what is expected",
    429: "Not now: repeat after Retry-After",
    503: "Not now: repeat after Retry-After",
}
