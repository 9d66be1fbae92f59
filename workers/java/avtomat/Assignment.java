package avtomat;

import java.time.Instant;
import java.util.Map;

/** One attempt of a task, as the engine handed it out. */
record Assignment(
        String jobId,
        String taskId,
        String kind,
        Object params,
        long attempt,
        long leaseMs,
        String idempotencyKey,
        Number deadline,
        Number timestamp) {

    /** Reads a task; null when it lacks what no task can do without. */
    static Assignment of(Object payload, long leaseDefaultMs) {
        if (!(payload instanceof Map<?, ?> map)
                || !(map.get("job_id") instanceof String job)
                || !(map.get("task_id") instanceof String task)
                || !(map.get("type") instanceof String kind)) {
            return null;
        }
        long leaseMs = map.get("lease_s") instanceof Number s && s.doubleValue() > 0
                ? (long) (s.doubleValue() * 1000) : leaseDefaultMs;
        return new Assignment(
                job,
                task,
                kind,
                map.get("params"),
                map.get("attempt") instanceof Number n ? n.longValue() : 1,
                leaseMs,
                map.get("idempotency_key") instanceof String key ? key : task,
                map.get("deadline") instanceof Number n ? n : null,
                map.get("timestamp") instanceof Number n ? n : null);
    }

    /** The deadline by this machine's clock, which need not agree with the engine's; null when there is none. */
    Instant deadlineFrom(Instant now) {
        if (deadline == null) {
            return null;
        }
        double sentAt = timestamp == null ? now.toEpochMilli() / 1000.0 : timestamp.doubleValue();
        return now.plusMillis((long) ((deadline.doubleValue() - sentAt) * 1000));
    }
}
