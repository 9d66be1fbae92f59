// What must compile, and what must not: npx -p typescript -p @types/node tsc --noEmit --strict --module nodenext test/types.ts
import { EngineError, Result, TaskError, Worker } from "avtomat-worker";

const worker = new Worker({ url: "http://127.0.0.1:8080", limits: { drainMs: 1 } });
worker
  .task<{ name: string }>("greet", ({ name }, { attempt }) => ({ text: `Hello, ${name.trim()}`, n: attempt + 1 }))
  .task("charge", async (params, { signal, progress, deadline }) => {
    progress(0.5);
    await fetch("http://bank.example", { signal });
    if (deadline !== null && deadline.getTime() < 0) throw new TaskError("LATE");
    return new Result({ ok: true }, "charged");
  });
// @ts-expect-error the name of a limit is misspelt
new Worker({ limits: { drain: 1 } });
worker.run().catch((error: unknown) => {
  if (error instanceof EngineError && error.kind === "refused") process.exit(4);
});
