import { afterEach, describe, expect, test } from "vitest";
import type { ServiceError } from "../../../src/domain/errors.ts";
import type { LimitName } from "../../../src/domain/limits.ts";
import { makeKeys } from "../../../src/queue/core/keys.ts";
import type { StoredFiles } from "../../../src/queue/sessions/files.ts";
import { Heartbeat } from "../../../src/queue/worker/heartbeat.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { FakeSessionEngine } from "../../support/fakes/fake-session-engine.ts";
import { log, makeRig, newExecution, type Rig, request } from "./rig.ts";

const rigs: Rig[] = [];
const beats: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const stop of beats.splice(0)) await stop();
  for (const rig of rigs.splice(0)) await rig.close();
});

const ORG = "org_a";
const keys = makeKeys("ci");

/** The api's side, and workers with fake sandboxes and a heartbeat. */
async function prepare(
  options: { limits?: Partial<Record<LimitName, number>>; workers?: number; sessionsMax?: number; beat?: boolean } = {},
) {
  const rig = await makeRig(options.limits ?? {});
  rigs.push(rig);
  const known = new Map<string, { id: string; name: string; bytes: number }>();
  const deleted: string[] = [];
  const files: StoredFiles = {
    getMany: async (organization, ids) => ids.map((id) => (organization === ORG ? (known.get(id) ?? null) : null)),
    deleteOwnedBy: async (_organization, id, fileId) => void deleted.push(fileId ?? id),
    handOver: async () => undefined,
  };
  const sessions = rig.executionService.sessionsWith(files);
  const engine = new FakeSessionEngine();
  const addWorker = async (name: string, own = engine) => {
    const heartbeat = new Heartbeat({ redis: rig.plain, prefix: "ci", log });
    if (options.beat !== false) await heartbeat.start(name);
    beats.push(() => heartbeat.stop(name));
    const capacity = { engine: own, sessionsMax: options.sessionsMax ?? 4, sandboxesMax: 4 };
    const workerLoop = await rig.worker(new FakeEngine({ immediate: true }), { workerId: name, sessions: capacity });
    return { workerLoop, heartbeat };
  };
  const workers = [];
  for (let n = 1; n <= (options.workers ?? 1); n++) workers.push(await addWorker(`w${n}`));
  const cell = async (container: string, code: string, organization = ORG) => {
    const { execution } = await rig.executionService.submit(newExecution({ organization, request: request({ code, container }) }));
    return execution.id;
  };
  const run = async (container: string, code: string) => rig.executionService.waitForEnd(ORG, await cell(container, code), 10_000);
  return { rig, sessions, engine, known, deleted, workers, addWorker, cell, run };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "none",
    (error: ServiceError) => error.code,
  );

