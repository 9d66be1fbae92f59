"""Signals of jobs on each store, with two replicas: one is asked, any of them goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avtomat.core.messages import PauseRequested, RerunRequested, ResumeRequested
from avtomat.core.timestamp import from_ms
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.signals import ID_CHARACTERS_MAX, PAYLOAD_BYTES_MAX, Signal
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.runtime.time.timers import BATCH_MAX
from avtomat.runtime.work.polls import Poll
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import SIGNAL_KEPT_MS, Store
from avtomat.storage.proof.invariants import violations
from tests.runtime.replicas import SharedStore, replica_on
from tests.storage.stores import STORES
from tests.storage.world import Clock

PATIENCE_S = 30.0
BLUEPRINTS = {
    "pay": """
states:
  pay: {signal: paid, key: "{{ input.order }}", expects: {type: object, required: [amount]}, next: done}
  done: {succeed: "{{ outputs.pay.amount }}"}
""",
    "late": """
states:
  work: {task: work, next: pay}
  pay: {signal: paid, next: done}
  done: {succeed: "{{ outputs.pay }}"}
""",
    "twice": """
states:
  first: {signal: tick, next: second}
  second: {signal: tick, next: done}
  done: {succeed: ["{{ outputs.first }}", "{{ outputs.second }}"]}
""",
    "timed": """
states:
  pay: {signal: paid, timeout: "{{ input.t }}", next: done, catch: [{errors: [TIMEOUT_ERROR], to: again}]}
  again: {signal: paid, timeout: 5h, next: done, catch: [{errors: [TIMEOUT_ERROR], to: never}]}
  done: {succeed: ["{{ default(outputs.pay, null) }}", "{{ default(outputs.again, null) }}"]}
  never: {fail: {code: NEVER}}
""",
    "each": """
states:
  all: {foreach: "{{ input.items }}", do: {signal: picked, key: "{{ item }}"}, next: done}
  done: {succeed: "{{ outputs.all }}"}
""",
    "any": """
states:
  first:
    parallel: {a: {signal: paid}, b: {signal: refused}}
    join: any
    next: done
  done: {succeed: "{{ outputs.first }}"}
""",
    "two": """
states:
  a: {signal: told, expects: {type: string}, next: b}
  b: {signal: told, expects: {type: integer}, next: done}
  done: {succeed: ["{{ outputs.a }}", "{{ outputs.b }}"]}
""",
}


class House:
    """Two replicas on one store, whose clock is turned by hand."""

    def __init__(self, store: Store, clock: Clock, folder: Path) -> None:
        self._shared = SharedStore(store)
        self._clock = clock
        self._folder = folder
        self.replicas: list[Service] = []

    async def begin(self) -> None:
        """Open the store, and let two replicas work on it."""
        await self._shared.begin()
        await self.start()

    async def start(self) -> None:
        """Start two replicas."""
        self.replicas = [await replica_on(self._shared.store, self._folder) for _ in range(2)]

    async def stop(self) -> None:
        """Stop the replicas."""
        for replica in self.replicas:
            await replica.stop()

    async def end(self) -> None:
        """Hold the store to its invariants, and close all."""
        assert violations(await self._shared.store.dump()) == []  # type: ignore[arg-type]
        await self.stop()
        await self._shared.end()

    async def submit(self, blueprint: str, given: Any = None, **more: Any) -> str:
        asked = Submission(blueprint=blueprint, input=given or {}, client="ann", **more)
        return (await self.replicas[0].clients.submit(asked)).job_id

    async def send(
        self, job: str, name: str, payload: Any = None, by: str = "bank", client: str | None = None, **more: Any
    ) -> bool | None:
        """Send a signal by way of the second replica."""
        return await self.replicas[1].signals.send(job, client, Signal(name=name, payload=payload, **more), by)

    async def job(self, job: str) -> dict[str, Any]:
        found = await self.replicas[0].clients.job(job, None)
        assert found is not None
        return dict(found)

    async def result(self, job: str) -> Any:
        """The result of the job, once it has finished."""
        found = await self.replicas[0].clients.job(job, None, PATIENCE_S)
        assert found is not None
        assert found["status"] == "finished", found
        return found["result"]

    async def until(self, job: str, state: str) -> dict[str, Any]:
        """Wait until the job stands in this state."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := await self.job(job))["state"] != state:  # noqa: ASYNC110 - nobody tells of states
                await asyncio.sleep(0)
        return found

    async def used(self, job: str) -> list[str]:
        """The ids of the signals that the job has used, in their order."""
        entries = [loads(entry.record) for entry in await self._shared.store.history(job, 0, 1_000)]
        return [entry["id"] for entry in entries if entry["type"] == "SignalReceived"]

    async def kept(self, job: str) -> int:
        """How many signals are kept for the next waiter."""
        dump: Any = await self._shared.store.dump()
        return len(dump["jobs"][job]["kept_signals"])

    def now(self) -> datetime:
        """The store's clock."""
        return from_ms(self._shared.store.now_ms())

    def turn(self, ms: int) -> None:
        """Let so much time pass at once."""
        self._clock.advance(ms)
        for replica in self.replicas:
            replica.time_turned()


