/**
 * Sign messages of the worker protocol: HMAC-SHA256 with the worker's token, in hexadecimal digits, of the message's
 * canonical JSON: without `security` at its top, without nulls in maps, keys sorted by code points, compact.
 */

import { createHmac } from "node:crypto";

const LEFT_OUT = new Set(["security", "_signature"]);

/** Returns the JSON text of a message, given as JSON text, with its signature. */
export function signed(text, { workerId, token }) {
  const message = JSON.parse(text);
  const signature = createHmac("sha256", token).update(canonical(message)).digest("hex");
  return JSON.stringify({ ...message, security: { signature, signer_id: workerId } });
}

/** The text that is signed. */
export function canonical(message) {
  const kept = Object.entries(message).filter(([name]) => !LEFT_OUT.has(name));
  return mapText(kept);
}

function textOf(value) {
  if (typeof value === "number") return numberText(value);
  if (Array.isArray(value)) return `[${value.map(textOf).join(",")}]`;
  return value !== null && typeof value === "object" ? mapText(Object.entries(value)) : JSON.stringify(value);
}

function mapText(entries) {
  const parts = entries
    .filter(([, value]) => value !== null)
    .sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    .map(([name, value]) => `${JSON.stringify(name)}:${textOf(value)}`);
  return `{${parts.join(",")}}`;
}

/** JavaScript writes out what is smaller than 0.00001 down to 0.000001; the engine does not. */
function numberText(number) {
  return number !== 0 && Math.abs(number) < 1e-5 ? number.toExponential() : JSON.stringify(number);
}
