"""Endpoints are told of jobs on each store, with two replicas: each event once it happened, in order, and signed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from avtomat.core.messages import PauseRequested, RerunRequested, ResumeRequested
from avtomat.core.timestamp import from_ms
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.clients import Accepted
from avtomat.runtime.webhooks.telling import Message, post_of
from avtomat.storage.port.answers import Delivered, Query
from avtomat.storage.port.codec import dumps
from avtomat.storage.port.store import SENDER_IDS_MAX
from tests.runtime.test_children import PATIENCE_S, PLACES
from tests.runtime.webhooks.office import BLUEPRINTS, KEY, MINUTE_MS, NEXT_KEY, Office, receiving
from tests.storage.stores import STORES
from tests.storage.world import Clock


@pytest.fixture(params=[each for each in PLACES if each[0] in STORES], ids=lambda each: f"{each[0]}-{each[1]}")
async def office(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Office]:
    name, partitions = request.param
    blueprints, clock = tmp_path / "blueprints", Clock()
    blueprints.mkdir()
    for blueprint, text in BLUEPRINTS.items():
        (blueprints / f"{blueprint}.yaml").write_text(f"avtomat: 1\nblueprint: {blueprint}\n{text}")
    async with receiving() as receiver, STORES[name](request, partitions, clock, False) as store:
        office = Office(store, clock, blueprints, receiver)
        await office.begin()
        yield office
        await office.end()


async def test_the_end_of_a_job_is_told_and_signed(office: Office) -> None:
    job = await office.submit("work", {"n": 1})
    await office.do({"m": 2})
    await office.ended(job)
    [companion] = await office.sent(job)

    [event] = office.receiver.events()
    assert (event["type"], event["data"]["id"], event["data"]["status"]) == ("job.finished", job, "finished")
    assert (event["data"]["input"], event["data"]["result"]) == ({"n": 1}, {"m": 2})
    assert (companion["status"], companion["result"]) == ("finished", {"sent": 1})
    assert companion["parent_id"] == job


async def test_a_job_that_ends_in_the_step_that_creates_it_is_told_of(office: Office) -> None:
    for blueprint, expected in (("quick", "job.finished"), ("bad", "job.failed")):
        job = await office.submit(blueprint)
        await office.sent(job)
        assert office.receiver.types[-1] == expected


async def test_events_come_in_the_order_of_history(office: Office) -> None:
    job = await office.submit("work")
    for _ in range(3):
        await office.operate(job, PauseRequested(by="op"))
        await office.operate(job, ResumeRequested(by="op"))
    await office.replicas[1].operators.cancel(job, None, "op")
    await office.sent(job)

    assert office.receiver.types == ["job.paused", "job.resumed"] * 3 + ["job.cancelled"]
    assert len(set(office.receiver.ids)) == 7


async def test_a_receiver_that_is_down_for_ten_minutes_gets_each_event_once_it_is_back(office: Office) -> None:
    office.receiver.status = 503
    job = await office.submit("work")
    await office.operate(job, PauseRequested(by="op"))
    await office.operate(job, ResumeRequested(by="op"))
    await office.do()
    [companion] = await office.companions(job)
    down_until = office.clock.ms + 10 * MINUTE_MS
    await office.turning(companion["id"], lambda _: office.clock.ms >= down_until)
    office.receiver.status = 200
    await office.turning(companion["id"], lambda found: found["status"] == "finished")

    assert office.receiver.types == ["job.paused", "job.resumed", "job.finished"]
    assert office.receiver.refused >= 5


async def test_approvals_are_told_of_with_their_reminders(office: Office) -> None:
    job = await office.submit("ask")
    await office.seen(1)
    office.turn(60 * MINUTE_MS + 1)
    await office.seen(2)
    await office.replicas[0].operators.cancel(job, None, "op")
    await office.sent(job)

    requested, reminded, _ = office.receiver.events()
    assert (requested["type"], reminded["type"]) == ("approval.requested", "approval.reminded")
    assert requested["data"]["approval"]["assignees"] == ["eve"]
    assert (requested["data"]["approval"]["reminders"], reminded["data"]["approval"]["reminders"]) == (0, 1)


async def test_a_quarantined_job_is_told_of(office: Office) -> None:
    job = await office.submit("parks")
    await office.fail(await office.take(), "BROKEN")
    await office.seen(1)
    await office.replicas[0].operators.cancel(job, None, "op")
    await office.sent(job)

    assert office.receiver.types[0] == "job.quarantined"
    assert office.receiver.events()[0]["data"]["error"]["code"] == "BROKEN"


async def test_an_endpoint_that_answers_410_gets_no_more(office: Office) -> None:
    office.receiver.status = 410
    job = await office.submit("work")
    await office.operate(job, PauseRequested(by="op"))
    [companion] = await office.sent(job)
    await office.operate(job, ResumeRequested(by="op"))
    await office.do()
    await office.ended(job)

    assert companion["error"]["code"] == "WEBHOOK_GONE"
    assert office.receiver.refused == 1


async def test_an_event_that_nobody_took_for_a_day_is_a_dead_letter_and_the_next_is_tried(office: Office) -> None:
    office.receiver.status = 500
    job = await office.submit("work")
    await office.operate(job, PauseRequested(by="op"))
    [companion] = await office.companions(job)
    await office.turning(companion["id"], lambda found: found["data"]["dead_count"] == 1)
    await office.quiet()
    office.receiver.status = 200
    await office.operate(job, ResumeRequested(by="op"))
    await office.do()
    [companion] = await office.sent(job)

    assert office.receiver.types == ["job.resumed", "job.finished"]
    assert (companion["status"], companion["error"]["code"]) == ("failed", "WEBHOOK_DEAD")
    [dead] = companion["data"]["dead"]
    assert (dead["type"], dead["code"]) == ("job.paused", "TIMEOUT_ERROR")


async def test_a_redirect_is_not_followed_and_no_success(office: Office) -> None:
    office.receiver.status = 302
    job = await office.submit("quick")
    async with asyncio.timeout(PATIENCE_S):
        while not office.receiver.refused:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)
    office.receiver.status = 200
    [companion] = await office.companions(job)
    await office.turning(companion["id"], lambda found: found["status"] == "finished")

    assert office.receiver.types == ["job.finished"]


async def test_a_webhook_url_is_told_of_the_events_it_asks_for(office: Office) -> None:
    url = office.receiver.url + "/own"
    job = await office.submit("work", webhook_url=url, webhook_events=("job.paused",))
    await office.operate(job, PauseRequested(by="op"))
    await office.replicas[0].operators.cancel(job, None, "op")
    companions = await office.sent(job)

    assert sorted(companion["input"]["endpoint"] for companion in companions) == ["crm", "submission"]
    assert [companion["result"]["sent"] for companion in companions if companion["input"]["url"] == url] == [1]
    assert sorted(office.receiver.types) == ["job.cancelled", "job.paused", "job.paused"]


async def test_a_rerun_is_told_of_at_the_same_url(office: Office) -> None:
    job = await office.submit("quick", webhook_url=office.receiver.url + "/own", webhook_events=("job.finished",))
    await office.sent(job)
    accepted = await office.replicas[0].operators.rerun(job, None, RerunRequested(by="op"))
    assert isinstance(accepted, Accepted)
    companions = await office.sent(accepted.job_id)

    assert [each["input"]["url"] for each in companions if each["input"]["endpoint"] == "submission"] == [
        office.receiver.url + "/own"
    ]


async def test_the_end_is_told_of_however_many_events_there_were(office: Office) -> None:
    job = await office.submit("work")
    [companion] = await office.companions(job)
    store = office.shared.store
    for number in range(SENDER_IDS_MAX):
        empty = Message(id=f"fill-{number}", until=from_ms(store.now_ms()), body=None)
        mail = replace(post_of(empty, companion["id"]).mail, to=("signal", "another", ""))
        assert await store.deliver(companion["id"], mail) is Delivered.OK
    assert await store.deliver(companion["id"], replace(mail, id="more")) is Delivered.FULL
    await office.do()
    await office.sent(job)

    assert office.receiver.types == ["job.finished"]


async def test_secrets_are_stored_nowhere(office: Office) -> None:
    job = await office.submit("quick")
    await office.sent(job)

    kept = repr(await office.shared.store.dump())  # type: ignore[attr-defined]
    assert job in kept
    assert KEY not in kept
    assert KEY.removeprefix("whsec_") not in kept


async def test_a_large_value_is_left_out_with_the_place_where_it_is_read(office: Office) -> None:
    job = await office.submit("work", {"n": 1})
    await office.do({"text": "x" * 100_000})
    await office.sent(job)

    [event] = office.receiver.events()
    assert "result" not in event["data"]
    assert event["data"]["omitted"] == {"fields": ["result", "outputs"], "read": f"/api/v1/jobs/{job}"}
    assert len(dumps(event)) < 5_000


async def test_a_job_keeps_the_secrets_by_name_so_that_they_are_changed_with_overlap(office: Office) -> None:
    crm = office.settings["webhooks"]["crm"]
    await office.restart(webhooks={"crm": replace(crm, secrets=("next", "key"))})
    await office.sent(await office.submit("quick"))

    assert office.receiver.events(KEY) == office.receiver.events(NEXT_KEY)


async def test_no_webhook_url_without_a_secret_and_none_that_may_not_be_called(office: Office) -> None:
    with pytest.raises(RequestRefused) as refused:
        await office.submit("quick", webhook_url="http://169.254.169.254/latest")
    assert (refused.value.status, refused.value.code, refused.value.pointer) == (422, "url.refused", "/webhook_url")

    await office.restart(webhook_secret=())
    with pytest.raises(RequestRefused) as refused:
        await office.submit("quick", webhook_url=office.receiver.url)
    assert (refused.value.status, refused.value.code) == (422, "webhook.no_secret")


async def test_dead_letters_are_sent_again_in_order_once_for_each_key(office: Office) -> None:
    office.receiver.status = 500
    job = await office.submit("work")
    await office.operate(job, PauseRequested(by="op"))
    await office.operate(job, ResumeRequested(by="op"))
    [companion] = await office.companions(job)
    await office.turning(companion["id"], lambda found: found["data"]["dead_count"] == 2)
    await office.quiet()
    dead = await office.webhooks.show(companion["id"], None)
    assert dead is not None
    assert [letter["type"] for letter in dead["dead_letters"]] == ["job.paused", "job.resumed"]

    office.receiver.status = 200
    again = await office.webhooks.resend(companion["id"], None, "k")
    assert again is not None
    assert (again["resend_of"], again["job_id"]) == (companion["id"], job)
    await office.ended(again["id"])
    repeated = await office.webhooks.resend(companion["id"], None, "k")
    assert repeated is not None
    assert (repeated["id"], repeated["sent"]) == (again["id"], 2)
    assert office.receiver.types == ["job.paused", "job.resumed"]
    assert office.receiver.ids == [letter["id"] for letter in dead["dead_letters"]]

    await office.replicas[0].operators.cancel(job, None, "op")
    await office.ended(companion["id"])


async def test_a_large_event_is_sent_again_as_it_was(office: Office) -> None:
    office.receiver.status = 500
    job = await office.submit("work")
    await office.do({"text": "x" * 50_000})
    [companion] = await office.companions(job)
    await office.turning(companion["id"], lambda found: found["status"] == "failed")
    await office.quiet()

    office.receiver.status = 200
    again = await office.webhooks.resend(companion["id"], None, None)
    assert again is not None
    await office.ended(again["id"])
    [event] = office.receiver.events()
    assert event["data"]["result"] == {"text": "x" * 50_000}


async def test_nothing_is_sent_again_where_nothing_is_dead(office: Office) -> None:
    [companion] = await office.sent(await office.submit("quick"))
    with pytest.raises(RequestRefused) as refused:
        await office.webhooks.resend(companion["id"], None, None)
    assert (refused.value.status, refused.value.code) == (409, "webhook.nothing_dead")


async def test_lists_show_what_is_sent_by_endpoint_and_no_jobs_that_do_what_they_should(office: Office) -> None:
    job = await office.submit("quick", webhook_url=office.receiver.url)
    await office.sent(job)
    jobs, _ = await office.replicas[0].clients.jobs(Query())
    all_of_them, _ = await office.webhooks.page(Query(parent=job), endpoint=None, status="finished")
    own, _ = await office.webhooks.page(Query(), endpoint="submission", status=None)

    assert [each["id"] for each in jobs] == [job]
    assert sorted(each["endpoint"] for each in all_of_them) == ["crm", "submission"]
    assert [(each["job_id"], each["sent"], each["dead"]) for each in own] == [(job, 1, 0)]
    assert [each["endpoint"] for each in (await office.job(job))["webhooks"]] == ["crm", "submission"]


async def test_jobs_are_kept_no_longer_for_their_webhooks(office: Office) -> None:
    job = await office.submit("quick")
    [companion] = await office.sent(job)
    office.turn(8 * 24 * 60 * MINUTE_MS)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for partition in range(office.shared.store.partitions):
                await office.shared.store.trim(partition, 100)
            left = [await office.replicas[0].clients.job(each, None) for each in (job, companion["id"])]
            if left == [None, None]:
                break