@pytest.fixture(params=[name for name in STORES if name != "fakeredis"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    blueprints, clock = tmp_path / "blueprints", Clock()
    blueprints.mkdir()
    for name, text in BLUEPRINTS.items():
        (blueprints / f"{name}.yaml").write_text(f"avtomat: 1\nblueprint: {name}\n{text}")
    async with STORES[request.param](request, 1, clock, False) as store:
        house = House(store, clock, blueprints)
        await house.begin()
        yield house
        await house.end()


async def test_a_signal_ends_the_wait_with_its_payload(house: House) -> None:
    job = await house.submit("pay", {"order": "o1"})
    assert (await house.job(job))["status"] == "waiting_for_signal"

    assert await house.send(job, "paid", {"amount": 12}, key="o1") is True

    assert await house.result(job) == 12


async def test_a_signal_that_came_early_is_kept_and_used_once(house: House) -> None:
    job = await house.submit("late")
    await house.send(job, "paid", "early", id="s1")
    assert await house.kept(job) == 1

    await _work(house)

    assert await house.result(job) == "early"
    assert await house.used(job) == ["s1"]


async def test_the_same_id_again_is_known_and_used_once(house: House) -> None:
    job = await house.submit("twice")

    assert [await house.send(job, "tick", n, id="s1") for n in (1, 1, 2)] == [True, False, False]
    await house.until(job, "second")
    assert await house.send(job, "tick", 3, id="s2") is True

    assert await house.result(job) == [1, 3]
    assert await house.used(job) == ["s1", "s2"]


async def test_the_same_id_of_another_sender_or_name_is_another_signal(house: House) -> None:
    job = await house.submit("twice")

    assert [await house.send(job, "tick", by, by, id="s1") for by in ("bank", "shop")] == [True, True]

    assert await house.result(job) == ["bank", "shop"]


async def test_signals_are_used_in_the_order_in_which_they_came(house: House) -> None:
    job = await house.submit("twice")

    for n in (1, 2, 3):
        await house.send(job, "tick", n)

    assert await house.result(job) == [1, 2]


async def test_a_signal_of_another_key_is_kept_and_not_used(house: House) -> None:
    job = await house.submit("pay", {"order": "o1"})

    await house.send(job, "paid", {"amount": 1}, key="o2")
    await house.send(job, "paid", {"amount": 2})
    assert await house.kept(job) == 2
    await house.send(job, "paid", {"amount": 12}, key="o1")

    assert await house.result(job) == 12


@pytest.mark.parametrize("order", ["o 1", "ü/'#", "x" * 512, 17])
async def test_any_text_of_one_line_is_a_key(house: House, order: Any) -> None:
    job = await house.submit("pay", {"order": order})

    await house.send(job, "paid", {"amount": 12}, key=str(order))

    assert await house.result(job) == 12


@pytest.mark.parametrize("order", ["o1\n", "\0"])
async def test_a_key_that_is_no_line_of_text_fails_the_job(house: House, order: str) -> None:
    job = await house.submit("pay", {"order": order})

    found = await house.replicas[0].clients.job(job, None, PATIENCE_S)

    assert found is not None
    assert (found["status"], found["error"]["code"]) == ("failed", "TEMPLATE_ERROR")


async def test_bodies_get_the_signals_of_their_keys(house: House) -> None:
    job = await house.submit("each", {"items": ["a", "b", "c"]})

    for key in ("c", "a", "b"):
        await house.send(job, "picked", f"{key}!", key=key)

    assert await house.result(job) == ["a!", "b!", "c!"]


async def test_who_has_waited_longest_gets_the_signal(house: House) -> None:
    job = await house.submit("each", {"items": ["a", "a"]})
    for n in (1, 2):
        await house.send(job, "picked", n, key="a")

    assert sorted(await house.result(job)) == [1, 2]


async def test_the_first_of_several_events_decides_a_race(house: House) -> None:
    job = await house.submit("any")

    await house.send(job, "refused", {"why": "no money"})

    assert await house.result(job) == {"a": None, "b": {"why": "no money"}}


async def test_a_time_that_passed_is_an_error_and_a_late_signal_is_for_the_next_waiter(house: House) -> None:
    job = await house.submit("timed", {"t": "1h"})
    house.turn(3_600_000)
    await house.until(job, "again")

    await house.send(job, "paid", "late")

    assert await house.result(job) == [None, "late"]


async def test_a_timeout_of_nothing_takes_what_is_there(house: House) -> None:
    job = await house.submit("timed", {"t": "0s"}, start_at=house.now() + timedelta(hours=1))
    await house.send(job, "paid", "early")

    house.turn(2 * 3_600_000)

    assert await house.result(job) == ["early", None]


async def test_a_timeout_of_nothing_takes_what_is_there_of_many_jobs_at_once(house: House) -> None:
    soon = house.now() + timedelta(hours=1)
    jobs = [await house.submit("timed", {"t": "0s"}, start_at=soon) for _ in range(2 * BATCH_MAX + 50)]
    for job in jobs:
        await house.send(job, "paid", "early")

    house.turn(2 * 3_600_000)

    assert [result for job in jobs if (result := await house.result(job)) != ["early", None]] == []


async def test_a_timeout_of_nothing_looks_once(house: House) -> None:
    job = await house.submit("timed", {"t": "0s"})
    await house.until(job, "again")
    house.turn(5 * 3_600_000)
    found = await house.replicas[0].clients.job(job, None, PATIENCE_S)

    assert found is not None
    assert (found["status"], found["error"]["code"]) == ("failed", "NEVER")


async def test_a_signal_is_kept_for_a_day(house: House) -> None:
    job = await house.submit("late")
    await house.send(job, "paid", "too early")
    house.turn(SIGNAL_KEPT_MS - 60_000)
    await house.send(job, "paid", "in time")
    house.turn(120_000)

    await _work(house)

    assert await house.result(job) == "in time"


async def test_a_paused_job_keeps_signals_until_it_is_resumed(house: House) -> None:
    job = await house.submit("pay", {"order": "o1"})
    await house.replicas[0].operators.operate(job, None, PauseRequested(by="ann"))
    await house.send(job, "paid", {"amount": 12}, key="o1")
    assert (await house.job(job))["status"] == "paused"

    await house.replicas[0].operators.operate(job, None, ResumeRequested(by="ann"))

    assert await house.result(job) == 12


async def test_a_rerun_waits_anew_and_used_signals_do_not_come_back(house: House) -> None:
    job = await house.submit("twice")
    await house.send(job, "tick", 1)
    await house.until(job, "second")

    await house.replicas[0].operators.operate(job, None, RerunRequested(state="first", by="ann"))
    assert (await house.job(job))["state"] == "first"
    for n in (2, 3):
        await house.send(job, "tick", n)

    assert await house.result(job) == [2, 3]


async def test_a_wait_survives_a_restart_and_so_does_a_signal(house: House) -> None:
    waiting, working = await house.submit("pay", {"order": "o1"}), await house.submit("late")
    await house.send(working, "paid", "early", id="s1")
    await house.stop()
    await house.start()

    assert await house.send(working, "paid", "early", id="s1") is False
    await house.send(waiting, "paid", {"amount": 12}, key="o1")
    await _work(house)

    assert (await house.result(waiting), await house.result(working)) == (12, "early")


async def test_a_payload_that_no_state_expects_is_refused_and_uses_nothing_up(house: House) -> None:
    job = await house.submit("pay", {"order": "o1"})

    refused = await _refused(house.send(job, "paid", {"sum": 12}, key="o1", id="s1"))
    assert (refused.status, refused.code, refused.pointer) == (422, "signal.invalid", "/payload")
    assert await house.send(job, "paid", {"amount": 12}, key="o1", id="s1") is True

    assert await house.result(job) == 12


async def test_a_payload_that_fits_a_later_state_stays_kept_for_it(house: House) -> None:
    job = await house.submit("two")

    await house.send(job, "told", 7)
    assert (await house.job(job))["state"] == "a"
    await house.send(job, "told", "x")

    assert await house.result(job) == ["x", 7]


async def test_a_name_that_no_state_waits_for_is_not_found(house: House) -> None:
    job = await house.submit("pay", {"order": "o1"})

    refused = await _refused(house.send(job, "payed", {"amount": 12}))

    assert (refused.status, refused.code, refused.hint) == (404, "signal.not_found", "did you mean paid?")


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"payload": {"amount": "x" * PAYLOAD_BYTES_MAX}}, 413, "signal.too_large"),
        ({"payload": {"amount": 1}, "key": "x" * 513}, 422, "request.invalid"),
        ({"payload": {"amount": 1}, "key": "o1\n"}, 422, "request.invalid"),
        ({"payload": {"amount": 1}, "id": "x" * (ID_CHARACTERS_MAX + 1)}, 422, "request.invalid"),
    ],
)
async def test_what_is_too_long_or_no_text_is_refused(
    house: House, more: dict[str, Any], status: int, code: str
) -> None:
    job = await house.submit("pay", {"order": "o1"})

    refused = await _refused(house.send(job, "paid", **more))

    assert (refused.status, refused.code) == (status, code)


