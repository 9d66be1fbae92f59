"""Measure how long the checker takes for a thousand blueprints that it has never seen.

python -m tests.benchmarks.validate_speed [--files N] [--keep FOLDER] [--profile]

Each file has about 250 lines with all that authors write: schemas, policies, tasks, conditions, blocks in blocks, undos
and texts. Every name and every number differs from file to file, so that nothing read before helps. The figure is the
CPU time of one process, `avtomat validate --no-cache`, its start included.
"""

from __future__ import annotations

import contextlib
import cProfile
import io
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

LINES = 250
FILES = 1_000
CPU_S_MAX = 10.0

_HEAD = """\
# yaml-language-server: $schema=../schemas/blueprint.schema.json
avtomat: 1
blueprint: order_{n}
title: Order fulfilment {n}
description: Reserve stock, take the money, pack, tell the customer; give all back when something fails.
owner: team-{n}
labels: {{order: "{{{{ input.order_{n} }}}}"}}

input:
  type: object
  required: [order_{n}, total_{n}, items_{n}, email]
  properties:
    order_{n}: {{type: string, minLength: 1}}
    total_{n}: {{type: number, minimum: 0}}
    items_{n}:
      type: array
      items: {{type: object, required: [sku], properties: {{sku: {{type: string}}, count: {{type: integer}}}}}}
    email: {{type: string}}
    express: {{type: boolean, default: false}}

data:
  steps_{n}: []
  fee_{n}: 0

timeout: 3d
policies:
  patient: {{attempts: 8, delay: 2s, factor: 2, max_delay: 5m, jitter: full}}
  bank: {{errors: [TRANSIENT_ERROR, TIMEOUT_ERROR], attempts: 4, delay: 1s, max_delay: 30s}}

start: begin
states:
  begin:
    transitions:
      - {{when: input.total_{n} > {n}, to: reserve_0, set: {{fee_{n}: "{{{{ data.fee_{n} + {n} }}}}"}}}}
      - {{when: "len(input.items_{n}) == 0", to: nothing_left}}
      - {{to: reserve_0}}
"""

_PART = """
  # Part {p}: what is in stock is kept for this order until it is paid, or given back.
  reserve_{p}:
    title: Reserve what was ordered, part {p}
    task: inventory.reserve
    params:
      order: "{{{{ input.order_{n} }}}}"
      items: "{{{{ [i.sku for i in input.items_{n} if default(i.count, 1) > {p}] }}}}"
      note: "Order {{{{ input.order_{n} }}}} of part {p}, {{{{ len(input.items_{n}) }}}} item(s)"
    timeout: 30s
    retry: patient
    set:
      steps_{n}: "{{{{ data.steps_{n} + ['reserved {p}'] }}}}"
    compensate:
      when: output.reserved_{n}
      task: inventory.release
      params:
        order: "{{{{ input.order_{n} }}}}"
        part: {p}
    transitions: # the first that holds is taken
      - when: not output.reserved_{n}
        to: nothing_left
      - when: input.total_{n} * {p} > {n} and input.express
        to: charge_{p}
      - to: check_{p}

  # Both are asked at once; the order goes on when both have answered.
  check_{p}:
    parallel:
      stock:
        task: inventory.check
        params:
          order: "{{{{ input.order_{n} }}}}"
          least: "{{{{ max({p}, data.fee_{n}) }}}}"
      fraud:
        start: ask_{p}
        states:
          ask_{p}:
            task: fraud.ask
            params:
              email: "{{{{ lower(input.email) }}}}"
              total: "{{{{ round(input.total_{n} * 1.{p}, 2) }}}}"
            transitions:
              - when: output.score_{n} >= 0.{p}
                to: refuse_{p}
              - to: end
          refuse_{p}:
            fail:
              code: FRAUD
              message: "Order {{{{ input.order_{n} }}}}: {{{{ outputs.ask_{p}.score_{n} }}}}"
    join: all
    next: charge_{p}
    catch:
      - errors: [FRAUD]
        to: declined

  charge_{p}:
    task: payments.charge
    params:
      order: "{{{{ input.order_{n} }}}}"
      amount: "{{{{ input.total_{n} + data.fee_{n} * {p} }}}}"
    retry: bank
    timeout: {{attempt: 20s, total: 10m}}
    compensate: {{task: payments.refund, params: {{txn: "{{{{ output.txn_{n} }}}}"}}}}
    next: pack_{p}
    catch:
      - errors: [CARD_DECLINED]
        to: declined
      - errors: [TIMEOUT_ERROR]
        when: error.attempt > {p}
        to: declined
        set: {{fee_{n}: {p}}}

  # One worker for each piece, ten at a time; one in ten may be missing.
  pack_{p}:
    foreach: "{{{{ input.items_{n} }}}}"
    as: piece_{n}
    concurrency: 10
    tolerate: 10%
    collect: "{{{{ {{'bin': output.bin_{n}, 'at': index}} }}}}"
    do:
      task: warehouse.pick
      params:
        sku: "{{{{ upper(piece_{n}.sku) }}}}"
        n: "{{{{ index + {p} }}}}"
    next: tell_{p}

  tell_{p}:
    task: mail.send
    params:
      to: "{{{{ input.email }}}}"
      text: "Order {{{{ input.order_{n} }}}}, part {p}: {{{{ len(outputs.pack_{p}) }}}} of them are on their way."
    catch:
      - errors: [ANY]
        output: {{sent_{n}: false}}
    next: {following}
"""

