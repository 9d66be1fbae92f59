"""Break a sound dump in one place at a time: the rule that guards it must speak, or a store's fault would go unseen."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.writes import SignalWait
from avtomat.storage.proof.invariants import changes, violations
from tests.storage.world import FINISHED, Clock, World, change, fork

ENDED, BUSY = f"{2:032x}", f"{3:032x}"


GONE = {"path": "/", "worker": "w1", "why": "cancelled", "hash": "", "holds": False, "left": "/ 1 0 -1"}
"""A dead attempt that nobody holds, with a scope that is kept for it."""


async def sound_dump() -> Any:
    """A store with an ended job, and one with a queued task, a leased one, and an ended scope; all is well with it."""
    clock = Clock()
    world = World(MemoryStore(offset_ms=clock.offset), clock)
    await world.store.create(world.new(job=ENDED, key="k"))
    await world.mailed(ENDED, "cancel", end=FINISHED)
    await world.store.create(world.new(job=BUSY, writes=change(fork=fork(4))))
    await world.begin_with_task(BUSY, "/1.0")
    await world.poll()
    await world.begin_with_task(BUSY, "/1.1")
    await world.begin(BUSY, "/1.2", end=FINISHED)
    await world.begin(BUSY, "/1.3", signal=SignalWait(name="s", key="k"))
    dump = await world.dump()
    assert violations(dump) == []
    return dump


def job(dump: Any) -> Any:
    return dump["jobs"][BUSY]


def attempt(dump: Any, path: str) -> Any:
    return next(one for one in job(dump)["attempts"].values() if one["path"] == path)


BREAKS: list[tuple[str, Callable[[Any], Any]]] = [
    ("I1", lambda dump: job(dump)["scopes"]["/"].update(version=7)),
    ("I2", lambda dump: job(dump)["history"].pop(1)),
    ("I2", lambda dump: job(dump).update(seq=99)),
    ("I3", lambda dump: dump["open"].clear()),
    ("I3", lambda dump: dump["open"].append(ENDED)),
    ("I4", lambda dump: job(dump)["closed"].append("/1")),
    ("I4", lambda dump: dump["jobs"][ENDED]["closed"].clear()),
    ("I4", lambda dump: dump["jobs"][ENDED]["kept_signals"].append(["signal", "s", "k", "m"])),
    ("I5", lambda dump: dump["queues"].clear()),
    ("I5", lambda dump: next(iter(dump["queues"].values())).append(next(iter(job(dump)["attempts"])))),
    ("I5", lambda dump: attempt(dump, "/1.1").update(phase="leased")),
    ("I5", lambda dump: job(dump)["scopes"]["/1.0"].update(task=None)),
    ("I6", lambda dump: dump["queues"].update({"0 other": ["unknown"]})),
    ("I6", lambda dump: dump["due"].append({**dump["due"][0], "kind": "timer", "path": "/9.9"})),
    ("I7", lambda dump: job(dump)["scopes"]["/1.3"].update(signal=None)),
    ("I7", lambda dump: job(dump)["scopes"]["/"]["mail"].append({"id": "m"})),
    ("I11", lambda dump: dump["keys"].append(["c1", "k", BUSY])),
    ("I13", lambda dump: job(dump)["history"][-1].__setitem__(1, 1)),
    ("I14", lambda dump: job(dump)["joins"]["/1"].update(ok=2)),
    ("I14", lambda dump: job(dump)["joins"]["/1"].update(live=0)),
    ("I14", lambda dump: job(dump)["joins"]["/1"].update(need=1)),
    ("I16", lambda dump: job(dump)["ended_attempts"].update(gone=GONE)),
]


@pytest.mark.parametrize(("rule", "damage"), BREAKS)
async def test_a_fault_is_found_by_its_rule(rule: str, damage: Callable[[Any], Any]) -> None:
    dump = await sound_dump()
    damage(dump)
    assert rule in {finding.split()[0].rstrip(":") for finding in violations(dump)}


@pytest.mark.parametrize(
    ("rule", "damage"),
    [
        ("I8", lambda dump: dump["jobs"][ENDED].update(result="other")),
        ("I8", lambda dump: dump["jobs"][ENDED].update(status="failed")),
        ("I2", lambda dump: job(dump)["history"][0].__setitem__(3, "other")),
        ("I13", lambda dump: job(dump).update(updated_ms=1)),
        ("I1", lambda dump: job(dump)["scopes"]["/1.0"].update(version=0)),
    ],
)
async def test_what_no_step_may_do_is_found(rule: str, damage: Callable[[Any], Any]) -> None:
    before = await sound_dump()
    after = copy.deepcopy(before)
    assert changes(before, after) == []
    damage(after)
    assert [finding.split()[0] for finding in changes(before, after)] == [rule]
