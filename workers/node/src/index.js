/** The worker SDK for Node: what is for users. */

export { EngineError } from "./engine.js";
export { Result, TaskError } from "./outcome.js";
export { Worker } from "./worker.js";
