"""Say what a worker asks of its engine, however it reaches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from avtomat_worker.messages import Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the engine answers to a heartbeat."""

    cancel_task_ids: tuple[str, ...]
    register_again: bool
    jitter_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One request for tasks. The same nonce again gets what was handed out under it and never arrived."""

    timeout_s: float
    kinds: tuple[str, ...]
    tasks_max: int
    nonce: str
    holding: tuple[str, ...] | None
    hot: tuple[str, ...] | None = None
    """The kinds that the worker is hot for; None: as it told before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a result: accepted, or ignored for a reason."""

    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The answer to results: a receipt for each, in their order, and the tasks that came along."""

    receipts: tuple[Receipt, ...]
    assignments: tuple[Assignment, ...] = ()


NEXT: Final = "next"
"""The engine hands out tasks with the answer to results."""


class EnginePort(Protocol):
    """The engine, as one worker sees it. Every odd answer is an EngineError of its class; nothing is repeated here."""

    async def register(self, body: bytes) -> frozenset[str]:
        """Make this worker known, with what it can do; returns what the engine offers beside the four calls."""

    async def heartbeat(self, body: bytes) -> Orders:
        """Say that the worker lives and what it holds."""

    async def poll(self, poll: Poll) -> list[Assignment]:
        """Wait for tasks; none is an answer too."""

    async def deliver(self, results: Sequence[bytes], wanted: Poll | None = None) -> Delivery:
        """Hand results over; with `wanted`, which waits for nothing, ask for tasks as well."""

    async def event(self, body: bytes) -> None:
        """Tell the engine something about a task."""
