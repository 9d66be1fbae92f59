"""Submit a job, wait for its end, and show on the way what happens to it."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from typing import Any, Final
from urllib.parse import quote

from avtomat.cli.client import EngineApi
from avtomat.cli.frames import wants_colour
from avtomat.cli.jobs.found import JOBS, path_of
from avtomat.cli.jobs.shown import print_json
from avtomat.errors import RequestRefused, WaitTimeoutError
from avtomat.runtime.people.narration import Narrator

Json = Any
WAIT_AT_ONCE_S: Final = 30.0
WAIT_AT_ONCE_MIN_S: Final = 0.01
LOOK_EVERY_S: Final = 1.0
HISTORY_PAGE: Final = 200
_EXIT_FAILED: Final = 1
_ENDED: Final = frozenset({"finished", "failed", "cancelled"})


def submit(api: EngineApi, args: Namespace) -> int:
    """Submit; then print the id, or wait, or follow."""
    body = {"input": args.input, "labels": dict(args.label), "priority": args.priority, "timeout": args.timeout}
    body |= {"start_at": args.start_at}
    headers = {} if args.key is None else {"Idempotency-Key": args.key}
    given = {name: value for name, value in body.items() if value not in (None, {}) or name == "input"}
    accepted = api.post(f"/api/v1/blueprints/{quote(args.blueprint, safe='')}/jobs", given, headers)
    path = f"{JOBS}/{accepted['job_id']}"
    if args.follow:
        print(accepted["job_id"], file=sys.stderr)
        return _follow(api, path)
    if args.wait:
        return _print_ended(_wait(api, path, None))
    if args.form == "json":
        return print_json(accepted)
    print(accepted["job_id"])
    return 0


def wait(api: EngineApi, args: Namespace) -> int:
    """Wait for the end, and print the job."""
    return _print_ended(_wait(api, path_of(api, args.job), args.timeout))


def follow(api: EngineApi, args: Namespace) -> int:
    """Show what happened and what happens, until the end; then print the job."""
    return _follow(api, path_of(api, args.job))


def _wait(api: EngineApi, path: str, timeout_s: float | None) -> Json:
    until = None if timeout_s is None else time.monotonic() + timeout_s
    at_once_s = WAIT_AT_ONCE_S
    while True:
        left_s = at_once_s if until is None else min(at_once_s, until - time.monotonic())
        try:
            job = api.get(path, {"wait": f"{max(0.0, left_s):.3f}"})
        except RequestRefused as refused:
            if refused.code != "request.parameter" or at_once_s < WAIT_AT_ONCE_MIN_S:
                raise
            at_once_s /= 2  # the engine's `wait_max` is shorter
            continue
        if job["status"] in _ENDED:
            return job
        if until is not None and time.monotonic() >= until:
            raise WaitTimeoutError(f"the job {job['id']} is {job['status']} after {timeout_s:g} s")


def _follow(api: EngineApi, path: str) -> int:
    """Lines go to stderr, the job to stdout, as `avtomat run` does it."""
    narrator, seen = Narrator(colour=wants_colour(sys.stderr)), 0
    while True:
        job = api.get(path, {"wait": LOOK_EVERY_S})  # it ends the wait; what is new before is told once a second
        while entries := api.get(path + "/history", {"cursor": seen or None, "limit": HISTORY_PAGE})["history"]:
            for entry in entries:
                for line in narrator.lines(entry):
                    print(line, file=sys.stderr, flush=True)
            seen = entries[-1]["seq"]
        if job["status"] in _ENDED:
            return _print_ended(job)


def _print_ended(job: Json) -> int:
    print_json(job)
    return 0 if job["status"] == "finished" else _EXIT_FAILED
