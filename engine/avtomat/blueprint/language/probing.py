"""Try calls whose arguments are known when a file is read, to tell then what they would say when the job is there.

An argument that is not known has a stand-in where what the function says cannot depend on it: `format_time(data.at,
'%Q')` fails for every time. What would cost much, or may be missing, is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from avtomat.blueprint.language.evaluation import UNKNOWN, Code, value_of
from avtomat.blueprint.language.functions.table import Function
from avtomat.blueprint.language.limits import STEPS_MAX, EvaluationError, Frame, LimitError, weigh
from avtomat.core.formula import Environment, Json

_STEPS = 50_000
_WEIGHT_MAX = 1_024
"""What a call gives is remembered up to this weight: a few letters may make a list of thousands."""
_TIME = datetime(2026, 1, 1, tzinfo=UTC)

STAND_INS: dict[str, tuple[Json, ...]] = {
    "format_time": (_TIME, "%Y", "UTC"),
    "start_of": (_TIME, "day", "UTC"),
    "add_days": (_TIME, 0, "UTC"),
    "add_months": (_TIME, 0, "UTC"),
    "at": (_TIME, "00:00", "UTC"),
    "round": (0, 0),
    "fixed": (0, 0),
    "pad": ("", 0, " ", "left"),
    "split": ("", ","),
    "join": ([], ","),
    "replace": ("", ",", ""),
    "chunk": ([], 1),
    "range": (0, 0, 1),
    "hash": ("", "sha256"),
    "sorted": ([], "key", "asc"),
    "glob": ("", "*"),
}
"""For each argument of a function a value with which the others decide whether it can be called."""


def probe(name: str, function: Function, arguments: Sequence[Code]) -> Json | EvaluationError:
    """Return what the call gives each time, why it never gives anything, or UNKNOWN; what is large is not known."""
    values = [value_of(code) for code in arguments]
    unknown = sum(value is UNKNOWN for value in values)
    stand_ins = STAND_INS.get(name)
    if not values or unknown == len(values) or (unknown and stand_ins is None):
        return UNKNOWN
    if unknown:
        values = [values[i] if values[i] is not UNKNOWN else (stand_ins or ())[i] for i in range(len(values))]
    frame = Frame(Environment(names={}, now=_TIME, seed=""))
    frame.steps = STEPS_MAX - _STEPS
    try:
        found = function.call(frame, *values)
        if not unknown:
            weigh(frame, [found], _WEIGHT_MAX)
    except LimitError:
        return UNKNOWN
    except EvaluationError as problem:
        return problem
    return UNKNOWN if unknown else found
