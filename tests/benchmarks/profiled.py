"""Run the engine's command line while a profiler looks on: between SIGUSR1 and SIGUSR2, or the end.

Run as a program: MODE FILE ARGUMENT… `calls` counts calls with cProfile, which makes small functions look dear, and
writes its statistics. `samples` interrupts at each tick of the kernel's clock that the engine uses, and writes a JSON
list of stacks, innermost function first, with how often each was met: it distorts little. Time inside C counts for the
Python function that called.
"""

from __future__ import annotations

import atexit
import cProfile
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Protocol

SAMPLE_EVERY_S = 0.001


class Profiler(Protocol):
    """What looks on."""

    def enable(self) -> None:
        """Begin to look."""

    def disable(self) -> None:
        """Look away."""

    def dump_stats(self, file: str) -> None:
        """Write what was seen."""


class Sampler:
    """Counts stacks, by a timer of CPU time."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, ...]] = Counter()
        signal.signal(signal.SIGPROF, self._look)

    def enable(self) -> None:
        """Begin to look."""
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_EVERY_S, SAMPLE_EVERY_S)

    def disable(self) -> None:
        """Look away."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def dump_stats(self, file: str) -> None:
        """Write the stacks with their counts."""
        Path(file).write_text(json.dumps([[stack, count] for stack, count in self._seen.items()]))

    def _look(self, _number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append(_name(frame))
            frame = frame.f_back
        self._seen[tuple(stack)] += 1


def _name(frame: FrameType) -> str:
    """File and function; what dataclasses write for themselves is named by the class."""
    code = frame.f_code
    if code.co_filename == "<string>" and code.co_name == "__init__":
        return f"dataclass:{type(frame.f_locals.get('self')).__name__}"
    return f"{code.co_filename}:{code.co_qualname}"


def main(mode: str, file: str, arguments: list[str]) -> int:
    """Run the command line under a profiler; returns its exit code."""
    profiler: Profiler = cProfile.Profile() if mode == "calls" else Sampler()

    def finish() -> None:
        profiler.disable()
        profiler.dump_stats(file)

    signal.signal(signal.SIGUSR1, lambda *_: profiler.enable())
    signal.signal(signal.SIGUSR2, lambda *_: profiler.disable())
    atexit.register(finish)
    from avtomat.cli.main import main as command

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