describe("a session", () => {
  test("is active once it is created, on a worker with room, with its files in place", async () => {
    const { sessions, engine, known, rig } = await prepare();
    known.set("file_1", { id: "file_1", name: "a.csv", bytes: 3 });
    const made = await sessions.create(ORG, { name: "n", fileIds: ["file_1"], memoryMb: 128, expiresAfterMinutes: 5 });
    expect(made).toMatchObject({ name: "n", status: "active", memoryMb: 128, expiresAfterMinutes: 5, restoredFrom: null });
    expect(engine.of(made.id)).toMatchObject({ memoryMb: 128, files: ["a.csv"] });
    expect(await sessions.listFiles(ORG, made.id)).toMatchObject([{ id: "file_1", name: "a.csv", bytes: 3, source: "user" }]);
    expect(await rig.plain.zcard(keys.waiting)).toBe(0);
  });

  test("runs its cells in order, one at a time, in parallel with other sessions", async () => {
    const { sessions, engine, cell, rig } = await prepare();
    engine.immediate = false;
    const [a, b] = [await sessions.create(ORG), await sessions.create(ORG)];
    const ids = [await cell(a.id, "1"), await cell(a.id, "2"), await cell(b.id, "3")];
    const [of, other] = [engine.of(a.id), engine.of(b.id)];
    await engine.until(() => of.cells.length === 1 && other.cells.length === 1);
    expect((await rig.executionService.get(ORG, ids[1] as string))?.status).toBe("queued");
    expect(await rig.counted("queue_depth")).toMatchObject([{ labels: { state: "waiting_for_session" }, value: 1 }]);
    of.cells[0]?.finish();
    await engine.until(() => of.cells.length === 2);
    expect(of.cells.map((one) => one.input.code)).toEqual(["1", "2"]);
    for (const one of [...of.cells, ...other.cells]) one.finish();
    for (const id of ids) expect(await rig.executionService.waitForEnd(ORG, id, 10_000)).toMatchObject({ status: "completed", attempt: 1 });
  });

  test("does not exist for another organization", async () => {
    const { sessions, cell } = await prepare();
    const { id } = await sessions.create(ORG);
    expect(await sessions.get("org_b", id)).toBeNull();
    expect(await sessions.delete("org_b", id)).toBe(false);
    expect(await codeOf(sessions.listFiles("org_b", id))).toBe("container_not_found");
    expect(await codeOf(sessions.ensureActive("org_b", id))).toBe("container_not_found");
    expect(await codeOf(sessions.create("org_b", { restoreFrom: id }))).toBe("container_not_found");
    expect(await codeOf(cell(id, "1", "org_b"))).toBe("container_not_found");
    expect((await sessions.list("org_b", { limit: 10, order: "desc" })).data).toEqual([]);
  });

  test("that is deleted cancels its running and its waiting cells", async () => {
    const { sessions, engine, cell, rig } = await prepare();
    engine.immediate = false;
    const { id } = await sessions.create(ORG);
    const ids = [await cell(id, "1"), await cell(id, "2")];
    await engine.until(() => engine.of(id).cells.length === 1);
    expect(await sessions.delete(ORG, id)).toBe(true);
    const ends = await Promise.all(ids.map((each) => rig.executionService.waitForEnd(ORG, each, 10_000)));
    expect(ends).toMatchObject([
      { status: "cancelled", cause: "cancelled", outcome: "ran_partly" },
      { status: "cancelled", cause: "cancelled", outcome: "never_started", retry_safe: true },
    ]);
    expect(engine.of(id).closed).toBeGreaterThan(0);
  });

  test("expires after its idle time, which a cell restarts, and can be restored with its files", async () => {
    const { sessions, engine, known, run, rig } = await prepare();
    known.set("file_1", { id: "file_1", name: "a.csv", bytes: 3 });
    const { id } = await sessions.create(ORG, { fileIds: ["file_1"], expiresAfterMinutes: 1 });
    const idleFor = (ms: number) => rig.plain.hset(keys.session(ORG, id), "last_active_at", Date.now() - ms);
    await idleFor(59_000);
    await run(id, "1");
    expect(Number(await rig.plain.hget(keys.session(ORG, id), "last_active_at"))).toBeGreaterThan(Date.now() - 5_000);
    await idleFor(61_000);
    await engine.until(() => engine.of(id).closed > 0);
    expect((await sessions.get(ORG, id))?.status).toBe("expired");
    expect(await codeOf(run(id, "1"))).toBe("container_expired");
    expect(await codeOf(sessions.addFile(ORG, id, { fileId: "file_1" }))).toBe("container_expired");
    expect(await sessions.listFiles(ORG, id)).toHaveLength(1);
    const restored = await sessions.create(ORG, { restoreFrom: id });
    expect([restored.restoredFrom, engine.of(restored.id).files]).toEqual([id, ["a.csv"]]);
  });

  test("is lost when its sandbox ends or a cell reports that it ended", async () => {
    const { sessions, engine, run, cell, rig } = await prepare();
    const first = await sessions.create(ORG);
    engine.of(first.id).die();
    await engine.until(() => engine.of(first.id).closed > 0);
    const second = await sessions.create(ORG);
    engine.immediate = false;
    const id = await cell(second.id, "1");
    await engine.until(() => engine.of(second.id).cells.length === 1);
    engine.of(second.id).cells[0]?.finish({ status: "incomplete", cause: "timeout", evidence: { session_alive: false } });
    expect(await rig.executionService.waitForEnd(ORG, id, 10_000)).toMatchObject({ status: "incomplete" });
    for (const session of [first, second]) expect(await codeOf(run(session.id, "1"))).toBe("container_lost");
    expect(engine.of(second.id).closed).toBe(1);
  });

  test("keeps a bounded index of its files after each cell, and reports files beyond the limit", async () => {
    const { sessions, engine, known, cell, rig } = await prepare({ limits: { sessionFilesCountMax: 2 } });
    engine.immediate = false;
    const { id } = await sessions.create(ORG);
    const output = (name: string) => {
      known.set(`file_${name}`, { id: `file_${name}`, name, bytes: 1 });
      return {
        type: "file" as const,
        file_id: `file_${name}`,
        url: "",
        name,
        mime_type: "text/plain",
        bytes: 1,
        sha256: "0",
        change: "created" as const,
      };
    };
    const ids = [await cell(id, "1"), await cell(id, "2")];
    await engine.until(() => engine.of(id).cells.length === 1);
    engine.of(id).cells[0]?.finish({ outputs: [output("a"), output("b")] });
    await engine.until(() => engine.of(id).cells.length === 2);
    expect((await sessions.listFiles(ORG, id)).map((file) => file.name)).toEqual(["a", "b"]);
    engine.of(id).cells[1]?.finish({ outputs: [output("c"), output("d")], removedFiles: ["a"] });
    const end = await rig.executionService.waitForEnd(ORG, ids[1] as string, 10_000);
    expect(end.skipped_files).toEqual([{ name: "d", reason: expect.stringContaining("2 files") }]);
    expect((await sessions.listFiles(ORG, id)).map((file) => file.name).sort()).toEqual(["b", "c"]);
  });

  test("accepts no more files than fit into its working folder", async () => {
    const { sessions, known, engine } = await prepare();
    for (const id of ["file_1", "file_2"]) known.set(id, { id, name: `${id}.bin`, bytes: 80 * 1024 * 1024 });
    const { id } = await sessions.create(ORG, { fileIds: ["file_1"] });
    await expect(sessions.addFile(ORG, id, { fileId: "file_2" })).rejects.toMatchObject({ code: "invalid_field", param: "file" });
    expect(await sessions.listFiles(ORG, id)).toHaveLength(1);
    engine.of(id).die();
    await expect.poll(async () => (await sessions.get(ORG, id))?.status).toBe("lost");
    const both = sessions.create(ORG, { restoreFrom: id, fileIds: ["file_2"] });
    await expect(both).rejects.toMatchObject({ code: "invalid_field", param: "file_ids" });
  });

  test("applies file changes between the cells before and after them", async () => {
    const { sessions, engine, known, run, deleted } = await prepare();
    known.set("file_1", { id: "file_1", name: "a.csv", bytes: 3 });
    const { id } = await sessions.create(ORG);
    await sessions.addFile(ORG, id, { fileId: "file_1", name: "b.csv" });
    await run(id, "1");
    expect(engine.of(id).files).toEqual(["b.csv"]);
    expect(await sessions.removeFile(ORG, id, "file_1")).toBe(true);
    expect(await sessions.removeFile(ORG, id, "file_1")).toBe(false);
    await run(id, "2");
    expect([engine.of(id).files, deleted]).toEqual([[], ["file_1"]]);
  });

  test("is closed when it is deleted, and its record and files are removed", async () => {
    const { sessions, engine, deleted } = await prepare();
    const { id } = await sessions.create(ORG);
    expect(await sessions.delete(ORG, id)).toBe(true);
    await engine.until(() => engine.of(id).closed > 0);
    expect([await sessions.get(ORG, id), deleted]).toEqual([null, [id]]);
  });

  test("stays alive when its cells are cancelled", async () => {
    const { sessions, engine, cell, rig } = await prepare();
    engine.immediate = false;
    const { id } = await sessions.create(ORG);
    const [first, second] = [await cell(id, "1"), await cell(id, "2")];
    await engine.until(() => engine.of(id).cells.length === 1);
    expect(await rig.executionService.cancel(ORG, second)).toMatchObject({ status: "cancelled", outcome: "never_started" });
    expect(await rig.executionService.cancel(ORG, first)).toMatchObject({ status: "cancelled", evidence: { session_alive: true } });
    engine.immediate = true;
    expect(await rig.executionService.waitForEnd(ORG, await cell(id, "3"), 10_000)).toMatchObject({ status: "completed" });
    expect(engine.of(id).cells.map((one) => one.input.code)).toEqual(["1", "3"]);
  });
});

