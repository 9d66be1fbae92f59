"""Know which requests are open under tokens that can be taken away, and end them when they are.

The connection of a request is closed: whoever waits learns at once that it is over, and what a poll was about to take
stays where it is. A socket is closed with a word of why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from avtomat.access.model import Digest

End = Callable[[], None]
"""Ends what is open."""


class Presence:
    """What is open, by token."""

    def __init__(self) -> None:
        self._open: defaultdict[Digest, set[End]] = defaultdict(set)

    def enter(self, token: Digest, end: End) -> None:
        """Something is open under this token until `leave`."""
        self._open[token].add(end)

    def leave(self, token: Digest, end: End) -> None:
        """It has ended."""
        ends = self._open.get(token)
        if ends is not None:
            ends.discard(end)
            if not ends:
                del self._open[token]

    def revoke(self, tokens: Iterable[Digest]) -> None:
        """End all that is open under these tokens."""
        for token in tokens:
            for end in list(self._open.get(token, ())):
                end()
