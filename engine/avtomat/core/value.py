"""Make values: slotted dataclasses, built by keyword, that nobody changes."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """A dataclass that is frozen for the type checker, and as cheap to build as an ordinary one.

    `frozen=True` sets each field through `object.__setattr__`, which makes building a value three times as dear; a job
    builds some forty of them. The type checker refuses assignments here just as it would there, and fields that are not
    named. So fields without a default come first, as in any call: a default of a keyword-only parameter would be looked
    up in a map each time. Only a class that inherits fields has no such order.
    """
    inherits = any(is_dataclass(base) for base in cls.__mro__)
    return dataclass(slots=True, kw_only=inherits, unsafe_hash=True)(cls)
