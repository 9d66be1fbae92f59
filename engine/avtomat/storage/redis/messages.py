"""Wake a replica when the answer to one of its calls, or a message of another replica, says so.

- Messages come on the channel `av:{<partition>}:wake`: `q<queue>`, `j<job>` or `r<worker>`, then who caused it. That
  replica knows them from the answer of its call already.
- When such an answer is not read, everybody looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from secrets import token_hex
from typing import Final

from avtomat.storage.port.answers import Wakeups

REPLICA_BYTES: Final = 6
LOOK_AGAIN_AFTER_S: Final = 0.5


class Messages:
    """What one replica hears; nothing before `begin` and after `end`. `replica` is its name in messages."""

    def __init__(self) -> None:
        self.replica = b";" + token_hex(REPLICA_BYTES).encode()
        self._wakeups: Wakeups | None = None
        self._looking_again: asyncio.TimerHandle | None = None

    def begin(self, wakeups: Wakeups) -> None:
        """Tell these from now on."""
        self._wakeups = wakeups

    def end(self) -> None:
        """Tell nothing any more."""
        self._wakeups = None
        if self._looking_again is not None:
            self._looking_again.cancel()
            self._looking_again = None

    def hear(self, channel: bytes, message: bytes) -> None:
        """A message came."""
        word, _, replica = message.partition(b"\n")
        if replica != self.replica:
            if self._wakeups is not None and word[:1] == b"j":
                self._wakeups.elsewhere(word[1:].decode())
            self._wake(int(channel[channel.index(b"{") + 1 : channel.index(b"}")]), word)

    def told(self, partition: int, words: Sequence[bytes]) -> None:
        """The answer of a call says what it woke."""
        for word in words:
            self._wake(partition, word)

    def look_again_soon(self) -> None:
        """What a lost answer would have told is not known: once for all that are lost at the same time."""
        if self._looking_again is None:
            self._looking_again = asyncio.get_running_loop().call_later(LOOK_AGAIN_AFTER_S, self.look_again)

    def look_again(self) -> None:
        """Messages may have been missed."""
        self._looking_again = None
        if self._wakeups is not None:
            self._wakeups.lost()

    def _wake(self, partition: int, word: bytes) -> None:
        wakeups, name = self._wakeups, word[1:].decode()
        if wakeups is None:
            return
        if word[:1] == b"j":
            wakeups.job(name)
        elif word[:1] == b"r":
            wakeups.reserved(partition, name)
        else:
            wakeups.queue(partition, name)
