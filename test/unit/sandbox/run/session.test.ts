import { getEventListeners } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { makeLimits } from "../../../../src/domain/limits.ts";
import type { RunInput, RunPorts } from "../../../../src/domain/run.ts";
import { makeLog } from "../../../../src/observe/log.ts";
import { makeMetrics } from "../../../../src/observe/metrics.ts";
import { Pool } from "../../../../src/sandbox/pool/pool.ts";
import { makeEngine } from "../../../../src/sandbox/run/engine.ts";
import { doneHead, FakeFactory, type FakeSandbox, type Script } from "../../../support/fakes/fake-sandbox.ts";

const limits = makeLimits({ inputTimeoutMsMax: 300, runKillGraceMs: 100, runTimeoutMsMax: 1_000, runnerSilenceMsMax: 400 });
const pools: Pool[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

const alive = (changes = {}) => doneHead({ session_alive: true, removed_files: [], ...changes });
const wellBehaved: Script = (frame, sandbox) => {
  if (frame.kind === "run") sandbox.says("done", alive());
};
const never = new AbortController().signal;
const input = (changes: Partial<RunInput> = {}): RunInput => ({
  ...{ id: "ci_1", organization: "org_a", attempt: 1, code: "1", args: [], stdin: "", env: {}, files: [], timeoutMs: 200, memoryMb: 512 },
  session: "cntr_1",
  ...changes,
});
const ports: RunPorts = {
  openFile: async (id) =>
    (async function* () {
      yield Buffer.from("first part");
      if (id === "file_gone") throw new Error("gone half way");
      if (id === "file_never") await new Promise(() => undefined);
    })(),
  saveFile: () => Promise.reject(new Error("nothing is kept here")),
  emit: async () => undefined,
};

async function open(script: Script, memoryMb = 512) {
  const factory = new FakeFactory(script);
  const log = makeLog("silent");
  const sizes = { sizeMin: 0, sizeMax: 0, capacity: 4, startsMax: 2, idleMsMax: 60_000, preloadMsMax: 10_000 };
  const pool = new Pool({ factory, spec: { memoryMb: 512 }, ...sizes, metrics: makeMetrics(), log });
  pools.push(pool);
  pool.open();
  const session = await makeEngine({ pool, limits, log, forksCheaply: true }).openSession(
    { id: "cntr_1", memoryMb, restoresCells: true },
    never,
  );
  return { session, sandbox: factory.made[0] as FakeSandbox, pool };
}
const kinds = (sandbox: FakeSandbox) => sandbox.received.map((frame) => frame.kind);

describe("a session", () => {
  test("keeps its sandbox from cell to cell, and runs its cells as a session", async () => {
    const { session, sandbox } = await open(wellBehaved, 256);
    for (const code of ["1", "2"])
      expect(await session.run(input({ code }), ports, never)).toMatchObject({ status: "completed", evidence: {} });
    expect([sandbox.destroyed, sandbox.spec.memoryMb, kinds(sandbox)]).toEqual([0, 256, ["run", "run"]]);
    expect(sandbox.received[0]?.head).toMatchObject({ session: true, timeout_ms: 200 });
    await Promise.all([session.close(), session.close()]);
    expect([sandbox.destroyed, session.ended.aborted]).toEqual([1, true]);
  });

  test("reports removed files, and rejects an unbounded list of them", async () => {
    const { session } = await open((frame, sandbox) => frame.kind === "run" && sandbox.says("done", alive({ removed_files: ["a"] })));
    expect((await session.run(input(), ports, never)).removedFiles).toEqual(["a"]);
    const many = Array.from({ length: 20_000 }, () => "x");
    const hostile = await open((frame, sandbox) => frame.kind === "run" && sandbox.says("done", alive({ removed_files: many })));
    expect(await hostile.session.run(input(), ports, never)).toMatchObject({ cause: "sandbox_lost", evidence: { session_alive: false } });
  });

  test("reports session_alive after every end except a completed one", async () => {
    for (const lives of [true, false]) {
      const { session, sandbox } = await open(
        (frame, one) => frame.kind === "run" && one.says("done", doneHead({ end: "timeout", session_alive: lives })),
      );
      const end = await session.run(input(), ports, never);
      expect(end).toMatchObject({ cause: "timeout", retry_safe: false, evidence: { session_alive: lives } });
      expect([sandbox.destroyed > 0, session.ended.aborted]).toEqual([!lives, !lives]);
    }
  });

  test.each(["ok", "timeout"] as const)("reports that the state before a cell was restored, after the end %s", async (end) => {
    const says = alive({ end, restored: true });
    const { session, sandbox } = await open((frame, one) => frame.kind === "run" && one.says("done", says));
    expect((await session.run(input(), ports, never)).evidence).toMatchObject({ session_alive: true, restored: "before_cell" });
    expect([sandbox.destroyed, session.ended.aborted]).toEqual([0, false]);
    const lies = await open((frame, one) => frame.kind === "run" && one.says("done", { ...says, session_alive: false }));
    expect((await lies.session.run(input(), ports, never)).evidence.restored).toBeUndefined();
  });

  test("reports session_alive after a completed cell too when it is dead", async () => {
    const { session } = await open((frame, sandbox) => frame.kind === "run" && sandbox.says("done", doneHead()));
    expect(await session.run(input(), ports, never)).toMatchObject({ status: "completed", evidence: { session_alive: false } });
  });

  test.each<[string, Script, string]>([
    ["a runner without a sign of life", () => undefined, "sandbox_lost"],
    ["a runner that falls silent", (frame, sandbox) => frame.kind === "run" && sandbox.says("started"), "timeout"],
    ["a sandbox that ends", (frame, sandbox) => frame.kind === "run" && sandbox.die(), "sandbox_lost"],
    ["malformed frames", (frame, sandbox) => frame.kind === "run" && sandbox.babble(), "sandbox_lost"],
  ])("does not survive %s", async (_what, script, cause) => {
    const { session, sandbox } = await open(script);
    expect(await session.run(input(), ports, never)).toMatchObject({ cause, evidence: { session_alive: false } });
    expect(sandbox.destroyed).toBeGreaterThan(0);
  });

  test.each([
    ["never had the code, as far as is known", () => undefined, true],
    ["had the code, and is not reached at its limit", (frame, sandbox) => frame.kind === "run" && sandbox.says("started"), false],
  ] satisfies Array<[string, Parameters<typeof open>[0], boolean]>)(
    "is safe to repeat only when its runner %s",
    async (_what, script, safe) => {
      const { session, sandbox } = await open(script);
      sandbox.reached = false;
      expect(await session.run(input(), ports, never)).toMatchObject({ cause: "sandbox_lost", retry_safe: safe });
    },
  );

  test("survives a cancellation when the code yields, or when the code was not sent yet", async () => {
    const { session, sandbox } = await open((frame, one) => {
      if (frame.kind === "interrupt") one.says("done", alive({ end: "interrupted" }));
    });
    const stop = new AbortController();
    const running = session.run(input(), ports, stop.signal);
    await expect.poll(() => kinds(sandbox)).toEqual(["run"]);
    stop.abort("cancelled");
    expect(await running).toMatchObject({ status: "cancelled", evidence: { session_alive: true }, retry_safe: false });
    const early = await session.run(input(), ports, AbortSignal.abort("cancelled"));
    expect(early).toMatchObject({ status: "cancelled", outcome: "never_started", evidence: { session_alive: true }, retry_safe: true });
    expect([kinds(sandbox), sandbox.destroyed]).toEqual([["run", "interrupt"], 0]);
  });

  test("does not survive a shutdown, or a cancellation when the code does not yield", async () => {
    for (const reason of ["cancelled", "shutdown"]) {
      const { session, sandbox } = await open(() => undefined);
      const stop = new AbortController();
      const running = session.run(input(), ports, stop.signal);
      await expect.poll(() => kinds(sandbox)).toEqual(["run"]);
      stop.abort(reason);
      expect(await running).toMatchObject({ evidence: { session_alive: false } });
      expect(sandbox.destroyed).toBeGreaterThan(0);
    }
  });

  test("continues after an input file failed half way, and the runner discards that file", async () => {
    const { session, sandbox } = await open(wellBehaved);
    await expect(session.putFile("a", "file_gone", ports)).rejects.toThrow("input file");
    await session.putFile("b", "file_1", ports);
    await session.removeFile("b");
    expect(sandbox.received.slice(0, 3).map((frame) => [frame.kind, frame.head])).toEqual([
      ["file", { name: "a" }],
      ["chunk", undefined],
      ["file_end", { complete: false }],
    ]);
    expect(kinds(sandbox).slice(3)).toEqual(["file", "chunk", "file_end", "remove"]);
    const lost = await session.run(input({ files: [{ name: "a", file_id: "file_gone" }] }), ports, never);
    expect(lost).toMatchObject({ status: "errored", outcome: "never_started", evidence: { session_alive: true } });
  });

  test("leaks no listener per file", async () => {
    const { session, sandbox } = await open(wellBehaved);
    await session.putFile("a", "file_1", ports);
    const before = getEventListeners(sandbox.lost, "abort").length;
    for (let count = 0; count < 20; count++) await session.putFile("a", "file_1", ports);
    expect(getEventListeners(sandbox.lost, "abort")).toHaveLength(before);
  });

  test("continues after a file that the store did not deliver in time", async () => {
    const { session, sandbox } = await open(wellBehaved);
    await expect(session.putFile("a", "file_never", ports)).rejects.toThrow("did not arrive in time");
    expect(sandbox.received.at(-1)).toMatchObject({ kind: "file_end", head: { complete: false } });
    await session.putFile("b", "file_1", ports);
    expect([session.ended.aborted, sandbox.destroyed]).toEqual([false, 0]);
  });

  test.each([
    ["accepts no file", "chunk", "file_1"],
    ["accepts no removal of a file", "remove", ""],
  ])("whose sandbox %s ends within the bound", async (_, stalls, id) => {
    const { session, sandbox } = await open((frame) => (frame.kind === stalls ? new Promise(() => undefined) : undefined));
    const change = id === "" ? session.removeFile("a") : session.putFile("a", id, ports);
    await expect(change).rejects.toThrow("sandbox's stream ended");
    expect([session.ended.aborted, sandbox.destroyed]).toEqual([true, 1]);
  });
});
