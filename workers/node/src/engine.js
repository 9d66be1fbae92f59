/** Speak the worker protocol over HTTP: one method a call. Nothing is repeated here. */

import { signed } from "./signing.js";

const PREFIX = "/_worker";
const PROTOCOL_VERSION = "1.0b17";
const PASSING = new Set([408, 425, 429]);

export class EngineError extends Error {
  constructor(kind, message, { status = 0, retryAfterMs = null } = {}) {
    super(message);
    this.name = "EngineError";
    this.kind = kind;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  get isAboutTheToken() {
    return this.status === 401 || this.status === 403;
  }
}

export class Engine {
  constructor({ url, token, workerId, limits, signing = false }) {
    this.sign = signing ? (text) => signed(text, { workerId, token }) : (text) => text;
    this.url = url.replace(/\/+$/, "") + PREFIX;
    this.worker = encodeURIComponent(workerId);
    this.limits = limits;
    this.headers = { "X-Worker-ID": workerId, "X-RXON-Version": PROTOCOL_VERSION };
    if (token) this.headers["X-Worker-Token"] = token;
  }

  /** Returns what the engine offers beside the four calls. */
  async register(registration) {
    const answer = await this.#ask("POST", "/workers/register", this.sign(JSON.stringify(registration)));
    return new Set(Array.isArray(answer?.offers) ? answer.offers : []);
  }

  /** Returns the orders of the engine. */
  async heartbeat(message) {
    const answer = await this.#ask("PATCH", `/workers/${this.worker}`, this.sign(JSON.stringify(message)));
    return {
      cancelled: answer?.cancel_task_ids ?? [],
      registerAgain: Boolean(answer?.require_full_sync),
      jitterMs: answer?.next_heartbeat_jitter_ms ?? 0,
    };
  }

  /** Waits for tasks; none is an answer too. An aborted `signal` rejects with its reason. */
  async poll({ timeoutMs, kinds, max, nonce, holding }, signal) {
    const query = new URLSearchParams({
      timeout: String(timeoutMs / 1000),
      available_skills: kinds.join(","),
      max: String(max),
      nonce,
      ...(holding === null ? {} : { holding: holding.join(",") }),
    });
    const path = `/workers/${this.worker}/tasks/next?${query}`;
    const answer = await this.#ask("GET", path, undefined, timeoutMs + this.limits.requestTimeoutMs, signal);
    return answer === null ? [] : Array.isArray(answer) ? answer : [answer];
  }

  /**
   * Hands results over, each as JSON text, in one request; the receipts are in their order. With `wanted`, a poll that
   * waits for nothing, tasks come along.
   */
  async deliver(results, wanted = null) {
    const each = results.map(this.sign);
    const body = each.length === 1 ? each[0] : `[${each.join(",")}]`;
    const { kinds = [], max = 0, nonce = "" } = wanted ?? {};
    const query = wanted ? `?${new URLSearchParams({ next: kinds.join(","), max: String(max), nonce })}` : "";
    const answer = await this.#ask("POST", `/tasks/result${query}`, body);
    const receipts = Array.isArray(answer) ? answer : (answer?.answers ?? [answer]);
    if (receipts.length !== results.length) {
      const found = `${results.length} results were sent, ${receipts.length} receipts came back`;
      throw new EngineError("unavailable", found);
    }
    return {
      receipts: receipts.map((each) => ({ accepted: each?.status !== "ignored", reason: each?.reason ?? "" })),
      tasks: Array.isArray(answer?.tasks) ? answer.tasks : [],
    };
  }

  event(message) {
    return this.#ask("POST", "/events", this.sign(JSON.stringify(message)));
  }

  async #ask(method, path, body, timeoutMs = this.limits.requestTimeoutMs, signal = null) {
    const giveUp = new AbortController();
    const abort = () => giveUp.abort(signal.reason);
    const timer = setTimeout(() => giveUp.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    try {
      const headers = body === undefined ? this.headers : { ...this.headers, "Content-Type": "application/json" };
      // a redirect is not followed: it would carry the token elsewhere
      const options = { method, headers, body, redirect: "manual", signal: giveUp.signal };
      const response = await fetch(this.url + path, options);
      return answerOf(response, await response.text());
    } catch (error) {
      if (error instanceof EngineError) throw error;
      if (signal?.aborted) throw signal.reason;
      const cause = error?.cause?.message ?? error?.message ?? error;
      throw new EngineError("unavailable", `no answer from ${this.url}: ${cause}`);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
}

function answerOf(response, text) {
  const { status } = response;
  if (status >= 200 && status < 300) {
    try {
      return text === "" ? null : JSON.parse(text);
    } catch {
      throw new EngineError("unavailable", `the engine's answer is not JSON: ${text.slice(0, 80)}`);
    }
  }
  const message = `the engine answered ${status}: ${text.slice(0, 500)}`;
  if (PASSING.has(status) || status >= 500) {
    const retryAfterMs = retryAfterOf(response.headers.get("Retry-After"), Date.now());
    throw new EngineError("unavailable", message, { status, retryAfterMs });
  }
  throw new EngineError(status === 404 ? "unknown" : "refused", message, { status });
}

/** The milliseconds of a Retry-After header, which has a number or a date (RFC 9110, 10.2.3). */
export function retryAfterOf(header, nowMs) {
  if (header === null) return null;
  if (/^\d{1,9}(\.\d{1,9})?$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}
