import { expect, test } from "vitest";
import { Semaphore } from "../../../src/util/semaphore.ts";

test("permits are granted first come first served, and a failure releases its permit", async () => {
  const semaphore = new Semaphore(2);
  const begun: number[] = [];
  const ends: Array<() => void> = [];
  const work = (number: number) =>
    semaphore.use(async () => {
      begun.push(number);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (number === 1) throw new Error("failed");
      return number;
    });
  const all = [1, 2, 3, 4].map(work);
  await expect.poll(() => begun).toEqual([1, 2]);
  ends[0]?.();
  await expect(all[0]).rejects.toThrow("failed");
  await expect.poll(() => begun).toEqual([1, 2, 3]);
  ends[1]?.();
  expect(await all[1]).toBe(2);
  await expect.poll(() => begun).toEqual([1, 2, 3, 4]);
  for (const end of ends) end();
  expect(await Promise.all(all.slice(1))).toEqual([2, 3, 4]);
});

test("an aborted wait leaves the line, and the next waiter gets the permit", async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire();
  const gone = new AbortController();
  const first = semaphore.acquire(gone.signal);
  const second = semaphore.acquire();
  gone.abort(new Error("gone"));
  await expect(first).rejects.toThrow("gone");
  release();
  release();
  (await second)();
  (await semaphore.acquire())();
});
