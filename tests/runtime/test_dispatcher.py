"""Tasks on their way from the store to a worker: none is lost there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from avtomat.core.formula import Json
from avtomat.errors import StoreError
from avtomat.runtime import repeating
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.opening import open_store
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from avtomat.settings import Settings
from tests.storage.faults import Fault, Faults, faulty

HEAD = "avtomat: 1\nblueprint: {name}\n"
LOCKED = 'states: {a: {task: work, params: {key: "{{ secrets.nobody_has_it }}"}, next: end}}\n'
PLAIN = "states: {a: {task: work, params: {n: 1}, next: end}}\n"
POLL = Poll(worker="w1", kinds=("work",), timeout_s=0, tasks_max=2)


class AwayWhileHandingOut(Faults):
    """The store takes no commit while it is away."""

    is_away = False

    async def call(self, operation: str, execute: object) -> object:
        if self.is_away and operation == "commit":
            self.next(operation, Fault.NOT_EXECUTED)
        return await super().call(operation, execute)  # type: ignore[arg-type]


async def test_a_task_whose_neighbour_could_not_be_settled_comes_with_the_next_poll(tmp_path: Path) -> None:
    for name, text in (("locked", LOCKED), ("plain", PLAIN)):
        (tmp_path / f"{name}.yaml").write_text(HEAD.format(name=name) + text)
    settings = Settings(store="memory:", blueprints=tmp_path)
    store, faults = faulty(open_store(settings), AwayWhileHandingOut())
    assert isinstance(faults, AwayWhileHandingOut)
    service = Service(settings, store)
    await service.start(watch=False)
    for name in ("plain", "locked"):
        await service.clients.submit(Submission(blueprint=name, input={}, client="ann"))
    await service.dispatcher.register({"worker_id": "w1", "supported_skills": [{"name": "work"}]})

    faults.is_away = True
    with pytest.raises(StoreError):
        await service.dispatcher.poll(POLL, lambda: False)
    faults.is_away = False
    [task] = await service.dispatcher.poll(POLL, lambda: False)

    assert (task["params"], task["attempt"]) == ({"n": 1}, 1)
    await service.stop()


async def test_a_poll_that_is_repeated_under_its_nonce_gets_the_same_task(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(HEAD.format(name="plain") + PLAIN)
    settings = Settings(store="memory:", blueprints=tmp_path)
    service = Service(settings, open_store(settings))
    await service.start(watch=False)
    await service.clients.submit(Submission(blueprint="plain", input={}, client="ann"))

    [task] = await service.dispatcher.poll(replace(POLL, nonce="n1"), never)
    [again] = await service.dispatcher.poll(replace(POLL, nonce="n1"), never)

    assert again["task_id"] == task["task_id"]
    assert await service.dispatcher.poll(replace(POLL, nonce="n2"), never) == []
    await service.stop()


async def test_what_never_arrived_is_given_back_but_for_what_comes_again_under_the_same_nonce(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(HEAD.format(name="plain") + PLAIN)
    settings = Settings(store="memory:", blueprints=tmp_path)
    store, faults = faulty(open_store(settings))
    service = Service(settings, store)
    await service.start(watch=False)
    await service.clients.submit(Submission(blueprint="plain", input={}, client="ann"))
    first, other = (replace(POLL, nonce=nonce, holding=frozenset()) for nonce in ("n1", "n2"))

    [task] = await service.dispatcher.poll(first, never)
    [again] = await service.dispatcher.poll(first, never)
    assert again["task_id"] == task["task_id"]
    assert "release" not in faults.calls
    assert await service.dispatcher.poll(replace(other, tasks_max=0), never) == []
    [anew] = await service.dispatcher.poll(replace(POLL, worker="w2"), never)
    assert (anew["attempt"], faults.calls.count("release")) == (1, 1)
    await service.stop()


async def test_a_claim_that_was_lost_and_repeated_under_its_nonce_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "REPEATS_MAX", 1)
    (tmp_path / "plain.yaml").write_text(HEAD.format(name="plain") + PLAIN)
    settings = Settings(store="memory:", blueprints=tmp_path)
    store, faults = faulty(open_store(settings))
    service = Service(settings, store)
    await service.start(watch=False)
    await service.clients.submit(Submission(blueprint="plain", input={}, client="ann"))

    async def poll(nonce: str) -> list[dict[str, Json]]:
        return await service.dispatcher.poll(replace(POLL, nonce=nonce), never)

    faults.next("poll", Fault.ANSWER_LOST)
    with pytest.raises(StoreError):
        await poll("n1")
    [task] = await poll("n1")
    assert task["params"] == {"n": 1}
    await poll("n2")
    faults.calls.clear()

    for number in range(3, 6):
        assert await poll(f"n{number}") == []
    assert "poll" not in faults.calls
    await service.stop()


async def test_a_heartbeat_that_names_thousands_of_tasks_holds_up_nobody_for_long(tmp_path: Path) -> None:
    settings = Settings(store="memory:", blueprints=tmp_path)
    store, faults = faulty(open_store(settings))
    service = Service(settings, store)
    await service.start(watch=False)
    await service.dispatcher.register({"worker_id": "w1", "supported_skills": []})
    named = [f"00{number:024x}-{'A' * 12}" for number in range(1_001)]

    assert await service.dispatcher.heartbeat("w1", {"current_tasks": named}) == {"status": "ok"}

    assert faults.calls.count("heartbeat") == 3
    await service.stop()


def never() -> bool:
    """The connection stays."""
    return False
