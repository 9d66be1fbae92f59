"""Schedules on each store, with two replicas whose clock is turned by hand: each run once, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avtomat.blueprint.building import build_program
from avtomat.core.timestamp import format_time
from avtomat.errors import RequestRefused
from avtomat.runtime.schedules.making import CLIENT
from avtomat.runtime.schedules.planning import KEPT_MIN
from avtomat.runtime.schedules.shared import TOPIC
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.storage.port.answers import Query
from avtomat.storage.port.store import Store
from avtomat.storage.proof.invariants import violations
from tests.runtime.replicas import SharedStore, replica_on
from tests.storage.faults import faulty
from tests.storage.stores import STORES
from tests.storage.world import StandingClock

Json = Any
PATIENCE_S = 30.0
BEGAN = datetime(2026, 3, 27, 12, 0, 30, tzinfo=UTC)
A_LITTLE = timedelta(seconds=1)
"""The clock of a server differs a little from this process's."""

NIGHTLY = "{name: nightly, cron: '0 2 * * *', timezone: Europe/Berlin, input: {day: 1}}"
WORK = "work: {task: work}"
DONE = "done: {succeed: 1}"
DAY = timedelta(days=1)


def text(schedule: str, state: str = WORK, more: str = "") -> str:
    entries = schedule if schedule.startswith("-") else f"- {schedule}"
    lines = "\n".join(f"  {line}" for line in entries.splitlines())
    return f"avtomat: 1\nblueprint: sample\n{more}schedule:\n{lines}\nstates:\n  {state}\n"


