package avtomat;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** The attempts under way: begin them, give them up, and tell how each ended. */
final class Running {
    static final long CANCEL_GRACE_MS = 3_000;
    private static final long DEADLINE_SLACK_MS = 500;

    /** One attempt, with the thread that does it. */
    private static final class Execution {
        final Assignment task;
        final TaskContext context;
        final long startedAt = System.nanoTime();
        final AtomicBoolean ended = new AtomicBoolean();
        volatile Outcome.Why why;
        volatile Thread thread;

        Execution(Assignment task, TaskContext context) {
            this.task = task;
            this.context = context;
        }
    }

    private final Worker worker;
    private final Map<String, TaskFunction> functions;
    private final int concurrency;
    private final ScheduledExecutorService timer;
    private final TaskContext.Reports reports;
    private final Changed changed;
    private final Map<String, Execution> executions = new ConcurrentHashMap<>();

    Running(
            Worker worker,
            Map<String, TaskFunction> functions,
            int concurrency,
            ScheduledExecutorService timer,
            TaskContext.Reports reports,
            Changed changed) {
        this.worker = worker;
        this.functions = functions;
        this.concurrency = concurrency;
        this.timer = timer;
        this.reports = reports;
        this.changed = changed;
    }

    List<String> taskIds() {
        return List.copyOf(executions.keySet());
    }

    int free() {
        return Math.max(0, concurrency - executions.size());
    }

    long shortestLeaseMs(long otherwise) {
        return executions.values().stream().mapToLong(each -> each.task.leaseMs()).min().orElse(otherwise);
    }

    /** Begins an attempt; one that is under way already is left alone. */
    void start(Assignment task) {
        Instant deadline = task.deadlineFrom(Instant.now());
        Execution execution = new Execution(task, new TaskContext(task, deadline, reports));
        if (executions.putIfAbsent(task.taskId(), execution) != null) {
            return;
        }
        if (deadline != null) {
            long left = Duration.between(Instant.now(), deadline).toMillis() + DEADLINE_SLACK_MS;
            timer.schedule(() -> cancel(execution, Outcome.Why.LATE), left, TimeUnit.MILLISECONDS);
        }
        execution.thread = new Thread(() -> run(execution), "task " + task.taskId());
        execution.thread.setDaemon(true);
        execution.thread.start();
    }

    /** Gives up an attempt, if it is under way; the first reason counts. */
    void cancel(String taskId, Outcome.Why why) {
        Execution execution = executions.get(taskId);
        if (execution != null) {
            cancel(execution, why);
        }
    }

    /** Gives back what is still running, without waiting for it. */
    void abandon() {
        executions.values().forEach(each -> end(each, Outcome.givenUp(headOf(each), Outcome.Why.STOPPING)));
    }

    private void cancel(Execution execution, Outcome.Why why) {
        synchronized (execution) {
            if (execution.why != null || execution.ended.get()) {
                return;
            }
            execution.why = why;
        }
        execution.context.cancelled = true;
        execution.thread.interrupt();
        // a function that looks at neither runs on, but no longer counts
        timer.schedule(
                () -> end(execution, Outcome.givenUp(headOf(execution), why)), CANCEL_GRACE_MS, TimeUnit.MILLISECONDS);
    }

    private void run(Execution execution) {
        end(execution, outcome(execution));
    }

    @SuppressWarnings("unchecked")
    private String outcome(Execution execution) {
        Assignment task = execution.task;
        TaskFunction function = functions.get(task.kind());
        if (function == null) {
            return Outcome.failed(headOf(execution), "PERMANENT_ERROR", "this worker has no task " + task.kind(), null);
        }
        if (task.params() != null && !(task.params() instanceof Map)) {
            return Outcome.failed(headOf(execution), "INVALID_INPUT_ERROR", "params: expected a map", null);
        }
        try {
            Map<String, Object> params = task.params() == null ? Map.of() : (Map<String, Object>) task.params();
            Object value = function.run(params, execution.context);
            return Outcome.returned(headOf(execution), value);
        } catch (Throwable error) { // whatever it is, it ends the attempt and not the worker
            if (execution.why != null) {
                return Outcome.givenUp(headOf(execution), execution.why);
            }
            if (!(error instanceof TaskError)) {
                worker.log("task " + task.kind() + " of job " + task.jobId() + " failed: " + error);
            }
            return Outcome.thrown(headOf(execution), error);
        }
    }

    private Map<String, Object> headOf(Execution execution) {
        return worker.headOf(execution.task, System.nanoTime() - execution.startedAt);
    }

    private void end(Execution execution, String body) {
        if (execution.ended.compareAndSet(false, true)) {
            // in the outbox first: a poll between both says what is held, and what is in neither would be taken away
            worker.ended(execution.task, headOf(execution), body);
            executions.remove(execution.task.taskId(), execution);
            changed.announce();
        }
    }
}
