import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { orAborted, orTimeout, within } from "../../../src/util/race.ts";

const never = new Promise<string>(() => {});

test("work that ends first gives its value or error, and leaves no listener", async () => {
  const { signal } = new AbortController();
  expect(await orAborted(Promise.resolve("done"), signal)).toBe("done");
  await expect(orAborted(Promise.reject(new Error("own")), signal)).rejects.toThrow("own");
  expect(getEventListeners(signal, "abort")).toEqual([]);
  expect(await orTimeout(Promise.resolve("done"), 1_000, "late")).toBe("done");
  expect(await within(Promise.resolve("done"), 1_000)).toBe("done");
  await expect(within(Promise.reject(new Error("own")), 1_000)).rejects.toThrow("own");
});

test("a signal that aborts first gives its reason, even if it was already aborted", async () => {
  const stop = new AbortController();
  const waiting = orAborted(never, stop.signal);
  stop.abort(new Error("stopped"));
  await expect(waiting).rejects.toThrow("stopped");
  await expect(orAborted(never, stop.signal)).rejects.toThrow("stopped");
});

test("a deadline that passes first gives an error with the message, or undefined", async () => {
  await expect(orTimeout(never, 1, "too late")).rejects.toThrow("too late");
  expect(await within(never, 1)).toBeUndefined();
});