_TAIL = """
  invoice:
    task: invoice.write
    params:
      text: |
        Order {{{{ input.order_{n} }}}}
        {{% for piece in input.items_{n} %}}- {{{{ piece.sku }}}}
        {{% endfor %}}Paid: {{{{ fixed(input.total_{n}, 2) }}}}
    next: done

  done:
    succeed:
      order: "{{{{ input.order_{n} }}}}"
      paid: "{{{{ input.total_{n} + data.fee_{n} }}}}"
      told: "{{{{ default(outputs.tell_0.sent_{n}, true) }}}}"
  declined:
    fail: {{code: DECLINED, message: "Order {{{{ input.order_{n} }}}}: {{{{ error.code }}}}"}}
  nothing_left:
    fail: {{code: OUT_OF_STOCK, message: "Nothing left for {{{{ input.order_{n} }}}}"}}
"""

PARTS = 2


def blueprint_text(n: int) -> str:
    """One blueprint of about 250 lines that has hardly an expression in common with another one."""
    parts = (_PART.format(n=n, p=p, following=f"reserve_{p + 1}" if p + 1 < PARTS else "invoice") for p in range(PARTS))
    return _HEAD.format(n=n) + "".join(parts) + _TAIL.format(n=n)


def write_blueprints(folder: Path, files: int) -> None:
    """Fill a folder."""
    for n in range(1_000, 1_000 + files):
        (folder / f"order_{n}.yaml").write_text(blueprint_text(n), "utf-8")


def cpu_seconds(folder: Path) -> float:
    """CPU time of one checker that reads the folder for the first time."""
    before = _children_s()
    command = [sys.executable, "-m", "avtomat", "validate", "--no-cache", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-2_000:] + done.stderr)
    print(done.stderr.strip())
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _profile(folder: Path) -> Iterator[str]:
    """Where the time goes, in this process; the tool itself makes it about twice as long."""
    from avtomat.blueprint.cache import FindingsCache
    from avtomat.cli.validate import check

    profiler = cProfile.Profile()
    profiler.runcall(check, [folder], FindingsCache(None))
    shown = io.StringIO()
    pstats.Stats(profiler, stream=shown).sort_stats("tottime").print_stats(30)
    yield shown.getvalue()


def main() -> int:
    """Measure and print; 1 when it took longer than it may."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--keep", type=Path, help="write the blueprints here and leave them")
    parser.add_argument("--profile", action="store_true", help="show the functions that take longest, too")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="avtomat-validate-")))
        folder.mkdir(parents=True, exist_ok=True)
        write_blueprints(folder, args.files)
        began = time.perf_counter()
        used_s = cpu_seconds(folder)
        passed_s = time.perf_counter() - began
        if args.profile:
            print(*_profile(folder), sep="\n")
    allowed_s = CPU_S_MAX * args.files / FILES
    lines = len(blueprint_text(FILES).splitlines())
    print(f"{args.files} blueprints of {lines} lines: {used_s:.2f} s of CPU, {passed_s:.2f} s in all")
    return 0 if used_s < allowed_s else 1


if __name__ == "__main__":
    sys.exit(main())
