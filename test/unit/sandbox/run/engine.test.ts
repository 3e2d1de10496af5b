import { stat } from "node:fs";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { makeLimits } from "../../../../src/domain/limits.ts";
import type { Output } from "../../../../src/domain/outputs.ts";
import type { RunInput, RunPorts } from "../../../../src/domain/run.ts";
import { makeLog } from "../../../../src/observe/log.ts";
import { makeMetrics } from "../../../../src/observe/metrics.ts";
import { Pool } from "../../../../src/sandbox/pool/pool.ts";
import { makeEngine } from "../../../../src/sandbox/run/engine.ts";
import { WireError } from "../../../../src/sandbox/wire/frames.ts";
import { doneHead, FakeFactory, type FakeSandbox, OpeningFactory, type Script } from "../../../support/fakes/fake-sandbox.ts";

const limits = makeLimits({
  sandboxStartTimeoutMsMax: 500,
  inputTimeoutMsMax: 500,
  collectTimeoutMsMax: 200,
  runKillGraceMs: 100,
  runTimeoutMsMax: 1_000,
  runnerSilenceMsMax: 300,
});
const pools: Pool[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

function engineWith(script: Script, factory = new FakeFactory(script), stock = 0) {
  const log = makeLog("silent");
  const pool = new Pool({
    factory,
    spec: { memoryMb: 512 },
    sizeMin: stock,
    sizeMax: stock,
    capacity: 4,
    startsMax: 2,
    idleMsMax: 60_000,
    preloadMsMax: 10_000,
    metrics: makeMetrics(),
    log,
  });
  pools.push(pool);
  pool.open();
  return { engine: makeEngine({ pool, limits, log, forksCheaply: true }), factory, pool };
}

const input = (changes: Partial<RunInput> = {}): RunInput => ({
  id: "ci_1",
  organization: "org_a",
  attempt: 1,
  code: "print(1)",
  args: [],
  stdin: "",
  env: {},
  files: [],
  timeoutMs: 200,
  memoryMb: 512,
  ...changes,
});

function portsThatKeep() {
  const emitted: Output[] = [];
  const files: Array<{ name: string; bytes: Buffer }> = [];
  const ports: RunPorts = {
    openFile: async () =>
      (async function* () {
        yield Buffer.from("input bytes");
      })(),
    saveFile: async ({ name }, source) => {
      const parts: Uint8Array[] = [];
      for await (const part of source) parts.push(part);
      const bytes = Buffer.concat(parts);
      files.push({ name, bytes });
      return {
        file_id: `file_${files.length}`,
        url: `/v1/files/${files.length}`,
        mime_type: "text/plain",
        bytes: bytes.length,
        sha256: "0".repeat(64),
      };
    },
    emit: async (output) => void emitted.push(structuredClone(output)),
  };
  return { ports, emitted, files };
}

/** Runs these steps once the code arrives. */
const answers =
  (...say: Array<(sandbox: FakeSandbox) => void>): Script =>
  (frame, sandbox) => {
    if (frame.kind === "run") for (const act of say) act(sandbox);
  };
const ends =
  (changes = {}) =>
  (sandbox: FakeSandbox) =>
    sandbox.says("done", doneHead(changes));
const out =
  (text: string | Buffer, stream: "stdout" | "stderr" = "stdout") =>
  (sandbox: FakeSandbox) =>
    sandbox.says(stream, {}, Buffer.from(text as string));

async function run(script: Script, changes: Partial<RunInput> = {}, stop = new AbortController().signal) {
  const { engine, factory } = engineWith(script);
  const kept = portsThatKeep();
  const end = await engine.run(input(changes), kept.ports, stop);
  return { end, ...kept, factory };
}

describe("a run", () => {
  test("joins adjacent text, keeps the order, changes nothing", async () => {
    const { end, emitted } = await run(answers(out("a"), out("b\n"), out("warn\n\n", "stderr"), out("c\r\n"), ends()));
    expect(end.outputs).toEqual([
      { type: "text", stream: "stdout", text: "ab\n" },
      { type: "text", stream: "stderr", text: "warn\n\n" },
      { type: "text", stream: "stdout", text: "c\r\n" },
    ]);
    expect(emitted).toHaveLength(4);
    expect(end).toMatchObject({ status: "completed", cause: null, outcome: "ran", retry_safe: true });
  });

  test("gives the text that was written: a newline alone is text, and the events together are the result", async () => {
    for (const text of ["a", "a\n", "\n", "\r\n"]) {
      const { end, emitted } = await run(answers(...[...text].map((character) => out(character)), ends()));
      expect(end.outputs).toEqual([{ type: "text", stream: "stdout", text }]);
      expect(emitted.map((output) => output.type === "text" && output.text).join("")).toBe(text);
    }
  });

  test("sends files, stdin and code in that order", async () => {
    const { factory } = await run(answers(ends()), { files: [{ name: "a.csv", file_id: "file_1" }], stdin: "x" });
    expect((factory.made[0] as FakeSandbox).received.map((frame) => frame.kind)).toEqual(["file", "chunk", "file_end", "stdin", "run"]);
  });

  test("names the engine of its sandbox, and no engine without a sandbox", async () => {
    expect((await run(answers(ends()))).end.usage.engine).toBe("docker");
    const stopped = AbortSignal.abort("cancelled");
    expect((await run(answers(ends()), {}, stopped)).end.usage.engine).toBeNull();
  });

  test("destroys its sandbox after every end", async () => {
    for (const script of [answers(ends()), answers((s) => s.die()), answers((s) => s.babble())]) {
      const { factory } = await run(script);
      expect((factory.made[0] as FakeSandbox).destroyed).toBeGreaterThanOrEqual(1);
    }
  });

  test("keeps what was printed before its sandbox died", async () => {
    const { end } = await run(answers(out("partial"), (s) => s.die({ exitCode: 137, oomKilled: true })));
    expect(end).toMatchObject({ status: "incomplete", cause: "memory", outcome: "ran_partly", outputs: [{ text: "partial" }] });
  });

  test("kills a sandbox whose runner does not enforce the time limit", async () => {
    const { end } = await run(answers(out("partial")), { timeoutMs: 50 });
    expect(end).toMatchObject({
      status: "incomplete",
      cause: "timeout",
      evidence: { limit: "timeout_ms", limit_value: 50 },
      outputs: [{ text: "partial" }],
    });
  });

  test("is lost, and not too slow, when its runner gives no sign of life; its time limit begins with that sign", async () => {
    const { end } = await run(() => undefined, { timeoutMs: 50 });
    expect(end).toMatchObject({ status: "errored", cause: "sandbox_lost", outcome: "ran_partly", retry_safe: true });
    const late: Script = (frame, sandbox) => {
      if (frame.kind !== "run") return;
      setTimeout(() => sandbox.says("started"), 200);
      setTimeout(() => sandbox.says("done", doneHead()), 300);
    };
    expect((await run(late, { timeoutMs: 50 })).end).toMatchObject({ status: "completed" });
  });

  test("is lost, and not too slow, when the engine no longer reaches the sandbox at the time limit", async () => {
    const cut: Script = (frame, sandbox) => {
      sandbox.reached = false;
      if (frame.kind === "run") sandbox.says("started");
    };
    const { end } = await run(cut, { timeoutMs: 50 });
    expect(end).toMatchObject({ status: "errored", cause: "sandbox_lost", retry_safe: true, evidence: {} });
  });

  test("accepts a result that arrived in time while the worker's event loop was blocked", async () => {
    const said = promisify(stat);
    const { end } = await run(
      (frame, sandbox) => {
        if (frame.kind !== "run") return;
        setImmediate(() => {
          // Like data in a socket: read after the timers, but received long before the deadline.
          void said(".").then(() => sandbox.says("done", doneHead()));
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * (50 + limits.runKillGraceMs));
        });
      },
      { timeoutMs: 50 },
    );
    expect(end).toMatchObject({ status: "completed", cause: null });
  });

  test("stores files and images while they stream", async () => {
    const { end, files } = await run(
      answers(
        (s) => s.says("display", { type: "image", mime_type: "image/png", width: 1, height: 2, role: "display" }, Buffer.from("png")),
        (s) => s.says("file", { name: "out/a.txt", change: "created" }),
        (s) => s.says("chunk", {}, Buffer.from("hel")),
        (s) => s.says("chunk", {}, Buffer.from("lo")),
        (s) => s.says("file_end", { complete: true }),
        ends(),
      ),
    );
    expect(files.map(({ name, bytes }) => [name, String(bytes)])).toEqual([
      ["image-1.png", "png"],
      ["out/a.txt", "hello"],
    ]);
    expect(end.outputs.map((output) => output.type)).toEqual(["image", "file"]);
    expect(end.usage.file_bytes).toBe(5);
  });

  test.each([
    ["a name with a parent folder", [{ name: "../x", change: "created" }], /relative path/],
    ["an incomplete file", [{ name: "x", change: "created" }, false], /changed or could not be read/],
  ] as const)("skips %s and reports it", async (_, [head, complete = true], reason) => {
    const { end, files } = await run(
      answers(
        (s) => s.says("file", head as never),
        (s) => s.says("chunk", {}, Buffer.from("x")),
        (s) => s.says("file_end", { complete }),
        ends(),
      ),
    );
    expect(files).toEqual([]);
    expect(end.truncated.files).toBe(true);
    expect(end.skipped_files[0]?.reason).toMatch(reason);
    expect(end.status).toBe("completed");
  });

  test("reports files that could not be stored", async () => {
    const { engine } = engineWith(
      answers(
        (s) => s.says("file", { name: "a", change: "created" }),
        (s) => s.says("chunk", {}, Buffer.from("x")),
        (s) => s.says("file_end", { complete: true }),
        ends(),
      ),
    );
    const { ports } = portsThatKeep();
    const end = await engine.run(
      input(),
      { ...ports, saveFile: () => Promise.reject(new Error("disk full")) },
      new AbortController().signal,
    );
    expect(end.skipped_files).toEqual([{ name: "a", reason: "could not be stored" }]);
  });

  test.each([
    ["displays with bad types", { type: "table", columns: 7 }],
    ["displays that claim a file id", { type: "image", file_id: "file_x" }],
    ["displays of an unknown type", { type: "script" }],
  ])("drops %s and reports it", async (_, head) => {
    const { end } = await run(answers((s) => s.says("display", head), ends()));
    expect(end.outputs).toEqual([]);
    expect(end.truncated.outputs).toBe(true);
  });

  test("counts output itself, even if the runner lets too much through", async () => {
    const megabyte = Buffer.alloc(1024 * 1024, "x");
    const { end } = await run(answers(...Array.from({ length: 70 }, () => out(megabyte))));
    expect(end).toMatchObject({ status: "incomplete", cause: "output", truncated: { stdout: true } });
    expect((end.outputs[0] as { text: string }).text).toHaveLength(limits.stdoutKeptBytesMax);
  });

  test("drops a character that the bound cut, without marking the text invalid", async () => {
    const { end } = await run(answers(out(Buffer.concat([Buffer.alloc(limits.stdoutKeptBytesMax - 1, "x"), Buffer.from("é")])), ends()));
    expect(end.outputs[0]).toEqual({ type: "text", stream: "stdout", text: "x".repeat(limits.stdoutKeptBytesMax - 1) });
    expect(end.truncated.stdout).toBe(true);
  });

  test("ends as sandbox_lost, without a guessed cause, on malformed frames", async () => {
    const { end } = await run(answers(out("before"), (s) => s.babble()));
    expect(end).toMatchObject({ status: "errored", cause: "sandbox_lost", outputs: [{ text: "before" }] });
  });

  test("never started when there is no sandbox", async () => {
    const factory = new FakeFactory(answers(ends()));
    factory.failures = 1_000;
    const { engine } = engineWith(answers(ends()), factory);
    const end = await engine.run(input(), portsThatKeep().ports, new AbortController().signal);
    expect(end).toMatchObject({ status: "errored", cause: "sandbox_lost", outcome: "never_started" });
  });

  test.each([
    [
      "a sandbox that takes no input",
      (async (frame) => {
        if (frame.kind === "chunk") await new Promise(() => undefined);
      }) satisfies Script,
      "bytes",
    ],
    ["a store that never sends a byte", answers(ends()), "nothing"],
  ])("gives up on %s within the bound", async (_, script: Script, kind) => {
    const { engine, factory } = engineWith(script);
    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<Uint8Array>>(() => undefined) }) };
    const ports = portsThatKeep().ports;
    const end = await engine.run(
      input({ files: [{ name: "a", file_id: "file_1" }] }),
      kind === "bytes" ? ports : { ...ports, openFile: async () => never },
      new AbortController().signal,
    );
    expect(end).toMatchObject({ status: "errored", cause: "sandbox_lost", outcome: "never_started" });
    expect((factory.made[0] as FakeSandbox).destroyed).toBeGreaterThanOrEqual(1);
  });

  test("opens an input file only when it is next, so that a lost sandbox leaves no unhandled rejection", async () => {
    let opened = 0;
    const factory = new FakeFactory((frame, sandbox) => {
      if (frame.kind === "file") {
        sandbox.die();
        throw new WireError("the sandbox's stream has ended");
      }
    });
    const { engine } = engineWith(answers(ends()), factory);
    const ports = {
      ...portsThatKeep().ports,
      openFile: () => {
        opened += 1;
        return Promise.reject(new Error("gone"));
      },
    };
    const end = await engine.run(input({ files: [{ name: "a", file_id: "file_1" }] }), ports, new AbortController().signal);
    expect(end).toMatchObject({ status: "errored", cause: "sandbox_lost", outcome: "never_started" });
    expect(opened).toBe(0);
  });

  test("does not let endless file frames hold the sandbox forever", async () => {
    const endless = (sandbox: FakeSandbox) => {
      const announce = setInterval(() => {
        if (sandbox.destroyed > 0) clearInterval(announce);
        else {
          sandbox.says("file", { name: "a", change: "created" });
          sandbox.says("file_end", { complete: true });
        }
      }, 20);
    };
    const { end } = await run(answers(endless));
    expect(end).toMatchObject({ status: "incomplete", cause: "timeout" });
  });

  test("never started when an input file is gone", async () => {
    const { engine } = engineWith(answers(ends()));
    const ports = { ...portsThatKeep().ports, openFile: () => Promise.reject(new Error("gone")) };
    const end = await engine.run(input({ files: [{ name: "a", file_id: "file_1" }] }), ports, new AbortController().signal);
    expect(end).toMatchObject({ status: "errored", cause: null, outcome: "never_started" });
  });
});

