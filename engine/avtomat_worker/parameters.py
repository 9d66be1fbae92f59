"""Match a task's params to the parameters of the function that handles it.

- A parameter annotated `TaskContext` gets the context, whatever its name; one whose annotation is a type that the
  worker provides gets what is provided for it.
- A parameter named `params` gets the params as a whole, converted to its annotation; it must then be the only one.
- Every other parameter takes the key of its name, converted to its annotation; one with a default may be missing.
- `**rest` takes the keys that are left; without it they are refused, so that a misspelt key is never lost in silence.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from avtomat_worker.context import TaskContext
from avtomat_worker.conversion import Converter, Json, converter_for, describe, invalid, refuse_unknown_keys

WHOLE = "params"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of one function, compiled; `bind` makes keyword arguments of a task's params."""

    context_name: str | None
    whole: Converter | None
    keys: dict[str, Converter]
    required: tuple[str, ...]
    rest: Converter | None
    provided: Mapping[str, Any] = field(default_factory=dict)

    def bind(self, params: Json, context: TaskContext) -> dict[str, Any]:
        """Return the keyword arguments. Raises TaskError INVALID_INPUT_ERROR when the params do not fit."""
        arguments = {WHOLE: self.whole(params, WHOLE)} if self.whole else self._match(params)
        arguments.update(self.provided)
        if self.context_name:
            arguments[self.context_name] = context
        return arguments

    def _match(self, params: Json) -> dict[str, Any]:
        found = {} if params is None else params
        if not isinstance(found, dict):
            raise invalid(WHOLE, f"expected a map, found {describe(found)}")
        if self.rest is None:
            refuse_unknown_keys(found, self.keys, WHOLE)
        missing = [name for name in self.required if name not in found]
        if missing:
            raise invalid(WHOLE, f"missing {', '.join(map(repr, missing))}")
        rest = self.rest or converter_for(Any)
        return {key: self.keys.get(key, rest)(value, f"{WHOLE}.{key}") for key, value in found.items()}


def parameters_of(function: Callable[..., Any], provided: Mapping[type, Any] | None = None) -> Parameters:
    """Compile the signature of `function`. Raises TypeError, with what to do, for one that no params can fit.

    `provided` is what parameters get that are annotated with its type, which is no type of JSON.
    """
    hints, known = _hints(function), provided or {}
    context_name, rest, keys, required = None, None, {}, []
    given: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        annotation = hints.get(parameter.name, Any)
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL}:
            raise TypeError(f"{function!r}: params are given by name, so {parameter} can never get a value")
        if annotation is TaskContext:
            context_name = parameter.name
        elif isinstance(annotation, type) and annotation in known:
            given[parameter.name] = known[annotation]
        elif parameter.kind is parameter.VAR_KEYWORD:
            rest = converter_for(annotation)
        else:
            keys[parameter.name] = converter_for(annotation)
            required += [parameter.name] * (parameter.default is parameter.empty)
    whole = keys.pop(WHOLE, None)
    if whole and (keys or rest):
        raise TypeError(
            f"{function!r}: `params` takes the params as a whole, so no other parameter can take a key; beside it "
            "there may be one that is annotated TaskContext, which has job_id, task_id and the like"
        )
    return Parameters(
        context_name=context_name, whole=whole, keys=keys, required=tuple(required), rest=rest, provided=given
    )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(target)
    except NameError as error:
        raise TypeError(
            f"{function!r}: an annotation cannot be resolved ({error}); define its type at the top of the module"
        ) from error
