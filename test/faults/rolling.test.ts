import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VERSION } from "../../src/queue/version.ts";
import { type FaultWorld, prepareFaults, until } from "../support/fault-world.ts";
import type { Json } from "../support/service.ts";

let world: FaultWorld;
beforeEach(async () => {
  world = await prepareFaults();
});
afterEach(() => world.close());

describe("an old and a new worker on one queue", () => {
  test("each runs what it can read, and what only the new one can read waits for it; nothing is lost", async () => {
    const { ledger } = world;
    const caller = await world.caller(await world.start("api"));
    const redis = new Redis({ path: world.redis.url });
    const submit = async (count: number) => {
      const ids = await Promise.all(Array.from({ length: count }, () => ledger.submit(caller, { code: "print('by the old one')" })));
      return ids.filter((id) => id !== null);
    };
    try {
      // As a version before there were versions, and the one after this one, would have written them.
      const unversioned = await submit(2);
      for (const id of unversioned) {
        await redis.hset(`{ci}:executions:${id}`, "data", JSON.stringify({ id, organization: "org_a" }));
        await redis.hdel(`{ci}:record:org_a:${id}`, "v");
      }
      const newer = await submit(4);
      for (const id of newer) {
        const payload = { v: VERSION + 1, id, organization: "org_a", added: "later" };
        await redis.hset(`{ci}:executions:${id}`, "data", JSON.stringify(payload));
      }
      const own = await submit(4);
      await world.start("worker", { WORKER_CONCURRENCY: "2" });
      for (const id of [...unversioned, ...own]) expect(await outputOf(id)).toBe("by the old one");
      for (const id of newer) expect((await caller.get(`/v1/executions/${id}`)).json).toMatchObject({ status: "queued", attempt: 0 });
      await world.start("cheap-worker", { READS_UP_TO: String(VERSION + 1) });
      for (const id of newer) expect(await outputOf(id)).toMatch(/^cheap-\d+$/);
    } finally {
      redis.disconnect();
    }
    const { ended, repeated } = await world.settle();
    expect({ ended, repeated }).toEqual({ ended: { completed: 10 }, repeated: 0 });

    async function outputOf(id: string): Promise<string> {
      const ended: Json = await until(`${id} ends`, async () => {
        const { json } = await caller.get(`/v1/executions/${id}`);
        return json.status === "completed" && json;
      });
      return ended.outputs[0].text;
    }
  });
});
