/** Send progress: the last report of each task, at most one a second, and never at the cost of the task. */

import { randomUUID } from "node:crypto";

export class Progress {
  #feeds = new Map();

  constructor({ engine, workerId, limits, log }) {
    Object.assign(this, { engine, workerId, limits, log });
  }

  report(task, fraction, message) {
    const feed = this.#feeds.get(task.task_id);
    if (feed !== undefined) {
      feed.next = { fraction, message };
      return;
    }
    this.#feeds.set(task.task_id, { next: null, timer: undefined });
    this.#send(task, { fraction, message });
  }

  /** The task has ended: what was not sent yet is of no interest. */
  forget(taskId) {
    clearTimeout(this.#feeds.get(taskId)?.timer);
    this.#feeds.delete(taskId);
  }

  async #send(task, { fraction, message }) {
    const event = {
      event_id: randomUUID(),
      worker_id: this.workerId,
      origin_worker_id: this.workerId,
      event_type: "progress",
      payload: { progress: fraction, message: message.slice(0, 2_000) },
      target_job_id: task.job_id,
      target_task_id: task.task_id,
      timestamp: Math.floor(Date.now() / 1000),
    };
    await this.engine.event(event).catch((error) => this.log(`progress of ${task.task_id} is lost: ${error.message}`));
    const feed = this.#feeds.get(task.task_id);
    if (feed === undefined) return;
    feed.timer = setTimeout(() => {
      const { next } = feed;
      feed.next = null;
      if (next === null) this.#feeds.delete(task.task_id);
      else this.#send(task, next);
    }, this.limits.progressIntervalMs);
  }
}
