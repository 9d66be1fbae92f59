"""Make values: slotted dataclasses, built by keyword, that nobody changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """A dataclass that is frozen for the type checker, and as cheap to build as an ordinary one.

    `frozen=True` sets each field through `object.__setattr__`, which makes building a value three times as dear; a job
    builds some forty of them. The type checker refuses assignments here just as it would there.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
