"""Check what must be true of a store at any moment, on its dump.

Each rule is a generator of findings that begin with its number; a sound store has none. Rules that compare two dumps
(I8 among them) are in `changes`. What needs the program or a database is checked elsewhere: attempts allowed (I9), the
fold of history (I10), the copy of history (I12).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from avtomat.storage.port.rules import ENDED, PARKED, ROOT, covers, join_word, parent_of
from avtomat.storage.port.store import OPERATOR_IDS_MAX, SENDER_IDS_MAX, SIGNAL_IDS_MAX
from avtomat.storage.proof.dump import DueDump, Dump, JobDump

TASK_KINDS = {
    "delayed": frozenset({"delayed", "total"}),
    "queued": frozenset({"queue", "total"}),
    "leased": frozenset({"lease", "attempt", "total"}),
}
"""Which member an attempt may have in each phase."""
ALL_TASK_KINDS = frozenset().union(*TASK_KINDS.values())


def violations(dump: Dump) -> list[str]:
    """All findings, each beginning with the number of its rule."""
    of_jobs = versions, histories, open_index, closed_is_empty, reasons, keys, joins, mailboxes, scopes_left
    rules = *of_jobs, attempts_are_somewhere, owners
    return [finding for rule in rules for finding in rule(dump)]


def changes(before: Dump, after: Dump) -> list[str]:
    """Findings about what one step made of a job: what must stay for ever, what never runs backwards."""
    both = sorted(before["jobs"].keys() & after["jobs"].keys())
    return [finding for name in both for finding in _changed(name, before["jobs"][name], after["jobs"][name])]


def _changed(name: str, old: JobDump, new: JobDump) -> Iterator[str]:
    if old["status"] in ENDED:
        for field in ("status", "result", "error", "finished_ms", "seq"):
            if old[field] != new[field]:
                yield f"I8 {name}: {field} of an ended job changed from {old[field]!r} to {new[field]!r}"
    if (old["history"] or []) != (new["history"] or [])[: old["seq"]]:
        yield f"I2 {name}: history that was written has changed"
    if new["updated_ms"] < old["updated_ms"]:
        yield f"I13 {name}: time ran backwards, from {old['updated_ms']} to {new['updated_ms']}"
    for path, scope in old["scopes"].items():
        later = new["scopes"].get(path)
        if later is not None and later["version"] < scope["version"]:
            yield f"I1 {name} {path}: version fell from {scope['version']} to {later['version']}"


def versions(dump: Dump) -> Iterator[str]:
    """I1: a scope's version counts its commits, its creation included."""
    for name, job in dump["jobs"].items():
        if job["history"] is None:
            continue
        commits = Counter(entry[2] for entry in job["history"] if entry[3] != "quarantine")
        for path, scope in job["scopes"].items():
            if scope["version"] != commits[path]:
                yield f"I1 {name} {path}: version {scope['version']} after {commits[path]} commits"


def histories(dump: Dump) -> Iterator[str]:
    """I2, I13: entries are numbered without gap or repeat, and their times never run backwards."""
    for name, job in dump["jobs"].items():
        if job["history"] is None:
            continue
        numbers, times = [entry[0] for entry in job["history"]], [int(entry[1]) for entry in job["history"]]
        if numbers != list(range(1, job["seq"] + 1)):
            yield f"I2 {name}: history has the numbers {numbers}, the head says {job['seq']}"
        if times != sorted(times):
            yield f"I13 {name}: history's times run backwards: {times}"


def open_index(dump: Dump) -> Iterator[str]:
    """I3: a job is open exactly when the index of open jobs says so."""
    open_jobs = sorted(name for name, job in dump["jobs"].items() if job["status"] not in ENDED)
    if open_jobs != sorted(dump["open"]):
        yield f"I3: open are {open_jobs}, the index has {sorted(dump['open'])}"


def closed_is_empty(dump: Dump) -> Iterator[str]:
    """I4: what is closed has nothing open below it."""
    for name, job in dump["jobs"].items():
        is_ended = job["status"] in ENDED
        if is_ended != (ROOT in job["closed"]):
            yield f"I4 {name}: status {job['status']}, closed {job['closed']}"
        paths = [one["path"] for one in job["attempts"].values()] + [path for path in job["scopes"] if path != ROOT]
        for path in [*paths, *(member["path"] for member in _due_of(dump, name) if member["kind"] != "dead")]:
            if any(covers(fence, path) for fence in job["closed"]):
                yield f"I4 {name} {path}: closed, but something is open there"
        root = job["scopes"][ROOT]
        if is_ended and (root["mail"] or root["signal"] or root["task"] or job["kept_signals"]):
            yield f"I4 {name}: ended, but its root still waits for something"


def attempts_are_somewhere(dump: Dump) -> Iterator[str]:
    """I5: an open attempt is in one place: delayed, in its queue, or leased; and comes due if it must."""
    queued = Counter(task_id for ids in dump["queues"].values() for task_id in ids)
    for name, job in dump["jobs"].items():
        is_parked = job["status"] in PARKED
        for task_id, attempt in job["attempts"].items():
            expected = 1 if attempt["phase"] == "queued" and not is_parked else 0
            if queued[task_id] != expected:
                yield f"I5 {task_id}: {attempt['phase']}, but {queued[task_id]} times in queues"
            kinds = [one["kind"] for one in _due_of(dump, name) if _is_of(one, attempt["path"], attempt["attempt"])]
            if len(kinds) > 1 or not TASK_KINDS[attempt["phase"]].issuperset(kinds):
                yield f"I5 {task_id}: {attempt['phase']}, but due for {kinds}"
            if not kinds and attempt["phase"] != "queued":
                yield f"I5 {task_id}: {attempt['phase']}, but never due"
            scope = job["scopes"].get(attempt["path"])
            if scope is None or scope["task"] != task_id:
                yield f"I5 {task_id}: its scope {attempt['path']} does not know it"


