"""Call a function of avtomatika-worker: what it is given, and what its answer means."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import typing
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Protocol

from avtomat_worker.context import TaskContext
from avtomat_worker.conversion import converter_for
from avtomat_worker.errors import TaskError
from avtomat_worker.handlers import run_in_thread
from avtomat_worker.messages import Result

logger = logging.getLogger(__name__)

Json = Any
Function = Callable[..., Any]

NAMES = (
    "task_id",
    "job_id",
    "tracing_context",
    "priority",
    "deadline",
    "metadata",
    "send_progress",
    "send_event",
    "add_to_hot_skills",
    "remove_from_hot_skills",
    "add_to_hot_cache",
    "remove_from_hot_cache",
)
"""What a function may ask for by name, beside `params`; `**kwargs` gets all of it."""

_FAILURES = frozenset({"failure", "failed", "error"})


class ParamValidationError(Exception):
    """The params do not fit: the attempt fails with INVALID_INPUT_ERROR."""


class Warmth(Protocol):
    """Where a function says what is loaded."""

    def add_to_hot_skills(self, item: str) -> None:
        """The item is loaded."""

    def remove_from_hot_skills(self, item: str) -> None:
        """It is no longer."""


def adapted(name: str, function: Function, warmth: Warmth) -> Callable[..., Awaitable[Any]]:
    """Return the function as this SDK calls one. Raises TypeError for a parameter that nothing can be given for."""
    parameters = inspect.signature(function).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for each in parameters.values():
        is_variable = each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        if each.name not in ("params", *NAMES) and each.default is each.empty and not is_variable:
            raise TypeError(f"{name}: nothing is given for the parameter {each.name!r}; there are params and {NAMES}")
    convert = _converter(function)

    async def call(params: Any, context: TaskContext) -> Result:
        given = {"params": convert(params), **_given(context, warmth)}
        wanted = given if takes_all else {each: given[each] for each in parameters if each in given}
        try:
            if inspect.iscoroutinefunction(function):
                answer = await function(**wanted)
            else:
                answer = await run_in_thread(lambda: function(**wanted), name=f"{name} {context.task_id}")
        except TaskError:
            raise
        except ParamValidationError as error:
            raise TaskError("INVALID_INPUT_ERROR", error) from error
        except ValueError as error:
            raise TaskError("INTEGRITY_MISMATCH_ERROR", error) from error
        except Exception as error:
            logger.exception("task %s of job %s failed", name, context.job_id)
            raise TaskError("TRANSIENT_ERROR", error) from error
        return read_answer(answer)

    call.__doc__ = inspect.getdoc(function)
    return call


def read_answer(answer: Any) -> Result:
    """Return what a function's answer says. Raises TaskError for a failure."""
    if not isinstance(answer, Mapping):
        return Result(answer)
    status = answer.get("status", "success")
    error = answer.get("error")
    if (isinstance(status, str) and status.casefold() in _FAILURES) or error is not None:
        if isinstance(error, Mapping):
            raise TaskError(error.get("code") or "INTERNAL_ERROR", error.get("message", ""), error.get("details"))
        raise TaskError("TRANSIENT_ERROR" if error else "INTERNAL_ERROR", error or "")
    if not answer.keys() & {"status", "data", "metadata", "costs"}:
        return Result(dict(answer))
    return Result(answer.get("data", {}), status, costs=answer.get("costs"), metadata=answer.get("metadata"))


def _converter(function: Function) -> Callable[[Json], Any]:
    try:
        annotation = typing.get_type_hints(function).get("params", Any)
    except NameError:
        annotation = Any
    if annotation is dict or typing.get_origin(annotation) is dict:
        return lambda params: {} if params is None else params
    convert = converter_for(annotation)
    if dataclasses.is_dataclass(annotation):
        known = {each.name for each in dataclasses.fields(annotation)}
        return lambda params: convert(_only(params, known), "params")
    return lambda params: convert(params, "params")


def _only(params: Json, known: Collection[str]) -> Json:
    """That package drops what a dataclass does not have."""
    return {name: each for name, each in params.items() if name in known} if isinstance(params, dict) else params


def _given(context: TaskContext, warmth: Warmth) -> dict[str, Any]:
    async def send_progress(_task_id: str, _job_id: str, progress: float, message: str = "") -> None:
        await context.progress(min(max(progress, 0), 1), message)

    async def send_event(event_type: str, payload: Mapping[str, Json], **_more: object) -> None:
        await context.emit(event_type, payload)

    return {
        "task_id": context.task_id,
        "job_id": context.job_id,
        "tracing_context": {} if context.traceparent is None else {"traceparent": context.traceparent},
        "priority": 0,
        "deadline": None if context.deadline is None else int(context.deadline.timestamp()),
        "metadata": None,
        "send_progress": send_progress,
        "send_event": send_event,
        "add_to_hot_skills": warmth.add_to_hot_skills,
        "remove_from_hot_skills": warmth.remove_from_hot_skills,
        "add_to_hot_cache": warmth.add_to_hot_skills,
        "remove_from_hot_cache": warmth.remove_from_hot_skills,
    }
