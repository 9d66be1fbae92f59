/**
 * Keep the leases of what the worker holds, and hear what the engine wants of it.
 *
 * A heartbeat goes out every third of the shortest lease held, by a task or by a result on its way, a little early by
 * chance, so that workers that started together do not beat together. While the engine is away the tasks go on: a
 * lease that was lost is told by the first answer after it.
 */

import { Backoff, Changed } from "./waiting.js";

export class Heartbeats {
  #dueAt = 0;
  #closed = false;
  #woken = new Changed();

  constructor({ engine, running, outbox, message, register, limits, log }) {
    Object.assign(this, { engine, running, outbox, message, register, limits, log, backoff: new Backoff(limits) });
  }

  /** A task was started, whose lease may be shorter than those before. */
  taskStarted() {
    this.#dueIn(this.#intervalMs);
  }

  beatAtOnce() {
    this.#dueIn(0);
  }

  close() {
    this.#closed = true;
    this.#woken.notify();
  }

  async beatUntilClosed() {
    while (true) {
      for (let left = 0; !this.#closed && (left = this.#dueAt - performance.now()) > 0; ) {
        const dueAt = this.#dueAt;
        await this.#woken.until(() => this.#closed || this.#dueAt < dueAt, left);
      }
      if (this.#closed) return;
      this.#dueAt = Infinity; // what becomes due while the answer is awaited is not forgotten
      try {
        await this.#obey(await this.engine.heartbeat(this.message()));
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  get #intervalMs() {
    const leases = [...this.running.leasesMs, ...this.outbox.leasesMs];
    const third = (leases.length > 0 ? Math.min(...leases) : this.limits.leaseDefaultMs) / 3;
    return this.running.taskIds.length > 0 ? Math.min(third, this.limits.cancelHeardMs) : third;
  }

  #dueIn(ms) {
    const at = performance.now() + ms;
    if (at >= this.#dueAt) return;
    this.#dueAt = at;
    this.#woken.notify();
  }

  async #obey({ cancelled, registerAgain, jitterMs }) {
    this.backoff.reset();
    for (const taskId of cancelled) this.running.cancel(taskId, "unwanted");
    const interval = this.#intervalMs;
    const jitter = Math.min(Math.random() * jitterMs, interval / 2); // a proposal: it must not cost a lease
    this.#dueIn(interval * (0.8 + Math.random() / 5) + jitter);
    if (registerAgain) await this.register();
  }

  async #failed(error) {
    const ms = Math.min(this.backoff.nextMs(error), Math.max(this.#intervalMs, this.limits.backoffFirstMs));
    this.#dueIn(ms);
    this.log(`no heartbeat, the next one in ${Math.round(ms)} ms: ${error.message}`);
    if (error.kind === "unknown") await this.register();
  }
}
