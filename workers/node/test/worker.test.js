import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { EngineError, Worker } from "../src/index.js";
import { retryAfterOf } from "../src/engine.js";

const QUIET = { log: () => {} };

/** An engine that hands out `tasks` once; `answer(path, body)` says status and body of the other calls. */
async function engineWith(tasks, answer) {
  const queue = [...tasks];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { pathname } = new URL(request.url, "http://engine");
    const reply = ([status, body]) => response.writeHead(status).end(body === undefined ? "" : JSON.stringify(body));
    if (!pathname.endsWith("/tasks/next")) reply(answer(pathname, JSON.parse(Buffer.concat(chunks).toString())));
    else if (queue.length > 0) reply([200, queue.splice(0)]);
    else setTimeout(() => reply([204]), 200).unref();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

test("one result that is refused harms no other of its batch, and fails alone", async () => {
  const tasks = ["a", "bad", "b"].map((id) => ({ job_id: "j", task_id: id, type: "echo", params: id }));
  const taken = new Map();
  let worker;
  const engine = await engineWith(tasks, (path, body) => {
    if (!path.endsWith("/tasks/result")) return [200, { status: "ok" }];
    const results = Array.isArray(body) ? body : [body];
    if (results.some((result) => result.data === "bad")) return [400, { error: "invalid" }];
    for (const result of results) taken.set(result.task_id, result);
    if (taken.size === 3) worker.stop();
    return [200, Array.isArray(body) ? results.map(() => ({ status: "accepted" })) : { status: "accepted" }];
  });
  worker = new Worker({ url: engine.url, ...QUIET }).task("echo", (params) => params);
  await worker.serve();
  engine.close();
  assert.equal(taken.get("a").data, "a");
  assert.equal(taken.get("b").data, "b");
  assert.equal(taken.get("bad").error.code, "CONTRACT_VIOLATION_ERROR");
});

test("an address where no engine is ends the worker with an error that says so", async () => {
  const engine = await engineWith([], () => [404, { error: "nothing here" }]);
  const worker = new Worker({ url: engine.url, ...QUIET }).task("echo", (params) => params);
  await assert.rejects(worker.serve(), (error) => {
    assert.ok(error instanceof EngineError);
    return /no engine at this URL/.test(error.message);
  });
  engine.close();
});

test("a task after its deadline is aborted and fails with TIMEOUT_ERROR", async () => {
  const task = { job_id: "j", task_id: "t", type: "wait", params: {}, timestamp: 1_000, deadline: 1_000 };
  let result;
  let worker;
  const engine = await engineWith([task], (path, body) => {
    if (path.endsWith("/tasks/result")) {
      result = body;
      worker.stop();
    }
    return [200, { status: "accepted" }];
  });
  worker = new Worker({ url: engine.url, ...QUIET }).task("wait", async (_, { signal }) => {
    await once(signal, "abort");
    signal.throwIfAborted();
  });
  await worker.serve();
  engine.close();
  assert.equal(result.error.code, "TIMEOUT_ERROR");
});

test("what a worker cannot be is refused when it is made", () => {
  const url = "http://127.0.0.1:1";
  assert.throws(() => new Worker({ url: "127.0.0.1" }), /starts with http/);
  assert.throws(() => new Worker({ url, workerId: "a b" }), /worker id/);
  assert.throws(() => new Worker({ url, concurrency: 0 }), /at least 1/);
  assert.throws(() => new Worker({ url }).task("a b", () => 1), /kind of task/);
  assert.throws(() => new Worker({ url }).task("a", () => 1).task("a", () => 2), /already/);
});

test("Retry-After is a number of seconds or a date", () => {
  assert.equal(retryAfterOf("2", 0), 2_000);
  assert.equal(retryAfterOf("Thu, 01 Jan 1970 00:00:10 GMT", 4_000), 6_000);
  assert.equal(retryAfterOf("Thu, 01 Jan 1970 00:00:10 GMT", 14_000), 0);
  assert.equal(retryAfterOf("soon", 0), null);
  assert.equal(retryAfterOf(null, 0), null);
});
