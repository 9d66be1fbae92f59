"""Compile texts in a process of its own, one after the other: what `runtime/blueprints/compiling.py` speaks to.

A text comes on standard input and what came of it goes to standard output, each after its length in 4 bytes; an empty
answer says first that it can compile. Each text has so much CPU time; the process has so much memory. It ends with its
input.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import BinaryIO

import orjson

from avtomat.blueprint.pieces import compile_piece


def main(cpu_s: int, memory_bytes: int) -> None:
    """Serve until the input ends."""
    _limit_memory(memory_bytes)
    _answer(b"")
    while (content := _read(sys.stdin.buffer)) is not None:
        _limit_cpu(cpu_s)
        made = compile_piece(content)
        found = [each.as_json() for each in made.diagnostics]
        _answer(orjson.dumps([made.name, made.digest, made.canonical, found, made.runs]))


def _answer(content: bytes) -> None:
    sys.stdout.buffer.write(len(content).to_bytes(4) + content)
    sys.stdout.buffer.flush()


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(4)
    return stream.read(int.from_bytes(head)) if len(head) == 4 else None


def _limit_memory(memory_bytes: int) -> None:
    if sys.platform != "win32":
        import resource

        with suppress(ValueError, OSError):  # some systems refuse it; the limit of CPU time is left
            _limit(resource.RLIMIT_AS, memory_bytes)
        _limit(resource.RLIMIT_CORE, 0)


def _limit_cpu(cpu_s: int) -> None:
    """So much from now on; the system ends the process when it is used up."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + cpu_s)


def _limit(which: int, wanted: int) -> None:
    """Never more than whoever started the engine allows: such a limit cannot be raised."""
    import resource

    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
