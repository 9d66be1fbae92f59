/** The worker of the conformance suite: see docs/worker-conformance.md. */

import { setTimeout as sleep } from "node:timers/promises";
import { Result, TaskError, Worker } from "./src/index.js";

const worker = new Worker({
  concurrency: Number(process.env.AVTOMAT_WORKER_CONCURRENCY),
  limits: { drainMs: Number(process.env.AVTOMAT_WORKER_DRAIN_S) * 1000 },
});

worker
  .task("conformance.echo", (params) => params)
  .task("conformance.status", ({ status, data }) => new Result(data, status))
  .task("conformance.fail", ({ code, message, details }) => {
    throw new TaskError(code, message, details);
  })
  .task("conformance.crash", () => undefined.nothing)
  .task("conformance.context", (_, { jobId, taskId, attempt, idempotencyKey }) => ({
    job_id: jobId,
    task_id: taskId,
    attempt,
    idempotency_key: idempotencyKey,
  }))
  .task("conformance.slow", async ({ seconds }, { signal }) => {
    await sleep(seconds * 1000, undefined, { signal });
    return { slept: seconds };
  })
  .task("conformance.progress", async (_, { progress, signal }) => {
    progress(0.5, "half");
    await sleep(2000, undefined, { signal });
  });

await worker.run();
