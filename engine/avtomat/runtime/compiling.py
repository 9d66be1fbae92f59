"""Compile texts of blueprints in a child process, so that a live engine goes on and no text can hold or end it.

The child is kept between reloads. One that uses up its CPU time or memory at a text, or takes too long, is ended; that
is a finding of this text, and the next one has a new child.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import orjson

from avtomat.blueprint.codes_source import CHECKER_FAILED
from avtomat.blueprint.registry import Compiled
from avtomat.diagnostics import Diagnostic, Severity

CPU_S: Final = 20
MEMORY_BYTES: Final = 2 * 1024**3
PATIENCE_S: Final = 120.0
ENDS_WITHIN_S: Final = 5.0


class CompileChild:
    """A child process that compiles; it is started when it is first needed."""

    def __init__(self, *, cpu_s: int = CPU_S, memory_bytes: int = MEMORY_BYTES, patience_s: float = PATIENCE_S) -> None:
        self._limits = (str(cpu_s), str(memory_bytes))
        self._patience_s = patience_s
        self._child: Process | None = None

    async def compile(self, contents: Sequence[bytes]) -> list[Compiled]:
        """What comes of each text."""
        return [await self._compile(content) for content in contents]

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

    async def _compile(self, content: bytes) -> Compiled:
        try:
            async with asyncio.timeout(self._patience_s):
                return _compiled_of(await self._ask(content))
        except (TimeoutError, OSError, EOFError) as failed:
            child = self._child
            if not isinstance(failed, TimeoutError):
                await self._until_ended()
            await self.close()
            return _ended_at(child, failed)
        except asyncio.CancelledError:
            await self.close()  # its answer would be taken for the one to the next text
            raise

    async def _ask(self, content: bytes) -> bytes:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "avtomat.blueprint.child", *self._limits),
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,  # a Ctrl-C is for the engine, which ends it
            )
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(len(content).to_bytes(4) + content)
        await stdin.drain()
        size = int.from_bytes(await stdout.readexactly(4))
        return await stdout.readexactly(size)


async def compile_here(contents: Sequence[bytes]) -> list[Compiled]:
    """The same in this process, in a thread: for an engine that is not live yet, and has no reload."""
    from avtomat.blueprint.pieces import compile_piece

    return await asyncio.to_thread(lambda: [compile_piece(content) for content in contents])


def _compiled_of(answer: bytes) -> Compiled:
    name, digest, canonical, found = orjson.loads(answer)
    diagnostics = tuple(
        Diagnostic(
            code=code,
            severity=Severity(severity),
            message=message,
            file="",
            line=line,
            column=column,
            hint=hint,
            end_column=end_column,
        )
        for code, severity, message, line, column, hint, end_column in found
    )
    return Compiled(
        name=None if name is None else (name[0], name[1], name[2]),
        digest=digest,
        canonical=canonical,
        diagnostics=diagnostics,
    )


def _ended_at(child: Process | None, failed: Exception) -> Compiled:
    how = "took too long" if isinstance(failed, TimeoutError) else "ended"
    if child is None and how == "ended":
        how = f"could not be started ({failed})"
    elif child is not None and child.returncode is not None and child.returncode < 0 and how == "ended":
        how = f"was ended by signal {-child.returncode}"
    finding = Diagnostic(
        code=CHECKER_FAILED.number,
        severity=Severity.ERROR,
        message=f"the process that compiles {how} at this file",
        file="",
        line=1,
        column=1,
        hint=f"a file has {CPU_S} s of CPU time and {MEMORY_BYTES // 1024**2} MB of memory: make it smaller or simpler",
    )
    return Compiled(diagnostics=(finding,))
