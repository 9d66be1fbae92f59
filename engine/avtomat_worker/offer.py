"""What a worker says of itself beside its tasks: what it has, what it is warm for, and which tasks it takes now."""

from __future__ import annotations

import math
import os
import platform
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

Json = Any

NVIDIA_TIMEOUT_S = 2
_GB = 1024**3


@dataclass(slots=True, kw_only=True)
class Offer:
    """`about` are further members of the registration. `hot` are kinds that start faster here. `limits` says how many
    tasks of a kind run at a time, `group_limits` how many of all kinds of a group; `takes` has the last word, and is
    asked before each poll and heartbeat.
    """

    about: Mapping[str, Json] = field(default_factory=dict)
    hot: set[str] = field(default_factory=set)
    limits: dict[str, int] = field(default_factory=dict)
    group_limits: dict[str, int] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    takes: Callable[[str], bool] | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there may be kinds that are not taken now."""
        return bool(self.limits or self.group_limits) or self.takes is not None

    def open_kinds(self, kinds: Iterable[str], running: Mapping[str, int]) -> list[str]:
        """Return those that are taken now; `running` counts the tasks under way by kind."""
        if not self.is_limited:
            return list(kinds)
        used = Counter[str]()
        for kind, number in running.items():
            used[self.groups.get(kind, kind)] += number
        return [kind for kind in kinds if self._is_open(kind, running, used)]

    def _is_open(self, kind: str, running: Mapping[str, int], used: Mapping[str, int]) -> bool:
        group = self.groups.get(kind, kind)
        has_room = running.get(kind, 0) < self.limits.get(kind, math.inf)
        group_has_room = used.get(group, 0) < self.group_limits.get(group, math.inf)
        return has_room and group_has_room and (self.takes is None or self.takes(kind))


def found_here() -> dict[str, Json]:
    """Return the members of a registration that this machine tells by itself: cores, memory, graphics cards, Python."""
    may_use = getattr(os, "sched_getaffinity", None)
    properties: dict[str, Json] = {"cpu_cores": os.cpu_count() or 1 if may_use is None else len(may_use(0))}
    with suppress(ValueError, OSError, AttributeError):  # where there is no POSIX
        properties["ram_gb"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GB, 1)
    return {
        "resources": {"properties": properties, "devices": _nvidia_cards()},
        "installed_software": {"python": platform.python_version()},
    }


def _nvidia_cards() -> list[Json]:
    """What nvidia-smi tells, where there is one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_TIMEOUT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return [card for line in done.stdout.splitlines() if (card := _card(line)) is not None]


def _card(line: str) -> Json:
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 3 or not parts[2].isdigit():
        return None
    return {"type": "gpu", "id": parts[0], "model": parts[1], "properties": {"memory_gb": round(int(parts[2]) / 1024)}}
