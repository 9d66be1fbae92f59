"""Name every limit of the SDK, with its default. Units come last in the names; MB are decimal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long the worker waits and how much it holds. The defaults suit a worker on the same network."""

    poll_timeout_s: float = 30
    """How long one poll waits at the engine for a task."""
    tasks_per_poll_max: int = 100
    """The engine hands out no more at once; a worker with more room asks again."""
    request_timeout_s: float = 15
    """How long any other request may take; a poll may take this much longer than its own wait."""
    lease_default_s: float = 90
    """The lease of a task whose payload names none. A heartbeat is sent every third of the shortest lease held."""
    cancel_heard_s: float = 10
    """While tasks run, heartbeats are at most this far apart, so that a cancel is heard soon."""
    backoff_first_s: float = 0.5
    """The pause after the first failure; it doubles with each one that follows, and is jittered by half."""
    backoff_max_s: float = 30
    """The longest pause between tries."""
    retry_after_max_s: float = 300
    """A longer Retry-After is not believed."""
    result_kept_s: float = 900
    """A result that could not be delivered for so long is dropped. The engine accepts repeats for as long."""
    results_held_max: int = 1_000
    """With so many undelivered results no new task is asked for."""
    results_held_bytes_max: int = 64_000_000
    """With undelivered results of this size no new task is asked for."""
    batch_max: int = 100
    """At most so many results go in one request."""
    batch_bytes_max: int = 1_000_000
    """A request of several results is not larger than this."""
    output_bytes_max: int = 8_000_000
    """A larger output fails its attempt with CONTRACT_VIOLATION_ERROR; the engine takes no larger body."""
    holding_bytes_max: int = 4_000
    """`holding=` is left out of a poll when it would be longer, because servers limit the length of a URL."""
    progress_interval_s: float = 1
    """Progress is sent at most this often; only the last report of each task counts."""
    drain_s: float = 15
    """After a stop was asked for, running tasks have so long to finish. A whole stop fits the 30 s of Kubernetes."""
    cancel_grace_s: float = 3
    """Tasks that are cancelled at the end of the drain have so long to clean up."""
    flush_s: float = 3
    """During a stop: how long results may take to be delivered, and how long each of the last two requests may."""
