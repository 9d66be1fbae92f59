"""The conformance suite sees what a worker does wrong, and says so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from avtomat.cli.main import main
from avtomat.conformance.suite import CHECKS
from tests.workers.conftest import Conformance

pytestmark = pytest.mark.timeout(300)

FAULTY = f"{sys.executable} -m tests.workers.faulty_worker"
FAULTS_AT_ONCE = 5
FAULTS = {
    "sends_no_token": ("registers", "X-Worker-Token"),
    "forgets_what_it_holds": ("runs_as_many_as_it_may", "leaves out of `holding`"),
    "never_repeats_a_result": ("repeats_a_result_after_503", "did not come"),
    "does_not_heed_retry_after": ("repeats_a_poll_after_429", "with Retry-After: 2"),
    "sends_each_result_twice": ("an_accepted_result_is_done_with", "2 times"),
    "drops_what_results_bring": ("takes_the_next_task_with_the_answer", "did not come"),
    "asks_with_another_nonce": ("gets_a_task_again_that_a_lost_answer_brought", "did not come"),
    "beats_too_seldom": ("keeps_the_lease", "no heartbeat named the task"),
    "does_not_hear_of_cancels": ("stops_what_is_cancelled", "did not come"),
    "takes_too_many": ("runs_as_many_as_it_may", "it took 5 tasks"),
    "uses_another_nonce": ("gets_a_lost_answer_again", "was repeated with the nonce"),
    "makes_null_of_false": ("keeps_json_as_it_is", "'words'"),
    "does_not_register_again": ("registers_again_when_it_is_not_known", "another registration"),
    "asks_in_a_loop": ("does_not_hurry", "it polled"),
    "leaves_its_tasks_behind": ("finishes_what_is_short", "did not come"),
}


def test_each_fault_of_a_worker_is_seen(conformance: Callable[..., Conformance]) -> None:
    def run(fault: str) -> Conformance:
        return conformance(FAULTY, only=[FAULTS[fault][0]], patience_s=4, AVTOMAT_TEST_FAULT=fault)

    with ThreadPoolExecutor(FAULTS_AT_ONCE) as pool:
        found = dict(zip(FAULTS, pool.map(run, FAULTS), strict=True))

    for fault, (check, seen) in FAULTS.items():
        assert found[fault].code == 1, fault
        assert seen in found[fault].failed[check], fault


def test_a_worker_that_does_not_come_up_is_told_at_once_and_its_words_are_shown(
    conformance: Callable[..., Conformance],
) -> None:
    command = f"""{sys.executable} -c 'print("no such module")'"""

    found = conformance(command, only=["registers", "keeps_the_lease"], patience_s=1)

    assert (found.code, list(found.reports)) == (1, ["registers"])
    assert "no such module" in found.failed["registers"]


def test_a_program_that_is_not_there_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "worker", "--command", "no-such-program", "--only", "registers"]) == 2
    assert "no-such-program" in capsys.readouterr().err


def test_a_misspelt_check_names_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "worker", "--command", "x", "--only", "keep_the_lease"]) == 2
    assert "did you mean keeps_the_lease?" in capsys.readouterr().err


def test_the_list_names_each_check_with_its_demand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "worker", "--list", "-o", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)

    assert [each["name"] for each in listed] == [check.name for check in CHECKS]
    assert all(each["demand"].endswith(".") for each in listed)


def test_each_check_has_a_name_of_its_own() -> None:
    names = [check.name for check in CHECKS]

    assert len(set(names)) == len(names)


def test_the_page_of_the_suite_has_the_checks_of_the_code() -> None:
    script = Path(__file__).parents[2] / "scripts/conformance_page.py"
    checked = subprocess.run([sys.executable, script, "--check"], check=False)

    assert checked.returncode == 0, "run: make docs"
