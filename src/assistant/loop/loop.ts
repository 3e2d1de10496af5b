import { codeCallMessages, messagesOf } from "../model/messages.ts";
import { type ChatMessage, type ChatTool, type Finish, type Model, ModelFailed, type ModelRequest } from "../model/model.ts";
import { codeTool, notes, TOOL_NAME, unknownTool } from "../model/prompt.ts";
import { citationsOf } from "../views/citations.ts";
import type { Message } from "../views/items.ts";
import type { IncompleteReason, StoredResponse } from "../views/response.ts";
import { CodeRuns, type CodeWorld, ResponseFailed, type ResponseRun } from "./code-runs.ts";
import type { OutputWriter } from "./output-writer.ts";
import { readTurn, type Turn } from "./turn.ts";

export interface LoopWorld extends CodeWorld {
  model: Model;
}

export type LoopEnd = "completed" | { incomplete: IncompleteReason };

/** Model, code, model, …: one response from its conversation to its answer. Throws ResponseFailed, ModelFailed, or the signal's reason. */
export function runLoop(world: LoopWorld, run: ResponseRun): Promise<LoopEnd> {
  return new Loop(world, run).run();
}

class Loop {
  readonly #world: LoopWorld;
  readonly #response: StoredResponse;
  readonly #writer: OutputWriter;
  readonly #signal: AbortSignal;
  readonly #code: CodeRuns;
  readonly #messages: ChatMessage[];
  /** Turns in a row in which the model did not do what it was told to. */
  #disobeyed = 0;
  /** Some servers refuse a forced tool choice; then words have to do. */
  #canForce = true;

  constructor(world: LoopWorld, run: ResponseRun) {
    const { response } = run;
    this.#world = world;
    this.#response = response;
    this.#writer = run.writer;
    this.#signal = run.signal;
    const conversation = [...response.history, ...response.input];
    this.#messages = messagesOf(conversation, response.settings);
    this.#code = new CodeRuns(world, run, conversation);
  }

  async run(): Promise<LoopEnd> {
    try {
      return await this.#turns();
    } finally {
      await this.#code.release();
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
    return this.#response.settings.mode !== "off" && this.#code.hasCallsLeft;
  }

  get #mustRunCode(): boolean {
    return this.#response.settings.mode === "on" && !this.#code.hasRun;
  }

  async #turn(isFirst: boolean): Promise<Turn> {
    const { settings, usage } = this.#response;
    const rules = {
      takesCode: this.#takesCode,
      codeOnly: this.#mustRunCode,
      functionNames: new Set(settings.functions.map((tool) => tool.function.name)),
      containerId: () => this.#code.container(),
      endMessage: (message: Message, finish: Finish) =>
        this.#writer.endMessage(message, finish === "stop" ? "completed" : "incomplete", (text) => citationsOf(text, this.#code.produced)),
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
      for (const { call } of turn.code) this.#code.endUnrun(call, "incomplete", notes.badArguments);
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
    for (const written of turn.code) await this.#code.run(written);
    const calls = turn.code.map(({ call }) => call);
    this.#messages.push(...codeCallMessages(calls, turn.text === "" ? null : turn.text));
    const images = await this.#code.imagesOf(calls);
    if (images !== null) this.#messages.push(images);
    if (!this.#mustRunCode) this.#disobeyed = 0;
    else if (!this.#takesCode) throw new ResponseFailed("code_not_run", insistFailures.code_not_run);
    else this.#insist(notes.runCodeFirst, "code_not_run");
    if (!this.#takesCode) this.#tell(notes.noMoreCalls);
  }

  #tell(note: string): void {
    this.#messages.push({ role: "user", content: `[${note}]` });
  }
}

const insistFailures = {
  code_not_run: "The model was told to run code before it answers, and did not. Use another model, or the mode auto.",
  code_not_allowed: "The model called the code interpreter again and again although it is off. Use another model, or the mode auto.",
  model_broken_answer: "The model called a tool that there is not again and again.",
} as const;
