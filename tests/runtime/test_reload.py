"""The watch over the folder of blueprints: it survives whatever stands or happens there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from avtomat.core.program import Program
from avtomat.runtime import reload
from avtomat.runtime.programs import Programs
from avtomat.runtime.reload import Reloader

TEXT = "avtomat: 1\nblueprint: {name}\nstates: {{a: {{task: work, next: end}}}}\n"
PATIENCE_S = 10


class Swapped:
    """Takes programs, and tells when some were taken."""

    def __init__(self) -> None:
        self.sets: asyncio.Queue[list[str]] = asyncio.Queue()

    async def swap(self, programs: Mapping[str, Program]) -> None:
        self.sets.put_nowait(sorted(programs))

    async def next(self) -> list[str]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.sets.get()


@pytest.fixture
def programs() -> Swapped:
    return Swapped()


def write(folder: Path, name: str) -> None:
    (folder / f"{name}.yaml").write_text(TEXT.format(name=name))


async def no_watches_left(*_: Any, **__: Any) -> AsyncIterator[None]:
    raise OSError(28, "OS file watch limit reached")
    yield


async def test_a_folder_that_cannot_be_watched_is_read_again(
    tmp_path: Path, programs: Swapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "awatch", no_watches_left)
    monkeypatch.setattr(reload, "AGAIN_AFTER_S", 0)
    reloader = Reloader(tmp_path, cast("Programs", programs))
    write(tmp_path, "one")
    await reloader.load()
    assert await programs.next() == ["one"]

    reloader.start()
    write(tmp_path, "two")

    assert await programs.next() == ["one", "two"]
    await reloader.stop()


async def test_a_link_that_leads_to_itself_refuses_the_set_until_it_is_gone(tmp_path: Path, programs: Swapped) -> None:
    reloader = Reloader(tmp_path, cast("Programs", programs))
    link = tmp_path / "loop.yaml"
    link.symlink_to(link)
    write(tmp_path, "one")

    assert not await reloader.load()
    assert [each.message for each in reloader.problems] == ["this is no regular file"]
    link.unlink()
    assert await reloader.load()
    assert await programs.next() == ["one"]


async def test_a_change_between_the_first_load_and_the_watch_is_seen_without_another_one(
    tmp_path: Path, programs: Swapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "QUIET_MS", 50)
    reloader = Reloader(tmp_path, cast("Programs", programs))
    write(tmp_path, "one")
    await reloader.load()
    assert await programs.next() == ["one"]
    write(tmp_path, "two")

    reloader.start()

    assert await programs.next() == ["one", "two"]
    await reloader.stop()


async def test_a_folder_that_did_not_change_is_not_compiled_again_when_the_watch_stands(
    tmp_path: Path, programs: Swapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "QUIET_MS", 50)
    compiled, looked = list[Path](), asyncio.Event()
    digest_of, compile_of = reload._digest, reload.compile_folder

    def noting(folder: Path) -> Any:
        compiled.append(folder)
        return compile_of(folder)

    monkeypatch.setattr(reload, "compile_folder", noting)
    reloader = Reloader(tmp_path, cast("Programs", programs))
    (tmp_path / "broken.yaml").write_text("avtomat: 1\n")
    await reloader.load()
    loop = asyncio.get_running_loop()

    def looking(folder: Path) -> str:
        loop.call_soon_threadsafe(looked.set)
        return digest_of(folder)

    monkeypatch.setattr(reload, "_digest", looking)
    reloader.start()
    async with asyncio.timeout(PATIENCE_S):
        await looked.wait()
    (tmp_path / "broken.yaml").write_text(TEXT.format(name="mended"))

    assert await programs.next() == ["mended"]
    assert len(compiled) == 2
    await reloader.stop()
