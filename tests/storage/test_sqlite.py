"""What is SQLite's own: one process a file, the format, group commit, kill -9, errors of the disk, query plans."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from avtomat.errors import StoreBusy, StoreError, StoreNotExecuted
from avtomat.storage.port.answers import Created, Query, Wakeups
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import MailCause, NewJob, SignalWait
from avtomat.storage.sqlite import attempts as sqlite_attempts
from avtomat.storage.sqlite import claims as sqlite_claims
from avtomat.storage.sqlite import commit as sqlite_commit
from avtomat.storage.sqlite import counters as sqlite_counters
from avtomat.storage.sqlite import duties as sqlite_duties
from avtomat.storage.sqlite import file as sqlite_file
from avtomat.storage.sqlite import head as sqlite_head
from avtomat.storage.sqlite import joins as sqlite_joins
from avtomat.storage.sqlite import judge as sqlite_judge
from avtomat.storage.sqlite import lane as sqlite_lane
from avtomat.storage.sqlite import log as sqlite_log
from avtomat.storage.sqlite import mail as sqlite_mail
from avtomat.storage.sqlite import reads as sqlite_reads
from avtomat.storage.sqlite import records as sqlite_records
from avtomat.storage.sqlite import scopes as sqlite_scopes
from avtomat.storage.sqlite import trim as sqlite_trim
from avtomat.storage.sqlite.store import SqliteStore
from avtomat.storage.sqlite.writer import Step
from tests.storage.world import FINISHED, Clock, World, change, given_mail, mail, result, task

STATEMENTS = [
    sqlite_attempts,
    sqlite_claims,
    sqlite_commit,
    sqlite_counters,
    sqlite_duties,
    sqlite_head,
    sqlite_joins,
    sqlite_judge,
    sqlite_mail,
    sqlite_reads,
    sqlite_records,
    sqlite_scopes,
    sqlite_trim,
]
SCANS_ALLOWED = {
    "records._DUE": "a number for metrics: bounded by its limit",
    "records._WORKERS": "all live workers are asked for",
    "records._LAPSED_WORKERS": "workers are few",
}
SORTS_ALLOWED = {
    "claims._HELD_UNDER": "what one poll took is little",
    "trim._EXPIRED": "only what ended in the same millisecond",
    "reads._TASKS_OF_JOB": "at most 1,000 are shown",
}

JOBS_WRITER = """
import asyncio, sys
from avtomat.storage.port.answers import Wakeups
from avtomat.storage.sqlite.store import SqliteStore
from avtomat.storage.port.writes import Dispatch, NewJob, ResultCause, ScopeEnd, Writes

async def one(store, number):
    job = f"00{number:030x}"
    task = Dispatch(task_id=f"{job}-t", attempt=1, queue="q", priority=5, body=b"{}")
    writes = Writes(scope=b"s", visit=1, record=b"r", dispatch=task)
    new = NewJob(job=job, client="c", blueprint="b", digest="d", head=b"h", writes=writes, retention_ms=10**9)
    await store.create(new)
    print("created", job, flush=True)
    for given in await store.poll(0, "w", ["q"], nonce="", max_tasks=1, lease_ms=60_000):
        cause = ResultCause(task_id=given.task_id, worker="w", hash="h", event=b"e")
        end = ScopeEnd(ok=True, status="finished", output=b"42")
        ended = Writes(scope=b"s", visit=1, record=b"r", end=end)
        await store.commit(given.job, "/", 1, cause, ended)
        print("ended", given.job, flush=True)

async def main():
    store = SqliteStore(sys.argv[1])
    silent = lambda *_: None
    await store.open(Wakeups(queue=silent, job=silent, lost=silent))
    numbers = iter(range(1_000_000))
    async def client():
        for number in numbers:
            await one(store, number)
    await asyncio.gather(*(client() for _ in range(8)))