describe("room for sessions", () => {
  test("is limited per organization, and another organization is not affected", async () => {
    const { sessions } = await prepare({ limits: { sessionsPerOrganizationMax: 2 } });
    const { id } = await sessions.create(ORG);
    await sessions.create(ORG);
    expect(await codeOf(sessions.create(ORG))).toBe("organization_containers_full");
    await sessions.create("org_b");
    await sessions.delete(ORG, id);
    expect((await sessions.create(ORG)).status).toBe("active");
  });

  test("is made by evicting idle sessions of the service, at the organization's limit and at full workers", async () => {
    const quick = { runTimeoutMsMax: 50, runKillGraceMs: 50, collectTimeoutMsMax: 50, sessionGivesWayAfterMs: 400 };
    const { sessions, engine, run } = await prepare({ sessionsMax: 3, limits: { ...quick, sessionsPerOrganizationMax: 3 } });
    const kept = await sessions.create(ORG);
    const first = await sessions.create(ORG, { givesWay: true });
    const second = await sessions.create(ORG, { givesWay: true });
    expect(await codeOf(sessions.create(ORG))).toBe("organization_containers_full");
    await expect
      .poll(() =>
        sessions.create(ORG).then(
          (made) => made.status,
          () => "none",
        ),
      )
      .toBe("active");
    expect(await codeOf(run(first.id, "1"))).toBe("container_expired");
    expect((await run(second.id, "1")).status).toBe("completed");
    expect((await sessions.create("org_b")).status).toBe("active");
    expect((await sessions.get(ORG, second.id))?.status).toBe("expired");
    expect((await sessions.get(ORG, kept.id))?.status).toBe("active");
    expect([engine.of(first.id).closed, engine.of(second.id).closed, engine.of(kept.id).closed]).toEqual([1, 1, 0]);
  });

  test("is made at once by evicting a released session, unless it was used again", async () => {
    const { sessions, run } = await prepare({ limits: { sessionsPerOrganizationMax: 2 } });
    const [first, second] = [await sessions.create(ORG, { givesWay: true }), await sessions.create(ORG, { givesWay: true })];
    for (const { id } of [first, second]) await sessions.release(ORG, id);
    await run(first.id, "1");
    expect((await sessions.create(ORG)).status).toBe("active");
    expect([(await sessions.get(ORG, first.id))?.status, (await sessions.get(ORG, second.id))?.status]).toEqual(["active", "expired"]);
    expect(await codeOf(sessions.create(ORG))).toBe("organization_containers_full");
  });

  test("is shared between organizations: the one that holds the most gives up what it used least recently", async () => {
    const { sessions, engine, run, cell } = await prepare({ sessionsMax: 4 });
    const mine = [await sessions.create(ORG), await sessions.create(ORG), await sessions.create(ORG), await sessions.create(ORG)];
    await run(mine[0]?.id as string, "1");
    const statuses = () => Promise.all(mine.map(async ({ id }) => (await sessions.get(ORG, id))?.status));
    expect((await sessions.create("org_b")).status).toBe("active");
    expect(await statuses()).toEqual(["active", "expired", "active", "active"]);
    // Queued cells keep no session: only the one that runs is spared.
    engine.immediate = false;
    await cell(mine[2]?.id as string, "1");
    await engine.until(() => engine.of(mine[2]?.id as string).cells.length === 1);
    expect((await sessions.create("org_b")).status).toBe("active");
    expect(await statuses()).toEqual(["active", "expired", "active", "expired"]);
    engine.of(mine[2]?.id as string).cells[0]?.finish();
  });

  test("of an organization is safe from one that holds as much", async () => {
    const { sessions } = await prepare({ sessionsMax: 2, limits: { sessionStartTimeoutMsMax: 700 } });
    const [first, second] = [await sessions.create(ORG), await sessions.create("org_b")];
    expect(await codeOf(sessions.create(ORG))).toBe("container_unavailable");
    expect((await sessions.get(ORG, first.id))?.status).toBe("active");
    expect((await sessions.get("org_b", second.id))?.status).toBe("active");
  });

  test("that no worker has in time refuses the session and leaves nothing behind", async () => {
    const { sessions, rig } = await prepare({ sessionsMax: 1, limits: { sessionStartTimeoutMsMax: 700 } });
    await sessions.create(ORG);
    expect(await codeOf(sessions.create(ORG))).toBe("container_unavailable");
    expect((await sessions.list(ORG, { limit: 10, order: "asc" })).data).toHaveLength(1);
    expect(await rig.plain.zcard(keys.waiting)).toBe(0);
  });

  test("is free again after a sandbox failed to start", async () => {
    const { sessions, engine } = await prepare();
    engine.failNext = new Error("the engine is down");
    expect(await codeOf(sessions.create(ORG))).toBe("container_unavailable");
    expect((await sessions.create(ORG)).status).toBe("active");
  });

  test.each([
    [{ memoryMb: 1025 }, "memory_limit"],
    [{ memoryMb: 1 }, "memory_limit"],
    [{ expiresAfterMinutes: 100_000 }, "expires_after.minutes"],
    [{ fileIds: ["file_none"] }, "file_ids.0"],
  ])("is not taken by the invalid request %j, and the error names the field", async (wanted, param) => {
    const { sessions } = await prepare();
    await expect(sessions.create(ORG, wanted)).rejects.toMatchObject({ code: "invalid_field", param });
  });

  test("is counted in slots: a large session occupies several", async () => {
    const { sessions } = await prepare({ sessionsMax: 3, limits: { sessionStartTimeoutMsMax: 700 } });
    const large = await sessions.create(ORG, { memoryMb: 1024 });
    const { id } = await sessions.create(ORG);
    expect(await codeOf(sessions.create(ORG))).toBe("container_unavailable");
    await sessions.delete(ORG, id);
    expect(await codeOf(sessions.create(ORG, { memoryMb: 1024 }))).toBe("container_unavailable");
    await sessions.delete(ORG, large.id);
    expect((await sessions.create(ORG, { memoryMb: 1024 })).memoryMb).toBe(1024);
  });

  test("at another worker is used when one is full", async () => {
    const { sessions, addWorker } = await prepare({ sessionsMax: 1 });
    await sessions.create(ORG);
    const other = new FakeSessionEngine();
    await addWorker("w2", other);
    const made = await sessions.create(ORG);
    expect(other.of(made.id).closed).toBe(0);
  });
});

