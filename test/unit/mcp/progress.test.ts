import type { Notification } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ExecutionEvent } from "../../../src/domain/result.ts";
import { Progress } from "../../../src/mcp/progress.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function start() {
  const sent: Array<{ progress: number; message: string }> = [];
  const progress = new Progress("token", async (notification: Notification) => {
    sent.push(notification.params as unknown as (typeof sent)[number]);
  });
  const print = (text: string) =>
    progress.take({ type: "execution.output", output: { type: "text", stream: "stdout", text } } satisfies ExecutionEvent);
  return { progress, print, sent };
}

test("sends the first text immediately and later ones together every tenth of a second, including the last", () => {
  const { print, sent } = start();
  print("a");
  print("b");
  print("c");
  expect(sent.map((one) => one.message)).toEqual(["a"]);
  vi.advanceTimersByTime(100);
  print("d");
  vi.advanceTimersByTime(1000);
  expect(sent.map((one) => one.message)).toEqual(["a", "bc", "d"]);
  expect(sent.map((one) => one.progress)).toEqual([1, 2, 3]);
});

test("a long text is cut to its end", () => {
  const { print, sent } = start();
  print(`${"x".repeat(10_000)}end`);
  expect(sent[0]?.message.length).toBe(2_000);
  expect(sent[0]?.message).toMatch(/end$/);
});

test("nothing is sent after the result", () => {
  const { progress, print, sent } = start();
  print("a");
  print("b");
  progress.close();
  print("c");
  vi.advanceTimersByTime(1000);
  expect(sent.map((one) => one.message)).toEqual(["a"]);
});
