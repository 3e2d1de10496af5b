import { ServiceError } from "../errors.ts";
import type { Execution } from "../execution/result.ts";
import type { Limits } from "../limits.ts";
import { citationsOf, filesAmong } from "./citations.ts";
import { dataUrlOf } from "./input.ts";
import type { CodeCall, Message } from "./items.ts";
import { codeCallMessages, messagesOf } from "./messages.ts";
import { type ChatMessage, type ChatPart, type ChatTool, type Finish, type Model, ModelFailed, type ModelRequest } from "./model.ts";
import type { OutputWriter } from "./output-writer.ts";
import type { Executions, Files, Sessions } from "./ports.ts";
import { codeTooLong, codeTool, notes, TOOL_NAME, unknownTool } from "./prompt.ts";
import type { FailureCode, IncompleteReason, StoredResponse } from "./response.ts";
import { runCode } from "./run-code.ts";
import { isSessionMissing, SessionUse } from "./session-use.ts";
import { isSessionGone, toolText } from "./tool-text.ts";
import { readTurn, type Turn, type WrittenCode } from "./turn.ts";

export interface LoopWorld {
  model: Model;
  executions: Executions;
  sessions: Sessions;
  files: Files;
  limits: Limits;
  seesImages: boolean;
}

/** A response can not be brought to an answer. The message is for the caller. */
export class ResponseFailed extends Error {
  override name = "ResponseFailed";
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export type LoopEnd = "completed" | { incomplete: IncompleteReason };

/** Model, code, model, …: one response from its conversation to its answer. Throws ResponseFailed, ModelFailed, or the signal's reason. */
export function runLoop(
  world: LoopWorld,
  run: {
    response: StoredResponse;
    writer: OutputWriter;
    fileIds: readonly string[];
    signal: AbortSignal;
  },
): Promise<LoopEnd> {
  return new Loop(world, run).run();
}

class Loop {
  readonly #world: LoopWorld;
  readonly #response: StoredResponse;
  readonly #writer: OutputWriter;
  readonly #signal: AbortSignal;
  readonly #session: SessionUse;
  readonly #messages: ChatMessage[];
  /** Files that code of this conversation produced, by name, for citations. */
  readonly #produced = new Map<string, { containerId: string; fileId: string }>();
  #codeCalls = 0;
  #codeRan = false;
  /** Turns in a row in which the model did not do what it was told to. */
  #disobeyed = 0;
  /** Some servers refuse a forced tool choice; then words have to do. */
  #canForce = true;

