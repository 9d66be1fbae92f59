"""A case of a schedule: the clock goes to its next run, with its input, and the job knows for which time it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.rehearsal.runner import FileReport, run_file

REPORT = """\
avtomat: 1
blueprint: report
input: {type: object, required: [what], properties: {what: {type: string}, mode: {type: string, default: full}}}
schedule:
  - {name: nightly, cron: "30 2 * * *", timezone: Europe/Berlin, input: {what: all}, jitter: 10m}
  - {name: monthly, cron: "0 6 1 * *", input: {what: month}}
states:
  make:
    task: make
    params: {what: "{{ input.what }} {{ input.mode }}", day: "{{ job.labels.scheduled_for }}"}
    next: done
  done: {succeed: "{{ job.labels.schedule }}"}
"""


def report(folder: Path, *cases: str) -> FileReport:
    (folder / "report.yaml").write_text(REPORT)
    head = "avtomat: 1\ntest: report.yaml\ndefaults: {input: {what: other}, tasks: {make: {output: 1}}}\ncases:\n"
    (folder / "report.test.yaml").write_text(head + "\n".join(f"  - {case}" for case in cases) + "\n")
    return run_file(folder / "report.test.yaml")


@pytest.mark.parametrize(
    ("now", "schedule", "what", "due"),
    [
        ("2026-03-28T12:00:00Z", "nightly", "all", "2026-03-29T01:00:00.000Z"),
        ("2026-10-24T12:00:00Z", "nightly", "all", "2026-10-25T00:30:00.000Z"),
        ("2026-03-28T12:00:00Z", "monthly", "month", "2026-04-01T06:00:00.000Z"),
    ],
)
def test_a_case_is_a_job_of_the_next_run(tmp_path: Path, now: str, schedule: str, what: str, due: str) -> None:
    params = f"{{make: {{what: {what} full, day: '{due}'}}}}"
    expect = f"{{scheduled_for: '{due}', result: {schedule}, params: {params}, elapsed: {{at_most: 1s}}}}"
    found = report(tmp_path, f"{{name: a, now: '{now}', schedule: {schedule}, expect: {expect}}}")

    assert [each.diagnostics for each in found.cases] == [()]


def test_schedules_count_for_coverage(tmp_path: Path) -> None:
    one = report(tmp_path, "{name: a, schedule: nightly}", "{name: b, input: {what: x}, expect: {status: failed}}")
    assert one.coverage is not None
    assert [part.untouched for part in one.coverage.missed if "schedule" in part.untouched] == [
        "no case is a job of the schedule `monthly`"
    ]
    both = report(tmp_path, "{name: a, schedule: nightly}", "{name: b, schedule: monthly}")
    assert both.coverage is not None
    assert both.coverage.missed == []