class House:
    """Two replicas on one store; `at` turns the clock to a time, and lets both decide what is due then."""

    def __init__(self, store: Store, clock: StandingClock, folder: Path) -> None:
        self.shared = SharedStore(store)
        self.folder = folder
        self._clock = clock
        self.replicas: list[Service] = []
        self._turn_to(BEGAN)

    async def begin(self, blueprint: str) -> None:
        self.write(blueprint)
        await self.shared.begin()
        await self.start()

    async def start(self) -> None:
        self.replicas = [
            await replica_on(self.shared.store, self.folder, blueprints_hold=timedelta()) for _ in range(2)
        ]
        await self.look()

    async def stop(self) -> None:
        for replica in self.replicas:
            await replica.stop()
        self.replicas = []

    async def end(self) -> None:
        assert violations(await self.shared.store.dump()) == []  # type: ignore[arg-type]
        await self.stop()
        await self.shared.end()

    def write(self, blueprint: str) -> None:
        (self.folder / "sample.yaml").write_text(blueprint)

    async def change(self, blueprint: str) -> None:
        """Another version goes live at one replica, and the other follows."""
        self.write(blueprint)
        assert await self.replicas[0].reload()
        await self.replicas[1].programs.follow()
        await self.look()

    def _turn_to(self, moment: datetime) -> None:
        self._clock.ms += round(moment.timestamp() * 1000) - self._clock.now()

    async def at(self, moment: datetime) -> None:
        self._turn_to(moment + A_LITTLE)
        await self.look()

    async def look(self) -> None:
        """Let all replicas decide what is due, and finish what they decided."""
        for replica in self.replicas:
            replica.time_turned()
        await asyncio.gather(*(replica._schedules.look() for replica in self.replicas))
        async with asyncio.timeout(PATIENCE_S):
            while any("starting" in outcomes(each) for each in await self.schedules()):
                await asyncio.gather(*(replica._schedules.look() for replica in self.replicas))
                await asyncio.sleep(0)

    async def schedules(self) -> list[dict[str, Json]]:
        return [] if not self.replicas else await self.replicas[0].schedules.list()

    async def schedule(self, name: str = "nightly") -> dict[str, Json]:
        """As the second replica has it."""
        return await self.replicas[1].schedules.show("sample", name)

    async def jobs(self) -> list[dict[str, Json]]:
        """All jobs of schedules, the oldest first."""
        found, _ = await self.replicas[0].clients.jobs(Query(client=CLIENT, limit=1_000))
        return [*reversed(found)]

    async def times(self) -> list[str]:
        return sorted(job["labels"]["scheduled_for"] for job in await self.jobs())

    async def work(self) -> None:
        """Do the next task."""
        poll = Poll(worker="w1", kinds=("work",), timeout_s=PATIENCE_S)
        (task,) = await self.replicas[0].dispatcher.poll(poll, lambda: False)
        ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1"}
        await self.replicas[0].dispatcher.result({**ids, "status": "success", "data": {}})

    async def until_jobs(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(await self.jobs()) < count:  # noqa: ASYNC110 - nobody tells of jobs that are made
                await asyncio.sleep(0)
        await self.look()


def outcomes(schedule: dict[str, Json]) -> list[str]:
    """The newest first."""
    return [run["outcome"] for run in schedule["runs"]]


def at(day: int, hour: int, minute: int = 0, second: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC)


@pytest.fixture(params=[name for name in STORES if name != "fakeredis"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    blueprints, clock = tmp_path / "blueprints", StandingClock()
    blueprints.mkdir()
    clock.ms = round(BEGAN.timestamp() * 1000) - clock.now()
    async with STORES[request.param](request, 1, clock, False) as store:
        house = House(store, clock, blueprints)
        yield house
        await house.end()


async def test_two_replicas_make_one_job_of_each_run_also_when_clocks_are_put_forward(house: House) -> None:
    await house.begin(text(NIGHTLY, DONE))
    assert (await house.schedule())["next"][:2] == ["2026-03-28T01:00:00.000Z", "2026-03-29T01:00:00.000Z"]

    for day in (28, 29, 30):
        for minute in range(3):
            await house.at(at(day, 0 if day == 30 else 1, minute))

    (first, *_) = jobs = await house.jobs()
    assert [job["labels"]["scheduled_for"] for job in jobs] == [
        "2026-03-28T01:00:00.000Z",
        "2026-03-29T01:00:00.000Z",
        "2026-03-30T00:00:00.000Z",
    ]
    assert (first["status"], first["labels"]["schedule"]) == ("finished", "nightly")
    whole = await house.replicas[1].clients.job(first["id"], None)
    assert whole is not None
    assert whole["input"] == {"day": 1}
    history = await house.replicas[1].clients.history(first["id"], None, 0, 1)
    assert history is not None
    assert (history[0]["client"], history[0]["schedule"]) == (CLIENT, "nightly")
    shown = await house.schedule()
    assert outcomes(shown) == ["started"] * 3
    assert [run["job_id"] for run in shown["runs"]] == [job["id"] for job in reversed(jobs)]
    assert sum(replica.measures.tally.schedule_runs["started"] for replica in house.replicas) == 3


async def test_a_run_is_left_out_while_a_job_of_the_schedule_is_open_but_not_for_other_jobs(house: House) -> None:
    other = "{name: other, cron: '0 3 * * *'}"
    await house.begin(text(f"- {NIGHTLY}\n- {other}"))

    await house.at(at(28, 1))
    await house.at(at(28, 3))
    await house.at(at(29, 1))
    assert outcomes(await house.schedule()) == ["skipped", "started"]
    assert outcomes(await house.schedule("other")) == ["started"]
    await house.work()
    await house.at(at(30, 0))

    assert outcomes(await house.schedule()) == ["started", "skipped", "started"]


async def test_runs_wait_for_the_job_before_them_with_queue(house: House) -> None:
    await house.begin(text(NIGHTLY.replace("}}", "}, overlap: queue}")))
    for day in (28, 29):
        await house.at(at(day, 1))
    await house.at(at(30, 0))
    assert len(await house.jobs()) == 1
    assert (await house.schedule())["waiting"] == ["2026-03-29T01:00:00.000Z", "2026-03-30T00:00:00.000Z"]

    await house.work()
    await house.until_jobs(2)
    assert (await house.schedule())["waiting"] == ["2026-03-30T00:00:00.000Z"]
    await house.work()
    await house.until_jobs(3)

    assert outcomes(await house.schedule()) == ["started"] * 3
    assert (await house.times())[1:] == ["2026-03-29T01:00:00.000Z", "2026-03-30T00:00:00.000Z"]


async def test_a_run_takes_the_place_of_the_open_job_once_that_has_undone_what_it_did(house: House) -> None:
    states = (
        "work: {task: work, compensate: {task: work}, next: more}\n  more: {wait: 3d, next: done}\n  done: {succeed: 1}"
    )
    await house.begin(text(NIGHTLY.replace("}}", "}, overlap: replace}"), states))
    await house.at(at(28, 1))
    await house.work()
    await house.at(at(29, 1))

    (first,) = await house.jobs()
    assert first["status"] == "compensating"
    await house.work()
    await house.until_jobs(2)

    first, second = await house.jobs()
    assert (first["status"], second["labels"]["scheduled_for"]) == ("cancelled", "2026-03-29T01:00:00.000Z")
    history = await house.replicas[0].clients.history(first["id"], None, 0, 100)
    assert any("takes its place" in str(entry) for entry in history or ())


@pytest.mark.parametrize(
    ("catch_up", "made", "told"),
    [
        ("none", [], ["missed"]),
        ("last", ["2026-03-31T00:00:00.000Z"], ["started", "missed"]),
        ("all", [f"2026-03-{day}T0{1 if day < 30 else 0}:00:00.000Z" for day in (28, 29, 30, 31)], ["started"] * 4),
    ],
)
async def test_what_was_missed_while_no_engine_was_there_is_made_up_for_as_asked(
    house: House, catch_up: str, made: list[str], told: list[str]
) -> None:
    await house.begin(text(NIGHTLY.replace("}}", f"}}, overlap: queue, catch_up: {catch_up}}}"), DONE))
    await house.stop()
    house._turn_to(at(31, 9))
    await house.start()
    await house.until_jobs(len(made))

    shown = await house.schedule()
    assert (await house.times(), outcomes(shown)) == (made, told)
    assert [run["count"] for run in shown["runs"] if run["outcome"] == "missed"] == (
        [] if catch_up == "all" else [4 - len(made)]
    )


async def test_at_most_a_hundred_runs_are_made_up_for_and_none_from_before_the_retention(house: House) -> None:
    often = "{name: nightly, cron: '*/5 * * * *', overlap: queue, catch_up: all}"
    await house.begin(text(often, DONE, "retention: 2h\n"))
    await house.stop()
    house._turn_to(BEGAN + timedelta(days=2, seconds=1))
    await house.start()
    await house.until_jobs(24)
    assert (await house.times())[0] == format_time(at(29, 10, 5))

    await house.change(text(often, DONE, "retention: 30d\n"))
    await house.stop()
    house._turn_to(BEGAN + timedelta(days=4, seconds=1))
    await house.start()
    async with asyncio.timeout(PATIENCE_S):
        while (await house.schedule())["waiting"] or "starting" in outcomes(await house.schedule()):  # noqa: ASYNC110
            await asyncio.sleep(0)

    newer = [time for time in await house.times() if time > format_time(BEGAN + timedelta(days=2, seconds=1))]
    assert (len(newer), newer[0]) == (100, format_time(at(31, 12) - timedelta(minutes=495)))


async def test_a_paused_schedule_has_no_runs_and_makes_up_for_none(house: House) -> None:
    await house.begin(text(NIGHTLY.replace("}}", "}, catch_up: all, overlap: queue}")))
    await house.at(at(28, 1))
    await house.at(at(29, 1))
    shown = await house.replicas[0].schedules.pause("sample", "nightly", "ann", "a holiday")
    assert (shown["paused"]["by"], shown["paused"]["reason"], shown["waiting"]) == ("ann", "a holiday", [])

    await house.work()
    await house.at(at(30, 0))
    await house.stop()
    house._turn_to(at(31, 9))
    await house.start()
    assert len(await house.jobs()) == 1
    assert (await house.schedule())["paused"]["by"] == "ann"
    shown = await house.replicas[1].schedules.resume("sample", "nightly")
    await house.look()

    assert (shown["paused"], shown["next"][0], len(await house.jobs())) == (None, "2026-04-01T00:00:00.000Z", 1)
    await house.at(at(1, 0, month=4))
    assert len(await house.jobs()) == 2


async def test_a_changed_line_counts_from_the_change_and_other_changes_lose_nothing(house: House) -> None:
    await house.begin(text(NIGHTLY.replace("}}", "}, catch_up: all, overlap: queue}")))
    await house.at(at(28, 1))
    await house.at(at(29, 1))
    house._turn_to(at(29, 10))
    changed = "{name: nightly, cron: '0 9 * * *', input: {day: 2}, catch_up: all, overlap: queue}"
    await house.change(text(changed))

    shown = await house.schedule()
    assert (shown["waiting"], shown["next"][0]) == (["2026-03-29T01:00:00.000Z"], "2026-03-30T09:00:00.000Z")
    assert len(shown["open"]) == 1
    house._turn_to(at(30, 9, 30))
    await house.change(text(changed.replace("day: 2", "day: 3")))
    assert (await house.schedule())["waiting"] == ["2026-03-29T01:00:00.000Z", "2026-03-30T09:00:00.000Z"]


async def test_a_replica_that_is_behind_decides_nothing(house: House) -> None:
    await house.begin(text(NIGHTLY, DONE))
    house.write(text("{name: nightly, cron: '0 9 * * *'}", DONE))
    house._turn_to(at(27, 20))
    assert await house.replicas[0].reload()
    await house.replicas[0]._schedules.look()
    behind = house.replicas[1]
    house._turn_to(at(28, 1))

    await behind._schedules.look()

    assert await house.jobs() == []


async def test_a_schedule_that_is_gone_stops_and_begins_anew_when_it_is_there_again(house: House) -> None:
    await house.begin(text(NIGHTLY.replace("}}", "}, catch_up: all, overlap: queue}"), DONE))
    (house.folder / "other.yaml").write_text("avtomat: 1\nblueprint: other\nstates: {a: {succeed: 1}}\n")
    await house.change("avtomat: 1\nblueprint: sample\nstates: {a: {succeed: 1}}\n")
    assert await house.schedules() == []
    await house.at(at(28, 1))
    house._turn_to(at(28, 9))
    await house.change(text(NIGHTLY.replace("}}", "}, catch_up: all, overlap: queue}"), DONE))
    assert await house.jobs() == []
    await house.at(at(29, 1))
    assert len(await house.jobs()) == 1

    (house.folder / "sample.yaml").unlink()
    assert await house.replicas[0].reload()
    await house.replicas[1].programs.follow()
    await house.at(at(30, 0))

    assert await house.schedules() == []
    assert len(await house.jobs()) == 1
    found = await house.shared.store.agreed(TOPIC, 0)
    assert found is not None
    assert found[1] == {}


async def test_a_job_by_hand_is_made_at_once_and_the_next_run_sees_it(house: House) -> None:
    await house.begin(text(NIGHTLY))
    trigger = house.replicas[0].schedules.trigger
    await house.replicas[0].schedules.pause("sample", "nightly", "ann")
    job, fresh = await trigger("sample", "nightly", "ann", key="k1")
    again = await house.replicas[1].schedules.trigger("sample", "nightly", "ann", key="k1")
    other, _ = await trigger("sample", "nightly", "bob", key="k1")
    third, _ = await trigger("sample", "nightly", "bob")

    assert (fresh, again) == (True, (job, False))
    assert {each["id"] for each in await house.jobs()} == {job, other, third}
    shown = await house.schedule()
    assert [(run["outcome"], run["by"]) for run in shown["runs"]] == [("started", "bob")] * 2 + [("started", "ann")]
    history = await house.replicas[1].clients.history(job, None, 0, 1)
    assert history is not None
    assert history[0]["by"] == "ann"
    await house.replicas[1].schedules.resume("sample", "nightly")
    await house.at(at(28, 1))
    assert outcomes(await house.schedule())[0] == "skipped"
    for _ in range(3):
        await house.work()
    await house.at(at(29, 1))
    assert outcomes(await house.schedule())[0] == "started"


async def test_a_schedule_that_is_not_there_is_refused_with_the_nearest_name(house: House) -> None:
    await house.begin(text(NIGHTLY))
    with pytest.raises(RequestRefused) as refused:
        await house.replicas[0].schedules.trigger("sample", "nigtly", "ann")
    assert (refused.value.status, refused.value.code) == (404, "schedule.not_found")
    assert refused.value.hint == "did you mean sample/nightly?"


async def test_a_run_whose_input_is_refused_is_told_and_not_tried_again(house: House) -> None:
    await house.begin(text(NIGHTLY, DONE))
    wrong = build_program(
        '{"avtomat":1,"blueprint":"sample","input":{"type":"object","required":["who"]},'
        '"schedule":[{"name":"nightly","cron":"0 2 * * *","timezone":"Europe/Berlin"}],"states":{"a":{"succeed":1}}}'
    )
    for replica in house.replicas:
        await replica.programs.swap({"sample": wrong})
    await house.look()
    for minute in range(3):
        await house.at(at(28, 1, minute))

    (run,) = (await house.schedule())["runs"]
    assert (run["outcome"], run["job_id"] is not None) == ("refused", True)
    assert "who" in run["reason"]
    assert await house.jobs() == []
    assert sum(replica.measures.tally.schedule_runs["refused"] for replica in house.replicas) == 1
    with pytest.raises(RequestRefused) as refused:
        await house.replicas[0].schedules.trigger("sample", "nightly", "ann")
    assert refused.value.code == "schedule.refused"


async def test_a_clock_that_is_turned_back_makes_no_run_twice_and_one_that_jumps_misses_what_it_leaps(
    house: House,
) -> None:
    await house.begin(text("{name: nightly, cron: '0 * * * *'}", DONE))
    await house.at(at(28, 1))
    if type(house.shared._store).__name__ == "SqliteStore":  # its time of day follows the system's back
        house._turn_to(at(28, 0, 30))
        await house.look()
        await house.at(at(28, 1))
    await house.at(at(28, 2))
    await house.at(at(28, 9, 30))
    await house.at(at(28, 10))

    made = [time[11:16] for time in await house.times()]
    assert made[-3:] == ["01:00", "02:00", "10:00"]
    assert len(set(made)) == len(made)
    assert outcomes(await house.schedule())[:3] == ["started", "missed", "started"]


async def test_a_run_begins_later_by_a_jitter_that_is_always_the_same(house: House) -> None:
    await house.begin(text(NIGHTLY.replace("}}", "}, jitter: 1h}"), DONE))
    (rule,) = house.replicas[0]._schedules.rules.values()
    due_ms = round(at(28, 1).timestamp() * 1000)
    begins_ms = rule.begins_ms(due_ms)
    assert due_ms < begins_ms < due_ms + 3_600_000
    assert [each.begins_ms(due_ms) for each in house.replicas[1]._schedules.rules.values()] == [begins_ms]

    await house.at(datetime.fromtimestamp(begins_ms / 1000 - 2, UTC))
    assert await house.jobs() == []
    await house.at(datetime.fromtimestamp(begins_ms / 1000, UTC))

    assert await house.times() == ["2026-03-28T01:00:00.000Z"]


async def test_a_job_of_a_schedule_outlives_a_shorter_retention(house: House) -> None:
    await house.begin(text(NIGHTLY, DONE, "retention: 1s\n"))
    await house.at(at(28, 1))
    house._turn_to(at(28, 1) + KEPT_MIN - timedelta(seconds=2))
    await house.shared.store.trim(0, 100)
    assert len(await house.jobs()) == 1
    house._turn_to(at(28, 1) + KEPT_MIN + timedelta(seconds=5))
    await house.shared.store.trim(0, 100)
    assert await house.jobs() == []


async def test_nothing_is_asked_of_the_store_while_a_thousand_schedules_have_nothing_due(tmp_path: Path) -> None:
    from avtomat.storage.memory.store import MemoryStore

    for number in range(20):
        lines = "\n".join(f"- {{name: s{each}, cron: '{each} 2 * * *'}}" for each in range(50))
        (tmp_path / f"b{number}.yaml").write_text(text(lines, DONE).replace("sample", f"b{number}"))
    clock = StandingClock()
    clock.ms = round(BEGAN.timestamp() * 1000) - clock.now()
    store, faults = faulty(MemoryStore(offset_ms=clock.offset))
    replica = await replica_on(store, tmp_path)
    schedules = replica._schedules
    await schedules.look()
    assert len(await replica.schedules.list()) == 1_000
    await replica._duties.stop()
    faults.calls.clear()

    for _ in range(14):
        clock.advance(1_000)
        await schedules.look()
    assert faults.calls == []
    clock.advance(2_000)
    await schedules.look()

    assert faults.calls == ["agreed"]
    await replica.stop()
