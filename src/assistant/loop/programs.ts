import type { CallAnswer } from "../../app/ports.ts";
import type { CodeCall, FunctionOutput, Item } from "../views/items.ts";

/** A program that waits for the caller's functions, with the answers that the request brings. */
export interface WaitingProgram {
  /** The item that began it, or its latest continuation. */
  call: CodeCall;
  executionId: string;
  answers: CallAnswer[];
}

/** The programs of a conversation that the new input goes on with. */
export function waitingPrograms(history: readonly Item[], input: readonly Item[]): WaitingProgram[] {
  const items = [...history, ...input];
  const outputs = new Map(input.flatMap((item) => (item.type === "function_output" ? [[item.callId, item] as const] : [])));
  const programs = new Map<string, WaitingProgram>();
  let call: CodeCall | null = null;
  for (const item of items) {
    if (item.type === "code_call" && item.part === "waits") call = item;
    if (item.type !== "function_call" || item.program === undefined) continue;
    const output = outputs.get(item.callId);
    if (output === undefined || call === null) continue;
    const program = programs.get(item.program) ?? { call, executionId: item.program, answers: [] };
    program.answers.push({ callId: item.callId, outcome: "output", json: jsonOf(output) });
    programs.set(item.program, program);
  }
  return [...programs.values()];
}

/** What a function returned, as the code gets it: JSON as its value, any other text as text. */
function jsonOf({ text }: FunctionOutput): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return JSON.stringify(text);
  }
}

/**
 * A conversation as the model sees it: the calls of a program are its own affair, and the program is one call with the result of
 * its last part.
 */
export function withoutPrograms(items: readonly Item[]): Item[] {
  const hidden = new Set(items.flatMap((item) => (item.type === "function_call" && item.program !== undefined ? [item.callId] : [])));
  const results = new Map<string, CodeCall>();
  for (const item of items)
    if (item.type === "code_call" && item.part === "continues" && item.executionId !== null) results.set(item.executionId, item);
  const programOf = programsOfItems(items);
  return items.flatMap((item): Item[] => {
    if ((item.type === "function_call" || item.type === "function_output") && hidden.has(item.callId)) return [];
    if (item.type !== "code_call") return [item];
    const program = programOf.get(item);
    if (program === undefined) return [item];
    const isFirst = [...programOf].find(([, id]) => id === program)?.[0] === item;
    return isFirst ? [{ ...item, told: results.get(program)?.told ?? item.told }] : [];
  });
}

/** The execution of each item of a program. An item that a client sent back has none; the calls after it name it. */
function programsOfItems(items: readonly Item[]): Map<CodeCall, string> {
  const programs = new Map<CodeCall, string>();
  let waiting: CodeCall | null = null;
  for (const item of items) {
    if (item.type === "code_call") {
      waiting = item.part === "waits" ? item : null;
      if (item.part !== undefined && item.executionId !== null) programs.set(item, item.executionId);
    }
    if (item.type === "function_call" && item.program !== undefined && waiting !== null) programs.set(waiting, item.program);
  }
  return programs;
}
