import { expect, test } from "vitest";
import { Slots } from "../../../src/util/slots.ts";

test("so many at once, the others in the order they came, and a failure gives its slot back", async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  const ends: Array<() => void> = [];
  const work = (number: number) =>
    slots.use(async () => {
      begun.push(number);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (number === 1) throw new Error("failed");
      return number;
    });
  const all = [1, 2, 3, 4].map(work);
  expect(begun).toEqual([1, 2]);
  ends[0]?.();
  await expect(all[0]).rejects.toThrow("failed");
  await expect.poll(() => begun).toEqual([1, 2, 3]);
  ends[1]?.();
  expect(await all[1]).toBe(2);
  await expect.poll(() => begun).toEqual([1, 2, 3, 4]);
  for (const end of ends) end();
  expect(await Promise.all(all.slice(1))).toEqual([2, 3, 4]);
});
