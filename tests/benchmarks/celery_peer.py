"""The same work with Celery on Redis: a worker of 16 threads, or 32 clients that each wait for their result.

Run as a program in an environment that has `celery[redis]`: `worker URL`, or `client URL TASKS SECONDS PID…`, which
prints one line of JSON with the CPU time of itself and of those processes. Tasks are acknowledged after they ran, so
that the death of a worker loses none, as with the engine.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from celery import Celery, chain  # type: ignore[import-not-found]  # it is in an environment of its own

CLIENTS = 32
THREADS = 16
RESULT_S_MAX = 30
CPUCLOCK_SCHED = 2
PIDS = [int(pid) for pid in sys.argv[5:]]

app = Celery("peer")


@app.task(name="reserve")  # type: ignore[untyped-decorator]
def reserve(order: str, count: int) -> dict[str, Any]:
    """What a worker of the benchmark does: nothing, and says so."""
    return {"reserved": bool(order) and count > 0}


def work() -> None:
    """Take tasks until a signal ends it."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=info"]
    app.worker_main(["worker", "--pool=threads", f"--concurrency={THREADS}", *quiet])


def ask(tasks: int, seconds: float) -> dict[str, Any]:
    """Keep the clients asking for a while; how many chains of `tasks` ended, and how long each took.

    Each client asks once before the clock starts, because Celery gives every thread connections of its own.
    """
    latencies_ms: list[float] = []
    warm = threading.Barrier(CLIENTS + 1)

    def ask_on() -> None:
        _ask_once(tasks)
        warm.wait()
        until = time.perf_counter() + seconds
        while (asked := time.perf_counter()) < until:
            _ask_once(tasks)
            latencies_ms.append((time.perf_counter() - asked) * 1000)

    threads = [threading.Thread(target=ask_on, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    warm.wait()
    began, used_before = time.perf_counter(), _cpu_s()
    for thread in threads:
        thread.join()
    took, used = time.perf_counter() - began, _cpu_s() - used_before
    return {"seconds": took, "cpu_s": used, "latencies_ms": sorted(latencies_ms)}


def _cpu_s() -> float:
    """What this process and those that it was told of have used."""
    return time.process_time() + sum(time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) for pid in PIDS)


def _ask_once(tasks: int) -> None:
    steps = [reserve.si("o-104729", 7) for _ in range(tasks)]
    result = (chain(*steps) if tasks > 1 else steps[0]).apply_async()
    assert result.get(timeout=RESULT_S_MAX) == {"reserved": True}


if __name__ == "__main__":
    mode, url = sys.argv[1:3]
    app.conf.update(broker_url=url, result_backend=url, task_acks_late=True, broker_connection_retry_on_startup=True)
    if mode == "worker":
        work()
    else:
        print(json.dumps(ask(int(sys.argv[3]), float(sys.argv[4]))))
