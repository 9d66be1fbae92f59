"""Files that cost much to explain for their size. Run as a module with the name of a case, within the limits it sets.

The processor time counts from after the imports, and so does the address space: 2 s and 300 MB on top of what the
interpreter and its modules took.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

CPU_S: Final = 2
MEMORY_BYTES: Final = 300_000_000

_HEAD: Final = "avtomat: 1\nblueprint: b\n"
_STATES: Final = f"{_HEAD}states:\n"


def _state_after_state(key: str, name: str, count: int = 2_000) -> str:
    return _STATES + "".join(f"  step_{n}: {{task: a, {key}: {name}_{(n + 1) % count}x}}\n" for n in range(count))


CASES: Final[Mapping[str, Callable[[], str]]] = {
    "a key of 40,000 letters": lambda: f"{_HEAD}{'k' * 40_000}: 1\n",
    "a word of 40,000 letters without a colon": lambda: f"{_HEAD}{'k' * 40_000}\n",
    "minified JSON with a long token and a missing comma": lambda: (
        f'{{"avtomat": 1, "blueprint": "b" "token": "{"k" * 40_000}"}}'
    ),
    "a flow map that a long word follows": lambda: f"{_HEAD}states: {{a: {{task: a}} {'k' * 40_000}\n",
    "a flow map of many colons without a comma": lambda: f"{_HEAD}states: {{{'a: ' * 20_000}\n",
    "a value cut by many commas": lambda: f"{_HEAD}data: {{a: (x{', b' * 20_000}}}\n",
    "many quotes in a plain value": lambda: (
        f"{_HEAD}data: {{a: x{'i' + chr(39) + chr(34)} {'q' + chr(34)}{'w' * 40_000}}}\n"
    ),
    "a line of spaces": lambda: f"{_HEAD}data: {{a: b: {' ' * 40_000}x}}\n",
    "many dashes in wrong columns": lambda: f"{_HEAD}data:\n" + "  - a\n" * 40_000 + " - b\n",
    "2,000 misspelt targets": lambda: _state_after_state("next", "stap"),
    "2,000 misspelt keys": lambda: _state_after_state("tsk", "a"),
    "2,000 unknown keys in one map": lambda: _HEAD + "".join(f"stetes_{n}: 1\n" for n in range(2_000)),
    "2,000 references to unknown outputs": lambda: (
        _STATES + "".join(f"  s{n}: {{task: a, params: {{x: '{{{{ inptu.a{n} }}}}'}}}}\n" for n in range(2_000))
    ),
    "a duration of 900 kB": lambda: f"{_STATES}  a: {{wait: {'1s' * 450_000}, next: end}}\n",
    "a name of 900 kB": lambda: f"{_STATES}  a: {{task: a, next: {'k' * 900_000}}}\n",
    "a key of 900 kB in quotes": lambda: f'{_HEAD}"{"k" * 900_000}": 1\n',
    "20,000 empty keys": lambda: _HEAD + ": 1\n" * 20_000,
    "20,000 keys that stand twice": lambda: _HEAD + "data:\n" + "  a: 1\n" * 20_000,
}


def _limit() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_S, spent + CPU_S))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def main() -> None:
    """Check the file of one case, and say how many findings there are and how long the longest text of them is."""
    from avtomat.blueprint.compiler import compile_text

    text = CASES[sys.argv[1]]()
    _limit()
    found = compile_text(text, file="b.yaml")
    assert isinstance(found, list)
    print(len(found), max(len(each.message) + len(each.hint or "") for each in found))


if __name__ == "__main__":
    main()
