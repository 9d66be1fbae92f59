from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from avtomat.errors import StoreAnswerLost, StoreNotExecuted
from tests.api.conftest import Site, site_of
from tests.api.fakes import FakeEngine

NEXT = "/_worker/workers/w1/tasks/next"
RESULT = "/_worker/tasks/result"
TASK = {"job_id": "00a", "task_id": "00a-x", "type": "greet", "params": {"n": 1.0}}
DONE = {"job_id": "00a", "task_id": "00a-x", "worker_id": "w1", "data": {"said": "hello"}}
PROGRESS = {
    "event_id": "e1",
    "worker_id": "w1",
    "origin_worker_id": "w1",
    "event_type": "progress",
    "payload": {"progress": 0.5},
    "target_task_id": "00a-x",
}


async def test_a_worker_registers(site: Site) -> None:
    answer = await site.post(
        "/_worker/workers/register", json={"worker_id": "w1", "supported_skills": [{"name": "greet"}]}
    )

    assert (answer.status, answer.json) == (200, {"status": "registered", "version": "1.0b17", "offers": ["next"]})
    assert answer.headers["X-RXON-Version"] == "1.0b17"
    assert site.engine.dispatcher.workers["w1"]["supported_skills"] == [{"name": "greet"}]


async def test_a_worker_of_the_predecessor_registers(site: Site) -> None:
    body = {"worker_id": "w1", "supported_tasks": ["greet"], "load": 0.5, "hot_cache": ["model"]}
    answer = await site.post("/_worker/workers/register", json=body)

    assert answer.status == 200
    assert site.engine.dispatcher.workers["w1"]["supported_skills"] == [{"name": "greet"}]
    assert site.engine.dispatcher.workers["w1"]["hot_skills"] == ["model"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"worker_id": "a b"},
        {"worker_id": "w", "supported_skills": {}},
        {"worker_id": "w", "supported_skills": [1]},
    ],
)
async def test_a_registration_that_makes_no_sense_is_400(site: Site, body: Any) -> None:
    answer = await site.post("/_worker/workers/register", json=body)

    assert answer.status == 400
    assert isinstance(answer.json["error"], str)


async def test_an_unknown_worker_is_told_to_register_again(site: Site) -> None:
    answer = await site.ask("PATCH", "/_worker/workers/w9", json={"status": "idle"})

    assert (answer.status, answer.json["error"]) == (404, "Worker not found")


async def test_a_heartbeat_may_be_empty(site: Site) -> None:
    await site.post("/_worker/workers/register", json={"worker_id": "w1"})
    answer = await site.ask("PATCH", "/_worker/workers/w1")
    other = await site.ask("PATCH", "/_worker/workers/w1", json={"worker_id": "w2"})

    assert (answer.status, answer.json, other.status) == (200, {"status": "ok"}, 400)


async def test_a_poll_says_what_it_wants(site: Site) -> None:
    query = "?timeout=999&available_skills=a,b.c&hot_skills=&max=7&nonce=n1&holding=00a-x,00a-y"
    site.engine.dispatcher.tasks.put_nowait(TASK)
    answer = await site.get(NEXT + query)

    (asked,) = site.engine.dispatcher.polls
    assert (asked.worker, asked.kinds, asked.tasks_max, asked.nonce) == ("w1", ("a", "b.c"), 7, "n1")
    assert asked.holding == {"00a-x", "00a-y"}
    assert asked.timeout_s == 60
    assert answer.json == [TASK]


async def test_a_poll_without_max_gets_one_task(site: Site) -> None:
    site.engine.dispatcher.tasks.put_nowait(TASK)
    answer = await site.get(NEXT + "?timeout=30.0&available_skills=greet")

    assert (answer.status, answer.json) == (200, TASK)
    assert site.engine.dispatcher.polls[0].holding is None
    assert b'"n":1.0' in answer.raw


