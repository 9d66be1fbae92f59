package avtomat;

import java.time.Instant;

/** One attempt of one task, as its function sees it. */
public final class TaskContext {
    /** Takes reports of progress. */
    @FunctionalInterface
    interface Reports {
        void report(TaskContext context, double fraction, String message);
    }

    public final String jobId;
    /** Names this attempt; the next attempt of the same task has another. */
    public final String taskId;
    public final String kind;
    /** 1 for the first. */
    public final long attempt;
    /** The same for all attempts of a task: give it to services that must not do things twice. */
    public final String idempotencyKey;
    /** When the engine gives up waiting for this attempt, by this machine's clock; null when it does not. */
    public final Instant deadline;
    private final Reports reports;
    volatile boolean cancelled;

    TaskContext(Assignment task, Instant deadline, Reports reports) {
        this.jobId = task.jobId();
        this.taskId = task.taskId();
        this.kind = task.kind();
        this.attempt = task.attempt();
        this.idempotencyKey = task.idempotencyKey();
        this.deadline = deadline;
        this.reports = reports;
    }

    /**
     * Whether nobody wants the result any more: the job was cancelled, the time is over, or the worker stops. The
     * task's thread is interrupted besides.
     */
    public boolean isCancelled() {
        return cancelled;
    }

    /** Tells the engine how far the task is, 0 to 1. Only the last of several reports within a second is sent. */
    public void progress(double fraction, String message) {
        if (!(fraction >= 0 && fraction <= 1)) {
            throw new IllegalArgumentException("progress is from 0 to 1, not " + fraction);
        }
        reports.report(this, fraction, message);
    }
}
