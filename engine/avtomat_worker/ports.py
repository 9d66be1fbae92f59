"""Say what a worker asks of its engine, however it reaches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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


class EnginePort(Protocol):
    """The engine, as one worker sees it. Every odd answer is an EngineError of its class; nothing is repeated here."""

    async def register(self, body: bytes) -> None:
        """Make this worker known, with what it can do."""

    async def heartbeat(self, body: bytes) -> Orders:
        """Say that the worker lives and what it holds."""

    async def poll(self, poll: Poll) -> list[Assignment]:
        """Wait for tasks; none is an answer too."""

    async def deliver(self, results: Sequence[bytes]) -> list[Receipt]:
        """Hand results over; the receipts are in their order."""

    async def event(self, body: bytes) -> None:
        """Tell the engine something about a task."""
