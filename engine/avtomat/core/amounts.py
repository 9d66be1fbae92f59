"""Read numbers that authors compute, and name the kind of a value that is none."""

from __future__ import annotations

from avtomat.core.formula import Json


class AuthorError(Exception):
    """An author's error while a decision is made: caught where the state that made it fails, never outside the core."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def as_count(value: Json, what: str) -> int:
    """A number of things; anything but a whole number from 0 is the author's error. 2.0 is one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    got = f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else kind_of_value(value)
    raise AuthorError("TEMPLATE_ERROR", f"{what}: expected a whole number from 0, got {got}")


_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a map"}


def kind_of_value(value: Json) -> str:
    """The kind of a value, for messages."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)
