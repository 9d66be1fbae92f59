"""Avtomat: long-lived workflows written in YAML.

`from avtomat import Engine` runs them within a Python program. The names here are imported when they are used, so that
a command pays for nothing that it does not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avtomat.embedding import Engine, Result, TaskContext, TaskError

__all__ = ["Engine", "Result", "TaskContext", "TaskError"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("avtomat.embedding"), name)
