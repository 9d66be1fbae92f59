"""Say what the checker found, where, and how to mend it.

A `Diagnostic` is a value: the compiler collects all of them and raises for nothing an author can do. How they are
printed (text with a frame, JSON, GitHub annotations, SARIF) is the command line's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    def order(self) -> tuple[str, int, int, str]:
        """The order in which findings are shown: by place, then by code."""
        return (self.file, self.line, self.column, self.code)