def _is_of(member: DueDump, path: str, number: int) -> bool:
    return member["kind"] in ALL_TASK_KINDS and (member["path"], member["number"]) == (path, number)


def owners(dump: Dump) -> Iterator[str]:
    """I6: every place in a queue and every due member has its owner."""
    attempts = {task_id: one for job in dump["jobs"].values() for task_id, one in job["attempts"].items()}
    for queue, ids in dump["queues"].items():
        for task_id in ids:
            attempt = attempts.get(task_id)
            if attempt is None or attempt["phase"] != "queued" or not queue.endswith(f" {attempt['queue']}"):
                yield f"I6 {queue}: {task_id} should not be in it"
    for member in dump["due"]:
        job = dump["jobs"].get(member["job"])
        if job is None or job["status"] in ENDED or not _has_owner(job, member):
            yield f"I6 {member['kind']} {member['job']} {member['path']} {member['number']}: due, but nobody's"


def _has_owner(job: JobDump, member: DueDump) -> bool:
    scope = job["scopes"].get(member["path"])
    match member["kind"]:
        case "deadline" | "start":
            return member["path"] == ROOT
        case "begin":
            parent, number, _ = parent_of(member["path"])
            return scope is None and f"{'' if parent == ROOT else parent}/{number}" in job["joins"]
        case "dead":
            return any(one["holds"] for one in job["ended_attempts"].values())
        case "mail":
            return scope is not None and bool(scope["mail"])
        case "timer":
            return scope is not None
    return any(_is_of(member, one["path"], one["attempt"]) for one in job["attempts"].values())


def reasons(dump: Dump) -> Iterator[str]:
    """I7: every open scope has a reason to move or waits for the world; a parked job waits for an operator."""
    for name, job in dump["jobs"].items():
        if job["status"] in ENDED or job["status"] in PARKED:
            continue
        due = {member["path"] for member in _due_of(dump, name) if member["kind"] in {"timer", "start", "mail"}}
        forked = {parent_of(f"{fork}.0")[0] for fork, join in job["joins"].items() if join["live"]}
        for path, scope in job["scopes"].items():
            unwinds = path == ROOT and job["status"] == "compensating" and job["live_leases"]
            if not (scope["task"] or scope["signal"] or scope["mail"] or unwinds or path in due | forked):
                yield f"I7 {name} {path}: open, but nothing will ever move it"
            if scope["mail"] and path not in due:
                yield f"I7 {name} {path}: has mail of which nobody will hear"


def keys(dump: Dump) -> Iterator[str]:
    """I11: one idempotency key names one job."""
    named = sorted([job["client"], job["key"], name] for name, job in dump["jobs"].items() if job["key"] is not None)
    if named != sorted(dump["keys"]):
        yield f"I11: jobs have the keys {named}, the index has {sorted(dump['keys'])}"


def joins(dump: Dump) -> Iterator[str]:
    """I14: a join's counters equal what its scopes did, and a verdict is there as soon as it can be."""
    for name, job in dump["jobs"].items():
        for fork, join in job["joins"].items():
            ended = sum(_is_child(path, fork) for path in job["closed"])
            waiting = sum(one["kind"] == "begin" and _is_child(one["path"], fork) for one in _due_of(dump, name))
            live = waiting + sum(_is_child(path, fork) for path in job["scopes"])
            counted = join["ok"] + join["failed"]
            if (counted, join["live"], join["begun"]) != (ended, live, ended + live):
                yield f"I14 {name} {fork}: {join}, but {ended} scopes have ended and {live} are live"
            asked = {"total": join["total"], "need": join["need"], "tolerated": join["tolerated"]}
            if join["verdict"] is None and join_word(**asked, ok=join["ok"], failed=join["failed"]) is not None:
                yield f"I14 {name} {fork}: {join} should have a verdict"


def mailboxes(dump: Dump) -> Iterator[str]:
    """I15: ids of mail that count together stay within their bound, and a job's signals are those of its senders."""
    for name, job in dump["jobs"].items():
        counts = job["mail_counts"]
        for word, count in counts.items():
            bound = SIGNAL_IDS_MAX if word == "signal" else SENDER_IDS_MAX if " " in word else OPERATOR_IDS_MAX
            if not 0 < count <= bound:
                yield f"I15 {name}: {count} ids count as {word!r}, {bound} may"
        if counts.get("signal", 0) != sum(count for word, count in counts.items() if word.startswith("signal ")):
            yield f"I15 {name}: the signals of its senders do not add up: {counts}"
        if sum(count for word, count in counts.items() if " " not in word) > len(job["mail_ids"]):
            yield f"I15 {name}: {counts} for {len(job['mail_ids'])} ids"


def scopes_left(dump: Dump) -> Iterator[str]:
    """I16: a scope that was left is kept for a dead attempt of an open job, as long as its lease is live."""
    for name, job in dump["jobs"].items():
        for task_id, attempt in job["ended_attempts"].items():
            if attempt["left"] is not None and (job["status"] in ENDED or not attempt["holds"]):
                yield f"I16 {name} {task_id}: nobody is at work on it, but its scope is kept"


def _is_child(path: str, fork: str) -> bool:
    return path.startswith(f"{fork}.") and "/" not in path[len(fork) :]


def _due_of(dump: Dump, job: str) -> Iterator[DueDump]:
    return (member for member in dump["due"] if member["job"] == job)
