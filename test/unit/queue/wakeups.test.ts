import { EventEmitter } from "node:events";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { Wakeups } from "../../../src/queue/wakeups.ts";

class FakeSubscriber extends EventEmitter {
  readonly calls: string[] = [];
  failNext = false;

  async subscribe(name: string): Promise<number> {
    this.calls.push(`subscribe ${name}`);
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
  return { subscriber, wakeups: new Wakeups(subscriber as unknown as Redis) };
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

describe("a waiter", () => {
  test("is woken by a signal that came before it began to wait", async () => {
    const { subscriber, wakeups } = make();
    const watch = await wakeups.watch("a", "end");
    subscriber.emit("message", "a", "ended");
    expect(await wakes(watch.next(60_000))).toBe(true);
    watch.close();
  });

  test("for the end sleeps through everything else", async () => {
    const { subscriber, wakeups } = make();
    const end = await wakeups.watch("a", "end");
    const anything = await wakeups.watch("a", "anything");
    const sleeping = end.next(60_000);
    const waking = anything.next(60_000);
    subscriber.emit("message", "a", "");
    expect(await wakes(waking)).toBe(true);
    expect(await wakes(sleeping)).toBe(false);
    subscriber.emit("message", "a", "ended");
    expect(await wakes(sleeping)).toBe(true);
  });

  test("looks again once the connection is back, as signals were lost meanwhile", async () => {
    const { subscriber, wakeups } = make();
    const watch = await wakeups.watch("a", "end");
    const waiting = watch.next(60_000);
    subscriber.emit("ready");
    expect(await wakes(waiting)).toBe(true);
  });

  test("shares one subscription, given up with the last of them", async () => {
    const { subscriber, wakeups } = make();
    const [first, second] = await Promise.all([wakeups.watch("a", "end"), wakeups.watch("a", "end")]);
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
    await expect(wakeups.watch("a", "end")).rejects.toThrow("away");
    expect(wakeups.size).toBe(0);
    (await wakeups.watch("a", "end")).close();
  });

  test("whose caller has gone does not wait", async () => {
    const { wakeups } = make();
    const watch = await wakeups.watch("a", "end");
    const gone = new AbortController();
    const waiting = watch.next(60_000, gone.signal);
    gone.abort();
    expect(await wakes(waiting)).toBe(true);
    expect(await wakes(watch.next(60_000, gone.signal))).toBe(true);
  });
});