async def test_a_head_request_takes_no_task(site: Site) -> None:
    site.engine.dispatcher.tasks.put_nowait(TASK)

    assert (await site.ask("HEAD", NEXT)).status == 405
    assert not site.engine.dispatcher.polls


async def test_a_poll_that_finds_nothing_is_204(site: Site) -> None:
    answer = await site.get(NEXT + "?timeout=0")

    assert (answer.status, answer.raw) == (204, b"")


async def test_a_dropped_poll_is_seen_before_a_task_is_claimed_and_gives_back_what_came_all_the_same(
    site: Site,
) -> None:
    dispatcher = site.engine.dispatcher
    poll = asyncio.create_task(site.get(NEXT))
    await dispatcher.polling.wait()
    poll.cancel()
    with suppress(asyncio.CancelledError):
        await poll
    await site.http.get(site.url + "/healthz")  # by now the engine has read that the other connection ended
    dispatcher.tasks.put_nowait(TASK)

    assert await asyncio.wait_for(dispatcher.released.get(), 5) == ("w1", ["00a-x"])
    assert dispatcher.gone == [True]


async def test_a_result_is_accepted_or_ignored_with_its_reason(site: Site) -> None:
    accepted = await site.post(RESULT, json=DONE)
    ignored = await site.post(RESULT, json={**DONE, "task_id": "late"})

    assert (accepted.status, accepted.json) == (200, {"status": "accepted"})
    assert (ignored.status, ignored.json) == (200, {"status": "ignored", "reason": "stale_task"})


async def test_a_list_of_results_is_answered_in_its_order(site: Site) -> None:
    answer = await site.post(RESULT, json=[{**DONE, "task_id": "late"}, DONE])

    assert [each["status"] for each in answer.json] == ["ignored", "accepted"]


async def test_a_result_brings_the_next_task_with_its_answer(site: Site) -> None:
    site.engine.dispatcher.tasks.put_nowait(TASK)
    answer = await site.post(RESULT + "?next=a,b.c&nonce=n1", json=DONE)
    nothing = await site.post(RESULT + "?next=", json={**DONE, "task_id": "late"})

    assert (answer.status, answer.json) == (200, {"status": "accepted", "task": TASK})
    assert nothing.json == {"status": "ignored", "reason": "stale_task"}
    asked, other = site.engine.dispatcher.polls
    assert (asked.worker, asked.kinds, asked.tasks_max, asked.nonce) == ("w1", ("a", "b.c"), 1, "n1")
    assert (other.kinds, other.nonce, other.hot) == ((), "", None)


async def test_a_result_may_bring_several_tasks(site: Site) -> None:
    for _ in range(3):
        site.engine.dispatcher.tasks.put_nowait(TASK)
    some = await site.post(RESULT + "?next=a&max=2", json=DONE)
    rest = await site.post(RESULT + "?next=a&max=2", json=DONE)
    none = await site.post(RESULT + "?next=a&max=2", json=DONE)
    refused = await site.post(RESULT + "?next=a&max=101", json=DONE)

    assert [len(each.json["tasks"]) for each in (some, rest, none)] == [2, 1, 0]
    assert (refused.status, refused.json["code"]) == (400, "request.parameter")
    assert len(site.engine.dispatcher.results) == 3


async def test_a_list_of_results_brings_tasks_beside_its_answers(site: Site) -> None:
    site.engine.dispatcher.tasks.put_nowait(TASK)
    answer = await site.post(RESULT + "?next=a&max=5", json=[{**DONE, "task_id": "late"}, DONE])
    empty = await site.post(RESULT + "?next=a", json=[])
    mixed = await site.post(RESULT + "?next=a", json=[{**DONE, "worker_id": "w2"}, DONE])

    assert [each["status"] for each in answer.json["answers"]] == ["ignored", "accepted"]
    assert answer.json["tasks"] == [TASK]
    assert (empty.status, mixed.status) == (400, 400)


