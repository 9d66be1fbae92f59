import avtomat.Result;
import avtomat.TaskError;
import avtomat.Worker;
import java.util.List;
import java.util.Map;

/** The worker of the conformance suite: see docs/worker-conformance.md. */
public final class Conformance {
    private Conformance() {}

    record Context(String job_id, String task_id, long attempt, String idempotency_key) {}

    record Slept(Object slept) {}

    public static void main(String[] arguments) throws Exception {
        double drainS = Double.parseDouble(System.getenv("AVTOMAT_WORKER_DRAIN_S"));
        new Worker(Integer.parseInt(System.getenv("AVTOMAT_WORKER_CONCURRENCY")))
                .drainMs((long) (drainS * 1000))
                .task("conformance.echo", (params, context) -> params)
                .task("conformance.status", (params, context) ->
                        new Result(params.get("data"), (String) params.get("status")))
                .task("conformance.fail", (params, context) -> {
                    throw new TaskError(
                            (String) params.get("code"), (String) params.get("message"), params.get("details"));
                })
                .task("conformance.crash", (params, context) -> List.of().get(0))
                .task("conformance.context", (params, context) ->
                        new Context(context.jobId, context.taskId, context.attempt, context.idempotencyKey))
                .task("conformance.slow", (params, context) -> {
                    Number seconds = (Number) params.get("seconds");
                    Thread.sleep((long) (seconds.doubleValue() * 1000));
                    return new Slept(seconds);
                })
                .task("conformance.progress", (params, context) -> {
                    context.progress(0.5, "half");
                    Thread.sleep(2000);
                    return Map.of();
                })
                .run();
    }
}
