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
    named. Nor are parameters keyword-only where that can be helped, because the default of such a one is looked up in a
    map: that is, where the fields with defaults come last, and none are inherited.
    """
    by_keyword = any(is_dataclass(base) for base in cls.__mro__) or not _defaults_come_last(cls)
    return dataclass(slots=True, kw_only=by_keyword, unsafe_hash=True)(cls)


def _defaults_come_last(cls: type[object]) -> bool:
    own = [name for name, kind in cls.__annotations__.items() if not str(kind).startswith("ClassVar")]
    have_default = [name in vars(cls) for name in own]
    return have_default == sorted(have_default)
