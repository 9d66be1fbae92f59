"""Do to a job what an operator asks for: cancel, pause, resume, retry, release, rerun, skip."""

from __future__ import annotations

from argparse import Namespace

from avtomat.cli.client import EngineApi
from avtomat.cli.jobs.found import path_of
from avtomat.cli.jobs.shown import print_json


def operate(api: EngineApi, args: Namespace) -> int:
    """Ask for what the action is named after; a rerun of an ended job makes a new one."""
    given = vars(args)
    body = {name: given[name] for name in ("reason", "state", "data", "output") if given.get(name) is not None}
    if given.get("no_compensate"):
        body["compensate"] = False
    job = api.post(f"{path_of(api, args.job)}/{args.action}", body)
    if args.form == "json":
        return print_json(job)
    rerun = f" (a rerun of {job['rerun_of']})" if "rerun_of" in job else ""
    print(f"{job.get('id') or job['job_id']} {job['status']}{rerun}")
    return 0
