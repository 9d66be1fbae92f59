package avtomat;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/** Sends progress: the last report of each task, at most one a second, and never at the cost of the task. */
final class Progress {
    private static final long INTERVAL_MS = 1_000;
    private static final int MESSAGE_CHARACTERS_MAX = 2_000;

    private final Engine engine;
    private final Worker worker;
    private final Changed changed = new Changed();
    private final Map<String, Map<String, Object>> waiting = new ConcurrentHashMap<>();

    Progress(Engine engine, Worker worker) {
        this.engine = engine;
        this.worker = worker;
    }

    void report(TaskContext context, double fraction, String message) {
        String text = message == null ? "" : message.substring(0, Math.min(MESSAGE_CHARACTERS_MAX, message.length()));
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("event_id", UUID.randomUUID().toString());
        event.put("worker_id", worker.workerId);
        event.put("origin_worker_id", worker.workerId);
        event.put("event_type", "progress");
        event.put("payload", Map.of("progress", fraction, "message", text));
        event.put("target_job_id", context.jobId);
        event.put("target_task_id", context.taskId);
        event.put("timestamp", System.currentTimeMillis() / 1000);
        waiting.put(context.taskId, event);
        changed.announce();
    }

    /** The task has ended: what was not sent yet is of no interest. */
    void forget(String taskId) {
        waiting.remove(taskId);
    }

    void sendForever() throws InterruptedException {
        while (true) {
            changed.until(() -> !waiting.isEmpty(), Changed.FOREVER_MS);
            for (String taskId : waiting.keySet()) {
                Map<String, Object> event = waiting.remove(taskId);
                if (event != null) {
                    send(taskId, event);
                }
            }
            Thread.sleep(INTERVAL_MS);
        }
    }

    private void send(String taskId, Map<String, Object> event) throws InterruptedException {
        try {
            engine.event(event);
        } catch (EngineException error) {
            worker.log("progress of " + taskId + " is lost: " + error.getMessage());
        }
    }
}
