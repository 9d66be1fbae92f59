"""Bound what one commit writes: what a blueprint keeps in a scope, the engine's words beside it, and each undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from avtomat.core.messages import Undo
from avtomat.core.model import Error
from avtomat.core.program import RESULT, Limits
from avtomat.core.scope import Scope
from avtomat.core.waiting import OnFinally, OnUndo, OnUnwind
from avtomat.storage.port.codec import dumps, outputs_as_json, undos_as_json

ROOM_BYTES = 16 * 1024
"""So much more than `limits.data_bytes` a scope's record may have, for what the engine writes there: an error, and what
the scope waits for.
"""

CUT_MESSAGE_CHARACTERS_MAX = 1_000
"""An error that does not fit in the room keeps so much of its message, and none of its details."""

UNDO_BYTES_MAX = 8_000_000


class TooLargeError(Exception):
    """What would be written is over the blueprint's `limits`; the text is for the author."""


def within(scope: Scope, limits: Limits) -> Scope:
    """The scope as it can be written under `limits.data_bytes`, which bounds what the blueprint keeps: variables, and
    outputs that are not set apart. What the engine writes beside them has room of its own, ROOM_BYTES, so that a job at
    its limit can still fail, be cancelled and be undone; errors are cut to fit in there. Nor does the result count that
    a job has while its `finally` runs: it is small, or set apart.
    """
    kept = {name: output for name, output in scope.outputs.items() if name != RESULT}
    size = len(dumps({"data": scope.data, **outputs_as_json(kept)}))
    if size > limits.data_bytes:
        raise TooLargeError(
            f"the job's variables and small outputs would take {size} bytes, the limit data_bytes is "
            f"{limits.data_bytes}: keep large values in outputs rather than in data"
        )
    waiting = scope.waiting
    if isinstance(waiting, OnUnwind):
        waiting = replace(waiting, error=_cut(waiting.error))
    elif isinstance(waiting, OnUndo):
        waiting = replace(waiting, unwind=replace(waiting.unwind, error=_cut(waiting.unwind.error)))
    elif isinstance(waiting, OnFinally):
        waiting = replace(waiting, error=_cut(waiting.error))
    return replace(scope, error=_cut(scope.error), finally_error=_cut(scope.finally_error), waiting=waiting)


def _cut(error: Error | None) -> Error | None:
    """An error that takes no more than a third of the room."""
    if error is None or len(dumps(error.as_json())) <= ROOM_BYTES // 3:
        return error
    return replace(error, message=error.message[:CUT_MESSAGE_CHARACTERS_MAX], details={"left_out": "too large to keep"})


def encode_undos(undos: Sequence[Undo]) -> bytes | None:
    """The undos that one commit notes; one that is too large has no params."""
    if not undos:
        return None
    body = dumps(undos_as_json(undos))
    if len(body) > UNDO_BYTES_MAX:
        body = dumps(undos_as_json([_within_bound(undo) for undo in undos]))
    return body


def _within_bound(undo: Undo) -> Undo:
    size = len(dumps(undos_as_json([undo])))
    if size <= UNDO_BYTES_MAX:
        return undo
    text = f"the params of the undo take {size} bytes, at most {UNDO_BYTES_MAX} are kept"
    error = Error(code="LIMIT_EXCEEDED", message=text, state=undo.place)
    return replace(undo, error=error, body=replace(undo.body, params=None, secrets=()))
