"""Decisions of people on each store, with two replicas: the first of a visit counts, whoever was asked first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from avtomat.core.messages import CancelRequested, PauseRequested, RerunRequested, ResumeRequested
from avtomat.errors import RequestRefused
from avtomat.runtime.people.approvals import COMMENT_CHARACTERS_MAX, FORM_BYTES_MAX, Answer, Decider
from avtomat.runtime.people.asking import BODIES_LOOKED_AT_MAX
from avtomat.runtime.people.links import Claim, Links
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store
from tests.runtime.replicas import replica_on
from tests.runtime.test_signals import PATIENCE_S, House
from tests.storage.stores import STORES
from tests.storage.world import Clock

DAY_MS = 86_400_000
SECRET = "s" * 32
BOSS = Decider(name="boss", operates=True, via="api", origin="10.0.0.1")
BLUEPRINTS = {
    "ask": """
states:
  ok:
    approval: "Pay {{ default(input.total, 1) }}?"
    assignees: [ann, bob]
    timeout: 2d
    remind: 1d
    transitions:
      - {when: status == 'approve', to: done}
      - {to: declined}
    catch: [{errors: [TIMEOUT_ERROR], to: late}]
  done: {succeed: "{{ outputs.ok }}"}
  declined: {fail: {code: DECLINED}}
  late: {succeed: late}
""",
    "form": """
states:
  ok:
    approval: sure
    choices: [yes, no]
    form: {type: object, required: [cost], properties: {cost: {type: integer}, note: {type: string, default: none}}}
    next: done
  done: {succeed: "{{ outputs.ok }}"}
""",
    "twice": """
states:
  first: {approval: first, next: second}
  second: {approval: second, next: done}
  done: {succeed: ["{{ outputs.first.choice }}", "{{ outputs.second.choice }}"]}
""",
    "inside": """
states:
  all:
    parallel:
      each: {foreach: "{{ input.items }}", do: {start: ask, states: {ask: {approval: "{{ item }}", next: end}}}}
      one: {approval: one}
    next: done
  done: {succeed: "{{ outputs.all }}"}
""",
    "last": """
states:
  over: {succeed: done}
finally: {start: seen, states: {seen: {approval: "{{ job.status }}", next: end}}}
""",
    "many": """
states:
  all: {foreach: "{{ range(0, 300) }}", do: {approval: "{{ item }}"}, next: end}
""",
}


class Asking(House):
    """Two replicas that give out links."""

    async def start(self) -> None:
        """Start two replicas."""
        more = {"link_secret": SECRET}
        self.replicas = [await replica_on(self._shared.store, self._folder, **more) for _ in range(2)]

    @property
    def store(self) -> Store:
        return self._shared.store

    async def decide(
        self, job: str, choice: str, name: str = "ok", by: Decider = BOSS, replica: int = 1, **more: Any
    ) -> dict[str, Any]:
        """Decide by way of the second replica."""
        answer = Answer(choice=choice, **more)
        told = await self.replicas[replica].approvals.decide(job, None, name, answer, by)
        assert told is not None
        return told

    async def asked(self, job: str, reader: Decider = BOSS) -> list[Any]:
        """What is asked in the job, with links."""
        found = await self.replicas[1].approvals.open_of(job, None, reader, links=True)
        assert found is not None
        return list(found["approvals"])

    async def until_asked(self, job: str, count: int) -> list[Any]:
        """Wait until so much is asked in the job."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await self.asked(job)) != count:  # noqa: ASYNC110 - nobody tells of states
                await asyncio.sleep(0)
        return found

    async def claim_of(self, job: str, who: str = "ann") -> Claim:
        """What the link of one of those who are asked is for, as the other replica reads it."""
        link = (await self.asked(job))[0]["links"][who]
        claim = self.replicas[0].approvals.claim(link.rpartition("/")[2])
        assert claim is not None
        return claim

    async def entries(self, job: str, kind: str) -> list[dict[str, Any]]:
        """Entries of this type, oldest first."""
        entries = [loads(entry.record) for entry in await self.store.history(job, 0, 1_000)]
        return [entry for entry in entries if entry["type"] == kind]


