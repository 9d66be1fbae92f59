"""Name what can go wrong between us and Redis, by what it means for the caller.

    StoreError
    ├── StoreNotExecuted ← NotExecutedError   certainly nothing happened: the call may be repeated
    │                      └── RefusedError   the server said so, and why: LOADING, READONLY, MISCONF, OOM, …
    ├── StoreAnswerLost ← LostReplyError      sent, but the answer was lost: it may or may not have happened
    └── CommandError                          the server found the call wrong: a mistake of ours, or a wrong set-up

A script is refused with one of the words of `RefusedError` before its first write only (Redis lets a script that has
written finish), so they mean "nothing happened" for scripts too.
"""

from __future__ import annotations

from typing import Final

from avtomat.errors import StoreAnswerLost, StoreError, StoreNotExecuted

REFUSALS: Final = {
    "LOADING": "Redis is loading its data into memory; it answers when this is done",
    "READONLY": "this Redis is a read-only replica; the address must be the master's",
    "MASTERDOWN": "this Redis is a replica that has lost its master",
    "MISCONF": "Redis cannot write its data to disk and refuses changes; look at its disk and its log",
    "OOM": "Redis has reached maxmemory and refuses changes; give it more memory",
    "NOREPLICAS": "Redis has fewer live replicas than min-replicas-to-write asks for",
    "BUSY": "Redis is busy with a script that takes too long",
    "CLUSTERDOWN": "the Redis Cluster is down",
    "TRYAGAIN": "the Redis Cluster is moving these keys",
    "ASK": "the Redis Cluster is moving this slot; calls for it stop until it has arrived",
    "MOVED": "this slot is served by another node of the Redis Cluster",
    "NOAUTH": "Redis requires a password; put it into the URL",
    "WRONGPASS": "Redis refuses this user name or password",
    "NOPERM": "Redis does not permit this user the commands or keys that are needed",
    "NOSCRIPT": "Redis does not know this script",
}


class NotExecutedError(StoreNotExecuted):
    """Certainly nothing happened on the server."""


class RefusedError(NotExecutedError):
    """The server refused the call before doing anything; `word` is its own for why."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(f"{REFUSALS[word]} ({text})")
        self.word = word


class LostReplyError(StoreAnswerLost):
    """The call was sent and its answer never came: it may have been executed."""


class CommandError(StoreError):
    """The server found the call wrong; `word` is the first one of its answer."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(f"Redis refused a call as wrong: {text}")
        self.word = word


def error_of(text: str) -> RefusedError | CommandError:
    """The exception for an error reply, by its first word."""
    word = text.partition(" ")[0]
    if word in REFUSALS:
        return RefusedError(word, text)
    return CommandError(word, text)