async def test_a_result_whose_connection_is_gone_gives_back_the_task_that_it_brought(site: Site) -> None:
    dispatcher = site.engine.dispatcher
    dispatcher.holds_results = True
    dispatcher.tasks.put_nowait(TASK)
    result = asyncio.create_task(site.post(RESULT + "?next=a", json=DONE))
    await dispatcher.polling.wait()
    result.cancel()
    with suppress(asyncio.CancelledError):
        await result
    await site.http.get(site.url + "/healthz")
    dispatcher.claim.set()

    assert await asyncio.wait_for(dispatcher.released.get(), 5) == ("w1", ["00a-x"])
    assert dispatcher.gone == [True]


async def test_the_header_names_the_worker_when_the_result_does_not(site: Site) -> None:
    body = {"job_id": "00a", "task_id": "00a-x", "status": "cancelled"}
    named = await site.post(RESULT, json=body, headers={"X-Worker-ID": "w7"})
    nameless = await site.post(RESULT, json=body)

    assert (named.status, nameless.status) == (200, 400)
    assert site.engine.dispatcher.results[0]["worker_id"] == "w7"


async def test_a_result_of_the_predecessor_is_nested(site: Site) -> None:
    body = {"job_id": "00a", "task_id": "00a-x", "worker_id": "w1", "result": {"status": "found", "data": {"n": None}}}
    await site.post(RESULT, json=body)

    told = site.engine.dispatcher.results[0]
    assert (told["status"], told["data"]) == ("found", {"n": None})


@pytest.mark.parametrize(
    "change", [{"status": 1}, {"status": "two words"}, {"status": ""}, {"error": 5}, {"data": None}]
)
async def test_a_result_whose_ids_are_good_is_taken_whatever_it_says(site: Site, change: dict[str, Any]) -> None:
    answer = await site.post(RESULT, json={**DONE, **change})

    assert answer.status == 200
    assert len(site.engine.dispatcher.results) == 1


@pytest.mark.parametrize("change", [{"task_id": ""}, {"job_id": 7}])
async def test_a_result_without_its_ids_is_400(site: Site, change: dict[str, Any]) -> None:
    answer = await site.post(RESULT, json={**DONE, **change})

    assert answer.status == 400
    assert not site.engine.dispatcher.results


@pytest.mark.parametrize("away", [StoreNotExecuted("the store is away"), StoreAnswerLost("no answer came")])
async def test_while_the_store_is_away_results_and_polls_are_put_off(site: Site, away: Exception) -> None:
    site.engine.dispatcher.broken = away
    result = await site.post(RESULT, json=DONE)
    asking = await site.post(RESULT + "?next=a", json=[DONE, DONE])
    results = await site.post(RESULT, json=[DONE, DONE])
    poll = await site.get(NEXT)

    assert (result.status, result.headers["Retry-After"]) == (429, "20")
    assert (results.status, poll.status, asking.status) == (429, 429, 429)
    assert "Retry-After" in poll.headers


async def test_an_event_is_accepted(site: Site) -> None:
    answer = await site.post("/_worker/events", json=PROGRESS)
    without = await site.post("/_worker/events", json={**PROGRESS, "payload": None})

    assert (answer.status, answer.json) == (200, {"status": "event_accepted"})
    assert site.engine.dispatcher.events.get_nowait() == PROGRESS
    assert without.status == 400


async def test_a_socket_brings_commands_and_takes_events(site: Site) -> None:
    dispatcher = site.engine.dispatcher
    command = {"command": "cancel_task", "task_id": "00a-x", "job_id": "00a"}
    async with site.http.ws_connect(site.url + "/_worker/ws/w1") as socket:
        await dispatcher.connected.wait()
        dispatcher.sends["w1"](command)
        assert await socket.receive_json() == command
        await socket.send_json(PROGRESS)
        assert await dispatcher.events.get() == PROGRESS
        await socket.send_str("{")
        assert (await socket.receive_json())["code"] == "request.json"


