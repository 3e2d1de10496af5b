import { expect, test, vi } from "vitest";
import { Turns } from "../../../src/util/turns.ts";

/** Work that ends on the test's request, and notes when it starts. */
function makeWork(started: string[], name: string) {
  let end = () => {};
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    end,
    work: () => {
      started.push(name);
      return done;
    },
  };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("an owner's work runs few at a time and in order, and never delays another owner's", async () => {
  const turns = new Turns(2);
  const started: string[] = [];
  const mine = ["a1", "a2", "a3", "a4"].map((name) => makeWork(started, name));
  const running = mine.map(({ work }) => turns.run("a", work));
  const other = makeWork(started, "b1");
  running.push(turns.run("b", other.work));
  await settle();
  expect(started).toEqual(["a1", "a2", "b1"]);
  expect([turns.waiting("a"), turns.waiting("b"), turns.waiting("c")]).toEqual([2, 0, 0]);
  for (const { end } of [...mine, other]) end();
  await Promise.all(running);
  expect(started).toEqual(["a1", "a2", "b1", "a3", "a4"]);
  expect(turns.waiting("a")).toBe(0);
});

test("work that blocks the event loop leaves it to others before the owner's next", async () => {
  const turns = new Turns(1);
  const order: string[] = [];
  const block = (name: string) => () => {
    order.push(name);
    const until = performance.now() + 20;
    while (performance.now() < until);
  };
  const both = [turns.runBlocking("a", block("first")), turns.runBlocking("a", block("second"))];
  await both[0];
  setImmediate(() => order.push("other"));
  await Promise.all(both);
  expect(order).toEqual(["first", "other", "second"]);
  await expect(turns.runBlocking("a", () => JSON.parse("{"))).rejects.toThrow(SyntaxError);
  expect(await turns.runBlocking("a", () => 1)).toBe(1);
});

test("a turn with a rest stays taken after its work", async () => {
  vi.useFakeTimers();
  try {
    const turns = new Turns(1, 4);
    const started: string[] = [];
    await turns.run("a", async () => started.push("first"));
    const second = turns.run("a", async () => started.push("second"));
    await vi.advanceTimersByTimeAsync(3);
    expect(started).toEqual(["first"]);
    await vi.advanceTimersByTimeAsync(1);
    await second;
    expect(started).toEqual(["first", "second"]);
  } finally {
    vi.useRealTimers();
  }
});

test("work that fails ends its turn", async () => {
  const turns = new Turns(1);
  await expect(turns.run("a", () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(await turns.run("a", async () => "next")).toBe("next");
});

test("an aborted wait leaves the line, and ending a turn twice ends it once", async () => {
  const turns = new Turns(1);
  const end = await turns.take("a");
  const gone = new AbortController();
  const waiting = turns.take("a", gone.signal);
  gone.abort(new Error("gone"));
  await expect(waiting).rejects.toThrow("gone");
  expect(turns.waiting("a")).toBe(0);
  end();
  end();
  await turns.take("a");
  const second = turns.take("a");
  await settle();
  expect(turns.waiting("a")).toBe(1);
  void second;
});