@pytest.fixture(params=[name for name in STORES if name != "fakeredis"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Asking]:
    blueprints, clock = tmp_path / "blueprints", Clock()
    blueprints.mkdir()
    for name, text in BLUEPRINTS.items():
        (blueprints / f"{name}.yaml").write_text(f"avtomat: 1\nblueprint: {name}\n{text}")
    async with STORES[request.param](request, 1, clock, False) as store:
        house = Asking(store, clock, blueprints)
        await house.begin()
        yield house
        await house.end()


async def refusal(deciding: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        await deciding
    return refused.value


async def test_a_decision_ends_the_wait_and_is_in_history_with_who_how_and_from_where(house: Asking) -> None:
    job = await house.submit("ask", {"total": 12})
    assert (await house.job(job))["status"] == "waiting_for_human"

    told = await house.decide(job, "approve", comment="fine")

    assert (told["status"], told["by"], told["visit"]) == ("decided", "boss", 1)
    assert await house.result(job) == {"choice": "approve", "by": "boss", "comment": "fine", "form": None}
    entry = (await house.entries(job, "ApprovalDecided"))[0]
    shown = {name: entry[name] for name in ("choice", "by", "comment", "state", "via", "origin", "visit")}
    assert shown == {
        "choice": "approve",
        "by": "boss",
        "comment": "fine",
        "state": "ok",
        "via": "api",
        "origin": "10.0.0.1",
        "visit": 1,
    }


async def test_what_is_asked_is_shown_with_its_people_and_times(house: Asking) -> None:
    job = await house.submit("ask", {"total": 12})

    (shown,) = await house.asked(job)

    assert (shown["text"], shown["state"], shown["scope"], shown["visit"]) == ("Pay 12?", "ok", "/", 1)
    assert (shown["choices"], shown["assignees"], shown["form"]) == (("approve", "reject"), ("ann", "bob"), None)
    assert shown["since"] < shown["deadline"]
    assert set(shown["links"]) == {"ann", "bob"}


async def test_of_two_decisions_at_once_one_counts_and_the_other_is_told_whose(house: Asking) -> None:
    job = await house.submit("ask")
    ann, bob = (Decider(name=name, operates=False, via="api") for name in ("ann", "bob"))

    both = await asyncio.gather(
        house.decide(job, "approve", by=ann, replica=0),
        house.decide(job, "approve", by=bob, replica=1),
        return_exceptions=True,
    )

    (told,) = [each for each in both if isinstance(each, dict)]
    (refused,) = [each for each in both if isinstance(each, RequestRefused)]
    assert (refused.status, refused.code) == (409, "approval.decided")
    assert refused.details == {
        "by": told["by"],
        "choice": "approve",
        "comment": "",
        "visit": 1,
        "decided_at": told["decided_at"],
    }
    assert (await house.result(job))["by"] == told["by"]
    assert len(await house.entries(job, "ApprovalDecided")) == 1


async def test_who_comes_later_is_told_who_decided_also_once_the_job_has_ended(house: Asking) -> None:
    job = await house.submit("ask")
    claim = await house.claim_of(job)
    await house.decide(job, "approve")
    await house.result(job)

    by_name = await refusal(house.decide(job, "reject"))
    by_visit = await refusal(house.decide(job, "reject", visit=1))
    by_link = await refusal(house.replicas[0].approvals.decide_by(claim, Answer(choice="reject"), ""))
    by_looking = await refusal(house.replicas[0].approvals.asked_by(claim))

    for refused in (by_name, by_visit, by_link, by_looking):
        assert (refused.status, refused.code) == (409, "approval.decided")
        assert refused.message.startswith("boss decided at ")


async def test_what_does_not_fit_is_refused_and_uses_nothing_up(house: Asking) -> None:
    job = await house.submit("form")

    refused = [
        await refusal(house.decide(job, "perhaps", form={"cost": 1})),
        await refusal(house.decide(job, "yes", form={"cost": "much"})),
        await refusal(house.decide(job, "yes")),
        await refusal(house.decide(job, "yes", form={"cost": 1}, comment="x" * (COMMENT_CHARACTERS_MAX + 1))),
        await refusal(house.decide(job, "yes", form={"cost": 1, "note": "x" * FORM_BYTES_MAX})),
    ]

    assert [(each.status, each.pointer) for each in refused] == [
        (422, "/choice"),
        (422, "/form/cost"),
        (422, "/form"),
        (422, "/comment"),
        (413, None),
    ]
    await house.decide(job, "yes", form={"cost": 1})
    assert await house.result(job) == {
        "choice": "yes",
        "by": "boss",
        "comment": "",
        "form": {"cost": 1, "note": "none"},
    }


async def test_a_form_where_none_is_asked_for_is_refused(house: Asking) -> None:
    job = await house.submit("ask")

    assert (await refusal(house.decide(job, "approve", form={}))).pointer == "/form"


async def test_nobody_else_decides_what_some_are_asked(house: Asking) -> None:
    job = await house.submit("ask")

    refused = await refusal(house.decide(job, "approve", by=Decider(name="eve", operates=False, via="api")))
    assert (refused.status, refused.code) == (403, "approval.not_assigned")

    await house.decide(job, "approve", by=Decider(name="ann", operates=False, via="api"))
    assert (await house.result(job))["by"] == "ann"


async def test_a_reader_gets_its_own_link_and_no_other(house: Asking) -> None:
    job = await house.submit("ask")

    assert set((await house.asked(job, Decider(name="ann", operates=False, via="api")))[0]["links"]) == {"ann"}
    assert (await house.asked(job, Decider(name="eve", operates=False, via="api")))[0]["links"] == {}


async def test_two_states_in_a_row_are_two_questions(house: Asking) -> None:
    job = await house.submit("twice")

    await house.decide(job, "approve", "first")
    assert (await refusal(house.decide(job, "reject", "first"))).code == "approval.decided"
    await house.decide(job, "reject", "second")

    assert await house.result(job) == ["approve", "reject"]


async def test_an_earlier_visit_is_gone_and_its_links_are_void(house: Asking) -> None:
    job = await house.submit("ask")
    claim = await house.claim_of(job)
    await house.replicas[0].operators.rerun(job, None, RerunRequested(by="op"))

    by_visit = await refusal(house.decide(job, "approve", visit=1))
    by_link = await refusal(house.replicas[0].approvals.decide_by(claim, Answer(choice="approve"), ""))

    assert (by_visit.status, by_visit.code) == (410, "approval.gone")
    assert (by_link.status, by_link.code) == (410, "approval.gone")
    await house.decide(job, "approve", visit=2)
    assert (await house.result(job))["choice"] == "approve"


async def test_a_decision_that_meets_a_rerun_is_used_for_its_own_visit_or_not_at_all(house: Asking) -> None:
    job = await house.submit("ask")
    rerun = house.replicas[0].operators.rerun(job, None, RerunRequested(by="op"))

    decided, _ = await asyncio.gather(house.decide(job, "approve", visit=1), rerun, return_exceptions=True)

    if isinstance(decided, dict):
        assert (await house.result(job))["choice"] == "approve"
    else:
        assert isinstance(decided, RequestRefused)
        assert [asked["visit"] for asked in await house.asked(job)] == [2]
        assert await house.entries(job, "ApprovalDecided") == []


async def test_a_question_expires_with_its_timeout_and_so_do_its_links(house: Asking) -> None:
    job = await house.submit("ask")
    claim = await house.claim_of(job)

    house.turn(2 * DAY_MS)

    assert await house.result(job) == "late"
    refused = await refusal(house.replicas[0].approvals.decide_by(claim, Answer(choice="approve"), ""))
    assert (refused.status, refused.code) == (410, "approval.gone")


async def test_a_reminder_is_an_entry_of_history_and_the_question_stays(house: Asking) -> None:
    job = await house.submit("ask")

    house.turn(DAY_MS)
    async with asyncio.timeout(PATIENCE_S):
        while (await house.asked(job))[0]["reminders"] == 0:  # noqa: ASYNC110 - nobody tells of reminders
            await asyncio.sleep(0)

    (entry,) = await house.entries(job, "TimerFired")
    assert entry["set"]["waiting"]["reminders"] == 1
    await house.decide(job, "approve")
    assert (await house.result(job))["choice"] == "approve"


async def test_a_decision_on_a_paused_job_counts_once_it_goes_on(house: Asking) -> None:
    job = await house.submit("ask")
    await house.replicas[0].operators.operate(job, None, PauseRequested(by="op"))

    told = await house.decide(job, "approve")
    again = await refusal(house.decide(job, "reject"))

    assert told["status"] == "accepted"
    assert (again.status, again.code, again.details) == (409, "approval.decided", {})
    await house.replicas[0].operators.operate(job, None, ResumeRequested(by="op"))
    assert (await house.result(job))["choice"] == "approve"


async def test_a_decision_that_came_in_time_counts_before_the_timeout(house: Asking) -> None:
    job = await house.submit("ask")
    await house.replicas[0].operators.operate(job, None, PauseRequested(by="op"))
    await house.decide(job, "approve")

    house.turn(3 * DAY_MS)
    await house.replicas[0].operators.operate(job, None, ResumeRequested(by="op"))

    assert (await house.result(job))["choice"] == "approve"


async def test_a_decision_outlives_replicas_that_are_stopped(house: Asking) -> None:
    job = await house.submit("ask")
    await house.stop()
    await house.start()

    await house.decide(job, "approve")

    assert (await house.result(job))["by"] == "boss"


async def test_branches_and_items_are_found_by_path_and_by_scope(house: Asking) -> None:
    job = await house.submit("inside", {"items": ["a", "b", "c"]})
    shown = {asked["state"]: asked for asked in await house.until_asked(job, 4)}
    assert set(shown) == {"all.one", "all.each[0].ask", "all.each[1].ask", "all.each[2].ask"}

    await house.decide(job, "approve", "all.each[1].ask")
    await house.decide(job, "reject", shown["all.each[0].ask"]["scope"])
    await house.decide(job, "approve", "all.one")
    assert [asked["text"] for asked in await house.asked(job)] == ["c"]
    assert (await refusal(house.decide(job, "reject", "all.one"))).code == "approval.decided"
    await house.decide(job, "approve", "all.each[2].ask")

    result = await house.result(job)
    assert [each["choice"] for each in result["each"]] == ["reject", "approve", "approve"]


async def test_what_is_asked_at_the_end_of_a_job_is_decided_too(house: Asking) -> None:
    job = await house.submit("last")
    (asked,) = await house.until_asked(job, 1)
    assert (asked["state"], asked["text"]) == ("finally.seen", "finished")

    await house.decide(job, "approve", "finally.seen")

    assert await house.result(job) == "done"


@pytest.mark.parametrize("name", ["nothing", "all.each[9].ask", "all.none", "all", "/7.7", "", "all.each[x]"])
async def test_what_is_not_asked_is_404_and_says_what_is(house: Asking, name: str) -> None:
    job = await house.submit("inside", {"items": ["a"]})
    await house.until_asked(job, 2)

    refused = await refusal(house.decide(job, "approve", name))

    assert (refused.status, refused.code) == (404, "approval.not_found")
    assert "all.one" in (refused.hint or "")


async def test_a_list_looks_at_so_many_bodies_and_says_so(house: Asking) -> None:
    job = await house.submit("many")
    found: Any = {"complete": True}
    async with asyncio.timeout(PATIENCE_S):
        while found["complete"]:
            found = await house.replicas[0].approvals.open_of(job, None, BOSS)

    assert len(found["approvals"]) == BODIES_LOOKED_AT_MAX
    async with asyncio.timeout(PATIENCE_S):
        while await house.replicas[0].approvals._questions.named(job, "all[299]") is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await house.decide(job, "approve", "all[299]")
    await house.replicas[0].operators.cancel(job, None, "op")


async def test_a_job_that_is_cancelled_asks_nothing_any_more(house: Asking) -> None:
    job = await house.submit("ask")
    claim = await house.claim_of(job)
    await house.replicas[0].operators.cancel(job, None, "op", CancelRequested().reason)

    assert await house.asked(job) == []
    assert (await refusal(house.replicas[1].approvals.asked_by(claim))).status == 410


# --- links ------------------------------------------------------------------------------------------------------------


CLAIM = Claim(job="00aa", scope="/1.2", visit=3, assignee="Ann Ü <a@b>")


def token_of(links: Links, claim: Claim = CLAIM) -> str:
    return (links.link(claim) or "").rpartition("/")[2]


def test_a_link_is_read_by_every_replica_with_the_secret() -> None:
    assert Links(SECRET).claim(token_of(Links(SECRET, "https://a.example/x/"))) == CLAIM
    assert (Links(SECRET, "https://a.example/x/").link(CLAIM) or "").startswith("https://a.example/x/approve/")


def test_a_link_of_another_secret_is_none() -> None:
    assert Links("t" * 32).claim(token_of(Links(SECRET))) is None


def test_without_a_secret_there_are_no_links_and_none_is_read() -> None:
    assert Links(None).link(CLAIM) is None
    assert Links(None).claim(token_of(Links(SECRET))) is None


def test_a_link_that_was_changed_anywhere_is_none() -> None:
    links = Links(SECRET)
    token = token_of(links)
    assert len(token.partition(".")[2]) == 43  # 256 bits

    changed = [token[:at] + ("A" if each != "A" else "B") + token[at + 1 :] for at, each in enumerate(token)]
    swapped = token.partition(".")[0] + "." + token_of(links, Claim(job="00ab", scope="/", visit=1, assignee="ann"))

    assert [links.claim(each) for each in (*changed, swapped)] == [None] * (len(token) + 1)


@pytest.mark.parametrize("token", ["", ".", "a.b", "....", "=.=", "é.é", "A" * 5_000, "%2e", "e30.e30"])
def test_what_is_no_token_is_none(token: str) -> None:
    assert Links(SECRET).claim(token) is None
