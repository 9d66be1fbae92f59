"""The folder goes live by parts, what is current is the store's word, and the watch survives whatever happens there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from avtomat.blueprint.building import build_program
from avtomat.blueprint.pieces import compile_piece
from avtomat.blueprint.registry import Compiled
from avtomat.errors import RequestRefused, StoreAnswerLost
from avtomat.runtime.blueprints import reload, watching
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.blueprints.reload import Reloader
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.rules import PROGRAM_KEPT_MS

TEXT = "avtomat: 1\nblueprint: {name}\nstates: {{a: {{task: {task}, next: end}}}}\n"
PATIENCE_S = 10
HOLD = timedelta(hours=1)
HOUR_MS = 3_600_000


@dataclass
class World:
    """A store with a clock that is turned by hand, and replicas on it."""

    now_ms: int = 1_000_000_000_000
    compiled: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(clock=lambda: self.now_ms)

    async def compile(self, contents: Sequence[bytes]) -> list[Compiled]:
        self.compiled += contents
        return [compile_piece(content) for content in contents]

    def replica(self, folder: Path, hold: timedelta = HOLD) -> tuple[Reloader, Programs]:
        programs = Programs(self.store, build_program)
        return Reloader(folder, programs, self.compile, self.store.now_ms, hold=hold), programs


@pytest.fixture
def world() -> World:
    return World()


def write(folder: Path, name: str, task: str = "work", *, file: str | None = None) -> None:
    folder.mkdir(exist_ok=True)
    (folder / (file or f"{name}.yaml")).write_text(TEXT.format(name=name, task=task))


def tasks_of(programs: Programs) -> dict[str, str]:
    """The kind of the task in each current blueprint."""
    return {
        name: program.canonical.partition('"task":"')[2].partition('"')[0] for name, program in programs.current.items()
    }


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# --- by parts ---------------------------------------------------------------------------------------------------------


async def test_a_wrong_file_keeps_its_last_good_version_and_the_others_go_on(tmp_path: Path, world: World) -> None:
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one")
    write(tmp_path, "two")
    assert await reloader.load()

    (tmp_path / "one.yaml").write_text("a: {{ x\n")
    write(tmp_path, "two", "other")

    assert not await reloader.load()
    assert tasks_of(programs) == {"one": "work", "two": "other"}
    assert {name for name, _, _ in reloader.problems} == {"one"}
    write(tmp_path, "one", "mended")
    assert await reloader.load()
    assert tasks_of(programs) == {"one": "mended", "two": "other"}


async def test_of_two_files_with_one_name_neither_is_taken(tmp_path: Path, world: World) -> None:
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one")
    await reloader.load()

    write(tmp_path, "one", "changed")
    write(tmp_path, "one", "second", file="second.yaml")

    assert not await reloader.load()
    assert tasks_of(programs) == {"one": "work"}
    (tmp_path / "second.yaml").unlink()
    assert await reloader.load()
    assert tasks_of(programs) == {"one": "changed"}


async def test_a_file_that_cannot_be_read_stands_for_the_name_that_it_held(tmp_path: Path, world: World) -> None:
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one", file="file.yaml")
    write(tmp_path, "two")
    await reloader.load()

    (tmp_path / "file.yaml").write_text("{")
    await reloader.load()

    assert sorted(programs.current) == ["one", "two"]
    again, others = world.replica(tmp_path)  # a start knows it from the store
    await again.load()
    assert sorted(others.current) == ["one", "two"]
    assert not others.never_good


async def test_a_name_whose_file_is_gone_is_retired_and_comes_back_with_it(tmp_path: Path, world: World) -> None:
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one")
    write(tmp_path, "two")
    await reloader.load()
    digest = programs.current["one"].digest

    (tmp_path / "one.yaml").unlink()
    assert await reloader.load()

    assert sorted(programs.current) == ["two"]
    assert (await programs.by_digest(digest)).name == "one"
    write(tmp_path, "one")
    assert await reloader.load()
    assert sorted(programs.current) == ["one", "two"]


async def test_an_empty_or_missing_folder_retires_nothing(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "workflows"
    reloader, programs = world.replica(folder)
    write(folder, "one")
    write(folder, "two")
    await reloader.load()

    (folder / "one.yaml").unlink()
    (folder / "two.yaml").unlink()
    await reloader.load()
    assert sorted(programs.current) == ["one", "two"]
    folder.rmdir()
    assert not await reloader.load()
    assert sorted(programs.current) == ["one", "two"]

    write(folder, "two")
    await reloader.load()
    assert sorted(programs.current) == ["two"]


async def test_a_name_that_never_was_good_is_known_as_such_until_a_version_is(tmp_path: Path, world: World) -> None:
    reloader, programs = world.replica(tmp_path)
    (tmp_path / "one.yaml").write_text("{")
    await reloader.load()
    assert list(programs.never_good) == ["one"]

    write(tmp_path, "one")
    await reloader.load()
    assert not programs.never_good


async def test_only_the_file_that_changed_is_compiled(tmp_path: Path, world: World) -> None:
    reloader, _ = world.replica(tmp_path)
    for number in range(20):
        write(tmp_path, f"n{number}")
    await reloader.load()
    world.compiled.clear()

    write(tmp_path, "n7", "other")
    await reloader.load()

    assert world.compiled == [(tmp_path / "n7.yaml").read_bytes()]


async def test_a_link_that_leads_to_itself_is_a_finding_of_its_own_until_it_is_gone(
    tmp_path: Path, world: World
) -> None:
    reloader, programs = world.replica(tmp_path)
    link = tmp_path / "loop.yaml"
    link.symlink_to(link)
    write(tmp_path, "one")

    assert not await reloader.load()
    assert [each.message for _, _, each in reloader.problems] == ["this is not a regular file"]
    assert sorted(programs.current) == ["one"]
    link.unlink()
    assert await reloader.load()


# --- the store's word -------------------------------------------------------------------------------------------------


async def test_a_start_begins_with_the_last_good_set_whatever_the_folder_looks_like(
    tmp_path: Path, world: World
) -> None:
    write(tmp_path, "one")
    write(tmp_path, "two")
    await world.replica(tmp_path)[0].load()
    (tmp_path / "one.yaml").write_text("{")
    (tmp_path / "two.yaml").unlink()

    reloader, programs = world.replica(tmp_path)
    await reloader.load()

    assert tasks_of(programs) == {"one": "work", "two": "work"}


async def test_a_replica_follows_what_another_one_made_current(tmp_path: Path, world: World) -> None:
    reloader, _ = world.replica(tmp_path / "a")
    other = Programs(world.store, build_program)
    write(tmp_path / "a", "one")
    await reloader.load()
    await other.follow()
    assert tasks_of(other) == {"one": "work"}

    write(tmp_path / "a", "one", "next")
    await reloader.load()
    await other.follow()
    assert tasks_of(other) == {"one": "next"}


async def test_a_start_never_takes_what_was_replaced(tmp_path: Path, world: World) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(old, "one", "first")
    write(new, "one", "second")
    await world.replica(old)[0].load()
    await world.replica(new)[0].load()

    reloader, programs = world.replica(old)
    assert await reloader.load()
    assert tasks_of(programs) == {"one": "second"}
    assert list(reloader.held_back) == ["one"]

    write(old, "two")  # a change of another file does not bring it back
    await reloader.load()
    assert tasks_of(programs) == {"one": "second", "two": "work"}
    write(old, "one", "third")
    await reloader.load()
    assert tasks_of(programs)["one"] == "third"
    assert not reloader.held_back

    world.now_ms += 1_000 * HOUR_MS
    write(old, "one", "first")
    later, programs = world.replica(old)
    await later.load()
    assert tasks_of(programs)["one"] == "third"
    await programs.restore("one", later.held_back["one"])
    await world.replica(old)[0].load()  # a restart does not undo it
    await programs.follow()
    assert tasks_of(programs)["one"] == "first"


async def test_a_start_without_a_hold_takes_its_folder_as_it_is(tmp_path: Path, world: World) -> None:
    for task in ("first", "second"):
        write(tmp_path, "one", task)
        await world.replica(tmp_path)[0].load()
    write(tmp_path, "one", "first")

    reloader, programs = world.replica(tmp_path, hold=timedelta(0))
    await reloader.load()

    assert tasks_of(programs) == {"one": "first"}
    assert not reloader.held_back


async def test_a_start_retires_only_what_has_been_current_for_the_hold(tmp_path: Path, world: World) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(old, "one")
    write(new, "one")
    write(new, "two")
    await world.replica(new)[0].load()

    await world.replica(old)[0].load()
    programs = Programs(world.store, build_program)
    await programs.follow()
    assert sorted(programs.current) == ["one", "two"]

    world.now_ms += 2 * HOUR_MS
    await world.replica(old)[0].load()
    await programs.follow()
    assert sorted(programs.current) == ["one"]
    await world.replica(new)[0].load()  # it was retired a moment ago
    await programs.follow()
    assert sorted(programs.current) == ["one"]
    world.now_ms += 2 * HOUR_MS
    await world.replica(new)[0].load()
    await programs.follow()
    assert sorted(programs.current) == ["one", "two"]


async def test_an_earlier_version_is_restored_and_stays_until_its_file_changes(tmp_path: Path, world: World) -> None:
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one", "first")
    await reloader.load()
    first = programs.current["one"].digest
    write(tmp_path, "one", "second")
    await reloader.load()

    await programs.restore("one", first[:12])
    assert tasks_of(programs) == {"one": "first"}
    write(tmp_path, "two")
    await reloader.load()
    assert tasks_of(programs)["one"] == "first"
    write(tmp_path, "one", "third")
    await reloader.load()
    assert tasks_of(programs)["one"] == "third"


async def test_what_nobody_keeps_cannot_be_restored(tmp_path: Path, world: World) -> None:
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one")
    await reloader.load()
    for name, digest, code in (("two", "abc", "blueprint.not_found"), ("one", "abc", "blueprint.no_version")):
        with pytest.raises(RequestRefused) as refused:
            await programs.restore(name, digest)
        assert (refused.value.status, refused.value.code) == (404, code)


async def test_the_beginning_of_several_versions_is_answered_with_them(tmp_path: Path, world: World) -> None:
    reloader, programs = world.replica(tmp_path)
    digests: list[str] = []
    while len({digest[0] for digest in digests}) == len(digests):
        write(tmp_path, "one", f"task{len(digests)}")
        await reloader.load()
        digests.append(programs.current["one"].digest)
    several = [digest for digest in digests if digest[0] == digests[-1][0]]

    with pytest.raises(RequestRefused, match="several versions of 'one' begin with") as refused:
        await programs.restore("one", digests[-1][0])

    assert all(digest in str(refused.value.hint) for digest in several)


async def test_two_replicas_that_change_one_name_at_once_end_with_one_version(tmp_path: Path, world: World) -> None:
    replicas = [world.replica(tmp_path / name) for name in "ab"]
    for name in "ab":
        write(tmp_path / name, "one", name)

    await asyncio.gather(*(reloader.load() for reloader, _ in replicas))
    await asyncio.gather(*(programs.follow() for _, programs in replicas))

    assert len({programs.current["one"].digest for _, programs in replicas}) == 1


async def test_what_the_store_did_not_take_is_offered_again(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one", "first")
    await reloader.load()
    write(tmp_path, "one", "second")

    async def lost(*_: Any) -> list[str]:
        raise StoreAnswerLost("no answer")

    with monkeypatch.context() as broken:
        broken.setattr(world.store, "put_current", lost)
        with pytest.raises(StoreAnswerLost):
            await reloader.load()
    assert tasks_of(programs) == {"one": "first"}

    await reloader.load()
    assert tasks_of(programs) == {"one": "second"}


# --- the watch --------------------------------------------------------------------------------------------------------


async def no_watches_left(*_: Any, **__: Any) -> AsyncIterator[None]:
    raise OSError(28, "OS file watch limit reached")
    yield


async def test_a_folder_that_cannot_be_watched_is_read_again(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "awatch", no_watches_left)
    monkeypatch.setattr(reload, "AGAIN_AFTER_S", 0)
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one")
    await reloader.load()

    reloader.start()
    write(tmp_path, "two")

    await until(lambda: sorted(programs.current) == ["one", "two"])
    await reloader.stop()


async def test_a_change_between_the_first_load_and_the_watch_is_seen_without_another_one(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "QUIET_MS", 50)
    reloader, programs = world.replica(tmp_path)
    write(tmp_path, "one")
    await reloader.load()
    write(tmp_path, "two")

    reloader.start()

    await until(lambda: sorted(programs.current) == ["one", "two"])
    await reloader.stop()


async def test_a_folder_that_is_replaced_is_watched_again_each_time(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "workflows"
    write(folder, "one", "0")
    reloader, programs = world.replica(folder)
    await reloader.load()
    reloader.start()
    for number in (1, 2):
        folder.rename(tmp_path / f"old{number}")
        write(folder, "one", f"w{number}")
        await until(lambda: tasks_of(programs) == {"one": f"w{number}"})  # noqa: B023
        write(folder, "one", f"c{number}")
        await until(lambda: tasks_of(programs) == {"one": f"c{number}"})  # noqa: B023
    await reloader.stop()


async def test_a_link_to_the_folder_that_is_swapped_is_followed_each_time(tmp_path: Path, world: World) -> None:
    link = tmp_path / "workflows"
    for number in range(3):
        write(tmp_path / str(number), "one", f"w{number}")
    link.symlink_to("0")
    reloader, programs = world.replica(link)
    await reloader.load()
    reloader.start()
    for number in (1, 2):
        (tmp_path / "next").symlink_to(str(number))
        (tmp_path / "next").replace(link)
        await until(lambda: tasks_of(programs) == {"one": f"w{number}"})  # noqa: B023
    await reloader.stop()


async def test_the_links_of_a_config_map_are_followed_each_time(tmp_path: Path, world: World) -> None:
    for number in range(3):
        write(tmp_path / f"..{number}", "one", f"w{number}")
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "one.yaml").symlink_to("..data/one.yaml")
    reloader, programs = world.replica(tmp_path)
    await reloader.load()
    reloader.start()
    for number in (1, 2):
        (tmp_path / "..next").symlink_to(f"..{number}")
        (tmp_path / "..next").replace(tmp_path / "..data")
        await until(lambda: tasks_of(programs) == {"one": f"w{number}"})  # noqa: B023
    await reloader.stop()


# --- what is known already --------------------------------------------------------------------------------------------


async def test_a_start_compiles_only_what_the_store_does_not_know(tmp_path: Path, world: World) -> None:
    for number in range(20):
        write(tmp_path, f"n{number}")
    await world.replica(tmp_path)[0].load()
    write(tmp_path, "n7", "other")
    world.compiled.clear()

    reloader, programs = world.replica(tmp_path)
    await reloader.load()

    assert world.compiled == [(tmp_path / "n7.yaml").read_bytes()]
    assert len(programs.current) == 20
    assert tasks_of(programs)["n7"] == "other"


async def test_a_start_stores_a_current_program_again_that_the_store_has_lost(tmp_path: Path, world: World) -> None:
    write(tmp_path, "one")
    await world.replica(tmp_path)[0].load()
    world.now_ms += PROGRAM_KEPT_MS
    await world.store.trim(0, 10)

    reloader, programs = world.replica(tmp_path)
    assert await reloader.load()

    assert tasks_of(programs) == {"one": "work"}
    assert await world.store.program(programs.current["one"].digest) is not None


async def test_a_start_keeps_the_current_programs_for_another_while(tmp_path: Path, world: World) -> None:
    write(tmp_path, "one")
    await world.replica(tmp_path)[0].load()
    world.now_ms += PROGRAM_KEPT_MS

    reloader, programs = world.replica(tmp_path)
    await reloader.load()
    await world.store.trim(0, 10)

    assert len(world.compiled) == 1
    assert await world.store.program(programs.current["one"].digest) is not None


async def test_another_checker_compiles_all_again(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "one")
    await world.replica(tmp_path)[0].load()
    monkeypatch.setattr(reload, "checker_identity", lambda: "another")

    await world.replica(tmp_path)[0].load()

    assert len(world.compiled) == 2
