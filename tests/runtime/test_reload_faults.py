"""What goes wrong around a reload hurts one name at most: a store, the process that compiles, a newer engine's form."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from avtomat.blueprint import registry
from avtomat.blueprint.building import build_program
from avtomat.blueprint.files import read_file
from avtomat.blueprint.pieces import compile_piece
from avtomat.blueprint.registry import Compiled
from avtomat.cli.main import main
from avtomat.core.program import Program
from avtomat.errors import RequestRefused
from avtomat.runtime.blueprints.compiling import CompileChild
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.blueprints.reload import COMPILED_MAX, Reloader
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.runtime.bench import bench_of
from tests.runtime.test_reload import HOLD, PATIENCE_S, World, tasks_of, until, world, write
from tests.servers import RedisServer

__all__ = ["world"]

GOOD = b"avtomat: 1\nblueprint: one\nstates: {a: {task: t, next: end}}\n"
RELOADS = 200
BROKEN_EVERY = 3
HOUR_NS = 3_600_000_000_000

LIMITED = """
import asyncio, resource, sys
from avtomat.runtime.blueprints.compiling import CompileChild

async def compile_one():
    resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
    child = CompileChild()
    (made,) = await child.compile([sys.argv[1].encode()])
    await child.close()
    print(made.digest)

