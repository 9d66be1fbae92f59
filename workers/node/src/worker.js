/**
 * A worker: register, take tasks while there is room, stop without losing any.
 *
 * - One request for tasks at a time: then the list of what the worker holds is complete when a poll is sent, and the
 *   engine takes back what it handed out and never arrived. Where the engine offers it, results ask for the next tasks,
 *   and a poll waits only for what they did not bring.
 * - A request for tasks that failed is followed by one under the same nonce, so what the lost answer brought comes again.
 * - A stop: no more polls, running tasks finish within `drainMs`, the rest is cancelled and given back, results are
 *   delivered, and the engine is told that the worker is gone.
 */

import { createHash, randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { Engine, EngineError } from "./engine.js";
import { Heartbeats } from "./heartbeats.js";
import { Outbox } from "./outbox.js";
import { Progress } from "./progress.js";
import { Running, leaseOf } from "./running.js";
import { Backoff, Changed, atMost, pause } from "./waiting.js";

export const LIMITS = Object.freeze({
  pollTimeoutMs: 30_000,
  requestTimeoutMs: 15_000,
  cancelHeardMs: 10_000,
  leaseDefaultMs: 90_000,
  backoffFirstMs: 500,
  backoffMaxMs: 30_000,
  retryAfterMaxMs: 300_000,
  resultKeptMs: 900_000,
  resultsHeldMax: 1_000,
  resultsHeldBytesMax: 64_000_000,
  outputBytesMax: 8_000_000,
  progressIntervalMs: 1_000,
  drainMs: 15_000,
  cancelGraceMs: 3_000,
  flushMs: 3_000,
});

const KIND = /^[A-Za-z0-9_.-]{1,128}$/;
const WORKER_ID = /^[A-Za-z0-9_-]{1,128}$/;
const YES = new Set(["1", "true", "yes", "on"]);
const TASKS_PER_POLL_MAX = 100;
const HOLDING_CHARACTERS_MAX = 4_000;
const STOPPED = Symbol("the worker stops");

export class Worker {
  #functions = new Map();
  #skills = [];
  #stopping = new AbortController();
  #changed = new Changed();
  #nonce = newNonce();
  #offers = new Set();
  #polling = false;
  #serving = false;
  #parts;

  constructor(options = {}) {
    const url = options.url ?? process.env.AVTOMAT_URL ?? "";
    this.workerId = options.workerId ?? process.env.AVTOMAT_WORKER_ID ?? inventedId();
    this.concurrency = options.concurrency ?? 10;
    demand(/^https?:\/\//.test(url), `the engine's address starts with http:// or https://, not like "${url}"`);
    demand(WORKER_ID.test(this.workerId), `a worker id is 1 to 128 letters, digits, _ and -, not "${this.workerId}"`);
    const isCount = Number.isInteger(this.concurrency) && this.concurrency >= 1;
    demand(isCount, `concurrency is at least 1, not ${this.concurrency}`);
    this.registration = options.registration ?? {};
    this.limits = { ...LIMITS, ...options.limits };
    this.log = options.log ?? ((line) => console.error(`avtomat-worker: ${line}`));
    this.signing = options.signing ?? YES.has(process.env.AVTOMAT_WORKER_SIGNING);
    const token = options.token ?? process.env.AVTOMAT_WORKER_TOKEN ?? "";
    demand(!this.signing || token, "signing needs a token: messages are signed with it");
    this.#parts = this.#assembled(url, token);
  }

  task(kind, work, skill = {}) {
    demand(KIND.test(kind), `a kind of task is 1 to 128 letters, digits, _, - and ., not "${kind}"`);
    demand(typeof work === "function", `the task ${kind} needs a function`);
    demand(!this.#functions.has(kind), `the task ${kind} has a function already`);
    this.#functions.set(kind, work);
    this.#skills.push({ ...skill, name: kind });
    return this;
  }

  async run() {
    let signals = 0;
    const onSignal = (name, number) => {
      signals += 1;
      if (signals > 1) process.exit(128 + number);
      this.log("stopping: running tasks may finish; the next signal ends at once");
      this.stop();
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
    try {
      await this.serve();
    } finally {
      process.off("SIGTERM", onSignal);
      process.off("SIGINT", onSignal);
    }
  }

  async serve() {
    demand(this.#functions.size > 0, "the worker has no tasks: give it one with worker.task(kind, work)");
    demand(!this.#serving, "the worker was started already");
    this.#serving = true;
    if (!(await this.#registerFirst())) return;
    const { heartbeats, outbox } = this.#parts;
    const others = [heartbeats.beatUntilClosed(), outbox.deliverUntilClosed()];
    await this.#pollUntilStopped();
    heartbeats.beatAtOnce();
    await this.#changed.until(() => !outbox.isAsking, this.limits.flushMs);
    await this.#giveBackWhatNeverArrived();
    await this.#drain();
    heartbeats.close();
    outbox.close();
    await atMost(this.limits.flushMs, Promise.all(others));
    await this.#sayGoodbye();
  }

  stop() {
    this.#stopping.abort(STOPPED);
  }

  #assembled(url, token) {
    const { limits, log, workerId, concurrency } = this;
    const changed = this.#changed;
    const register = () => this.#registerAgain();
    const engine = new Engine({ url, token, workerId, limits, signing: this.signing });
    const progress = new Progress({ engine, workerId, limits, log });
    const wanted = () => this.#wanted();
    const took = (tasks) => this.#took(tasks);
    const outbox = new Outbox({ engine, register, limits, changed, log, wanted, took });
    const running = new Running({
      functions: this.#functions,
      concurrency,
      limits,
      changed,
      log,
      ended: (task, fields, tookMs) => this.#ended(task, fields, tookMs),
      report: (task, fraction, message) => progress.report(task, fraction, message),
    });
    const message = () => this.#heartbeat(this.#status);
    const heartbeats = new Heartbeats({ engine, running, outbox, message, register, limits, log });
    return { engine, progress, outbox, running, heartbeats };
  }

  /** Register, however long the engine takes to be there; false when a stop came first. */
  async #registerFirst() {
    const backoff = new Backoff(this.limits);
    while (!this.#stopping.signal.aborted) {
      try {
        this.#offers = await this.#parts.engine.register(this.#registrationMessage());
        return true;
      } catch (error) {
        if (error.kind === "unknown") {
          throw new EngineError("refused", `there is no engine at this URL: ${error.message}`, { status: 404 });
        }
        if (error.kind !== "unavailable") throw error;
        const ms = backoff.nextMs(error);
        this.log(`not registered, the next try in ${Math.round(ms)} ms: ${error.message}`);
        await pause(ms, this.#stopping.signal);
      }
    }
    return false;
  }

  async #registerAgain() {
    try {
      this.#offers = await this.#parts.engine.register(this.#registrationMessage());
    } catch (error) {
      this.log(`not registered again: ${error.message}`);
    }
  }

  async #pollUntilStopped() {
    const { engine, running } = this.#parts;
    const { signal } = this.#stopping;
    signal.addEventListener("abort", () => this.#changed.notify());
    const backoff = new Backoff(this.limits);
    while (true) {
      await this.#changed.until(() => signal.aborted || this.#isToPoll);
      if (signal.aborted) return;
      const askedAt = performance.now();
      let tasks;
      this.#polling = true;
      try {
        tasks = (await engine.poll(this.#poll(running.free, this.limits.pollTimeoutMs), signal)).filter(isTask);
        this.#polling = false;
      } catch (error) {
        this.#polling = false;
        if (error === STOPPED) return;
        await this.#pollFailed(error, backoff.nextMs(error));
        continue;
      }
      this.#took(tasks);
      const waited = performance.now() - askedAt >= this.limits.pollTimeoutMs / 2;
      if (tasks.length > 0 || waited) backoff.reset();
      else await pause(backoff.nextMs(), signal); // an engine that does not let polls wait must not be asked in a loop
    }
  }

  /** Whether there is room for tasks that no result is about to bring. */
  get #isToPoll() {
    const { running, outbox } = this.#parts;
    const resultsAsk = outbox.isAsking || (this.#offers.has("next") && outbox.isDue);
    return running.free > 0 && outbox.hasRoom && !resultsAsk;
  }

  /** What results that are sent now ask for: a poll that waits for nothing, or null. */
  #wanted() {
    const { running, outbox } = this.#parts;
    const mayAsk = this.#offers.has("next") && !this.#polling && !this.#stopping.signal.aborted;
    return mayAsk && running.free > 0 && outbox.hasRoom ? this.#poll(running.free, 0) : null;
  }

  /** Begin what a request for tasks brought; what comes after a stop was asked for goes back. */
  #took(tasks) {
    const { running, heartbeats } = this.#parts;
    this.#nonce = newNonce();
    for (const task of tasks.filter(isTask)) {
      if (this.#stopping.signal.aborted) this.#ended(task, { status: "cancelled", given_back: true }, 0);
      else {
        running.start(task);
        heartbeats.taskStarted();
      }
    }
  }

  async #pollFailed(error, ms) {
    this.log(`no tasks, the next poll in ${Math.round(ms)} ms: ${error.message}`);
    await pause(ms, this.#stopping.signal);
    if (error.kind === "unknown") await this.#registerAgain();
  }

  #poll(max, timeoutMs) {
    const { running, outbox } = this.#parts;
    const holding = [...running.taskIds, ...outbox.taskIds];
    return {
      timeoutMs,
      kinds: [...this.#functions.keys()],
      max: Math.min(max, TASKS_PER_POLL_MAX),
      nonce: this.#nonce,
      // a URL is no longer than servers take
      holding: holding.join(",").length <= HOLDING_CHARACTERS_MAX ? holding : null,
    };
  }

  /** After the last poll was dropped: ask for nothing, and say what is held, so that the rest is released. */
  async #giveBackWhatNeverArrived() {
    this.#nonce = newNonce();
    const { engine } = this.#parts;
    const giveBack = (task) => this.#ended(task, { status: "cancelled", given_back: true }, 0);
    const asking = engine.poll(this.#poll(0, 0)).then(
      (tasks) => tasks.filter(isTask).forEach(giveBack),
      (error) => this.log(`tasks that never arrived go back when their leases end: ${error.message}`),
    );
    await atMost(this.limits.flushMs, asking);
  }

  async #drain() {
    const { running, outbox } = this.#parts;
    const isIdle = () => running.taskIds.length === 0;
    await this.#changed.until(isIdle, this.limits.drainMs);
    for (const taskId of running.taskIds) running.cancel(taskId, "stopping");
    await this.#changed.until(isIdle, this.limits.cancelGraceMs);
    running.abandon();
    await this.#changed.until(() => outbox.isEmpty, this.limits.flushMs);
  }

  async #sayGoodbye() {
    const { engine, outbox } = this.#parts;
    if (!outbox.isEmpty) this.log(`${outbox.taskIds.length} results could not be delivered before the stop`);
    const telling = engine.heartbeat(this.#heartbeat("offline"));
    await atMost(
      this.limits.flushMs,
      telling.catch((error) => this.log(`no goodbye: ${error.message}`)),
    );
  }

  #ended(task, fields, tookMs) {
    this.#parts.progress.forget(task.task_id);
    const head = { job_id: task.job_id, task_id: task.task_id, worker_id: this.workerId };
    const costs = { execution_time_seconds: Math.round(tookMs) / 1000 };
    this.#parts.outbox.put({ ...head, costs, timestamp: nowS() }, fields, leaseOf(task, this.limits));
  }

  get #status() {
    const { running } = this.#parts;
    if (this.#stopping.signal.aborted) return "draining";
    if (running.free === 0) return "full";
    return running.taskIds.length > 0 ? "busy" : "idle";
  }

  #registrationMessage() {
    return {
      worker_type: "node",
      ...this.registration,
      worker_id: this.workerId,
      supported_skills: this.#skills,
      available_skills: this.#skills.map((skill) => skill.name),
      skills_hash: hashOf(this.#skills),
      capabilities: { hostname: hostname(), ...this.registration.capabilities },
      timestamp: nowS(),
    };
  }

  #heartbeat(status) {
    const { running, outbox } = this.#parts;
    return {
      worker_id: this.workerId,
      status,
      current_tasks: [...running.taskIds, ...outbox.taskIds],
      skills_hash: hashOf(this.#skills),
      timestamp: nowS(),
    };
  }
}

function demand(met, otherwise) {
  if (!met) throw new RangeError(otherwise);
}

function isTask(payload) {
  return [payload?.job_id, payload?.task_id, payload?.type].every((text) => typeof text === "string");
}

function newNonce() {
  return randomBytes(12).toString("base64url");
}

function inventedId() {
  const host = hostname().replace(/[^A-Za-z0-9_-]/g, "-").slice(0, 64);
  return `${host}-${process.pid}-${randomBytes(4).toString("hex")}`;
}

function hashOf(skills) {
  return createHash("sha256").update(JSON.stringify(skills)).digest("hex");
}

function nowS() {
  return Math.floor(Date.now() / 1000);
}
