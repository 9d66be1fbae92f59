/** What a task ends with: a result, a failure, or given up; and how each is written for the engine. */

const RESERVED = new Set(["failure", "failed", "error", "cancelled"]);
const STATUS_CHARACTERS_MAX = 128;
const MESSAGE_CHARACTERS_MAX = 2_000;
const HALF_A_CHARACTER = /\p{Surrogate}/gu;

export class Result {
  constructor(data, status = "success") {
    const fits = typeof status === "string" && status.length > 0 && status.length <= STATUS_CHARACTERS_MAX;
    if (!fits || /[\p{C}\p{Zl}\p{Zp}]/u.test(status) || RESERVED.has(status.toLowerCase())) {
      throw new RangeError(
        `${JSON.stringify(status)} cannot be a status: take a text of 1 to ${STATUS_CHARACTERS_MAX} characters on ` +
          `one line, other than ${[...RESERVED].join(", ")}; to fail, throw TaskError`,
      );
    }
    this.data = data;
    this.status = status;
  }
}

export class TaskError extends Error {
  constructor(code, message = "", details = null) {
    if (typeof code !== "string" || code === "") {
      throw new TypeError(`an error code is a text like CARD_DECLINED, not ${code}`);
    }
    super(message);
    this.name = "TaskError";
    this.code = code;
    this.details = details;
  }
}

/** The fields of a result whose task returned `value`, its output as JSON. Output that is not JSON is a failure. */
export function returned(value, bytesMax) {
  const result = value instanceof Result ? value : new Result(value);
  try {
    const data = result.data === undefined ? null : result.data;
    const text = JSON.stringify(data, refuseWhatIsLost);
    if (text === undefined) throw new TypeError(`a ${typeof data} is not JSON`);
    const size = Buffer.byteLength(text);
    if (size > bytesMax) {
      return failed("CONTRACT_VIOLATION_ERROR", `the output has ${size} bytes, at most ${bytesMax} are allowed`);
    }
    return { status: result.status, dataJson: text };
  } catch (error) {
    return failed("CONTRACT_VIOLATION_ERROR", `the task returned what is not JSON: ${textOf(error)}`);
  }
}

/** The fields of a result whose task threw `error`. */
export function thrown(error) {
  if (!(error instanceof TaskError)) return failed("INTERNAL_ERROR", textOf(error));
  try {
    return failed(error.code, error.message, JSON.parse(JSON.stringify(error.details ?? null, refuseWhatIsLost)));
  } catch (reason) {
    return failed(error.code, `${error.message} (details left out: ${textOf(reason)})`);
  }
}

export function failed(code, message, details = null) {
  const text = String(message).slice(0, MESSAGE_CHARACTERS_MAX).replace(HALF_A_CHARACTER, "\ufffd");
  return { status: "failure", error: { code, message: text, details } };
}

/** A result as it is sent: `head` names the attempt. */
export function encoded(head, { dataJson, ...fields }) {
  const text = JSON.stringify({ ...head, ...fields });
  return dataJson === undefined ? text : `${text.slice(0, -1)},"data":${dataJson}}`;
}

/** The fields of a result of an attempt that was given up: `stopping` lets another worker have it. */
export function givenUp(why) {
  if (why === "late") return failed("TIMEOUT_ERROR", "the deadline passed before the task was done");
  return why === "stopping" ? { status: "cancelled", given_back: true } : { status: "cancelled" };
}

export function textOf(error) {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return "an error whose text cannot be had";
  }
}

/** JSON.stringify makes null of these without a word. */
function refuseWhatIsLost(key, value) {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${key || "it"} is ${value}`);
  return value;
}