  constructor(world: LoopWorld, run: Parameters<typeof runLoop>[1]) {
    const { response } = run;
    this.#world = world;
    this.#response = response;
    this.#writer = run.writer;
    this.#signal = run.signal;
    const conversation = [...response.history, ...response.input];
    this.#messages = messagesOf(conversation, response.settings);
    for (const item of conversation) if (item.type === "code_call") this.#noteFiles(item);
    this.#session = new SessionUse(world.sessions, {
      organization: response.organization,
      given: response.settings.container,
      previous: response.containerId,
      placedFileIds: response.placedFileIds,
      memoryMb: response.settings.memoryMb,
      fileIds: run.fileIds,
    });
  }

  async run(): Promise<LoopEnd> {
    try {
      return await this.#turns();
    } finally {
      await this.#session.release();
    }
  }

  async #turns(): Promise<LoopEnd> {
    for (let turns = 0; turns < this.#world.limits.modelCallsPerResponseMax; turns += 1) {
      const turn = await this.#turn(turns === 0);
      const end = await this.#afterTurn(turn);
      if (end !== null) return end;
    }
    return { incomplete: "max_tool_calls" };
  }

  get #takesCode(): boolean {
    return this.#response.settings.mode !== "off" && this.#codeCalls < this.#response.settings.codeCallsMax;
  }

  get #mustRunCode(): boolean {
    return this.#response.settings.mode === "on" && !this.#codeRan;
  }

  async #turn(isFirst: boolean): Promise<Turn> {
    const { settings, usage } = this.#response;
    const rules = {
      takesCode: this.#takesCode,
      codeOnly: this.#mustRunCode,
      functionNames: new Set(settings.functions.map((tool) => tool.function.name)),
      containerId: () => this.#container(),
      endMessage: (message: Message, finish: Finish) =>
        this.#writer.endMessage(message, finish === "stop" ? "completed" : "incomplete", (text) => citationsOf(text, this.#produced)),
    };
    const output = this.#response.output.length;
    try {
      const turn = await readTurn(this.#world.model.stream(this.#request(isFirst), this.#signal), this.#writer, rules);
      usage.input += turn.usage?.input ?? 0;
      usage.inputCached += turn.usage?.inputCached ?? 0;
      usage.output += turn.usage?.output ?? 0;
      usage.outputReasoning += turn.usage?.outputReasoning ?? 0;
      return turn;
    } catch (error) {
      const isRefused = error instanceof ModelFailed && (error.status === 400 || error.status === 422);
      if (!isRefused || !this.#mustRunCode || !this.#canForce || this.#response.output.length > output) throw error;
      this.#canForce = false;
      this.#tell(notes.runCodeFirst);
      return this.#turn(isFirst);
    }
  }

  #request(isFirst: boolean): ModelRequest {
    const { limits } = this.#world;
    const { model, memoryMb, functions, functionChoice, tokensMax, passed } = this.#response.settings;
    const tools: ChatTool[] = this.#takesCode ? [codeTool(limits, memoryMb ?? limits.memoryMbMax), ...functions] : functions;
    let toolChoice: ModelRequest["toolChoice"] = "auto";
    if (this.#mustRunCode && this.#canForce) toolChoice = { type: "function", function: { name: TOOL_NAME } };
    else if (isFirst && functionChoice !== null)
      toolChoice = functionChoice === "required" ? "required" : { type: "function", function: { name: functionChoice.name } };
    return { model, messages: this.#messages, tools, toolChoice, tokensMax, passed };
  }

  /** What the turn comes to: the response's end, or null for another turn. */
  async #afterTurn(turn: Turn): Promise<LoopEnd | null> {
    if (turn.finish !== "stop") {
      for (const { call } of turn.code) this.#endUnrun(call, "incomplete", notes.badArguments);
      return { incomplete: turn.finish === "length" ? "max_output_tokens" : "content_filter" };
    }
    if (turn.code.length > 0) {
      await this.#runAll(turn);
      return turn.functions.length > 0 ? "completed" : null;
    }
    if (turn.functions.length > 0) return "completed";
    if (this.#mustRunCode) return this.#insist(notes.runCodeFirst, "code_not_run");
    if (turn.refused.length > 0) return this.#refuseTools(turn);
    if (turn.message === null) {
      const empty = this.#writer.beginMessage();
      this.#writer.messageDelta(empty, "text", "");
      this.#writer.endMessage(empty, "completed", () => []);
    }
    return "completed";
  }

  /** The model called tools that there are not, or that are off: nothing ran, and it is told so. */
  #refuseTools(turn: Turn): LoopEnd | null {
    if (turn.text !== "") this.#messages.push({ role: "assistant", content: turn.text });
    const isCode = turn.refused.includes(TOOL_NAME);
    if (!isCode) return this.#insist(unknownTool(turn.refused[0] ?? ""), "model_broken_answer");
    if (this.#response.settings.mode === "off") return this.#insist(notes.toolIsOff, "code_not_allowed");
    if (this.#disobeyed >= this.#world.limits.codeForcedRetriesMax) return { incomplete: "max_tool_calls" };
    return this.#insist(notes.noMoreCalls, "code_not_run");
  }

  #insist(note: string, failure: "code_not_run" | "code_not_allowed" | "model_broken_answer"): null {
    this.#disobeyed += 1;
    if (this.#disobeyed > this.#world.limits.codeForcedRetriesMax) throw new ResponseFailed(failure, insistFailures[failure]);
    this.#tell(note);
    return null;
  }

  async #runAll(turn: Turn): Promise<void> {
    for (const written of turn.code) await this.#runOne(written);
    const calls = turn.code.map(({ call }) => call);
    this.#messages.push(...codeCallMessages(calls, turn.text === "" ? null : turn.text));
    await this.#showImages(calls);
    if (!this.#mustRunCode) this.#disobeyed = 0;
    else if (!this.#takesCode) throw new ResponseFailed("code_not_run", insistFailures.code_not_run);
    else this.#insist(notes.runCodeFirst, "code_not_run");
    if (!this.#takesCode) this.#tell(notes.noMoreCalls);
  }

  async #runOne({ call, code }: WrittenCode): Promise<void> {
    const { codeBytesMax } = this.#world.limits;
    if (code === null) return this.#endUnrun(call, "failed", notes.badArguments);
    if (code.trim() === "") return this.#endUnrun(call, "failed", notes.emptyCode);
    if (Buffer.byteLength(code) > codeBytesMax) return this.#endUnrun(call, "failed", codeTooLong(codeBytesMax));
    if (!this.#takesCode) return this.#endUnrun(call, "incomplete", notes.callBound);
    this.#codeCalls += 1;
    this.#writer.interpreting(call);
    const execution = await this.#execute(call, code);
    if (execution.outcome !== "never_started") this.#codeRan = true;
    call.executionId = execution.id;
    call.cause = execution.cause;
    call.outputs = execution.outputs;
    const note = this.#session.takeNote();
    call.told = [...(note === null ? [] : [`[${note}]`]), toolText(execution, this.#world.limits)].join("\n");
    if (isSessionGone(execution)) this.#session.forget();
    this.#noteFiles(call);
    this.#writer.endCall(call, itemStatuses[execution.status]);
  }

  /** Runs in the response's session; in a new one when that has gone meanwhile and may be replaced. */
  async #execute(call: CodeCall, code: string): Promise<Execution> {
    for (let isSecond = false; ; isSecond = true) {
      try {
        // An earlier block of the same turn may have lost the session since this one was announced.
        call.containerId = await this.#container();
        const wanted = { organization: this.#response.organization, container: call.containerId, code, responseId: this.#response.id };
        const onOutput = this.#response.dialect === "own" ? { onOutput: this.#writer.codeOutput.bind(this.#writer, call) } : {};
        return await runCode(this.#world.executions, this.#world.limits, { ...wanted, ...onOutput }, this.#signal);
      } catch (error) {
        this.#signal.throwIfAborted();
        const isReplaceable = isSessionMissing(error) && this.#response.settings.container === null;
        if (!isReplaceable || isSecond) throw failureOf(error);
        this.#session.forget();
      }
    }
  }

  async #container(): Promise<string> {
    try {
      const id = await this.#session.ensure();
      this.#response.containerId = id;
      this.#response.placedFileIds = this.#session.placedFileIds;
      return id;
    } catch (error) {
      throw failureOf(error);
    }
  }

  #endUnrun(call: CodeCall, status: "failed" | "incomplete", told: string): void {
    call.told = `[${told}]`;
    this.#writer.endCall(call, status);
  }

  #noteFiles(call: CodeCall): void {
    for (const { name, fileId } of filesAmong(call.outputs)) this.#produced.set(name, { containerId: call.containerId, fileId });
  }

  /** The protocol takes images from users only, so what code drew follows as a message of its own. */
  async #showImages(calls: readonly CodeCall[]): Promise<void> {
    if (!this.#world.seesImages) return;
    const ids = calls.flatMap((call) => call.outputs.flatMap((output) => (output.type === "image" ? [output.file_id] : [])));
    const shown = ids.slice(0, this.#world.limits.toolImagesMax);
    if (shown.length === 0) return;
    const { organization } = this.#response;
    const parts: ChatPart[] = [];
    for (const file of await this.#world.files.getMany(organization, shown)) {
      const url = file === null ? null : await dataUrlOf(file, { ...this.#world, organization });
      if (url !== null) parts.push({ type: "image_url", image_url: { url } });
    }
    if (parts.length > 0)
      this.#messages.push({ role: "user", content: [{ type: "text", text: "[Images that the code produced:]" }, ...parts] });
  }

  #tell(note: string): void {
    this.#messages.push({ role: "user", content: `[${note}]` });
  }
}

const itemStatuses = {
  queued: "incomplete",
  in_progress: "incomplete",
  completed: "completed",
  failed: "failed",
  incomplete: "incomplete",
  cancelled: "incomplete",
  errored: "failed",
} as const satisfies Record<Execution["status"], CodeCall["status"]>;

const insistFailures = {
  code_not_run: "The model was told to run code before it answers, and did not. Use another model, or the mode auto.",
  code_not_allowed: "The model called the code interpreter again and again although it is off. Use another model, or the mode auto.",
  model_broken_answer: "The model called a tool that there is not again and again.",
} as const;

/** What queue and sessions refuse with, as the response's own end. */
function failureOf(error: unknown): unknown {
  if (!(error instanceof ServiceError)) return error;
  switch (error.code) {
    case "container_not_found":
    case "container_expired":
    case "container_lost":
    case "container_unavailable":
      return new ResponseFailed(error.code, error.detail, error);
    default:
      return new ResponseFailed("execution_failed", `The code could not be run: ${error.detail}`, error);
  }
}
