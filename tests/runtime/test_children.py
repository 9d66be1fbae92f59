"""Jobs that run other blueprints, on each store, with two replicas: what comes up, what goes down, and what waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from avtomat.core.messages import PauseRequested, RerunRequested, ResumeRequested, SkipRequested
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.storage.port.answers import Query
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store
from avtomat.storage.proof.invariants import violations
from tests.runtime.replicas import SharedStore, replica_on
from tests.storage.stores import STORES
from tests.storage.world import Clock

PATIENCE_S = 30.0
KINDS = ("work", "undo", "tidy")
BLUEPRINTS = {
    "hire": """
states:
  hire: {run: account, input: {name: "{{ input.name }}"}, timeout: "{{ input.t }}", next: done,
         catch: [{errors: [ANY], to: caught}]}
  done: {succeed: "{{ outputs.hire }}"}
  caught: {succeed: {caught: "{{ error }}"}}
""",
    "account": """
input: {type: object, required: [name], properties: {name: {type: string, maxLength: 5}, kind: {default: plain}}}
states:
  make: {task: work, params: {name: "{{ input.name }}", kind: "{{ input.kind }}"}, retry: none,
         compensate: {task: undo, params: {name: "{{ input.name }}"}}, next: check}
  check: {task: work, params: {name: check}, retry: none, next: end}
""",
    "plain": "states: {hire: {run: account, input: {name: ann}, next: end}}",
    "quick": "states: {a: {run: quicker, next: b}, b: {run: quicker, next: end}}",
    "quicker": "states: {done: {succeed: {id: '{{ job.id }}', parent: '{{ job.parent_id }}'}}}",
    "saga": """
states:
  book: {task: work, params: {name: book}, compensate: {task: undo, params: {name: book}}, next: hire}
  hire: {run: account, input: {name: ann}, next: end}
finally: {task: tidy, params: {status: "{{ job.status }}"}}
""",
    "each": """
states:
  all: {foreach: "{{ input.names }}", concurrency: 2, do: {run: account, input: {name: "{{ item }}"}}, next: done}
  done: {succeed: "{{ len(outputs.all) }}"}
""",
    "race": """
states:
  first:
    parallel:
      slow: {run: account, input: {name: slow}}
      fast: {task: work, params: {name: fast}}
    join: any
    next: done
  done: {succeed: "{{ outputs.first.fast }}"}
""",
    "again": """
states:
  hire: {run: account, input: {name: ann}, retry: {attempts: 2, delay: 10s, jitter: none, errors: [ANY]}, next: end}