asyncio.run(main())
"""


def silent() -> Wakeups:
    return Wakeups(queue=lambda *_: None, job=lambda _: None, lost=lambda: None)


@asynccontextmanager
async def opened(file: Path, **options: Any) -> AsyncIterator[World]:
    world = World(SqliteStore(file, **options), Clock())
    await world.store.open(world.heard.wakeups)
    try:
        yield world
    finally:
        await world.store.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


# --- the file ---------------------------------------------------------------------------------------------------------


async def test_what_was_acknowledged_is_there_when_the_file_is_opened_again(file: Path) -> None:
    async with opened(file) as world:
        job, task_id = await world.with_task()
        before = await world.dump()
    async with opened(file) as world:
        assert await world.dump() == before
        assert await world.polled() == [task_id]
        assert (await world.load(job)).version == 1


async def test_places_in_a_queue_go_on_where_they_stood(file: Path) -> None:
    async with opened(file) as world:
        _, first = await world.with_task()
    async with opened(file) as world:
        new = world.new(job=f"{0:032x}", writes=change(dispatch=task("0" * 32 + "-x")))
        await world.store.create(new)
        assert await world.polled() == [first, "0" * 32 + "-x"]


async def test_mail_comes_in_its_order_when_the_file_was_opened_again_between(file: Path) -> None:
    async with opened(file) as world:
        job = await world.create(timer_ms=world.now() + 10**9)
        for name in ("m1", "m2"):
            await world.store.deliver(job, mail(name, "child"))
        await world.commit(job, MailCause(id="m1"), keeps_task=True)
    async with opened(file) as world:
        await world.store.deliver(job, mail("m3", "child"))
        assert given_mail(await world.due()) == ["m2"]


async def test_a_second_engine_on_the_file_is_refused_with_what_to_do_instead(file: Path) -> None:
    async with opened(file):
        with pytest.raises(StoreError, match="in use by another engine") as refused:
            await SqliteStore(file).open(silent())
        assert "Redis" in (refused.value.hint or "")


async def test_a_link_to_the_file_is_the_same_file(file: Path, tmp_path: Path) -> None:
    async with opened(file):
        (tmp_path / "link.db").symlink_to(file)
        with pytest.raises(StoreError, match="in use"):
            await SqliteStore(tmp_path / "link.db").open(silent())


async def test_an_open_store_can_be_read_by_others(file: Path) -> None:
    async with opened(file) as world:
        job = await world.create()
        other = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        assert other.execute("SELECT job FROM jobs").fetchall() == [(job,)]
        other.close()


async def test_a_newer_format_is_refused(file: Path) -> None:
    async with opened(file):
        pass
    _execute(file, "UPDATE avtomat_meta SET value = 999 WHERE name = 'format'")
    with pytest.raises(StoreError, match="has format 999"):
        await SqliteStore(file).open(silent())


async def test_a_file_from_before_there_were_counters_gets_them(file: Path) -> None:
    async with opened(file):
        pass
    db = sqlite3.connect(file)
    db.execute("DROP TABLE counters")
    db.close()
    async with opened(file) as world:
        taken = await world.store.take("ann", "p1", 1, most=1, until_ms=world.now() + 60_000)

    assert taken.granted == 1


async def test_a_file_from_before_scopes_were_left_goes_on(file: Path) -> None:
    async with opened(file) as world:
        job, task_id = await world.with_leased()
    db = sqlite3.connect(file)
    db.execute("DROP TABLE left_scopes")
    db.execute("ALTER TABLE attempts DROP COLUMN undoable")
    db.close()

    async with opened(file) as world:
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "ok"
        await world.sound()


async def test_counters_that_have_ended_leave_the_file(file: Path) -> None:
    clock = Clock()
    async with opened(file, offset_ms=clock.offset) as world:
        await world.store.take("ann", "p1", 1, most=1, until_ms=world.now() + 1_000)
        await world.store.take("ann", "p2", 1, most=1, until_ms=world.now() + 60_000)
        clock.advance(2_000)
        await world.store.trim(0, 1)
    db = sqlite3.connect(file)
    left = db.execute("SELECT period FROM counters").fetchall()
    db.close()

    assert left == [("p2",)]


async def test_another_number_of_partitions_is_refused(file: Path) -> None:
    async with opened(file, partitions=3):
        pass
    with pytest.raises(StoreError, match="made with 3 partitions"):
        await SqliteStore(file).open(silent())


async def test_the_database_of_another_program_is_refused_and_left_as_it_was(file: Path) -> None:
    _execute(file, "CREATE TABLE notes (note TEXT)")
    with pytest.raises(StoreError, match="another program"):
        await SqliteStore(file).open(silent())
    assert _execute(file, "SELECT name FROM sqlite_schema") == [("notes",)]


@pytest.fixture
def text_file(file: Path) -> Path:
    file.write_bytes(b"not a database, but long enough to look like one " * 100)
    return file


async def test_what_is_no_database_is_refused(text_file: Path) -> None:
    with pytest.raises(StoreError, match="damaged or is no SQLite database"):
        await SqliteStore(text_file).open(silent())


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        await SqliteStore(tmp_path / "missing" / "jobs.db").open(silent())


async def test_a_closed_store_refuses_at_once(file: Path) -> None:
    async with opened(file) as world:
        store = world.store
    with pytest.raises(StoreNotExecuted, match="not open"):
        await store.ping()


async def test_closing_leaves_one_file_and_no_log(file: Path) -> None:
    async with opened(file) as world:
        await world.create()
    assert not file.with_name("jobs.db-wal").exists()


def _execute(file: Path, statement: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(file)
    with db:
        rows = db.execute(statement).fetchall()
    db.close()
    return rows


async def test_strays_are_removed_and_hold_up_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    async with opened(file, offset_ms=clock.offset) as world:  # type: ignore[arg-type]
        await world.create(signal=SignalWait(name="paid", key=""))
        job = await world.create(timer_ms=world.now() + 1_000)
        (first,), (second,) = _execute(file, "SELECT n FROM jobs ORDER BY n")
        strays = [
            (first, "/", "task", "lease"),
            (first, "/", "mail", "mail"),
            (first, "/", "dead x", "dead"),
            (first, "/", "other", "other"),
            (first, "/1.0", "begin", "begin"),
            (first, "x", "begin", "begin"),
            (first, "/1.0", "timer", "timer"),
            (first, "/1.0", "deadline", "deadline"),
            (second, "/", "task", "unknown"),
            (99, "/", "timer", "timer"),
            (99, "/1.0", "mail", "mail"),
        ]
        for n, path, slot, kind in strays:
            _execute(file, f"INSERT INTO due VALUES ({n}, '{path}', '{slot}', 0, '{kind}', 0, 1, 1, 0, 0, 0)")
        clock.advance(2_000)

        given = [due for _ in range(3) for due in await world.due(limit=3)]

        assert [(due.kind, due.job) for due in given[:1]] == [("timer", job)]
        assert _execute(file, "SELECT n, slot FROM due") == [(second, "timer")]
        assert len([record for record in caplog.records if "belongs to nothing" in record.message]) == len(strays)
        await world.sound()


# --- group commit -----------------------------------------------------------------------------------------------------


async def test_operations_that_come_together_are_committed_together(file: Path) -> None:
    async with opened(file) as world:
        commits: list[str] = []
        await _traced(world.store, commits)
        await asyncio.gather(*(world.create() for _ in range(50)))
        assert 1 <= commits.count("COMMIT") < 10


async def test_an_operation_that_fails_takes_no_other_with_it(file: Path) -> None:
    async with opened(file) as world:
        good = [world.new() for _ in range(3)]
        bad = world.new(writes=change(dispatch=task("t", body=None)))
        answers = await asyncio.gather(
            *(world.store.create(new) for new in (good[0], bad, good[1], good[2])), return_exceptions=True
        )
        assert [isinstance(answer, Created) for answer in answers] == [True, False, True, True]
        assert sorted((await world.dump())["jobs"]) == sorted(new.job for new in good)


async def test_a_wake_up_of_what_failed_is_not_sent(file: Path) -> None:
    async with opened(file) as world:
        heard: list[str] = []
        await world.store.close()
        await world.store.open(Wakeups(queue=lambda _, name: heard.append(name), job=heard.append, lost=lambda: None))
        good = world.new(writes=change(dispatch=task("good-t", queue="good")))
        bad = world.new(writes=change(dispatch=task("bad-t", queue="bad"), end=FINISHED, values={"v": "no bytes"}))
        await asyncio.gather(world.store.create(good), world.store.create(bad), return_exceptions=True)
        assert heard == ["good", good.job]


async def test_a_caller_that_went_away_leaves_the_others_their_answers(file: Path) -> None:
    async with opened(file) as world:
        gone = asyncio.ensure_future(world.store.create(world.new()))
        stays = asyncio.ensure_future(world.store.create(world.new()))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await stays).fresh
        assert len((await world.dump())["jobs"]) == 2


async def test_too_many_waiting_operations_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_lane, "WAITING_MAX", 5)
    async with opened(file) as world:
        answers = await asyncio.gather(*(world.create() for _ in range(20)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, StoreNotExecuted)]
        assert len(refused) == 15
        assert {error.code for error in refused} == {"store.overloaded"}


async def test_the_log_is_moved_into_the_file_and_stays_small(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_log, "LOG_CHANGES_MAX", 100)
    async with opened(file) as world:
        sizes = []
        for _ in range(10):
            await asyncio.gather(*(world.create() for _ in range(50)))
            sizes.append(file.with_name("jobs.db-wal").stat().st_size)
        assert max(sizes[2:]) <= 4 * max(sizes[:2])


async def _writing(store: Store, act: Callable[[Step], None]) -> None:
    """Do something on the writer's connection."""
    assert isinstance(store, SqliteStore)
    await store._write(act)


