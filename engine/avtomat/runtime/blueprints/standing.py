"""Say what is current under one name of a blueprint: the digest, what it replaced and when, and whether it is retired.

The store keeps it as a record of bytes, which replicas replace only when they know the one that stands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson

from avtomat.core.value import value

REPLACED_MAX: Final = 100
"""So many versions that were replaced are known by name, the newest ones."""


@value
class Standing:
    """What is current under a name. `file` is where the folder had it; `source` is the text that it was made from."""

    digest: str
    since_ms: int
    file: str = ""
    source: str = ""
    is_retired: bool = False
    replaced: tuple[tuple[str, int], ...] = ()
    """Digests with the time at which each was replaced, or retired, oldest first."""

    def followed_by(self, digest: str, now_ms: int, *, file: str, source: str) -> Standing:
        """Another version from now on, or the same from another text."""
        if digest == self.digest and not self.is_retired:
            return replace(self, file=file, source=source)
        left = self.replaced if self.is_retired else (*self.replaced, (self.digest, now_ms))
        kept = tuple(each for each in left if each[0] != digest)[-REPLACED_MAX:]
        return Standing(digest=digest, since_ms=now_ms, file=file, source=source, replaced=kept)

    def retired(self, now_ms: int) -> Standing:
        """No version for new jobs from now on."""
        replaced = (*self.replaced, (self.digest, now_ms))[-REPLACED_MAX:]
        return replace(self, is_retired=True, since_ms=now_ms, replaced=replaced)

    def holds_back(self, digest: str, retired_after_ms: int) -> bool:
        """Whether a start does not bring this version back: another one took its place, or none since then."""
        if digest == self.digest:
            return self.is_retired and self.since_ms > retired_after_ms
        return any(each == digest for each, _ in self.replaced)

    def as_bytes(self) -> bytes:
        """The record for the store."""
        return orjson.dumps([self.digest, self.since_ms, self.file, self.source, self.is_retired, self.replaced])


def standing_of(record: bytes) -> Standing:
    """Read a record of the store."""
    digest, since_ms, file, source, is_retired, replaced = orjson.loads(record)
    pairs = tuple((each, at_ms) for each, at_ms in replaced)
    return Standing(digest=digest, since_ms=since_ms, file=file, source=source, is_retired=is_retired, replaced=pairs)