""",
    "away": "states: {hire: {run: account, input: {name: ann}, detach: true, next: done}, "
    "done: {succeed: '{{ outputs.hire.job_id }}'}}",
    "forks": "states: {hire: {run: each, input: {names: [a, b]}, next: end}}",
    "late": "states: {hire: {run: hurried, next: end, catch: [{errors: [DEADLINE], output: late}]}}",
    "hurried": "timeout: 1h\nstates: {wait: {signal: never}}",
    "bounded": "timeout: 2h\nstates: {hire: {run: lasting, next: end}}",
    "lasting": "timeout: 9h\nstates: {wait: {signal: never}}",
    "deep": "states: {down: {transitions: [{when: input.n > 0, to: more}, {to: end}]}, "
    "more: {run: deep, input: {n: '{{ input.n - 1 }}'}, next: end}}",
    "named": "labels: {team: b}\npriority: 9\nstates: {wait: {signal: never}}",
    "naming": "labels: {team: a, who: '{{ input.who }}'}\nstates: {hire: {run: named, next: end}}",
}


class House:
    """Two replicas on one store, whose clock is turned by hand, and a worker who does what a test says."""

    def __init__(self, store: Store, clock: Clock, folder: Path) -> None:
        self.shared = SharedStore(store)
        self.clock = clock
        self.folder = folder
        self.replicas: list[Service] = []

    async def begin(self) -> None:
        """Open the store, and let two replicas work on it."""
        await self.shared.begin()
        self.replicas = [await replica_on(self.shared.store, self.folder) for _ in range(2)]

    async def end(self) -> None:
        """Hold the store to its invariants, and close all."""
        assert violations(await self.shared.store.dump()) == []  # type: ignore[arg-type]
        for replica in self.replicas:
            await replica.stop()
        await self.shared.end()

    async def submit(self, blueprint: str, given: Any = None, **more: Any) -> str:
        asked = Submission(blueprint=blueprint, input=given or {}, client="ann", **more)
        return (await self.replicas[0].clients.submit(asked)).job_id

    async def take(self, kind: str = "work", replica: int = 1) -> dict[str, Any]:
        """A task that is offered, or will be."""
        poll = Poll(worker="w1", kinds=(kind,), timeout_s=PATIENCE_S)
        [task] = await self.replicas[replica].dispatcher.poll(poll, lambda: False)
        return dict(task)

    async def answer(self, task: Mapping[str, Any], data: Any = None, **body: Any) -> None:
        ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1"}
        await self.replicas[0].dispatcher.result({**ids, "data": data, **body})

    async def fail(self, task: Mapping[str, Any], code: str) -> None:
        await self.answer(task, status="failure", error={"code": code, "message": "no"})

    async def do(self, data: Any = None, kind: str = "work") -> dict[str, Any]:
        """Take a task and do it."""
        task = await self.take(kind)
        await self.answer(task, data)
        return task

    async def job(self, job: str) -> dict[str, Any]:
        found = await self.replicas[0].clients.job(job, None)
        assert found is not None
        return dict(found)

    async def ended(self, job: str) -> dict[str, Any]:
        """The job, once it has ended."""
        found = await self.replicas[0].clients.job(job, None, PATIENCE_S)
        assert found is not None
        assert found["status"] in {"finished", "failed", "cancelled"}, found
        return dict(found)

    async def until(self, job: str, status: str) -> dict[str, Any]:
        """Wait until the job has this status."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := await self.job(job))["status"] != status:  # noqa: ASYNC110 - nobody tells of all
                await asyncio.sleep(0.001)
        return found

    async def children(self, job: str) -> list[dict[str, Any]]:
        """The jobs that this job began, the oldest first."""
        jobs, _ = await self.replicas[1].clients.jobs(Query(parent=job))
        return jobs[::-1]

    async def child(self, job: str) -> str:
        """The newest job that this job began, once there is one."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await self.children(job)):  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.001)
        return str(found[-1]["id"])

    async def types(self, job: str) -> list[str]:
        """What happened to the job, by the names of events."""
        return [loads(entry.record)["type"] for entry in await self.shared.store.history(job, 0, 1_000)]

    async def operate(self, job: str, event: Any) -> None:
        await self.replicas[1].operators.operate(job, None, event)

    def turn(self, ms: int) -> None:
        """Let so much time pass at once."""
        self.clock.advance(ms)
        for replica in self.replicas:
            replica.time_turned()


PLACES = [("memory", 1), ("memory", 3), ("sqlite", 1), ("redis", 1), ("redis", 3)]


@pytest.fixture(params=[each for each in PLACES if each[0] in STORES], ids=lambda each: f"{each[0]}-{each[1]}")
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    name, partitions = request.param
    blueprints, clock = tmp_path / "blueprints", Clock()
    blueprints.mkdir()
    for blueprint, text in BLUEPRINTS.items():
        (blueprints / f"{blueprint}.yaml").write_text(f"avtomat: 1\nblueprint: {blueprint}\n{text}")
    async with STORES[name](request, partitions, clock, False) as store:
        house = House(store, clock, blueprints)
        await house.begin()
        yield house
        await house.end()


# --- what comes up ----------------------------------------------------------------------------------------------------


async def test_the_result_of_the_child_is_the_output_of_the_state(house: House) -> None:
    job = await house.submit("hire", {"name": "ann", "t": "1h"})
    assert (await house.job(job))["status"] == "waiting_for_child"

    task = await house.do()
    assert task["params"] == {"name": "ann", "kind": "plain"}
    await house.do({"id": 7.0})

    found = await house.ended(job)
    assert found["result"] == {"id": 7.0}
    [child] = found["children"]["jobs"]
    assert (child["status"], child["blueprint"], child["parent_id"]) == ("finished", "account", job)
    assert task["job_id"] == child["id"]
    assert await house.types(job) == ["JobCreated", "ChildEnded"]


async def test_an_input_that_does_not_fit_fails_the_state_with_pointers(house: House) -> None:
    job = await house.submit("hire", {"name": "annabella", "t": "1h"})
    error = (await house.ended(job))["result"]["caught"]
    assert (error["code"], error["state"]) == ("INVALID_INPUT_ERROR", "hire")
    assert [each["pointer"] for each in error["details"]] == ["/name"]
    assert await house.children(job) == []


async def test_the_error_of_the_child_comes_up_unchanged_after_its_undos(house: House) -> None:
    job = await house.submit("plain")
    await house.do()
    await house.fail(await house.take(), "QUOTA")
    child = await house.child(job)
    undo = await house.take("undo")
    assert (await house.job(job))["status"] == "waiting_for_child"
    await house.answer(undo)

    found = await house.ended(job)
    assert (found["status"], found["error"]) == ("failed", (await house.job(child))["error"])
    assert found["error"]["state"] == "check"


async def test_children_that_wait_for_nothing_are_begun_and_ended_in_one_step(house: House) -> None:
    job = await house.submit("quick")
    found = await house.ended(job)
    children = sorted(child["id"] for child in await house.children(job))
    told = sorted(found["outputs"][name]["id"] for name in "ab")
    assert told == children
    assert {found["outputs"][name]["parent"] for name in "ab"} == {job}


async def test_the_own_limits_of_a_child_are_errors_as_others_for_its_parent(house: House) -> None:
    job = await house.submit("late")
    child = await house.child(job)
    house.turn(3_600_000 + 1_000)
    assert (await house.ended(job))["result"] == "late"
    assert (await house.job(child))["error"]["code"] == "DEADLINE"


async def test_a_child_has_no_more_time_than_is_left_of_its_parents(house: House) -> None:
    job = await house.submit("bounded")
    child = await house.child(job)
    house.turn(2 * 3_600_000 + 1_000)
    assert (await house.ended(job))["error"]["code"] == "DEADLINE"
    assert (await house.ended(child))["status"] in {"failed", "cancelled"}


async def test_a_child_that_somebody_cancels_is_an_error_of_its_own(house: House) -> None:
    job = await house.submit("hire", {"name": "ann", "t": "1h"})
    await house.do()
    child = await house.child(job)
    await house.replicas[1].operators.cancel(child, None, "bob", "not wanted")
    await house.do(kind="undo")
    error = (await house.ended(job))["result"]["caught"]
    assert (error["code"], error["message"]) == ("CHILD_CANCELLED", "the child was cancelled: not wanted")


async def test_the_end_of_a_child_counts_once_however_many_replicas_look(house: House) -> None:
    job = await house.submit("quick")
    await house.ended(job)
    for replica in house.replicas:
        replica.time_turned()
    assert (await house.types(job)).count("ChildEnded") == 2


async def test_the_state_is_tried_again_with_a_new_child(house: House) -> None:
    job = await house.submit("again")
    await house.fail(await house.take(), "QUOTA")
    async with asyncio.timeout(PATIENCE_S):
        while "ChildEnded" not in await house.types(job):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)
    assert len(await house.children(job)) == 1
    why = await house.replicas[0].explainer.why(job, None)
    assert why is not None
    assert [each["cause"] for each in why["causes"]] == ["child_retry"]
    house.turn(11_000)
    await house.do()
    await house.do("well")
    assert (await house.ended(job))["result"] == "well"
    assert [each["status"] for each in await house.children(job)] == ["failed", "finished"]


# --- what goes down ---------------------------------------------------------------------------------------------------


async def test_a_cancel_reaches_the_child_and_its_undos_come_first(house: House) -> None:
    job = await house.submit("saga")
    await house.do()
    await house.do()
    child = await house.child(job)
    await house.replicas[0].operators.cancel(job, None, "bob")

    undo = await house.take("undo")
    assert (undo["job_id"], undo["params"]) == (child, {"name": "ann"})
    assert (await house.job(job))["status"] == "compensating"
    why = await house.replicas[1].explainer.why(job, None)
    assert why is not None
    assert why["causes"][0]["cause"] == "children_awaited"
    assert {each.get("job") for each in why["causes"][1:]} == {child}
    await house.answer(undo)
    assert (await house.ended(child))["status"] == "cancelled"
    own = await house.do(kind="undo")
    assert (own["job_id"], own["params"]) == (job, {"name": "book"})
    last = await house.do(kind="tidy")
    assert last["params"] == {"status": "cancelled"}
    assert (await house.ended(job))["status"] == "cancelled"


async def test_a_cancel_that_declines_undos_declines_them_for_the_child(house: House) -> None:
    job = await house.submit("plain")
    await house.do()
    child = await house.child(job)
    await house.replicas[0].operators.cancel(job, None, "bob", compensate=False)
    assert (await house.ended(job))["status"] == "cancelled"
    assert (await house.ended(child))["status"] == "cancelled"
    assert "UnwindReady" not in await house.types(child)


async def test_undos_of_a_child_that_go_wrong_are_given_up_with_its_parent(house: House) -> None:
    job = await house.submit("plain")
    await house.do()
    child = await house.child(job)
    await house.replicas[0].operators.cancel(job, None, "bob")
    await house.until(child, "compensating")
    await house.replicas[0].operators.cancel(job, None, "bob", compensate=False)
    assert (await house.ended(job))["status"] == "cancelled"
    assert (await house.ended(child))["status"] == "cancelled"


async def test_a_timeout_of_the_state_cancels_the_child(house: House) -> None:
    job = await house.submit("hire", {"name": "ann", "t": "1h"})
    await house.do()
    child = await house.child(job)
    house.turn(3_600_000 + 1_000)
    assert (await house.ended(job))["result"]["caught"]["code"] == "TIMEOUT_ERROR"
    await house.do(kind="undo")
    assert (await house.ended(child))["status"] == "cancelled"


async def test_the_loser_of_a_race_is_cancelled(house: House) -> None:
    job = await house.submit("race")
    tasks = [await house.take(), await house.take()]
    slow, fast = sorted(tasks, key=lambda task: task["params"]["name"] == "fast")
    await house.answer(fast, "won")
    assert (await house.ended(job))["result"] == "won"
    await house.until(slow["job_id"], "compensating")
    await house.answer(slow)  # its effect is there, so that it is undone
    await house.do(kind="undo")
    assert (await house.ended(await house.child(job)))["status"] == "cancelled"


async def test_a_detached_job_goes_on_by_itself(house: House) -> None:
    job = await house.submit("away")
    child = (await house.ended(job))["result"]
    assert [each["id"] for each in await house.children(job)] == [child]
    await house.do()
    await house.do("done")
    found = await house.ended(child)
    assert (found["result"], found["parent_id"]) == ("done", job)
    assert await house.types(job) == ["JobCreated"]


async def test_what_a_child_is_given_is_its_parents_unless_its_blueprint_says_otherwise(house: House) -> None:
    job = await house.submit("naming", {"who": "bob"}, labels={"x": "y"}, priority=3, trace="00-1-2-01")
    found = await house.job(await house.child(job))
    assert (found["labels"], found["priority"]) == ({"team": "b", "who": "bob", "x": "y"}, 9)
    plain = await house.job(await house.child(await house.submit("plain", priority=3)))
    assert plain["priority"] == 3
    with pytest.raises(RequestRefused):
        await house.submit("nobody")
    assert await house.replicas[0].clients.job(plain["id"], "bob") is None
    assert await house.replicas[0].clients.job(plain["id"], "ann") is not None


async def test_jobs_run_jobs_ten_levels_deep(house: House) -> None:
    assert (await house.ended(await house.submit("deep", {"n": 10})))["status"] == "finished"
    found = await house.ended(await house.submit("deep", {"n": 11}))
    assert (found["status"], found["error"]["code"]) == ("failed", "LIMIT_EXCEEDED")


# --- blocks -----------------------------------------------------------------------------------------------------------


async def test_in_a_foreach_the_window_holds_for_children(house: House) -> None:
    job = await house.submit("each", {"names": ["a", "b", "c"]})
    first = [await house.take(), await house.take()]
    assert len(await house.children(job)) == 2
    for task in first:
        await house.answer(task)
    for _ in range(4):
        await house.do()
    assert (await house.ended(job))["result"] == 3
    assert len(await house.children(job)) == 3


async def test_a_child_that_begins_with_a_block_goes_on(house: House) -> None:
    job = await house.submit("forks")
    for _ in range(4):
        await house.do()
    assert (await house.ended(job))["result"] == 2


async def test_a_broken_block_cancels_the_children_beside(house: House) -> None:
    job = await house.submit("each", {"names": ["a", "b"]})
    tasks = [await house.take(), await house.take()]
    await house.fail(tasks[0], "QUOTA")
    await house.until(tasks[1]["job_id"], "compensating")
    assert (await house.job(job))["status"] == "compensating"
    await house.answer(tasks[1])  # its effect is there, so that it is undone
    await house.do(kind="undo")
    found = await house.ended(job)
    assert found["error"]["code"] == "QUOTA"
    statuses = {each["id"]: each["status"] for each in await house.children(job)}
    assert statuses == {tasks[0]["job_id"]: "failed", tasks[1]["job_id"]: "cancelled"}


# --- operators --------------------------------------------------------------------------------------------------------


async def test_the_end_of_a_child_waits_for_a_parent_that_is_held(house: House) -> None:
    job = await house.submit("plain")
    await house.operate(job, PauseRequested(by="bob"))
    await house.do()
    await house.do("done")
    assert (await house.ended(await house.child(job)))["status"] == "finished"
    assert (await house.job(job))["status"] == "paused"
    await house.operate(job, ResumeRequested(by="bob"))
    assert (await house.ended(job))["result"] == "done"


async def test_a_rerun_closes_the_child_and_begins_another_one(house: House) -> None:
    job = await house.submit("plain")
    first = await house.child(job)
    await house.operate(job, RerunRequested(by="bob"))
    assert (await house.ended(first))["status"] == "cancelled"
    await house.do()
    await house.do("again")
    assert (await house.ended(job))["result"] == "again"
    assert len(await house.children(job)) == 2


async def test_a_skip_closes_the_child(house: House) -> None:
    job = await house.submit("plain")
    child = await house.child(job)
    await house.operate(job, SkipRequested(by="bob", output="skipped"))
    assert (await house.ended(job))["result"] == "skipped"
    assert (await house.ended(child))["status"] == "cancelled"


async def test_why_tells_of_the_child_and_why_that_one_waits(house: House) -> None:
    job = await house.submit("plain")
    child = await house.child(job)
    why = await house.replicas[1].explainer.why(job, None)
    assert why is not None
    assert [(each.get("job"), each["cause"]) for each in why["causes"]] == [(None, "child"), (child, "no_worker")]
    assert why["causes"][0]["details"]["child"] == child


# --- versions ---------------------------------------------------------------------------------------------------------


async def test_a_child_has_the_version_that_was_current_when_its_parent_began(house: House) -> None:
    job = await house.submit("saga")
    text = "avtomat: 1\nblueprint: account\nstates: {new: {succeed: new}}\n"
    (house.folder / "account.yaml").write_text(text)
    for replica in house.replicas:
        await replica.reload()
    await house.do()
    task = await house.do()
    assert task["params"]["name"] == "ann"
    assert (await house.ended(await house.submit("plain")))["result"] == "new"
    await house.do("old")
    await house.do(kind="tidy")
    assert (await house.ended(job))["result"] == "old"
