/** Wait: for a time, for a condition, or for the end of a pause after a failure. */

/** A timer of Node's fires at once when it is set for longer. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function pause(ms, signal = null) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, TIMER_MS_MAX));
    signal?.addEventListener("abort", end);
  });
}

/** Resolves when `promise` is settled, at the latest after `ms`. It never rejects. */
export function atMost(ms, promise) {
  const settled = new AbortController();
  promise.then(
    () => settled.abort(),
    () => settled.abort(),
  );
  return pause(ms, settled.signal);
}

/** Something changed: everybody who waits for a condition looks again. */
export class Changed {
  #waiting = new Set();

  notify() {
    for (const look of [...this.#waiting]) look();
  }

  /** Resolves with true as soon as `condition` holds; with false after `ms`. */
  until(condition, ms = Infinity) {
    return new Promise((resolve) => {
      if (condition()) return resolve(true);
      const end = (held) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(held);
      };
      const look = () => condition() && end(true);
      const timer = ms === Infinity ? undefined : setTimeout(() => end(false), Math.min(ms, TIMER_MS_MAX));
      this.#waiting.add(look);
    });
  }
}

/** The pauses after failures in a row: doubling, jittered, never shorter than the engine asked for. */
export class Backoff {
  #limits;
  #failures = 0;

  constructor(limits) {
    this.#limits = limits;
  }

  reset() {
    this.#failures = 0;
  }

  nextMs(error = null) {
    const { backoffFirstMs, backoffMaxMs, retryAfterMaxMs } = this.#limits;
    const ceiling = Math.min(backoffMaxMs, backoffFirstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    const asked = Math.min(error?.retryAfterMs ?? 0, retryAfterMaxMs);
    return Math.max(ceiling * (0.5 + Math.random() / 2), asked);
  }
}
