/**
 * Deliver results until the engine has them.
 *
 * - A result is kept until the engine says accepted or ignored, at most `resultKeptMs`.
 * - Results that became ready while a request was under way go together in the next one.
 * - Where the engine offers it, results ask for the next tasks (`wanted`), and `took` gets what came along.
 * - A batch that is refused is sent one by one, so that one wrong result harms no other. A result that is refused alone
 *   is replaced by a failure that says so: otherwise the job would wait for the end of the lease.
 */

import { encoded, failed } from "./outcome.js";
import { Backoff, pause } from "./waiting.js";

const BATCH_MAX = 100;
const BATCH_CHARACTERS_MAX = 1_000_000;

export class Outbox {
  #parcels = new Map();
  #size = 0;
  #closed = false;
  #paused = false;
  isAsking = false;

  constructor({ engine, register, limits, changed, log, wanted, took }) {
    Object.assign(this, { engine, register, limits, changed, log, wanted, took, backoff: new Backoff(limits) });
  }

  get taskIds() {
    return [...this.#parcels.keys()];
  }

  get isEmpty() {
    return this.#parcels.size === 0;
  }

  /** Whether there are results that are sent now. */
  get isDue() {
    return this.#parcels.size > 0 && !this.#paused;
  }

  get hasRoom() {
    return this.#parcels.size < this.limits.resultsHeldMax && this.#size < this.limits.resultsHeldBytesMax;
  }

  /** The leases of the results on their way: after its end a result is of no use. */
  get leasesMs() {
    return [...this.#parcels.values()].map((parcel) => parcel.leaseMs);
  }

  /** Take a result: `head` names the attempt, `fields` is how it ended. */
  put(head, fields, leaseMs) {
    this.#keep({ head, body: encoded(head, fields), leaseMs, readyAt: performance.now(), alone: false });
    this.changed.notify();
  }

  /** No more is delivered: what is left is lost. */
  close() {
    this.#closed = true;
    this.changed.notify();
  }

  async deliverUntilClosed() {
    while (true) {
      await this.changed.until(() => this.#closed || !this.isEmpty);
      if (this.#closed) return;
      this.#dropExpired();
      const batch = this.#nextBatch();
      if (batch.length > 0) await this.#try(batch);
    }
  }

  #nextBatch() {
    const batch = [];
    let size = 0;
    for (const parcel of this.#parcels.values()) {
      size += parcel.body.length;
      const isFull = parcel.alone || size > BATCH_CHARACTERS_MAX || batch.length >= BATCH_MAX;
      if (batch.length > 0 && isFull) break;
      batch.push(parcel);
      if (parcel.alone) break;
    }
    return batch;
  }

  async #try(batch) {
    try {
      const receipts = await this.#ask(batch.map((parcel) => parcel.body));
      this.backoff.reset();
      batch.forEach((parcel, index) => this.#delivered(parcel, receipts[index]));
    } catch (error) {
      if (error.kind === "refused" && !error.isAboutTheToken) this.#refused(batch, error);
      else await this.#putOff(error);
    }
  }

  async #ask(bodies) {
    const wanted = this.wanted();
    this.isAsking = wanted !== null;
    try {
      const { receipts, tasks } = await this.engine.deliver(bodies, wanted);
      if (wanted !== null) this.took(tasks);
      return receipts;
    } finally {
      this.isAsking = false;
      this.changed.notify();
    }
  }

  async #putOff(error) {
    const ms = this.backoff.nextMs(error);
    this.log(`results wait ${Math.round(ms)} ms more: ${error.message}`);
    this.#paused = true;
    this.changed.notify(); // polls need not wait for results that wait themselves
    await pause(ms);
    this.#paused = false;
    if (error.kind === "unknown") await this.register();
  }

  #refused(batch, error) {
    if (batch.length > 1) {
      for (const parcel of batch) parcel.alone = true;
      return;
    }
    const [parcel] = batch;
    this.log(`the result of task ${parcel.head.task_id} was refused: ${error.message}`);
    this.#remove(parcel);
    if (parcel.isComplaint) return;
    const complaint = failed("CONTRACT_VIOLATION_ERROR", `the result was refused: ${error.message}`);
    this.#keep({ ...parcel, body: encoded(parcel.head, complaint), isComplaint: true });
  }

  #delivered(parcel, receipt) {
    if (!receipt.accepted) this.log(`the result of task ${parcel.head.task_id} was ignored: ${receipt.reason}`);
    this.#remove(parcel);
  }

  #dropExpired() {
    for (const parcel of [...this.#parcels.values()]) {
      if (performance.now() - parcel.readyAt > this.limits.resultKeptMs) {
        this.log(`the result of task ${parcel.head.task_id} could not be delivered and is dropped`);
        this.#remove(parcel);
      }
    }
  }

  #keep(parcel) {
    this.#parcels.set(parcel.head.task_id, parcel);
    this.#size += parcel.body.length;
  }

  #remove(parcel) {
    if (this.#parcels.delete(parcel.head.task_id)) this.#size -= parcel.body.length;
    this.changed.notify();
  }
}