describe("a stopped run", () => {
  test("is interrupted when cancelled, keeps its outputs, and its sandbox is gone before the result", async () => {
    const stop = new AbortController();
    const { end, factory } = await run(
      (frame, sandbox) => {
        if (frame.kind === "run") {
          sandbox.says("stdout", {}, Buffer.from("partial"));
          stop.abort("cancelled");
        }
        if (frame.kind === "interrupt") sandbox.says("done", doneHead({ end: "interrupted" }));
      },
      {},
      stop.signal,
    );
    expect(end).toMatchObject({ status: "cancelled", cause: "cancelled", outputs: [{ text: "partial" }] });
    expect((factory.made[0] as FakeSandbox).destroyed).toBeGreaterThanOrEqual(1);
  });

  test("is killed when its runner ignores the interrupt", async () => {
    const stop = new AbortController();
    const { end } = await run(
      (frame) => {
        if (frame.kind === "run") stop.abort("cancelled");
      },
      { timeoutMs: 1_000 },
      stop.signal,
    );
    expect(end).toMatchObject({ status: "cancelled" });
  });

  test("never started when it is stopped before it began", async () => {
    const { end } = await run(answers(ends()), {}, AbortSignal.abort("cancelled"));
    expect(end).toMatchObject({ status: "cancelled", outcome: "never_started" });
  });

  test("is killed immediately when its lock is lost", async () => {
    const stop = new AbortController();
    const { end, factory } = await run(
      (frame) => {
        if (frame.kind === "run") stop.abort("lock_lost");
      },
      { timeoutMs: 1_000 },
      stop.signal,
    );
    expect(end).toMatchObject({ status: "errored", cause: "worker_lost" });
    expect((factory.made[0] as FakeSandbox).received.map((frame) => frame.kind)).not.toContain("interrupt");
  });
});

