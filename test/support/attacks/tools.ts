import type { ToolAnswer, ToolCall, ToolPort } from "../../../src/domain/tools.ts";

/** The tools of hostile programs: one answers at once, and one never does. */
export const attackTools = [
  {
    type: "function" as const,
    name: "echo",
    parameters: { type: "object", properties: { x: { type: "integer" } }, required: ["x"], additionalProperties: false },
  },
  { type: "function" as const, name: "silent" },
];

/** Counts the calls that reach the caller. Each must be of a declared tool, with an object as arguments. */
export class CountedCalls implements ToolPort {
  count = 0;

  call({ name, argumentsJson }: ToolCall, signal: AbortSignal): Promise<ToolAnswer> {
    this.count += 1;
    const value: unknown = JSON.parse(argumentsJson);
    if (typeof value !== "object" || value === null) throw new Error("a call without arguments reached the caller");
    if (name === "echo") return Promise.resolve({ outcome: "output", json: argumentsJson });
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve({ outcome: "timeout", json: "" }), { once: true }));
  }

  mayHaveEffects(): boolean {
    return false;
  }

  pause(): () => Promise<void> {
    return () => Promise.resolve();
  }
}
