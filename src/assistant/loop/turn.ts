import { CodeArgument } from "../model/code-argument.ts";
import type { Finish, ModelEvent, TokenUsage } from "../model/model.ts";
import { TOOL_NAME } from "../model/prompt.ts";
import type { CodeCall, FunctionCall, ItemStatus, Message, Reasoning } from "../views/items.ts";
import type { OutputWriter } from "./output-writer.ts";

export interface TurnRules {
  /** The model may call code. Otherwise such calls are recorded as refused. */
  takesCode: boolean;
  /** The model must run code first. Text and function calls are dropped. */
  codeOnly: boolean;
  functionNames: ReadonlySet<string>;
}

/** A code call as the model wrote it; `code` is null when its arguments could not be read. */
export interface WrittenCode {
  call: CodeCall;
  code: string | null;
}

export interface Turn {
  reasoning: Reasoning | null;
  message: Message | null;
  text: string;
  code: WrittenCode[];
  functions: FunctionCall[];
  /** Names of called tools that do not exist or are off. */
  refused: string[];
  finish: Finish;
  usage: TokenUsage | null;
}

type Open = { kind: "code"; call: CodeCall; argument: CodeArgument } | { kind: "function"; call: FunctionCall } | { kind: "dropped" };

/**
 * Turns one turn of the model into output items while it streams. Code calls stay open for their results; messages and function
 * calls are ended. `containerId` is called when the model calls code.
 */
export async function readTurn(
  events: AsyncIterable<ModelEvent>,
  writer: OutputWriter,
  rules: TurnRules & { containerId(): Promise<string>; endMessage(message: Message, finish: Finish): void },
): Promise<Turn> {
  const turn: Turn = { reasoning: null, message: null, text: "", code: [], functions: [], refused: [], finish: "stop", usage: null };
  const open = new Map<number, Open>();
  const closeMessage = (finish: Finish) => {
    if (turn.message?.status === "in_progress") rules.endMessage(turn.message, finish);
  };
  const closeReasoning = (status: ItemStatus) => {
    if (turn.reasoning?.status === "in_progress") writer.endReasoning(turn.reasoning, status);
  };
  for await (const event of events) {
    if (event.type !== "reasoning") closeReasoning(event.type === "end" && event.finish !== "stop" ? "incomplete" : "completed");
    switch (event.type) {
      case "reasoning":
        // One item a turn: thinking that goes on after text or a call is added to what is sent back, not shown again.
        turn.reasoning ??= writer.beginReasoning();
        if (turn.reasoning.status === "in_progress") writer.reasoningDelta(turn.reasoning, event.delta);
        else turn.reasoning.text += event.delta;
        break;
      case "text":
      case "refusal":
        turn.text += event.delta;
        if (rules.codeOnly) break;
        if (turn.message?.status !== "in_progress") turn.message = writer.beginMessage();
        writer.messageDelta(turn.message, event.type, event.delta);
        break;
      case "call":
        closeMessage("stop");
        open.set(event.index, await begin(event, writer, rules, turn));
        break;
      case "extra":
        keepExtra(open.get(event.index), event.fields);
        break;
      case "arguments":
        writeArguments(open.get(event.index), event.delta, writer);
        break;
      case "end":
        turn.finish = event.finish;
        turn.usage = event.usage;
        if (event.sentBack !== null) {
          // A server may need fields back without having shown any thinking.
          turn.reasoning ??= emptyReasoning(writer);
          turn.reasoning.sentBack = event.sentBack;
        }
    }
  }
  closeMessage(turn.finish);
  // Only now: models may stream several calls interleaved.
  for (const one of open.values()) close(one, writer, turn);
  return turn;
}

async function begin(
  event: Extract<ModelEvent, { type: "call" }>,
  writer: OutputWriter,
  rules: TurnRules & { containerId(): Promise<string> },
  turn: Turn,
): Promise<Open> {
  if (event.name === TOOL_NAME && rules.takesCode) {
    return { kind: "code", call: writer.beginCode(event.id, await rules.containerId()), argument: new CodeArgument() };
  }
  if (rules.functionNames.has(event.name) && !rules.codeOnly) return { kind: "function", call: writer.beginFunction(event.id, event.name) };
  turn.refused.push(event.name);
  return { kind: "dropped" };
}

function emptyReasoning(writer: OutputWriter): Reasoning {
  const reasoning = writer.beginReasoning();
  writer.endReasoning(reasoning, "completed");
  return reasoning;
}

function keepExtra(one: Open | undefined, fields: Record<string, unknown>): void {
  if (one !== undefined && one.kind !== "dropped") one.call.extra = { ...one.call.extra, ...fields };
}

function writeArguments(one: Open | undefined, delta: string, writer: OutputWriter): void {
  if (one?.kind === "function") writer.functionDelta(one.call, delta);
  if (one?.kind !== "code") return;
  const decoded = one.argument.push(delta);
  if (decoded !== "") writer.codeDelta(one.call, decoded);
}

function close(one: Open, writer: OutputWriter, turn: Turn): void {
  if (one.kind === "function") {
    // When a limit ended the turn, the arguments are incomplete.
    writer.endFunction(one.call, turn.finish === "stop" ? "completed" : "incomplete");
    turn.functions.push(one.call);
  }
  if (one.kind !== "code") return;
  const code = one.argument.end();
  const rest = code?.slice(one.argument.decoded.length) ?? "";
  if (rest !== "") writer.codeDelta(one.call, rest);
  writer.endCode(one.call, code ?? one.argument.decoded);
  turn.code.push({ call: one.call, code });
}
