package avtomat;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Keeps the leases of what the worker holds, and hears what the engine wants of it.
 *
 * A heartbeat goes out every third of the shortest lease held, by a task or by a result on its way, a little early by
 * chance, so that workers that started together do not beat together. While the engine is away the tasks go on.
 */
final class Heartbeats {
    static final long LEASE_DEFAULT_MS = 90_000;
    private static final long CANCEL_HEARD_MS = 10_000;
    private static final long NEVER_NS = Long.MAX_VALUE / 4;

    private final Engine engine;
    private final Worker worker;
    private final Running running;
    private final Outbox outbox;
    private final Changed woken = new Changed();
    private final Backoff backoff = new Backoff();
    private long dueAt = System.nanoTime();

    Heartbeats(Engine engine, Worker worker, Running running, Outbox outbox) {
        this.engine = engine;
        this.worker = worker;
        this.running = running;
        this.outbox = outbox;
    }

    /** A task was started, whose lease may be shorter than those before. */
    void taskStarted() {
        dueIn(intervalMs());
    }

    void beatAtOnce() {
        dueIn(0);
    }

    void beatForever() throws InterruptedException {
        while (true) {
            long left;
            while ((left = (dueAt() - System.nanoTime()) / 1_000_000) > 0) {
                long before = dueAt();
                woken.until(() -> dueAt() - before < 0, left);
            }
            setDueAt(System.nanoTime() + NEVER_NS); // what becomes due while the answer is awaited is not forgotten
            try {
                obey(engine.heartbeat(worker.heartbeatMessage(worker.status())));
            } catch (EngineException error) {
                failed(error);
            }
        }
    }

    private long intervalMs() {
        long shortest = Math.min(running.shortestLeaseMs(Long.MAX_VALUE), outbox.shortestLeaseMs(Long.MAX_VALUE));
        long third = (shortest == Long.MAX_VALUE ? LEASE_DEFAULT_MS : shortest) / 3;
        return running.taskIds().isEmpty() ? third : Math.min(third, CANCEL_HEARD_MS);
    }

    private void dueIn(long ms) {
        long at = System.nanoTime() + ms * 1_000_000;
        if (at - dueAt() < 0) {
            setDueAt(at);
            woken.announce();
        }
    }

    private synchronized long dueAt() {
        return dueAt;
    }

    private synchronized void setDueAt(long at) {
        dueAt = at;
    }

    private void obey(Map<?, ?> orders) throws InterruptedException {
        backoff.reset();
        if (orders.get("cancel_task_ids") instanceof List<?> ids) {
            ids.forEach(id -> running.cancel(String.valueOf(id), Outcome.Why.UNWANTED));
        }
        double chance = ThreadLocalRandom.current().nextDouble();
        double jitterMs = orders.get("next_heartbeat_jitter_ms") instanceof Number ms ? ms.doubleValue() * chance : 0;
        long interval = intervalMs();
        long early = (long) (interval * (0.8 + ThreadLocalRandom.current().nextDouble() / 5));
        dueIn(early + (long) Math.min(jitterMs, interval / 2.0)); // a proposal: it must not cost a lease
        if (Boolean.TRUE.equals(orders.get("require_full_sync"))) {
            worker.registerAgain();
        }
    }

    private void failed(EngineException error) throws InterruptedException {
        long ms = Math.min(backoff.nextMs(error), Math.max(intervalMs(), Backoff.FIRST_MS));
        dueIn(ms);
        worker.log("no heartbeat, the next one in " + ms + " ms: " + error.getMessage());
        if (error.kind == EngineException.Kind.UNKNOWN_WORKER) {
            worker.registerAgain();
        }
    }
}
