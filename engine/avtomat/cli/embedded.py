"""Run one job to its end in this process: an engine without doors over a store in memory.

The program is the compiled one and `decide` is production's; only the store forgets, and a command does a task
wherever it runs, so what `worker` asks of workers is not asked here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.model import ENDED, Status
from avtomat.core.program import Machine, Program, State, TaskState
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from avtomat.storage.answers import Wakeups
from avtomat.storage.memory import MemoryStore

HISTORY_PAGE: Final = 500
_AT_REST: Final = ENDED | {Status.QUARANTINED}

Tell = Callable[[Mapping[str, Json]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """An engine that runs, and the signal that something was written to its store."""

    engine: Service
    written: asyncio.Event

    async def follow(self, job_id: str, tell: Tell) -> Mapping[str, Json]:
        """Tell every entry of the job's history as it comes; return the job once it has ended or is quarantined."""
        seq = 0
        while True:
            self.written.clear()
            while entries := await self.engine.clients.history(job_id, None, seq, HISTORY_PAGE):
                for entry in entries:
                    tell(entry)
                seq = entries[-1]["seq"]
            job = await self.engine.clients.job(job_id, None)
            assert job is not None
            if job["status"] in _AT_REST:
                return job
            await self.written.wait()


@asynccontextmanager
async def embedded_engine(settings: Settings, file: Path, program: Program) -> AsyncIterator[Embedded]:
    """An engine that knows one program, which was compiled from `file`."""
    written = asyncio.Event()
    store = MemoryStore()
    engine = Service(replace(settings, store="memory:", history=None, partitions=1, blueprints=file), store)
    await engine.start(watch=False)
    try:
        await store.open(
            Wakeups(queue=lambda _partition, _queue: None, job=lambda _job: written.set(), lost=lambda: None)
        )
        await engine.programs.swap({program.name: without_requirements(program)})
        yield Embedded(engine=engine, written=written)
    finally:
        await engine.stop()


def kinds_of(program: Program) -> list[str]:
    """The kinds of task that the program may ask for, those of its undos too, each once."""
    states = (state for machine in program.machines.values() for state in machine.states.values())
    return list(dict.fromkeys(kind for state in states for kind in _kinds_of_state(state)))


def _kinds_of_state(state: State) -> Iterator[str]:
    if isinstance(state, TaskState):
        yield state.kind
        if state.compensate is not None:
            yield state.compensate.kind


def without_requirements(program: Program) -> Program:
    """The same program with tasks that any worker may take."""
    return replace(program, machines={address: _free(machine) for address, machine in program.machines.items()})


def _free(machine: Machine) -> Machine:
    return replace(machine, states={name: _free_state(state) for name, state in machine.states.items()})


def _free_state(state: State) -> State:
    if not isinstance(state, TaskState):
        return state
    undo = None if state.compensate is None else replace(state.compensate, requirements=None)
    return replace(state, requirements=None, compensate=undo)
