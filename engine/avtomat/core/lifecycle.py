"""Say which stored status of a job may follow which.

A job begins open. What ends it (finished, failed, cancelled) ends it for ever. The finer words that clients see of an
open job (waiting_for_worker, waiting_for_timer, …) are derived when it is read, and stand in no table.
"""

from __future__ import annotations

from collections.abc import Mapping

from avtomat.core.model import ENDED, Status

FIRST = Status.OPEN

FOLLOWS: Mapping[Status, Mapping[Status, str]] = {
    Status.OPEN: {
        Status.PAUSED: "an operator pauses it",
        Status.QUARANTINED: "an error that nothing caught, where it is to be parked",
        Status.COMPENSATING: "it fails or is cancelled, and may have something to undo",
        Status.FINISHED: "its machine ended well",
        Status.FAILED: "an error that nothing caught",
        Status.CANCELLED: "a client or an operator cancels it",
        Status.FINISHING: "it comes to its end, and has a `finally`",
    },
    Status.PAUSED: {
        Status.OPEN: "resume, rerun, skip",
        Status.QUARANTINED: "a rerun or skip that fails, where errors are to be parked",
        Status.COMPENSATING: "resume of a job that was undoing, cancel, its timeout",
        Status.FINISHED: "a rerun or skip that ends its machine",
        Status.FAILED: "its timeout, a rerun or skip that fails",
        Status.CANCELLED: "a client or an operator cancels it",
        Status.FINISHING: "resume of a job that was finishing, or its end",
    },
    Status.QUARANTINED: {
        Status.OPEN: "rerun, skip",
        Status.COMPENSATING: "rerun or skip of the undo that failed, cancel, its timeout",
        Status.FINISHED: "a rerun or skip that ends its machine",
        Status.FAILED: "its timeout, a rerun or skip that fails",
        Status.CANCELLED: "a client or an operator cancels it",
        Status.FINISHING: "release of a job that was finishing, or its end",
    },
    Status.COMPENSATING: {
        Status.PAUSED: "an operator pauses it",
        Status.QUARANTINED: "an undo failed for good",
        Status.FAILED: "nothing is left to undo",
        Status.CANCELLED: "nothing is left to undo, or a cancel that declines it",
        Status.FINISHING: "nothing is left to undo, and it has a `finally`",
    },
    Status.FINISHING: {
        Status.PAUSED: "an operator pauses it",
        Status.QUARANTINED: "the engine failed to decide",
        Status.FINISHED: "its `finally` has ended",
        Status.FAILED: "its `finally` has ended",
        Status.CANCELLED: "its `finally` has ended",
    },
    Status.FINISHED: {},
    Status.FAILED: {},
    Status.CANCELLED: {},
}
"""For each status those that may follow it, and why; every status may also stay as it is."""


def may_follow(before: Status, after: Status) -> bool:
    """Tell whether a job whose status is `before` may have `after` next."""
    return before is after or after in FOLLOWS[before]


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram."""
    steps = [(before, after, why) for before, followers in FOLLOWS.items() for after, why in followers.items()]
    lines = ["stateDiagram-v2", f"    [*] --> {FIRST}"]
    lines += [f"    {before} --> {after}: {why}" for before, after, why in steps]
    lines += [f"    {status} --> [*]" for status in Status if status in ENDED]
    return "\n".join(lines)
