"""Say what the checker found, where, and how to fix it.

A `Diagnostic` is a value: the compiler collects all of them and raises for nothing an author can do. How they are
printed (text with a frame, JSON, GitHub annotations, SARIF) is the command line's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Severity(StrEnum):
    """How much a finding matters: errors refuse the file, warnings and notes do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """A place in a file; both numbers count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding of the checker. `code` is stable (`AVT` and three digits) and has a page in docs/diagnostics."""

    code: str
    severity: Severity
    message: str
    file: str
    line: int
    column: int
    hint: str | None = None
    end_column: int | None = None

    @property
    def order(self) -> tuple[str, int, int, str, str, str, str, int]:
        """The order in which findings are shown: by place, then by code. No two that differ have the same."""
        place = (self.file, self.line, self.column)
        return (*place, self.code, self.message, self.severity, self.hint or "", self.end_column or 0)

    def as_json(self) -> list[str | int | None]:
        """All but its file: what was found in a text stands for every file that has this text."""
        return [self.code, self.severity, self.message, self.line, self.column, self.hint, self.end_column]

    @classmethod
    def from_json(cls, record: Sequence[Any]) -> Self:
        """What `as_json` wrote down, in no file yet."""
        code, severity, message, line, column, hint, end_column = record
        return cls(
            code=code,
            severity=Severity(severity),
            message=message,
            file="",
            line=line,
            column=column,
            hint=hint,
            end_column=end_column,
        )


def visible(text: str) -> str:
    """The text on one line, with nothing that a terminal would obey: authors, clients and workers wrote
    parts of it.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