describe("preparing a run", () => {
  const script: Script = (frame, sandbox) => {
    if (frame.kind === "run") ends()(sandbox);
  };
  const codeSentTo = ({ made }: FakeFactory) =>
    made.filter(({ received }) => received.some(({ kind }) => kind === "run")).map(({ id }) => id);
  const stocked = async () => {
    const factory = new OpeningFactory(script);
    const made = engineWith(script, factory, 1);
    await expect.poll(() => made.pool.idle).toBe(1);
    return { ...made, factory, opened: factory.opened };
  };

  test("opens a sandbox from stock once, and the run takes it", async () => {
    const { engine, opened, factory } = await stocked();
    engine.prepare?.("ci_1", { memoryMb: 512, preloaded: true });
    engine.prepare?.("ci_1", { memoryMb: 512, preloaded: true });
    expect(opened).toEqual([{ id: "sandbox-1", wantsPreloaded: true }]);
    const end = await engine.run(input(), portsThatKeep().ports, new AbortController().signal);
    engine.forget?.("ci_1");
    expect(end).toMatchObject({ status: "completed", usage: { warm: true } });
    expect(codeSentTo(factory)).toEqual(["sandbox-1"]);
    expect(opened).toHaveLength(1);
  });

  test("is undone when the run is forgotten", async () => {
    const { engine, factory } = await stocked();
    engine.prepare?.("ci_1", { memoryMb: 512, preloaded: false });
    engine.forget?.("ci_1");
    await expect.poll(() => (factory.made[0] as FakeSandbox).destroyed).toBe(1);
    const end = await engine.run(input(), portsThatKeep().ports, new AbortController().signal);
    expect(end).toMatchObject({ status: "completed" });
    expect(codeSentTo(factory)).toEqual(["sandbox-2"]);
  });

  test("does nothing with an empty stock, or for another size", async () => {
    const { engine, opened } = await stocked();
    engine.prepare?.("ci_1", { memoryMb: 256, preloaded: false });
    engine.prepare?.("ci_2", { memoryMb: 512, preloaded: false });
    engine.prepare?.("ci_3", { memoryMb: 512, preloaded: false });
    expect(opened).toHaveLength(1);
    engine.forget?.("ci_2");
  });

  test("is optional: each run opens its sandbox according to its imports", async () => {
    const { engine, opened } = await stocked();
    await engine.run(input({ code: "import pandas" }), portsThatKeep().ports, new AbortController().signal);
    expect(opened).toEqual([{ id: "sandbox-1", wantsPreloaded: true }]);
  });
});
