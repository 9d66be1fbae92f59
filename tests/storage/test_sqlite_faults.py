"""What happens to an SQLite store from outside is told, ends what it must end, and loses nothing that it need not."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from avtomat.errors import StoreAnswerLost, StoreBusy, StoreError
from avtomat.runtime.repeating import repeat
from avtomat.storage.sqlite import format as sqlite_format
from avtomat.storage.sqlite import log as sqlite_log
from avtomat.storage.sqlite import store as sqlite
from avtomat.storage.sqlite.store import SqliteStore
from avtomat.storage.sqlite.writer import Step
from tests.storage.world import FINISHED, Clock, World, change


class Broken:
    """Hears when the store is of no use any more."""

    def __init__(self) -> None:
        self.error: StoreError | None = None
        self.heard = asyncio.Event()

    def __call__(self, error: StoreError) -> None:
        self.error = error
        self.heard.set()


@asynccontextmanager
async def opened(file: Path) -> AsyncIterator[tuple[World, Broken]]:
    world, broken = World(SqliteStore(file), Clock()), Broken()
    await world.store.open(replace(world.heard.wakeups, broken=broken))
    try:
        yield world, broken
    finally:
        await world.store.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


async def writing(world: World, act: Callable[[Step], Any]) -> Any:
    assert isinstance(world.store, SqliteStore)
    return await world.store._write(act)


# --- the file leaves --------------------------------------------------------------------------------------------------


def remove(file: Path) -> None:
    file.unlink()


def rename(file: Path) -> None:
    file.rename(file.with_name("away.db"))


def replace_file(file: Path) -> None:
    shutil.copy(file, file.with_name("copy.db"))
    file.with_name("copy.db").rename(file)


def remove_log(file: Path) -> None:
    file.with_name(file.name + "-wal").unlink()


async def test_the_error_of_a_store_that_failed_does_not_grow_with_the_calls(file: Path) -> None:
    async with opened(file) as (world, broken):
        remove(file)
        frames = []
        for _ in range(10):
            with pytest.raises(StoreError) as refused:
                await world.store.ping()
            frames.append(len(refused.traceback))
        assert broken.error is not None
        assert set(frames[1:]) == {frames[1]}


@pytest.mark.parametrize("act", [remove, rename, replace_file, remove_log])
async def test_nothing_is_acknowledged_once_the_file_is_no_longer_at_its_path(
    file: Path, act: Callable[[Path], None]
) -> None:
    async with opened(file) as (world, broken):
        await world.create()
        act(file)
        for _ in range(2):
            with pytest.raises(StoreError, match="was removed, renamed or replaced") as refused:
                await world.create()
            assert refused.value.code == "store.gone"
        with pytest.raises(StoreError, match="removed"):
            await world.store.counts()
        assert broken.error is not None
        assert world.store.trouble() is not None


async def test_a_file_that_leaves_is_noticed_while_nothing_is_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WATCH_EVERY_S", 0.01)
    async with opened(file) as (_, broken):
        remove(file)
        await asyncio.wait_for(broken.heard.wait(), 10)
        assert broken.error is not None
        assert broken.error.code == "store.gone"


async def test_a_file_that_was_replaced_is_left_alone_at_the_end(file: Path, tmp_path: Path) -> None:
    async with opened(file) as (world, _):
        job = await world.create()
        shutil.copy(file, tmp_path / "copy.db")
        shutil.copy(f"{file}-wal", tmp_path / "copy.db-wal")
        for ending in ("", "-wal"):
            (tmp_path / f"copy.db{ending}").rename(f"{file}{ending}")
    async with opened(file) as (world, _):
        assert await world.store.show(job) is not None


async def test_a_second_name_of_the_file_is_the_same_file(file: Path, tmp_path: Path) -> None:
    async with opened(file) as (world, _):
        os.link(file, tmp_path / "other.db")
        with pytest.raises(StoreError, match="in use by another engine"):
            await SqliteStore(tmp_path / "other.db").open(world.heard.wakeups)
        assert await world.create()


# --- a thread dies ----------------------------------------------------------------------------------------------------


async def test_when_the_writers_thread_dies_every_call_is_told_at_once(file: Path) -> None:
    def die(_step: Step) -> None:
        raise SystemExit

    async with opened(file) as (world, broken):
        calls = [writing(world, die), *(world.create() for _ in range(5))]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(answers[0], StoreAnswerLost)
        await asyncio.wait_for(broken.heard.wait(), 10)
        with pytest.raises(StoreError, match="can no longer work with") as refused:
            await world.create()
        assert refused.value.code == "store.broken"
        with pytest.raises(StoreError, match="can no longer work with"):
            await world.store.counts()
    async with opened(file) as (world, _):
        assert await world.create()


async def test_when_the_readers_thread_dies_every_call_is_told_at_once(file: Path) -> None:
    def die(_db: sqlite3.Connection) -> None:
        raise SystemExit

    async with opened(file) as (world, broken):
        assert isinstance(world.store, SqliteStore)
        with pytest.raises(StoreAnswerLost):
            await world.store._read(die)
        await asyncio.wait_for(broken.heard.wait(), 10)
        with pytest.raises(StoreError, match="can no longer work with"):
            await world.create()


# --- damage -----------------------------------------------------------------------------------------------------------


def damage(file: Path, pages: Callable[[int], range]) -> None:
    """Write nonsense over pages of 4 kB, given how many there are."""
    with file.open("r+b") as raw:
        for page in pages(file.stat().st_size // 4096):
            raw.seek(page * 4096)
            raw.write(b"\xa5" * 4096)


async def test_damaged_pages_are_told_at_the_start_without_a_traceback(file: Path) -> None:
    async with opened(file) as (world, _):
        for _ in range(50):
            await world.with_task()
    damage(file, lambda count: range(1, count))
    with pytest.raises(StoreError, match="is damaged") as refused:
        await SqliteStore(file).open(world.heard.wakeups)
    assert (refused.value.code, refused.value.exit_code) == ("store.corrupt", 5)
    assert "backup" in (refused.value.hint or "")


async def test_a_page_that_is_damaged_later_ends_all_writing(file: Path) -> None:
    async with opened(file) as (world, _):
        for _ in range(300):
            await world.with_task()
    async with opened(file) as (world, broken):
        await writing(world, lambda step: step.db.execute("PRAGMA cache_size = 0"))
        damage(file, lambda count: range(count // 4, count))
        for _ in range(5):
            with pytest.raises(StoreError, match="is damaged"):
                await world.poll(max_tasks=50)
        assert broken.error is not None
        assert broken.error.code == "store.corrupt"


# --- the log ----------------------------------------------------------------------------------------------------------


async def test_a_program_that_holds_the_log_up_is_told_once_and_commits_go_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite_log, "LOG_CHANGES_MAX", 30)
    monkeypatch.setattr(sqlite_log, "LOG_BYTES_MAX", 200_000)
    async with opened(file) as (world, _):
        await world.create()
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM jobs").fetchall()
            for _ in range(100):
                await world.create(scope=b"x" * 5_000)
        [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
        assert "another program keeps a read transaction open" in warning.getMessage()
        large = file.with_name("jobs.db-wal").stat().st_size
        for _ in range(200):
            await world.create()
            if file.with_name("jobs.db-wal").stat().st_size < large / 2:
                break
        assert file.with_name("jobs.db-wal").stat().st_size < large / 2


# --- what passes ------------------------------------------------------------------------------------------------------


async def test_a_store_that_is_busy_is_not_asked_again_by_itself() -> None:
    asked = 0

    async def call() -> None:
        nonlocal asked
        asked += 1
        raise StoreBusy("full")

    with pytest.raises(StoreBusy):
        await repeat(call)
    assert asked == 1


async def test_trouble_is_known_until_it_has_passed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WATCH_EVERY_S", 0.01)
    async with opened(file) as (world, broken):
        await world.create()
        full = lambda step: step.db.execute(  # noqa: E731
            f"PRAGMA max_page_count = {step.db.execute('PRAGMA page_count').fetchone()[0]}"
        ).fetchone()
        await writing(world, full)
        with pytest.raises(StoreBusy, match="is full"):
            await world.create(scope=b"x" * 300_000)
        trouble = world.store.trouble()
        assert trouble is not None
        assert trouble.code == "store.full"
        await writing(world, lambda step: step.db.execute("PRAGMA max_page_count = 1000000").fetchone())
        async with asyncio.timeout(10):
            while world.store.trouble() is not None:
                await world.store.next_due_ms(0)
        assert broken.error is None


# --- older formats ----------------------------------------------------------------------------------------------------


def bytes_of(file: Path) -> bytes:
    return file.read_bytes()


async def make_older(file: Path, *, ended: bool) -> str:
    async with opened(file) as (world, _):
        job = await world.create(**({"end": FINISHED} if ended else {"timer_ms": world.now() + 10**9}))
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE avtomat_meta SET value = value - 1 WHERE name = 'format'")
    return job


async def test_an_older_format_with_open_jobs_is_refused_with_what_to_do(file: Path) -> None:
    await make_older(file, ended=False)
    before = bytes_of(file)
    with pytest.raises(StoreError, match="with 1 open jobs") as refused:
        async with opened(file):
            pass
    assert (refused.value.code, refused.value.exit_code) == ("store.older_format", 5)
    assert "finish them" in (refused.value.hint or "")
    assert bytes_of(file) == before


async def test_an_older_format_without_open_jobs_is_set_aside(file: Path) -> None:
    job = await make_older(file, ended=True)
    async with opened(file) as (world, _):
        assert await world.store.show(job) is None
        assert await world.store.create(world.new(writes=change(end=FINISHED)))
    aside = file.with_name(f"jobs.db.format-{sqlite_format.FORMAT - 1}")
    with closing(sqlite3.connect(f"file:{aside}?mode=ro", uri=True)) as db:
        assert db.execute("SELECT job FROM jobs").fetchall() == [(job,)]


async def test_a_file_that_was_set_aside_before_is_never_overwritten(file: Path) -> None:
    await make_older(file, ended=True)
    aside = file.with_name(f"jobs.db.format-{sqlite_format.FORMAT - 1}")
    aside.write_text("kept")
    with pytest.raises(StoreError, match="is there already"):
        async with opened(file):
            pass
    assert aside.read_text() == "kept"
