import assert from "node:assert/strict";
import { test } from "node:test";
import { Result, TaskError, encoded, givenUp, returned, thrown } from "../src/outcome.js";

const MAX = 1_000;
const sent = (fields) => JSON.parse(encoded({ task_id: "t" }, fields));

test("what a function returns is the output, and undefined is null", () => {
  assert.deepEqual(sent(returned({ a: [1, null] }, MAX)), { task_id: "t", status: "success", data: { a: [1, null] } });
  assert.equal(sent(returned(undefined, MAX)).data, null);
  assert.deepEqual(sent(returned(new Result(3, "charged"), MAX)), { task_id: "t", status: "charged", data: 3 });
});

test("what is not JSON is a violated contract, and never a null in silence", () => {
  const loop = {};
  loop.self = loop;
  for (const value of [NaN, { a: [Infinity] }, loop, 1n, () => 1, Symbol("s")]) {
    assert.equal(returned(value, MAX).error.code, "CONTRACT_VIOLATION_ERROR");
  }
});

test("an output over the limit is a violated contract that says its size", () => {
  const { error } = returned("ü".repeat(MAX), MAX);
  assert.equal(error.message, "the output has 2002 bytes, at most 1000 are allowed");
});

test("words that mean a failure cannot be a status", () => {
  for (const status of ["failure", "Cancelled", "", "two\nlines", "x".repeat(129), 3]) {
    assert.throws(() => new Result(null, status), RangeError);
  }
});

test("a TaskError keeps its code and details, any other error is INTERNAL_ERROR", () => {
  assert.deepEqual(thrown(new TaskError("CARD_DECLINED", "no", { limit: 1 })).error, {
    code: "CARD_DECLINED",
    message: "no",
    details: { limit: 1 },
  });
  assert.equal(thrown(new TypeError("x is not a function")).error.message, "TypeError: x is not a function");
  assert.equal(thrown("a thrown text").error.code, "INTERNAL_ERROR");
});

test("details that are not JSON are left out, and the code stays", () => {
  const { error } = thrown(new TaskError("BAD", "text", { n: NaN }));
  assert.equal(error.code, "BAD");
  assert.match(error.message, /details left out/);
});

test("a message that is cut within a character can still be sent", () => {
  const { error } = thrown(new TaskError("BAD", `x${"🙂".repeat(2_000)}`));
  assert.equal(Buffer.from(error.message).toString(), error.message);
});

test("only a stop gives an attempt back", () => {
  assert.deepEqual(givenUp("stopping"), { status: "cancelled", given_back: true });
  assert.deepEqual(givenUp("unwanted"), { status: "cancelled" });
  assert.equal(givenUp("late").error.code, "TIMEOUT_ERROR");
});
