import assert from "node:assert/strict";
import { test } from "node:test";
import { canonical, signed } from "../src/signing.js";

test("the canonical text is that of the engine", () => {
  const message = {
    b: { z: 1, a: null, "é": [null, 2.5, -0, 1e-7, 1e-6, 1e-5, { n: null }] },
    a: "ü\u2028\n\x7f",
    "\uff5e": 1,
    "\u{1f600}": 2,
    security: { signature: "x" },
    _signature: "y",
    n: null,
  };

  const expected =
    '{"a":"ü\u2028\\n\x7f","b":{"z":1,"é":[null,2.5,0,1e-7,1e-6,0.00001,{}]},"\uff5e":1,"\u{1f600}":2}';
  assert.equal(canonical(message), expected);
});

test("a signed message has its signature and is what it was", () => {
  const { security, ...rest } = JSON.parse(signed('{"worker_id":"w1","n":null}', { workerId: "w1", token: "t" }));

  assert.deepEqual(rest, { worker_id: "w1", n: null });
  assert.equal(security.signer_id, "w1");
  assert.match(security.signature, /^[0-9a-f]{64}$/);
});