async def test_an_ended_job_takes_no_signal_but_knows_what_it_took(house: House) -> None:
    job = await house.submit("pay", {"order": "o1"})
    await house.send(job, "paid", {"amount": 12}, key="o1", id="s1")
    await house.result(job)

    refused = await _refused(house.send(job, "paid", {"amount": 12}, key="o1", id="s2"))

    assert (refused.status, refused.code, refused.message) == (
        409,
        "job.state",
        "the job is finished: it takes no signals",
    )
    assert await house.send(job, "paid", {"amount": 12}, key="o1", id="s1") is False


async def test_there_is_no_job_of_another_client(house: House) -> None:
    job = await house.submit("pay", {"order": "o1"})

    assert await house.send(job, "paid", {"amount": 12}, client="bob") is None
    assert await house.send("0" * 26, "paid", {"amount": 12}) is None


async def test_why_names_the_signal_and_how_to_send_it(house: House) -> None:
    job = await house.submit("pay", {"order": "o 1"})

    found = await house.replicas[0].explainer.why(job, None)

    assert found is not None
    [cause] = found["causes"]
    assert cause["text"] == "waits for the signal paid with the key o 1"
    assert cause["hint"] == f"to send it: avtomat signal {job} paid --key 'o 1' --payload JSON"


async def _refused(sending: Awaitable[Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await sending
    return caught.value


async def _work(house: House) -> None:
    """Do the one task of a job."""
    dispatcher = house.replicas[0].dispatcher
    [task] = await dispatcher.poll(Poll(worker="w1", kinds=("work",), timeout_s=PATIENCE_S), lambda: False)
    await dispatcher.result({"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1"})
