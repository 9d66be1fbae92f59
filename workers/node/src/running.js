/** The attempts under way: begin them, give them up, and tell how each ended. */

import { TaskError, failed, givenUp, returned, textOf, thrown } from "./outcome.js";
import { TIMER_MS_MAX } from "./waiting.js";

const DEADLINE_SLACK_MS = 500;

export class Running {
  #executions = new Map();

  /** `ended(task, fields, tookMs)` is called once for each attempt; `report(task, fraction, message)` for progress. */
  constructor({ functions, concurrency, limits, changed, ended, report, log }) {
    Object.assign(this, { functions, concurrency, limits, changed, ended, report, log });
  }

  get taskIds() {
    return [...this.#executions.keys()];
  }

  get free() {
    return Math.max(0, this.concurrency - this.#executions.size);
  }

  get leasesMs() {
    return [...this.#executions.values()].map(({ task }) => leaseOf(task, this.limits));
  }

  /** Begin an attempt; one that is under way already is left alone. */
  start(task) {
    if (this.#executions.has(task.task_id)) return;
    const execution = { task, controller: new AbortController(), why: null, startedAt: performance.now() };
    this.#executions.set(task.task_id, execution);
    this.#run(execution);
  }

  /** Give up an attempt, if it is under way; the first reason counts: unwanted, late or stopping. */
  cancel(taskId, why) {
    const execution = this.#executions.get(taskId);
    if (execution === undefined || execution.why !== null) return;
    execution.why = why;
    const reason = why === "stopping" ? "given back" : why;
    execution.controller.abort(new DOMException(`the task is ${reason}`, "AbortError"));
    // a function that does not look at its signal runs on, but no longer counts
    execution.grace = setTimeout(() => this.#end(execution, givenUp(why)), this.limits.cancelGraceMs);
  }

  /** Give back what is still running, without waiting for it. */
  abandon() {
    for (const execution of [...this.#executions.values()]) this.#end(execution, givenUp("stopping"));
  }

  async #run(execution) {
    const { task } = execution;
    const context = this.#contextOf(execution);
    if (context.deadline !== null) {
      const left = context.deadline.getTime() - Date.now() + DEADLINE_SLACK_MS;
      execution.deadline = setTimeout(() => this.cancel(task.task_id, "late"), Math.min(left, TIMER_MS_MAX));
    }
    this.#end(execution, await this.#outcome(execution, context));
  }

  async #outcome(execution, context) {
    const { task } = execution;
    const work = this.functions.get(task.type);
    if (work === undefined) return failed("PERMANENT_ERROR", `this worker has no task ${task.type}`);
    try {
      return returned(await work(task.params, context), this.limits.outputBytesMax);
    } catch (error) {
      if (execution.why !== null) return givenUp(execution.why);
      const fields = thrown(error);
      if (!(error instanceof TaskError)) this.log(`task ${task.type} of job ${task.job_id} failed: ${traceOf(error)}`);
      return fields;
    }
  }

  #contextOf({ task, controller }) {
    const leftS = task.deadline == null ? null : task.deadline - (task.timestamp ?? Date.now() / 1000);
    return {
      jobId: task.job_id,
      taskId: task.task_id,
      kind: task.type,
      attempt: task.attempt ?? 1,
      idempotencyKey: task.idempotency_key ?? task.task_id,
      deadline: leftS === null ? null : new Date(Date.now() + leftS * 1000), // the two clocks need not agree
      traceparent: task.tracing_context?.traceparent ?? null,
      signal: controller.signal,
      progress: (fraction, message = "") => {
        if (!(fraction >= 0 && fraction <= 1)) throw new RangeError(`progress is from 0 to 1, not ${fraction}`);
        this.report(task, fraction, String(message));
      },
    };
  }

  #end(execution, fields) {
    clearTimeout(execution.grace);
    clearTimeout(execution.deadline);
    if (!this.#executions.delete(execution.task.task_id)) return;
    this.ended(execution.task, fields, performance.now() - execution.startedAt);
    this.changed.notify();
  }
}

function traceOf(error) {
  return error instanceof Error ? error.stack : textOf(error);
}

export function leaseOf(task, limits) {
  return task.lease_s > 0 ? task.lease_s * 1000 : limits.leaseDefaultMs;
}
