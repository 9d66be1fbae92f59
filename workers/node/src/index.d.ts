/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One attempt of one task, as its function sees it. */
export interface TaskContext {
  readonly jobId: string;
  /** Names this attempt; the next attempt of the same task has another. */
  readonly taskId: string;
  readonly kind: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** The same for all attempts of a task: give it to services that must not do things twice. */
  readonly idempotencyKey: string;
  /** When the engine gives up waiting for this attempt, by this machine's clock. */
  readonly deadline: Date | null;
  /** The W3C trace context of the job. */
  readonly traceparent: string | null;
  /** Aborted when nobody wants the result any more: the job was cancelled, the time is over, or the worker stops. */
  readonly signal: AbortSignal;
  /** Tell the engine how far the task is, 0 to 1. Only the last of several reports within a second is sent. */
  progress(fraction: number, message?: string): void;
}

/** Return it from a task to end with a status word of your own, which blueprints read as `status`. */
export class Result<Data = unknown> {
  constructor(data: Data, status?: string);
  readonly data: Data;
  readonly status: string;
}

/** Throw it in a task to fail the attempt with a code that blueprints can name in `retry` and `catch`. */
export class TaskError extends Error {
  constructor(code: string, message?: string, details?: unknown);
  readonly code: string;
  readonly details: unknown;
}

/** The engine did not do what was asked. */
export class EngineError extends Error {
  /**
   * unavailable: not now (network, 408, 425, 429, 5xx); unknown: the engine forgot this worker (404);
   * refused: repeating the same request cannot help.
   */
  readonly kind: "unavailable" | "unknown" | "refused";
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
}

/** What a task's function may return. `undefined` is sent as null. */
export type Output = unknown;

export type TaskFunction<Params = any> = (params: Params, context: TaskContext) => Output | Promise<Output>;

/** What is registered about a kind of task besides its name. */
export interface Skill {
  description?: string;
  version?: string;
  /** JSON Schema of the params. */
  input_schema?: object;
  /** JSON Schema of the output. */
  output_schema?: object;
  output_statuses?: string[];
}

export interface Limits {
  /** How long one poll waits at the engine for a task. Default: 30 s, as all times in milliseconds. */
  pollTimeoutMs: number;
  /** How long any other request may take. Default: 15 s. */
  requestTimeoutMs: number;
  /** While tasks run, heartbeats are at most this far apart. Default: 10 s. */
  cancelHeardMs: number;
  /** The lease of a task whose payload names none. Default: 90 s. */
  leaseDefaultMs: number;
  /** The pause after the first failure; it doubles with each that follows. Default: 0.5 s. */
  backoffFirstMs: number;
  /** The longest pause between tries. Default: 30 s. */
  backoffMaxMs: number;
  /** A longer Retry-After is not believed. Default: 300 s. */
  retryAfterMaxMs: number;
  /** A result that could not be delivered for so long is dropped. Default: 900 s. */
  resultKeptMs: number;
  /** With so many undelivered results no new task is asked for. Default: 1,000. */
  resultsHeldMax: number;
  /** With undelivered results of this size no new task is asked for. Default: 64 MB. */
  resultsHeldBytesMax: number;
  /** A larger output fails its attempt. Default: 8 MB. */
  outputBytesMax: number;
  /** Progress of a task is sent at most this often. Default: 1 s. */
  progressIntervalMs: number;
  /** After a stop was asked for, running tasks have so long to finish. Default: 15 s. */
  drainMs: number;
  /** What is cancelled has so long to clean up; then it counts as ended. Default: 3 s. */
  cancelGraceMs: number;
  /** During a stop: how long results may take to be delivered. Default: 3 s. */
  flushMs: number;
}

export interface WorkerOptions {
  /** The engine's address. Default: AVTOMAT_URL. */
  url?: string;
  /** This worker's secret. Default: AVTOMAT_WORKER_TOKEN. */
  token?: string;
  /** Sign messages with the token; default: the environment's AVTOMAT_WORKER_SIGNING. */
  signing?: boolean;
  /** Names it, alone among all workers. Default: AVTOMAT_WORKER_ID, else host, process and chance. */
  workerId?: string;
  /** How many tasks run at a time. Default: 10. */
  concurrency?: number;
  /** What is registered besides the kinds: `resources`, `installed_software`, `capabilities`, … */
  registration?: Record<string, unknown>;
  limits?: Partial<Limits>;
  /** Where the worker tells what goes wrong. Default: stderr. */
  log?: (line: string) => void;
}

/** A process that takes tasks from an engine. */
export class Worker {
  constructor(options?: WorkerOptions);
  readonly workerId: string;
  readonly concurrency: number;
  /** Let `work` do the tasks of `kind`. Throws for a kind that is taken or misspelt. */
  task<Params = any>(kind: string, work: TaskFunction<Params>, skill?: Skill): this;
  /**
   * Work until SIGTERM or SIGINT: the first lets running tasks finish, a second one ends the process at once.
   * Rejects with an EngineError when the engine does not want this worker (a wrong token, a wrong address).
   */
  run(): Promise<void>;
  /** The same without signals: work until `stop` is called. */
  serve(): Promise<void>;
  /** Let running tasks finish, then end `run` or `serve`. Returns at once. */
  stop(): void;
}