@pytest.mark.parametrize("word", [{"type": "progress_update"}, {"event": "progress_update"}])
async def test_an_older_socket_has_no_id_and_is_the_workers_whose_attempt_it_first_tells_of(
    site: Site, word: dict[str, str]
) -> None:
    dispatcher = site.engine.dispatcher
    told = {**word, "task_id": "00a-x", "job_id": "00a", "progress": 0.5, "message": "half"}
    async with site.http.ws_connect(site.url + "/_worker/ws") as socket:
        await socket.send_json({**told, "task_id": "00b-x"})
        assert "X-Worker-ID" in (await socket.receive_json())["error"]
        dispatcher.held["00a-x"] = "w1"
        await socket.send_json(told)
        event = await dispatcher.events.get()
        dispatcher.sends["w1"]({"command": "cancel_task", "task_id": "00a-x"})
        command = await socket.receive_json()

    assert (event["worker_id"], event["event_type"], event["target_task_id"]) == ("w1", "progress", "00a-x")
    assert event["payload"] == {"progress": 0.5, "message": "half"}
    assert command == {"type": "cancel_task", "command": "cancel_task", "task_id": "00a-x"}
    assert dispatcher.nameless == 0


async def test_a_socket_may_say_whose_it_is_in_its_header(site: Site) -> None:
    async with site.http.ws_connect(site.url + "/_worker/ws", headers={"X-Worker-ID": "w7"}):
        await site.engine.dispatcher.connected.wait()

        assert list(site.engine.dispatcher.sends) == ["w7"]


async def test_a_registration_of_the_oldest_clients_tells_costs_and_resources(site: Site) -> None:
    body = {
        "worker_id": "w1",
        "supported_tasks": ["greet"],
        "cost_per_skill": {"greet": 1.5},
        "hostname": "h",
        "installed_models": [{"name": "m", "version": "1"}],
        "resources": {"cpu_cores": 4, "gpu_info": {"model": "RTX", "vram_gb": 24}},
    }
    await site.post("/_worker/workers/register", json=body)

    told = site.engine.dispatcher.workers["w1"]
    assert told["capabilities"] == {"cost_per_skill": {"greet": 1.5}, "hostname": "h"}
    assert told["installed_artifacts"] == [{"name": "m", "version": "1"}]
    device = {"type": "gpu", "model": "RTX", "properties": {"memory_gb": 24}}
    assert told["resources"] == {"properties": {"cpu_cores": 4}, "devices": [device]}


async def test_a_message_on_a_socket_that_is_too_large_closes_it_and_nothing_else(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.http.ws_connect(site.url + "/_worker/ws/w1") as socket:
        await socket.send_str("x" * (site.engine.settings.body_bytes_max + 1))
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    await site.get("/healthz")

    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_only_a_heartbeat_may_say_what_makes_a_worker_register_again(site: Site) -> None:
    answers = [
        await site.get("/_worker/nothing"),
        await site.ask("DELETE", RESULT),
        await site.post(RESULT, json={**DONE, "task_id": "a b"}),
        await site.post(RESULT, data=b"{", headers={"Content-Type": "application/json"}),
        await site.post(RESULT, data=b"{}"),
        await site.get("/_worker/workers/a%20b/tasks/next"),
    ]

    assert [answer.status for answer in answers] == [404, 405, 400, 400, 415, 400]
    assert answers[1].headers["Allow"] == "POST"
    for answer in answers:
        assert "not found" not in answer.json["error"].lower()
        assert "unauthorized" not in answer.json["error"].lower()


async def test_a_stopping_engine_closes_its_sockets() -> None:
    async with aiohttp.ClientSession() as http:
        async with site_of(FakeEngine()) as site:
            socket = await http.ws_connect(site.url + "/_worker/ws/w1")
            await site.engine.dispatcher.connected.wait()
            receiving = asyncio.create_task(socket.receive())
        assert (await receiving).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1001
