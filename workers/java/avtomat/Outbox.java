package avtomat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Delivers results until the engine has them.
 *
 * A result is kept until the engine says accepted or ignored, at most 15 minutes. Results that became ready while a
 * request was under way go together in the next one. A batch that is refused is sent one by one, so that one wrong
 * result harms no other; one that is refused alone is replaced by a failure that says so.
 */
final class Outbox {
    private static final int BATCH_MAX = 100;
    private static final int BATCH_CHARACTERS_MAX = 1_000_000;
    private static final int HELD_MAX = 1_000;
    private static final long HELD_CHARACTERS_MAX = 64_000_000;
    private static final long KEPT_MS = 900_000;

    /** A result on its way. */
    private record Parcel(
            Map<String, Object> head, String body, long leaseMs, long readyAt, boolean alone, boolean complaint) {
        String taskId() {
            return (String) head.get("task_id");
        }

        Parcel putAside() {
            return new Parcel(head, body, leaseMs, readyAt, true, complaint);
        }
    }

    private final Engine engine;
    private final Worker worker;
    private final Changed changed;
    private final Backoff backoff = new Backoff();
    private final Map<String, Parcel> parcels = new LinkedHashMap<>();
    private long size;

    Outbox(Engine engine, Worker worker, Changed changed) {
        this.engine = engine;
        this.worker = worker;
        this.changed = changed;
    }

    synchronized List<String> taskIds() {
        return new ArrayList<>(parcels.keySet());
    }

    synchronized boolean isEmpty() {
        return parcels.isEmpty();
    }

    synchronized boolean hasRoom() {
        return parcels.size() < HELD_MAX && size < HELD_CHARACTERS_MAX;
    }

    /** The lease that ends first: after its end a result is of no use. */
    synchronized long shortestLeaseMs(long otherwise) {
        return parcels.values().stream().mapToLong(Parcel::leaseMs).min().orElse(otherwise);
    }

    void put(Map<String, Object> head, String body, long leaseMs) {
        keep(new Parcel(head, body, leaseMs, System.nanoTime(), false, false));
        changed.announce();
    }

    void deliverForever() throws InterruptedException {
        while (true) {
            changed.until(() -> !isEmpty(), Changed.FOREVER_MS);
            List<Parcel> batch = nextBatch();
            if (!batch.isEmpty()) {
                tryOnce(batch);
            }
        }
    }

    private synchronized List<Parcel> nextBatch() {
        for (Parcel parcel : List.copyOf(parcels.values())) {
            if (System.nanoTime() - parcel.readyAt > KEPT_MS * 1_000_000) {
                worker.log("the result of task " + parcel.taskId() + " could not be delivered and is dropped");
                remove(parcel);
            }
        }
        List<Parcel> batch = new ArrayList<>();
        int characters = 0;
        for (Parcel parcel : parcels.values()) {
            characters += parcel.body.length();
            boolean full = parcel.alone || characters > BATCH_CHARACTERS_MAX || batch.size() >= BATCH_MAX;
            if (!batch.isEmpty() && full) {
                break;
            }
            batch.add(parcel);
            if (parcel.alone) {
                break;
            }
        }
        return batch;
    }

    private void tryOnce(List<Parcel> batch) throws InterruptedException {
        try {
            List<?> receipts = engine.deliver(batch.stream().map(Parcel::body).toList());
            backoff.reset();
            for (int i = 0; i < batch.size(); i++) {
                delivered(batch.get(i), receipts.get(i));
            }
        } catch (EngineException error) {
            if (error.kind == EngineException.Kind.REFUSED && !error.isAboutTheToken()) {
                refused(batch, error);
            } else {
                putOff(error);
            }
        }
    }

    private void putOff(EngineException error) throws InterruptedException {
        long ms = backoff.nextMs(error);
        worker.log("results wait " + ms + " ms more: " + error.getMessage());
        Thread.sleep(ms);
        if (error.kind == EngineException.Kind.UNKNOWN_WORKER) {
            worker.registerAgain();
        }
    }

    private void refused(List<Parcel> batch, EngineException error) {
        if (batch.size() > 1) {
            batch.forEach(each -> keep(each.putAside()));
            return;
        }
        Parcel parcel = batch.get(0);
        worker.log("the result of task " + parcel.taskId() + " was refused: " + error.getMessage());
        if (parcel.complaint) {
            remove(parcel);
        } else {
            String message = "the result was refused: " + error.getMessage();
            String body = Outcome.failed(parcel.head, "CONTRACT_VIOLATION_ERROR", message, null);
            keep(new Parcel(parcel.head, body, parcel.leaseMs, parcel.readyAt, true, true));
        }
    }

    private void delivered(Parcel parcel, Object receipt) {
        if (receipt instanceof Map<?, ?> map && "ignored".equals(map.get("status"))) {
            worker.log("the result of task " + parcel.taskId() + " was ignored: " + map.get("reason"));
        }
        remove(parcel);
    }

    private synchronized void keep(Parcel parcel) {
        Parcel before = parcels.put(parcel.taskId(), parcel);
        size += parcel.body.length() - (before == null ? 0 : before.body.length());
    }

    private void remove(Parcel parcel) {
        synchronized (this) {
            Parcel before = parcels.remove(parcel.taskId());
            size -= before == null ? 0 : before.body.length();
        }
        changed.announce();
    }
}
