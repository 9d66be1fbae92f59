"""Compile texts in a process of its own, one after the other: what `runtime/compiling.py` speaks to.

A text comes on standard input and what came of it goes to standard output, each after its length in 4 bytes. Each text
has so much CPU time; the process has so much memory. It ends with its input.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import orjson

from avtomat.blueprint.pieces import compile_piece
from avtomat.diagnostics import Diagnostic


def main(cpu_s: int, memory_bytes: int) -> None:
    """Serve until the input ends."""
    _limit_memory(memory_bytes)
    while (content := _read(sys.stdin.buffer)) is not None:
        _limit_cpu(cpu_s)
        made = compile_piece(content)
        answer = orjson.dumps([made.name, made.digest, made.canonical, [*map(_as_list, made.diagnostics)]])
        sys.stdout.buffer.write(len(answer).to_bytes(4) + answer)
        sys.stdout.buffer.flush()


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(4)
    return stream.read(int.from_bytes(head)) if len(head) == 4 else None


def _as_list(each: Diagnostic) -> list[str | int | None]:
    return [each.code, each.severity, each.message, each.line, each.column, each.hint, each.end_column]


def _limit_memory(memory_bytes: int) -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu(cpu_s: int) -> None:
    """So much from now on; the system ends the process when it is used up."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + cpu_s, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
