"""Compile texts of blueprints in a child process, so that a live engine goes on and no text can hold or end it.

The child is kept between reloads. One that uses up its CPU time or memory at a text, or takes too long, is ended; that
is a finding of this text, and the next one has a new child. A child that cannot be started, or that somebody else ends,
says nothing about a text: such a finding does not last.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import orjson

from avtomat.blueprint.findings.codes_source import CHECKER_FAILED
from avtomat.blueprint.registry import Compiled
from avtomat.diagnostics import Diagnostic, Severity

CPU_S: Final = 20
MEMORY_BYTES: Final = 2 * 1024**3
PATIENCE_S: Final = 120.0
START_S: Final = 60.0
ENDS_WITHIN_S: Final = 5.0
FROM_OUTSIDE: Final = frozenset({1, 2, 9, 15})
"""Signals of somebody else; a system that is out of memory ends processes by 9."""
TOO_MUCH: Final = (
    f"a file has {CPU_S} s of CPU time and {MEMORY_BYTES // 1024**2} MB of memory: make it smaller or simpler"
)
LATER: Final = "this may not be the file's fault: it is compiled again by itself"


class CompileChild:
    """A child process that compiles; it is started when it is first needed."""

    def __init__(self, *, cpu_s: int = CPU_S, memory_bytes: int = MEMORY_BYTES, patience_s: float = PATIENCE_S) -> None:
        self._limits = (str(cpu_s), str(memory_bytes))
        self._patience_s = patience_s
        self._child: Process | None = None

    async def compile(self, contents: Sequence[bytes]) -> list[Compiled]:
        """What comes of each text."""
        made: list[Compiled] = []
        try:
            for content in contents:
                await self._start()
                made.append(await self._compile(content))
        except (TimeoutError, OSError, EOFError) as failed:
            await self.close()
            return made + [_not_started(failed)] * (len(contents) - len(made))
        except asyncio.CancelledError:
            await self.close()  # its answer would be taken for the one to the next text
            raise
        return made

    async def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _until_ended(self) -> None:
        """Let a child that has closed its pipes end: `kill` would reap one that is ending, and how it ended be lost."""
        if self._child is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), ENDS_WITHIN_S)

    async def _start(self) -> None:
        """Start a child, unless there is one, and wait until it can compile."""
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "avtomat.blueprint.child", *self._limits),
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,  # a Ctrl-C is for the engine, which ends it
            )
            async with asyncio.timeout(START_S):
                await _answer_of(self._child)

    async def _compile(self, content: bytes) -> Compiled:
        child = self._child
        assert child is not None
        try:
            async with asyncio.timeout(self._patience_s):
                return _compiled_of(await _ask(child, content))
        except TimeoutError:
            await self.close()
            return _refused("the process that compiles took too long at this file", TOO_MUCH)
        except (OSError, EOFError):
            await self._until_ended()
            await self.close()
            return _ended_at(child)


async def _ask(child: Process, content: bytes) -> bytes:
    assert child.stdin is not None
    child.stdin.write(len(content).to_bytes(4) + content)
    await child.stdin.drain()
    return await _answer_of(child)


async def _answer_of(child: Process) -> bytes:
    assert child.stdout is not None
    size = int.from_bytes(await child.stdout.readexactly(4))
    return await child.stdout.readexactly(size)


async def compile_here(contents: Sequence[bytes]) -> list[Compiled]:
    """The same in this process, in a thread: for an engine that is not live yet, and has no reload."""
    from avtomat.blueprint.pieces import compile_piece

    return await asyncio.to_thread(lambda: [compile_piece(content) for content in contents])


def _compiled_of(answer: bytes) -> Compiled:
    name, digest, canonical, found, runs = orjson.loads(answer)
    return Compiled(
        name=None if name is None else (name[0], name[1], name[2]),
        digest=digest,
        canonical=canonical,
        diagnostics=tuple(map(Diagnostic.from_json, found)),
        runs=tuple((run, line, column, always) for run, line, column, always in runs),
    )


def _ended_at(child: Process) -> Compiled:
    number = -(child.returncode or 0)
    how = f"was ended by signal {number}" if number > 0 else "ended"
    if number in FROM_OUTSIDE:
        return _refused(f"the process that compiles {how} at this file", LATER, lasting=False)
    return _refused(f"the process that compiles {how} at this file", TOO_MUCH)


def _not_started(failed: Exception) -> Compiled:
    how = str(failed) if isinstance(failed, OSError) and str(failed) else "it ended, or took too long"
    return _refused(f"the process that compiles could not be started: {how}", LATER, lasting=False)


def _refused(message: str, hint: str, *, lasting: bool = True) -> Compiled:
    finding = Diagnostic(
        code=CHECKER_FAILED.number, severity=Severity.ERROR, message=message, file="", line=1, column=1, hint=hint
    )
    return Compiled(diagnostics=(finding,), lasting=lasting)
