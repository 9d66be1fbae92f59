"""The memory that bodies of requests may take together, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from avtomat.api.http import bodies
from avtomat.runtime.byte_budget import BusyRefused, ByteBudget
from avtomat.runtime.jobs.clients import FILLED_AT_ONCE_BYTES_MAX, Accepted
from avtomat.runtime.jobs.scopes import VALUE_BYTES_KEPT_MAX
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import SCOPES_KEPT_BYTES_MAX
from avtomat.runtime.weight import weight_of
from avtomat.settings import Settings
from tests.api.conftest import Serve, Site
from tests.api.fakes import FakeEngine

HELLO = "/api/v1/jobs/hello"
RESULT = "/_worker/tasks/result"
JSON = {"Content-Type": "application/json"}
LARGE = orjson.dumps({"input": ["x" * 100] * 6_000})


@pytest.fixture
def budgets(monkeypatch: pytest.MonkeyPatch) -> tuple[ByteBudget, ByteBudget]:
    """Room for the bodies and for the values of some large requests; nobody waits for it in vain."""
    texts, values = ByteBudget(700_000, wait_s=0), ByteBudget(2_000_000, wait_s=0)
    monkeypatch.setattr(bodies, "BODIES", texts)
    monkeypatch.setattr(bodies, "VALUES", values)
    return texts, values


async def in_line(budget: ByteBudget, number: int) -> None:
    """Let the others go on until so many wait."""
    while budget.waiting < number:  # noqa: ASYNC110 - there is nothing else to wait for
        await asyncio.sleep(0)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(body), 10_000):
        yield body[first : first + 10_000]


# --- the budget -------------------------------------------------------------------------------------------------------


async def test_claims_are_let_in_in_the_order_of_asking() -> None:
    budget, order = ByteBudget(10, wait_s=60), list[str]()

    async def ask(name: str, size: int) -> None:
        claim = await budget.claim(size)
        order.append(name)
        claim.release()

    first = await budget.claim(6)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask("large", 8))
        tasks.create_task(ask("small", 1))
        await in_line(budget, 2)
        assert budget.bytes_claimed == 6
        first.release()

    assert order == ["large", "small"]
    assert budget.bytes_claimed == 0


async def test_a_claim_for_more_than_there_is_takes_all() -> None:
    budget = ByteBudget(10, wait_s=0)
    claim = await budget.claim(1_000)

    with pytest.raises(BusyRefused):
        await budget.claim(1)
    claim.release()
    claim.release()

    assert budget.bytes_claimed == 0


async def test_who_gives_up_lets_in_those_behind() -> None:
    budget = ByteBudget(10, wait_s=60)
    await budget.claim(6)
    large = asyncio.create_task(budget.claim(8))
    await in_line(budget, 1)
    small = asyncio.create_task(budget.claim(2))
    await in_line(budget, 2)
    large.cancel()

    assert (await small).size == 2
    assert (budget.bytes_claimed, budget.waiting) == (8, 0)


async def test_many_that_give_up_at_once_and_one_that_gives_back_leave_nothing_claimed() -> None:
    budget = ByteBudget(10, wait_s=60)
    held = await budget.claim(10)
    waiting = [asyncio.create_task(budget.claim(4)) for _ in range(5)]
    await in_line(budget, 5)
    for each in waiting:
        each.cancel()
    held.release()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert (budget.bytes_claimed, budget.waiting) == (0, 0)


async def test_one_that_gives_up_in_its_turn_gives_its_room_back() -> None:
    budget = ByteBudget(10, wait_s=60)
    held = await budget.claim(10)
    waiting = asyncio.create_task(budget.claim(4))
    await in_line(budget, 1)
    held.release()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert (budget.bytes_claimed, budget.waiting) == (0, 0)


# --- at the doors -----------------------------------------------------------------------------------------------------


async def test_a_body_for_which_there_is_no_room_is_503_and_says_when_to_come_again(
    site: Site, budgets: tuple[ByteBudget, ByteBudget]
) -> None:
    held = await budgets[0].claim(700_000)
    busy = await site.post(HELLO, data=pieces(LARGE), headers=JSON)
    held.release()
    taken = await site.post(HELLO, data=pieces(LARGE), headers=JSON)

    assert (busy.status, busy.code, busy.headers["Retry-After"]) == (503, "request.busy", "5")
    assert taken.status == 202


async def test_a_value_for_which_there_is_no_room_is_503_although_its_body_is_there(
    site: Site, budgets: tuple[ByteBudget, ByteBudget]
) -> None:
    held = await budgets[1].claim(2_000_000)
    maps = b'{"input":[' + b"{}," * 2_000 + b"{}]}"
    busy = await site.post(HELLO, data=maps, headers=JSON)
    light = await site.post(HELLO, json={"input": 1})
    held.release()

    assert (busy.status, busy.code) == (503, "request.busy")
    assert light.status == 202


async def test_a_result_for_which_there_is_no_room_is_429_so_that_its_worker_keeps_it(
    site: Site, budgets: tuple[ByteBudget, ByteBudget]
) -> None:
    result = {"job_id": "00a", "task_id": "00a-x", "worker_id": "w1", "data": "x" * 600_000}
    held = await budgets[0].claim(700_000)
    busy = await site.post(RESULT, json=result)
    held.release()
    taken = await site.post(RESULT, json=result)

    assert (busy.status, busy.json["code"], busy.headers["Retry-After"]) == (429, "request.busy", "20")
    assert taken.status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (LARGE, 202),
        (b'{"input":' + b" " * 50_000, 400),
        (b" " * 1_500_000, 413),
        (b'{"inpud":"' + b"x" * 50_000 + b'"}', 422),
        (b" " * 1_000, 400),
    ],
)
async def test_nothing_stays_claimed_however_a_request_ends(
    site: Site, budgets: tuple[ByteBudget, ByteBudget], body: bytes, status: int
) -> None:
    answer = await site.post(HELLO, data=pieces(body), headers=JSON)

    assert answer.status == status
    assert [budget.bytes_claimed for budget in budgets] == [0, 0]


async def test_a_body_that_breaks_off_leaves_nothing_claimed(
    site: Site, budgets: tuple[ByteBudget, ByteBudget]
) -> None:
    texts, _ = budgets
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = (
        f"POST {HELLO} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n"
    )
    writer.write(head.encode() + b'{"in')
    while texts.bytes_claimed != 90_000:
        await site.get("/healthz")
    writer.close()
    while texts.bytes_claimed:
        await site.get("/healthz")


async def test_a_request_that_waits_for_its_job_claims_nothing(
    serve: Serve, budgets: tuple[ByteBudget, ByteBudget]
) -> None:
    claimed = list[tuple[int, int]]()
    texts, values = budgets

    engine = FakeEngine(settings=replace(Settings(), body_bytes_max=700_000))
    submit = engine.clients.submit

    async def looked(asked: Submission, wait_s: float = 0, let_go: Callable[[], None] = lambda: None) -> Accepted:
        claimed.append((texts.bytes_claimed, values.bytes_claimed))
        accepted = await submit(asked, wait_s, let_go)
        claimed.append((texts.bytes_claimed, values.bytes_claimed))
        return accepted

    engine.clients.submit = looked  # type: ignore[method-assign]
    site = await serve(engine)
    answer = await site.post(HELLO + "?wait=1", data=pieces(LARGE), headers=JSON)

    assert answer.status == 200
    assert claimed == [(0, weight_of(LARGE)), (0, 0)]


async def test_an_event_on_a_socket_for_which_there_is_no_room_is_refused(
    site: Site, budgets: tuple[ByteBudget, ByteBudget]
) -> None:
    held = await budgets[1].claim(2_000_000)
    event = {
        "event_id": "e",
        "worker_id": "w1",
        "origin_worker_id": "w1",
        "event_type": "progress",
        "payload": {"x": [{}] * 5_000},
    }
    async with site.http.ws_connect(site.url + "/_worker/ws/w1") as socket:
        await socket.send_json(event)
        refused = await socket.receive_json()
        held.release()
        await socket.send_json(event)
        told = await site.engine.dispatcher.events.get()

    assert refused["code"] == "request.busy"
    assert told["event_id"] == "e"
    assert budgets[1].bytes_claimed == 0


def test_the_pages_say_the_budgets() -> None:
    docs = Path(__file__).parents[2] / "docs"
    http, operations = (" ".join((docs / name).read_text("utf-8").split()) for name in ("http-api.md", "operations.md"))

    assert f"within {bodies.BUSY_WAIT_S:g} s" in http
    assert f"{bodies.BODIES.bytes_max // 10**6} MB" in operations
    assert f"{bodies.VALUES.bytes_max // 10**6} MB" in operations
    assert f"are added take at most {FILLED_AT_ONCE_BYTES_MAX // 2**20} MiB" in operations
    assert f"inputs of their jobs take at most {SCOPES_KEPT_BYTES_MAX // 2**20} MiB" in operations
    assert f"values read from the store {VALUE_BYTES_KEPT_MAX // 2**20} MiB" in operations
