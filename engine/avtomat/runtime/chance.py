"""Draw random ids, many bytes of the kernel at a time: a system call for each id costs more than the id."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from typing import Final

_POOL_BYTES: Final = 4_096


class _Pool:
    """Bytes that were drawn and not yet given out; none is given out twice."""

    __slots__ = ("_at", "_bytes")

    def __init__(self) -> None:
        self.empty()

    def empty(self) -> None:
        """Give out nothing of what was drawn: a process that was forked would share it."""
        self._bytes = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        at = self._at
        if at + count > len(self._bytes):
            self._bytes, at = os.urandom(max(_POOL_BYTES, count)), 0
        self._at = at + count
        return self._bytes[at : at + count]


_pool: Final = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.empty)


def random_hex(count: int) -> str:
    """`count` random bytes in hexadecimal."""
    return _pool.take(count).hex()


def random_word(count: int) -> str:
    """`count` random bytes, a multiple of three, in letters, digits, `-` and `_`: four characters for three bytes."""
    return urlsafe_b64encode(_pool.take(count)).decode()
