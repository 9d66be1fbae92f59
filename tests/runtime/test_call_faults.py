"""Let each operation that an engine asks of its store for a call go wrong once, in each way, or be its last one.

The job ends as if nothing had happened, and whoever was called was told one key by all attempts of a visit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from avtomat.errors import StoreError
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.storage.proof.invariants import violations
from tests.runtime.outgoing.servers import body, serving
from tests.runtime.replicas import replica_on
from tests.runtime.test_calls_of_replicas import LEASE, PATIENCE_S, kill, on_store
from tests.storage.faults import Fault, Faults, faulty

TEXT = """
avtomat: 1
blueprint: calling
states:
  make:
    call: {{method: PUT, url: "{url}/make"}}
    retry: {{attempts: 5, delay: 1ms}}
    compensate: {{call: {{method: DELETE, url: "{url}/make"}}, retry: {{attempts: 5, delay: 1ms}}}}
    next: bad
  bad: {{fail: {{code: NOPE}}}}
"""
DIES = "dies"
PLANS = [("create", 1), ("poll", 1), ("poll", 2), ("poll", 3), ("commit", 1), ("commit", 2), ("commit", 3), ("due", 1)]


class NthFault(Faults):
    """The nth call of one operation goes wrong, or is the last that the engine makes."""

    def __init__(self, operation: str, nth: int, peril: Fault | str) -> None:
        super().__init__()
        self.dead = asyncio.Event()
        self._plan = operation, nth
        self._peril = peril
        self._counts: Counter[str] = Counter()

    async def call(self, operation: str, execute: Callable[[], Awaitable[Any]]) -> Any:
        """Execute a call; a dead engine makes none."""
        if self.dead.is_set():
            await asyncio.Event().wait()
        self._counts[operation] += 1
        if (operation, self._counts[operation]) == self._plan:
            if isinstance(self._peril, Fault):
                self.next(operation, self._peril)
            else:
                await execute()
                self.dead.set()
                await asyncio.Event().wait()
        return await super().call(operation, execute)


async def ended(replica: Service) -> Any:
    asked = Submission(blueprint="calling", input=None, client="ann", key="k")
    while True:
        try:
            accepted = await replica.clients.submit(asked, wait_s=PATIENCE_S)
        except StoreError:
            continue
        return accepted.ended


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("peril", [Fault.NOT_EXECUTED, Fault.ANSWER_LOST, Fault.TWICE, DIES])
@pytest.mark.parametrize(("operation", "nth"), PLANS)
async def test_a_call_ends_as_if_nothing_had_happened(
    tmp_path: Path, kind: str, peril: Fault | str, operation: str, nth: int
) -> None:
    async with serving(body(b"")) as server, on_store(kind, tmp_path) as shared:
        (tmp_path / "calling.yaml").write_text(TEXT.format(url=f"http://127.0.0.1:{server.port}"))
        settings: dict[str, Any] = {"calls_allow": (f"127.0.0.1:{server.port}",), "lease": LEASE}
        faults = NthFault(operation, nth, peril)
        first = await replica_on(faulty(shared.store, faults)[0], tmp_path, **settings)
        client, death = asyncio.create_task(ended(first)), asyncio.create_task(faults.dead.wait())
        await asyncio.wait({client, death}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if faults.dead.is_set():
            client.cancel()
            await kill(first)
            second = await replica_on(shared.store, tmp_path, **settings)
            job = await ended(second)
            await second.stop()
        else:
            job = await client
            await first.stop()
        death.cancel()
        await asyncio.gather(client, death, return_exceptions=True)
        found = violations(await shared.store.dump())  # type: ignore[arg-type]

    assert (job["status"], job["error"]["code"]) == ("failed", "NOPE")
    assert found == []
    keys: dict[bytes, set[bytes]] = {}
    for head in server.heads:
        lines = head.split(b"\r\n")
        keys.setdefault(lines[0].split()[0], set()).update(line for line in lines if b"Idempotency-Key" in line)
    assert {method: len(each) for method, each in keys.items()} == {b"PUT": 1, b"DELETE": 1}
