import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EarliestTimer } from "../../../../src/sandbox/pool/earliest-timer.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("fires once, at the earliest requested time, and can be set again", () => {
  const due = vi.fn();
  const timer = new EarliestTimer(due);
  timer.dueIn(500);
  timer.dueIn(40);
  timer.dueIn(300);
  vi.advanceTimersByTime(39);
  expect(due).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(due).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1_000);
  expect(due).toHaveBeenCalledTimes(1);
  timer.dueIn(10);
  vi.advanceTimersByTime(10);
  expect(due).toHaveBeenCalledTimes(2);
});

test("does not fire after clear, until it is set again", () => {
  const due = vi.fn();
  const timer = new EarliestTimer(due);
  timer.dueIn(10);
  timer.clear();
  vi.advanceTimersByTime(100);
  expect(due).not.toHaveBeenCalled();
  timer.dueIn(20);
  vi.advanceTimersByTime(20);
  expect(due).toHaveBeenCalledTimes(1);
});
