import { EventEmitter } from "node:events";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { Wakeups } from "../../../../src/queue/core/wakeups.ts";

class FakeSubscriber extends EventEmitter {
  readonly calls: string[] = [];
  failNext = false;

  async subscribe(...names: string[]): Promise<number> {
    this.calls.push(`subscribe ${names.join(" ")}`);
    if (!this.failNext) return 1;
    this.failNext = false;
    throw new Error("away");
  }

  async unsubscribe(name: string): Promise<number> {
    this.calls.push(`unsubscribe ${name}`);
    return 0;
  }
}

function make() {
  const subscriber = new FakeSubscriber();
  return { subscriber, wakeups: new Wakeups(subscriber as unknown as Redis, "{ci}:ended") };
}

/** Whether the wait is over by itself, and not by its time limit. */
async function wakes(wait: Promise<void>): Promise<boolean> {
  let over = false;
  void wait.then(() => {
    over = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return over;
}

const ENDED = "{ci}:ended";

describe("who waits for an end", () => {
  test("is woken by one that came before it began to wait", async () => {
    const { subscriber, wakeups } = make();
    const watch = wakeups.watchEnd("org_a/1");
    subscriber.emit("message", ENDED, "org_a/1");
    expect(await wakes(watch.next(60_000))).toBe(true);
    watch.close();
  });

  test("is woken by one that came a moment before it began to watch", async () => {
    const { subscriber, wakeups } = make();
    subscriber.emit("message", ENDED, "org_a/1");
    expect(await wakes(wakeups.watchEnd("org_a/1").next(60_000))).toBe(true);
    for (let other = 0; other < 1_000; other++) subscriber.emit("message", ENDED, `org_b/${other}`);
    expect(await wakes(wakeups.watchEnd("org_a/1").next(60_000))).toBe(false);
  });

  test("sleeps through everything else", async () => {
    const { subscriber, wakeups } = make();
    const sleeping = wakeups.watchEnd("org_a/1").next(60_000);
    const waking = (await wakeups.watch("wake:1")).next(60_000);
    subscriber.emit("message", "wake:1", "");
    subscriber.emit("message", ENDED, "org_b/1");
    expect(await wakes(waking)).toBe(true);
    expect(await wakes(sleeping)).toBe(false);
    subscriber.emit("message", ENDED, "org_a/1");
    expect(await wakes(sleeping)).toBe(true);
  });

  test("leaves nothing behind", () => {
    const { wakeups } = make();
    const [first, second] = [wakeups.watchEnd("org_a/1"), wakeups.watchEnd("org_a/1")];
    first?.close();
    first?.close();
    expect(wakeups.size).toBe(1);
    second?.close();
    expect(wakeups.size).toBe(0);
  });
});

describe("a waiter", () => {
  test("looks again once the connection is back and listens, as signals were lost meanwhile", async () => {
    const { subscriber, wakeups } = make();
    const anything = (await wakeups.watch("a")).next(60_000);
    const end = wakeups.watchEnd("org_a/1").next(60_000);
    subscriber.emit("ready");
    expect(subscriber.calls.at(-1)).toBe(`subscribe ${ENDED} a`);
    expect(await wakes(anything)).toBe(true);
    expect(await wakes(end)).toBe(true);
  });

  test("shares one subscription, given up with the last of them", async () => {
    const { subscriber, wakeups } = make();
    const [first, second] = await Promise.all([wakeups.watch("a"), wakeups.watch("a")]);
    first?.close();
    first?.close();
    expect(subscriber.calls).toEqual(["subscribe a"]);
    second?.close();
    expect(subscriber.calls).toEqual(["subscribe a", "unsubscribe a"]);
    expect(wakeups.size).toBe(0);
  });

  test("leaves nothing behind when the subscription fails, and the next one tries anew", async () => {
    const { subscriber, wakeups } = make();
    subscriber.failNext = true;
    await expect(wakeups.watch("a")).rejects.toThrow("away");
    expect(wakeups.size).toBe(0);
    (await wakeups.watch("a")).close();
  });

  test("whose caller has gone does not wait", async () => {
    const { wakeups } = make();
    const watch = wakeups.watchEnd("org_a/1");
    const gone = new AbortController();
    const waiting = watch.next(60_000, gone.signal);
    gone.abort();
    expect(await wakes(waiting)).toBe(true);
    expect(await wakes(watch.next(60_000, gone.signal))).toBe(true);
  });
});