describe("a worker that stops", () => {
  test("gracefully closes its sessions, which are then lost, and ends waiting cells", async () => {
    const { sessions, engine, cell, rig, workers, run } = await prepare();
    engine.immediate = false;
    const { id } = await sessions.create(ORG);
    const [running, waiting] = [await cell(id, "1"), await cell(id, "2")];
    await engine.until(() => engine.of(id).cells.length === 1);
    const drained = workers[0]?.workerLoop.drain(5_000);
    engine.of(id).cells[0]?.finish();
    await drained;
    expect(await rig.executionService.get(ORG, running)).toMatchObject({ status: "completed" });
    expect(await rig.executionService.get(ORG, waiting)).toMatchObject({ status: "errored", outcome: "never_started", retry_safe: true });
    expect(engine.of(id).closed).toBe(1);
    expect(await codeOf(run(id, "3"))).toBe("container_lost");
  });

  test("at its hard deadline stops the running cell, which is not retried", async () => {
    const { sessions, engine, cell, rig, workers, addWorker } = await prepare();
    engine.immediate = false;
    const { id } = await sessions.create(ORG);
    const running = await cell(id, "1");
    await engine.until(() => engine.of(id).cells.length === 1);
    await addWorker("w2");
    await workers[0]?.workerLoop.drain(0);
    expect(await rig.executionService.waitForEnd(ORG, running, 10_000)).toMatchObject({
      status: "errored",
      cause: "worker_lost",
      attempt: 1,
    });
    expect(engine.of(id).cells).toHaveLength(1);
  });

  test("silently loses its sessions, and their cells end within seconds of the detection", async () => {
    const { sessions, engine, cell, rig, workers } = await prepare();
    engine.immediate = false;
    const { id } = await sessions.create(ORG);
    const running = await cell(id, "1");
    await engine.until(() => engine.of(id).cells.length === 1);
    await workers[0]?.heartbeat.stop("w1");
    const end = await rig.executionService.waitForEnd(ORG, running, 10_000);
    expect(end).toMatchObject({ status: "errored", cause: "worker_lost", retry_safe: false, evidence: { session_alive: false } });
    expect((await sessions.get(ORG, id))?.status).toBe("lost");
    await expect.poll(() => rig.plain.keys("*sessions-w1:ci_*")).toEqual([]);
  });
});