async def _traced(store: Store, statements: list[str]) -> None:
    """Let the writer's thread write down what it executes."""

    def trace(step: Step) -> None:
        step.db.set_trace_callback(statements.append)

    await _writing(store, trace)
    statements.clear()


# --- kill -9, the disk ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [5, 60, 300])
async def test_killed_at_any_moment_it_loses_nothing_that_it_acknowledged(file: Path, lines: int) -> None:
    told = _told_until_killed(file, lines)
    async with opened(file) as world:
        jobs = (await world.dump())["jobs"]
        assert {job for word, job in told if word == "created"} <= jobs.keys()
        assert {jobs[job]["status"] for word, job in told if word == "ended"} <= {"finished"}
        await world.sound()


async def test_a_killed_engine_leaves_the_file_free(file: Path) -> None:
    _told_until_killed(file, 3)
    async with opened(file) as world:
        assert (await world.store.list_jobs(Query(limit=1))).rows


def _told_until_killed(file: Path, lines: int) -> list[tuple[str, str]]:
    """What a process was told is committed before it was killed; whole lines only."""
    command = [sys.executable, "-c", JOBS_WRITER, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        heard += process.stdout.readlines()
    words = [line.split() for line in heard if line.endswith("\n")]
    return [(word, job) for word, job in words]


async def test_a_full_disk_is_told_and_nothing_is_half_written(file: Path) -> None:
    async with opened(file) as world:
        job = await world.create()

        def fill(step: Step) -> None:
            (pages,) = step.db.execute("PRAGMA page_count").fetchone()
            step.db.execute(f"PRAGMA max_page_count = {pages}")

        await _writing(world.store, fill)
        large = world.new(writes=change(scope=b"x" * 300_000))
        with pytest.raises(StoreNotExecuted, match="is full"):
            await world.store.create(large)
        answers = await asyncio.gather(*(world.store.create(large) for _ in range(5)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {StoreBusy}
        assert list((await world.dump())["jobs"]) == [job]


async def test_a_file_locked_by_another_program_is_told(file: Path) -> None:
    async with opened(file) as world:

        def hurry(step: Step) -> None:
            step.db.execute("PRAGMA busy_timeout = 1")

        await _writing(world.store, hurry)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreNotExecuted, match="locked by another program"):
            await world.create()
        other.execute("ROLLBACK")
        other.close()
        assert await world.create()


# --- what operations cost ---------------------------------------------------------------------------------------------


def _statements(module: ModuleType) -> Iterator[tuple[str, str]]:
    for name, value in vars(module).items():
        for statement in _texts(value):
            yield f"{module.__name__.rpartition('.')[2]}.{name}", statement


def _texts(value: object) -> Iterator[str]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
    for one in values:
        if isinstance(one, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE) .", one):
            yield one


def _pages() -> Iterator[tuple[str, str]]:
    for columns in ("status",), ("client", "status"), ("blueprint", "status"), ("client", "blueprint", "status"):
        for later in (False, True):
            yield "page", sqlite_reads.page_statement(columns, later=later)


ALL_STATEMENTS = [pair for module in STATEMENTS for pair in _statements(module)] + list(_pages())


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    opened = sqlite_file.open_file(tmp_path_factory.mktemp("plans") / "jobs.db", 1)
    yield opened.writing
    opened.close()


@pytest.mark.parametrize(("name", "statement"), ALL_STATEMENTS)
def test_no_statement_looks_through_a_whole_table_or_sorts_one(
    empty: sqlite3.Connection, name: str, statement: str
) -> None:
    if name in SCANS_ALLOWED or not _is_whole(statement):
        return
    plan = [row[3] for row in empty.execute(f"EXPLAIN QUERY PLAN {statement}", _blanks(empty, statement))]
    assert not [line for line in plan if line.startswith("SCAN")], plan
    if name not in SORTS_ALLOWED:
        assert not [line for line in plan if "TEMP B-TREE" in line], plan


def _is_whole(statement: str) -> bool:
    """Parts of statements (the columns of a row) are looked at in what they are part of."""
    return "WHERE" in statement or "INSERT" in statement


def _blanks(db: sqlite3.Connection, statement: str) -> Sequence[object]:
    numbered = re.findall(r"\?(\d+)", statement)
    return [0] * (max(map(int, numbered)) if numbered else statement.count("?"))


async def test_a_job_of_one_task_costs_as_many_statements_when_many_have_ended(file: Path) -> None:
    async with opened(file) as world:
        first = await _cost_of_a_job(world)
        for _ in range(30):
            await _run(world)
        assert await _cost_of_a_job(world) == first
        assert first <= 23


async def _cost_of_a_job(world: World) -> int:
    statements: list[str] = []
    await _traced(world.store, statements)
    await _run(world)
    return len([one for one in statements if not one.startswith(("BEGIN", "COMMIT"))])


async def _run(world: World) -> None:
    job, task_id = await world.with_leased()
    ended = await world.store.commit(job, "/", 1, result(task_id), change(end=FINISHED))
    assert ended.outcome == "ok"


async def test_a_lone_operation_does_not_wait_for_company(file: Path) -> None:
    async with asyncio.timeout(20):
        store = SqliteStore(file, group_commit_ms=60_000)
        await store.open(silent())
        new = World(store, Clock()).new()
        assert isinstance(new, NewJob)
        for _ in range(3):
            await store.create(new)
        await store.close()
