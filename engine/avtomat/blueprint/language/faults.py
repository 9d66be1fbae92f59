"""What reading an expression or a template finds: what is wrong with it, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a source is refused. `offset` and `length` count characters of the source that was given to the parser."""

    code: str
    message: str
    offset: int
    length: int = 1
    hint: str | None = None

    def moved(self, by: int) -> Fault:
        """The same fault in a text in which the source begins at the offset `by`."""
        return replace(self, offset=self.offset + by)


class Read(NamedTuple):
    """One place where a path is read; a tuple, because a file has hundreds of them.

    `guarded` says that it stands inside `has` or `default`, so that it may be missing. `pointer` is the JSON pointer of
    the text in which it stands, for values; `offset` counts characters of that text.
    """

    path: tuple[str, ...]
    offset: int
    guarded: bool
    pointer: str = ""

    def moved(self, by: int) -> Read:
        """The same read in a text in which the source begins at the offset `by`."""
        return Read(self.path, self.offset + by, self.guarded, self.pointer)

    def inside(self, pointer: str) -> Read:
        """The same read as part of a value."""
        return Read(self.path, self.offset, self.guarded, pointer)
