"""Show jobs: a list, one job, its tasks, its history, and why it does not move."""

from __future__ import annotations

from argparse import Namespace
from itertools import islice

from avtomat.cli.client import EngineApi
from avtomat.cli.jobs.found import JOBS, PAGE, pages, path_of
from avtomat.cli.jobs.shown import print_job, print_json, print_table
from avtomat.diagnostics import visible
from avtomat.runtime.people.narration import Narrator

_EXIT_FAILED = 1


def show_list(api: EngineApi, args: Namespace) -> int:
    """List jobs, and say when there are more than were asked for."""
    query = {"status": args.status, "blueprint": args.blueprint, "limit": min(PAGE, args.limit + 1)}
    found = [*islice(pages(api, JOBS, "jobs", query), args.limit + 1)]
    jobs, more = found[: args.limit], len(found) > args.limit
    if args.form == "json":
        return print_json({"jobs": jobs, "more": more})
    rows = [
        (
            job["id"],
            job["status"],
            job["blueprint"],
            job["state"] or "-",
            job.get("error_code") or "-",
            job["created_at"],
        )
        for job in jobs
    ]
    print_table(("JOB", "STATUS", "BLUEPRINT", "STATE", "ERROR", "CREATED"), rows)
    if more:
        print(f"there are more; --limit {args.limit * 2} shows them")
    return 0


def show(api: EngineApi, args: Namespace) -> int:
    """Show one job whole."""
    path = path_of(api, args.job)
    job = api.get(path)
    if args.form == "json":
        print_json(job)
    else:
        print_job(job, [] if job["finished_at"] else api.get(path + "/tasks")["tasks"])
    return _EXIT_FAILED if job["status"] in {"failed", "quarantined"} else 0


def tasks(api: EngineApi, args: Namespace) -> int:
    """Show the open tasks of a job."""
    found = api.get(path_of(api, args.job) + "/tasks")
    if args.form == "json":
        return print_json(found)
    rows = [
        (each["kind"], str(each["attempt"]), each["phase"], each["worker"] or "-", each["since"], _progress_of(each))
        for each in found["tasks"]
    ]
    print_table(("KIND", "ATTEMPT", "PHASE", "WORKER", "SINCE", "PROGRESS"), rows)
    return 0


def history(api: EngineApi, args: Namespace) -> int:
    """Show what happened, in words; as JSON, the entries as they are."""
    entries = pages(api, path_of(api, args.job) + "/history", "history", {})
    if args.form == "json":
        return print_json({"history": [*entries]})
    narrator, rows = Narrator(), []
    for entry in entries:
        told = narrator.tell(entry) or [narrator.untold(entry)]
        for line, (state, text, _) in enumerate(told):
            numbered = (str(entry["seq"]), entry["at"]) if line == 0 else ("", "")
            rows.append((*numbered, state or "-", visible(text)))
    print_table(("SEQ", "AT", "STATE", "WHAT HAPPENED"), rows)
    return 0


def why(api: EngineApi, args: Namespace) -> int:
    """Show the causes, each with what to do about it."""
    told = api.get(path_of(api, args.job) + "/why")
    if args.form == "json":
        return print_json(told)
    print(f"{told['job_id']} {told['status']}")
    if made_by := told.get("schedule"):
        print(f"  made by the schedule {made_by['name']} for {made_by['scheduled_for']}")
    for each in told["causes"]:
        place = each["state"] or each["scope"]
        print(f"  {place}: {each['cause']}: {visible(each['text'])}\n    hint: {visible(each['hint'])}")
    return 0


def _progress_of(task: dict[str, object]) -> str:
    note = task.get("progress")
    if not isinstance(note, dict):
        return "-"
    part, message = note.get("progress"), note.get("message")
    percent = "" if part is None else f"{part:.0%}"
    return visible(" ".join(text for text in (percent, message or "") if text)) or "-"
