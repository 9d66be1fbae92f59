"""Run all hostile cases, each in a child process of its own within limits, and print what became of each as JSON.

The parent imports what the checker needs; a child is forked from it, sets its limits and does one case: 2 s of
processor time and 300 MB beside what it has then. So no case can harm another, and none pays for the imports.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from avtomat.blueprint.compiler import compile_text
from avtomat.blueprint.schemas.checked import SchemaCheck
from tests.hostile import files, inputs

CPU_S: Final = 2
MEMORY_BYTES: Final = 300_000_000


def main() -> None:
    """Each case in turn; one line for each."""
    for name, text in files.CASES.items():
        print(json.dumps({"case": name, **_in_a_child(lambda text=text: _file(text()))}), flush=True)  # type: ignore[misc]
    for name, pair in inputs.CASES.items():
        print(json.dumps({"case": name, **_in_a_child(lambda pair=pair: _input(*pair()))}), flush=True)  # type: ignore[misc]


def _file(text: str | bytes) -> Mapping[str, int]:
    """How many findings there are, and how long the longest text of them is."""
    _limit()
    found = compile_text(text, file="b.yaml")
    if not isinstance(found, list):
        return {"findings": 0, "longest": 0}
    return {"findings": len(found), "longest": max(len(each.message) + len(each.hint or "") for each in found)}


def _input(schema: Any, value: Any) -> Mapping[str, int]:
    """The same for a value that its schema refuses."""
    _limit()
    found = SchemaCheck(schema).problems(value)
    return {"findings": len(found), "longest": max((len(each.message) for each in found), default=0)}


def _in_a_child(work: Callable[[], Mapping[str, int]]) -> Mapping[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(work()).encode())
        except BaseException as error:
            os.write(writing, json.dumps({"raised": f"{type(error).__name__}: {error}"[:500]}).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    _, status, usage = os.wait4(child, 0)
    ended = {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else json.loads(said or b"{}")
    return {**ended, "cpu_s": round(usage.ru_utime + usage.ru_stime, 3)}


def _limit() -> None:
    """What the case itself was made of is there by now, and is not counted."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_S, spent + CPU_S))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    sys.setrecursionlimit(1_000)
    main()