asyncio.run(compile_one())
"""


class Killed(BaseException):
    """The process ends here."""


# --- another version, another store -----------------------------------------------------------------------------------


def build_but_two(canonical: str) -> Program:
    """Build as an engine that cannot read the form of `two`."""
    if '"two"' in canonical:
        raise KeyError("a field of a newer engine")
    return build_program(canonical)


async def test_a_program_that_this_engine_cannot_build_leaves_the_others_and_its_own_last_one(
    tmp_path: Path, world: World
) -> None:
    newer, older = tmp_path / "newer", tmp_path / "older"
    write(newer, "one")
    write(newer, "two")
    await world.replica(newer)[0].load()
    older.mkdir()

    programs = Programs(world.store, build_but_two)
    await Reloader(older, programs, world.compile, world.store.now_ms, hold=HOLD).load()

    assert set(programs.current) == {"one"}
    assert programs.missing == {"two"}
    write(newer, "one", "other")
    await world.replica(newer)[0].load()
    await programs.follow()
    assert tasks_of(programs) == {"one": "other"}


async def test_a_store_that_was_emptied_and_accepted_is_offered_the_folder_again(
    tmp_path: Path, fresh_redis: RedisServer
) -> None:
    write(tmp_path, "one")
    write(tmp_path, "two")
    engine = Service(Settings(store=fresh_redis.url, blueprints=tmp_path))
    await engine.start()
    try:
        before = dict(engine.programs.standing)
        fresh_redis.command("FLUSHALL SYNC")
        await until(lambda: engine.store.trouble() is not None)
        await asyncio.to_thread(main, ["store", "accept", "--yes", "--store", fresh_redis.url])
        await until(lambda: engine.store.trouble() is None)
        await until(lambda: engine.programs.standing != before and set(engine.programs.current) == {"one", "two"})

        program = engine.programs.current["one"]
        assert await engine.store.program(program.digest) == program.canonical
        await until(lambda: not engine.programs.missing)
    finally:
        await engine.stop()


async def test_a_store_that_has_forgotten_names_leaves_them_503_until_all_was_offered_again(
    tmp_path: Path, world: World
) -> None:
    write(tmp_path, "one")
    write(tmp_path, "gone")
    reloader, programs = world.replica(tmp_path)
    await reloader.load()
    (tmp_path / "gone.yaml").unlink()
    programs._store = World().store

    programs.look_again()
    await programs.follow()
    assert (dict(programs.current), programs.missing) == ({}, {"one", "gone"})

    await reloader.follow()
    assert set(programs.current) == {"one"}
    assert not programs.missing


async def test_a_name_whose_program_cannot_be_had_here_is_503_and_no_unknown_one(tmp_path: Path) -> None:
    async with bench_of("states: {a: {task: work, next: end}}\n", tmp_path, "memory") as bench:
        bench.service.programs.missing = {"sample"}
        await bench.submit()
        bench.service.programs._current = {}

        with pytest.raises(RequestRefused) as refused:
            await bench.submit()

    assert (refused.value.status, refused.value.code) == (503, "blueprint.unavailable")
    assert refused.value.exit_code == 5


# --- the process that compiles ----------------------------------------------------------------------------------------


async def test_what_says_nothing_about_a_text_is_compiled_again_and_not_for_ever(tmp_path: Path, world: World) -> None:
    async def compile_in_vain(contents: Sequence[bytes]) -> list[Compiled]:
        world.compiled += contents
        return [Compiled(diagnostics=compile_piece(b"{").diagnostics, lasting=False) for _ in contents]

    write(tmp_path, "one")
    reloader, programs = world.replica(tmp_path)
    works, reloader._compile = reloader._compile, compile_in_vain
    assert not await reloader.load()
    assert await reloader._has_changed()
    reloader._compile = works
    assert await reloader.load()
    assert tasks_of(programs) == {"one": "work"}

    write(tmp_path, "one", "other")
    reloader._compile = compile_in_vain
    world.compiled.clear()
    for _ in range(COMPILED_MAX + 2):
        await reloader.load()

    assert len(world.compiled) == COMPILED_MAX
    assert not await reloader._has_changed()
    assert tasks_of(programs) == {"one": "work"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
async def test_a_child_that_somebody_ends_says_nothing_about_the_text() -> None:
    child = CompileChild()
    await child.compile([GOOD])
    running = child._child
    assert running is not None
    os.kill(running.pid, 19)  # it stands still, so that it is ended while it compiles
    compiling = asyncio.create_task(child.compile([GOOD, GOOD]))
    await asyncio.sleep(0)
    running.kill()

    ended, next_one = await compiling
    await child.close()

    assert (ended.digest, ended.lasting) == (None, False)
    assert next_one == compile_piece(GOOD)


async def test_a_child_that_cannot_be_started_is_tried_once_for_all_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    child = CompileChild()

    made = await child.compile([GOOD] * 3)

    assert [(each.digest, each.lasting) for each in made] == [(None, False)] * 3
    assert "could not be started" in made[0].diagnostics[0].message


@pytest.mark.skipif(sys.platform != "linux", reason="needs to give up the right to raise limits")
def test_limits_of_whoever_started_the_engine_stay_and_the_child_compiles_within_them() -> None:
    program = [sys.executable, "-c", LIMITED, GOOD.decode()]
    as_anybody = ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"]

    done = subprocess.run([*([] if os.getuid() else as_anybody), *program], capture_output=True, text=True, check=False)

    assert done.stdout.strip() == compile_piece(GOOD).digest, done.stderr


async def test_loads_at_the_same_time_take_turns(tmp_path: Path) -> None:
    write(tmp_path, "one")
    engine = Service(Settings(store="memory:", blueprints=tmp_path))
    await engine.start()
    try:
        for number in range(5):
            write(tmp_path, "one", f"task{number}")
            assert await asyncio.gather(*(engine.reload() for _ in range(3))) == [True] * 3
            assert tasks_of(engine.programs) == {"one": f"task{number}"}
    finally:
        await engine.stop()


# --- files that look the same -----------------------------------------------------------------------------------------


async def test_a_file_that_looks_the_same_is_not_read_again(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "one")
    write(tmp_path, "two")
    reloader, programs = world.replica(tmp_path)
    monkeypatch.setattr(registry, "CHANGED_AGAIN_NS", -HOUR_NS)
    await reloader.load()
    write(tmp_path, "two", "task")
    os.utime(tmp_path / "two.yaml", ns=(1, 1))
    read: list[Path] = []
    monkeypatch.setattr(registry, "read_file", lambda path: read.append(path) or read_file(path))

    await reloader.load()
    await reloader.load()

    assert read == [tmp_path / "two.yaml"]
    assert tasks_of(programs) == {"one": "work", "two": "task"}


async def test_a_file_that_changed_just_now_is_read_again_whatever_it_looks_like(tmp_path: Path, world: World) -> None:
    write(tmp_path, "one", "aaaa")
    reloader, programs = world.replica(tmp_path)
    await reloader.load()
    before = (tmp_path / "one.yaml").stat()
    write(tmp_path, "one", "bbbb")
    os.utime(tmp_path / "one.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))

    await reloader.load()

    assert tasks_of(programs) == {"one": "bbbb"}


# --- ends and loads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["put_programs", "put_current"])
async def test_a_replica_killed_before_it_writes_leaves_the_last_good_set_and_the_next_one_offers(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write(tmp_path, "one")
    reloader, _ = world.replica(tmp_path)
    await reloader.load()
    write(tmp_path, "one", "other")

    async def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(world.store, call, killed)
        with pytest.raises(Killed):
            await reloader.load()

    _, empty = world.replica(tmp_path / "none")
    await empty.follow()
    assert tasks_of(empty) == {"one": "work"}
    after, programs = world.replica(tmp_path)
    await after.load()
    assert tasks_of(programs) == {"one": "other"}


async def test_replicas_with_different_folders_serve_one_set(tmp_path: Path, world: World) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(here, "both", "of-here")
    write(here, "left")
    write(there, "both", "of-there")
    write(there, "right")
    first, of_first = world.replica(here)
    second, of_second = world.replica(there)
    await first.load()
    await second.load()
    await of_first.follow()

    assert tasks_of(of_first) == tasks_of(of_second) == {"both": "of-there", "left": "work", "right": "work"}
    write(here, "both", "changed-here")
    await first.load()
    await of_second.follow()
    assert tasks_of(of_first) == tasks_of(of_second) == {"both": "changed-here", "left": "work", "right": "work"}


async def test_200_reloads_under_load_with_a_third_broken_fail_double_and_mix_no_job(tmp_path: Path) -> None:
    """Each version says its number in all of its states; so a job that ran two versions would say two."""
    text = "avtomat: 1\nblueprint: sample\ndata: {{at: {n}}}\nstates:\n" + "".join(
        f"  s{place}: {{{{wait: 0s, set: {{{{s{place}: {{n}}}}}}, next: {following}}}}}\n"
        for place, following in ((0, "s1"), (1, "s2"), (2, "done"))
    )
    text += '  done: {{succeed: "{{{{ [data.at, data.s0, data.s1, data.s2, {n}] }}}}"}}\n'
    file = tmp_path / "sample.yaml"
    file.write_text(text.format(n=0))
    engine = Service(Settings(store=f"sqlite:///{tmp_path}/jobs.db", blueprints=tmp_path))
    await engine.start()
    results: list[object] = []
    given: set[str] = set()
    over = asyncio.Event()

    async def submit(client: int) -> None:
        while not over.is_set():
            asked = Submission(blueprint="sample", input={}, client=f"c{client}", key=f"{client}-{len(results)}")
            accepted = await engine.clients.submit(asked, PATIENCE_S)
            again = await engine.clients.submit(asked, PATIENCE_S)
            assert (again.job_id, accepted.job_id in given) == (accepted.job_id, False)
            given.add(accepted.job_id)
            assert accepted.ended is not None
            assert accepted.ended["status"] == "finished", accepted.ended
            results.append(accepted.ended["result"])

    clients = [asyncio.create_task(submit(number)) for number in range(4)]
    for number in range(1, RELOADS + 1):
        broken = number % BROKEN_EVERY == 0
        file.write_text(text.format(n=number).replace("next: s2", "next: nowhere" if broken else "next: s2"))
        assert await engine.reload() is not broken
    over.set()
    await asyncio.gather(*clients)
    await engine.stop()

    seen = {tuple(result) for result in results if isinstance(result, list)}
    assert len(seen) > 1
    assert all(len(set(result)) == 1 and (not result[0] or result[0] % BROKEN_EVERY) for result in seen)


async def test_a_folder_that_was_away_is_seen_as_soon_as_it_is_there(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avtomat.runtime.blueprints.reload.AGAIN_AFTER_S", 10 * PATIENCE_S)
    folder = tmp_path / "workflows"
    write(folder, "one")
    reloader, programs = world.replica(folder)
    await reloader.load()
    reloader.start()
    for number in range(2):
        there = asyncio.Event()
        monkeypatch.setattr(reloader, "_until_there", _told(reloader._until_there, there))
        folder.rename(tmp_path / f"before{number}")
        await asyncio.wait_for(there.wait(), PATIENCE_S)
        write(folder, "one", f"task{number}")
        await until(lambda number=number: tasks_of(programs) == {"one": f"task{number}"})  # type: ignore[misc]
    await reloader.stop()


def _told(wait, there: asyncio.Event):  # type: ignore[no-untyped-def]
    """Tell that the folder was found missing, then wait for it."""

    async def told() -> None:
        there.set()
        await wait()

    return told
