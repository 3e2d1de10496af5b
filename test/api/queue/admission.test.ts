import { afterEach, describe, expect, test } from "vitest";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig } from "./rig.ts";

let rig: Rig;
afterEach(async () => {
  await rig.close();
});

const sha = (letter: string) => letter.repeat(64);

describe("admission", () => {
  test("accepts exactly an organization's share of parallel requests, and others still have room", async () => {
    rig = await makeRig({ queuePerOrganizationMax: 7, queueTotalMax: 20 });
    const answers = await Promise.allSettled(Array.from({ length: 30 }, () => rig.executionService.submit(newExecution())));
    expect(answers.filter((answer) => answer.status === "fulfilled")).toHaveLength(7);
    const [refused] = answers.filter((answer) => answer.status === "rejected");
    expect(refused?.reason).toMatchObject({ code: "organization_queue_full", status: 429 });
    expect(refused?.reason.retryAfterSeconds).toBeGreaterThanOrEqual(1);
    await rig.executionService.submit(newExecution({ organization: "org_b" }));
    expect(await rig.counted("admissions_refused_total")).toEqual([{ labels: { code: "organization_queue_full" }, value: 23 }]);
  });

  test("refuses every organization with 503 and Retry-After when the whole queue is full", async () => {
    rig = await makeRig({ queuePerOrganizationMax: 3, queueTotalMax: 6 });
    for (const organization of ["org_a", "org_b"])
      for (let at = 0; at < 3; at++) await rig.executionService.submit(newExecution({ organization }));
    await expect(rig.executionService.submit(newExecution({ organization: "org_c" }))).rejects.toMatchObject({
      code: "queue_full",
      status: 503,
      retryAfterSeconds: 3,
    });
  });

  test("counts waiting executions, not running ones", async () => {
    rig = await makeRig({ queuePerOrganizationMax: 1 });
    const engine = new FakeEngine();
    await rig.worker(engine, { concurrency: 2 });
    await rig.executionService.submit(newExecution());
    await engine.started(0);
    await rig.executionService.submit(newExecution());
    await engine.started(1);
    await rig.executionService.submit(newExecution());
    await expect(rig.executionService.submit(newExecution())).rejects.toMatchObject({ code: "organization_queue_full" });
  });
});

describe("the storage limit of an organization", () => {
  const request = { code: `# ${"x".repeat(3_000)}` };
  const run = async (organization: string) => {
    const { execution } = await rig.executionService.submit(
      newExecution({ organization, request: { ...newExecution().request, ...request } }),
    );
    return rig.executionService.waitForEnd(organization, execution.id, 5_000);
  };

  test("refuses more once reached, does not affect other organizations, and frees room when executions are deleted", async () => {
    rig = await makeRig({ recordsBytesPerOrganizationMax: 6_000 });
    await rig.worker(new FakeEngine({ immediate: true }));
    const kept = [await run("org_a"), await run("org_a")];
    await expect(run("org_a")).rejects.toMatchObject({ code: "organization_storage_full", status: 429 });
    await run("org_b");
    for (const { id } of kept) await rig.executionService.delete("org_a", id);
    const hours = await rig.plain.hgetall("{ci}:kept:org_a");
    expect(Object.values(hours).reduce((sum, bytes) => sum + Number(bytes), 0)).toBe(0);
    expect(await rig.plain.pttl("{ci}:kept:org_a")).toBeGreaterThan(0);
    await run("org_a");
  });
});

describe("an idempotency key", () => {
  test("creates one execution for any number of parallel requests", async () => {
    rig = await makeRig();
    const engine = new FakeEngine({ immediate: true });
    await rig.worker(engine);
    const idempotency = { key: "order 17", bodySha256: sha("a") };
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.executionService.submit(newExecution({ idempotency }))));
    expect(new Set(answers.map((answer) => answer.execution.id)).size).toBe(1);
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
    const id = answers[0]?.execution.id ?? "";
    await rig.executionService.waitForEnd("org_a", id, 5_000);
    expect(engine.runs).toHaveLength(1);
    expect(await rig.executionService.replay("org_a", idempotency)).toMatchObject({ id, status: "completed" });
    expect((await rig.executionService.submit(newExecution({ idempotency }))).execution).toMatchObject({ id, status: "completed" });
  });

  test("with another body is refused, and belongs to one organization", async () => {
    rig = await makeRig();
    const idempotency = { key: "k", bodySha256: sha("a") };
    const { execution } = await rig.executionService.submit(newExecution({ idempotency }));
    const other = { key: "k", bodySha256: sha("b") };
    await expect(rig.executionService.submit(newExecution({ idempotency: other }))).rejects.toMatchObject({
      code: "idempotency_mismatch",
      status: 422,
    });
    await expect(rig.executionService.replay("org_a", other)).rejects.toMatchObject({ code: "idempotency_mismatch" });
    const foreign = await rig.executionService.submit(newExecution({ organization: "org_b", idempotency: other }));
    expect(foreign.replayed).toBe(false);
    expect(foreign.execution.id).not.toBe(execution.id);
    expect(await rig.executionService.replay("org_c", idempotency)).toBeNull();
  });

  test("restores a job that was lost after its record was written", async () => {
    rig = await makeRig();
    const idempotency = { key: "k", bodySha256: sha("a") };
    const { execution } = await rig.executionService.submit(newExecution({ idempotency }));
    await rig.plain.zrem("{ci}:executions:prioritized", ...(await rig.plain.zrange("{ci}:executions:prioritized", 0, -1)));
    await rig.plain.del(`{ci}:executions:${execution.id}`);
    await rig.worker(new FakeEngine({ immediate: true }));
    await rig.executionService.submit(newExecution({ idempotency }));
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 5_000)).toMatchObject({ status: "completed" });
  });
});
