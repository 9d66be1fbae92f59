"""Write a task as the worker gets it: the payload of the protocol, with secrets in their places."""

from __future__ import annotations

from avtomat.core.formula import Json, SecretRef
from avtomat.runtime.work.signing import task_signature
from avtomat.secrets import Secrets
from avtomat.storage.port.answers import Handout
from avtomat.storage.port.codec import loads, secrets_from_json


def payload(handout: Handout, secrets: Secrets, now_ms: int, task_secret: str | None = None) -> dict[str, Json]:
    """The TaskPayload of an attempt, signed where there is a secret for that. Raises SecretError when one of its
    secrets cannot be had.

    `deadline` is in whole seconds, rounded down: a client that reads integers only must not be told too late a time.
    """
    body = loads(handout.body)
    params = put_in(body["params"], secrets_from_json(body), secrets) if "secrets" in body else body["params"]
    task: dict[str, Json] = {
        "job_id": handout.job,
        "task_id": handout.task_id,
        "type": body["kind"],
        "params": params,
        "priority": handout.priority,
        "timestamp": now_ms // 1000,
        "tracing_context": {"traceparent": body["trace"]} if "trace" in body else {},
        "attempt": handout.attempt,
        "lease_s": handout.lease_ms / 1000,
        "idempotency_key": f"{handout.job}{handout.path}:{handout.visit}",
    }
    if handout.deadline_ms is not None:
        task["deadline"] = handout.deadline_ms // 1000
    if task_secret is not None:
        task["sig"] = task_signature(task, task_secret)
    return task


def put_in(value: Json, missing: tuple[SecretRef, ...], secrets: Secrets) -> Json:
    """Return `value` with each secret inserted where its reference says; texts elsewhere are not looked at."""
    inserted: dict[str, int] = {}
    holder = {"": value}
    for ref in missing:
        text = secrets.text_of(ref.name)
        parent, key = _place(holder, ref.pointer)
        at = ref.offset + inserted.get(ref.pointer, 0)
        parent[key] = parent[key][:at] + text + parent[key][at:]
        inserted[ref.pointer] = inserted.get(ref.pointer, 0) + len(text)
    return holder[""]


def _place(holder: Json, pointer: str) -> tuple[Json, str | int]:
    """The map or list that the pointer (RFC 6901) ends in, and the key there."""
    parent: Json = holder
    key: str | int = ""
    for part in pointer.split("/")[1:]:
        parent = parent[key]
        name = part.replace("~1", "/").replace("~0", "~")
        key = int(name) if isinstance(parent, list) else name
    return parent, key
