import { namesForModels, type PackageList } from "../../domain/packages.ts";
import { messagesOf, turnMessages } from "../model/messages.ts";
import { type ChatMessage, type ChatTool, type Finish, type Model, ModelFailed, type ModelRequest } from "../model/model.ts";
import { codeTool, notes, TOOL_NAME, unknownTool } from "../model/prompt.ts";
import { shorterConversation } from "../model/shorten.ts";
import { citationsOf } from "../views/citations.ts";
import type { Message } from "../views/items.ts";
import type { IncompleteReason, StoredResponse } from "../views/response.ts";
import { type CodeRunContext, CodeRuns, ResponseFailed, type ResponseRun } from "./code-runs.ts";
import type { OutputWriter } from "./output-writer.ts";
import { waitingPrograms, withoutPrograms } from "./programs.ts";
import { readTurn, type Turn } from "./turn.ts";

export interface LoopContext extends CodeRunContext {
  model: Model;
  packages: Pick<PackageList, "latest">;
}

export type LoopEnd = "completed" | { incomplete: IncompleteReason };

/** Alternates between model and code until the model answers. Throws ResponseFailed, ModelFailed, or the signal's reason. */
export function runLoop(context: LoopContext, run: ResponseRun): Promise<LoopEnd> {
  return new Loop(context, run).run();
}

class Loop {
  readonly #context: LoopContext;
  readonly #response: StoredResponse;
  readonly #writer: OutputWriter;
  readonly #signal: AbortSignal;
  readonly #code: CodeRuns;
  #messages: ChatMessage[] = [];
  /** Consecutive turns in which the model ignored an instruction. */
  #ignoredTurns = 0;
  /** False once the server has refused a forced tool choice. Then a note instructs the model instead. */
  #canForce = true;

  constructor(context: LoopContext, run: ResponseRun) {
    const { response } = run;
    this.#context = context;
    this.#response = response;
    this.#writer = run.writer;
    this.#signal = run.signal;
    const conversation = [...response.history, ...response.input];
    this.#code = new CodeRuns(context, run, conversation);
  }

  async run(): Promise<LoopEnd> {
    const { history, input, output, settings } = this.#response;
    try {
      for (const program of waitingPrograms(history, input)) await this.#code.goOn(program);
      if (this.#code.waits) return "completed";
      this.#messages = messagesOf(withoutPrograms([...history, ...input, ...output]), settings);
      return await this.#turns();
    } finally {
      await this.#code.release();
    }
  }

  async #turns(): Promise<LoopEnd> {
    for (let turns = 0; turns < this.#context.limits.modelCallsPerResponseMax; turns += 1) {
      this.#writer.turn = turns;
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
      const turn = await readTurn(this.#context.model.stream(this.#request(isFirst), this.#signal), this.#writer, rules);
      usage.input += turn.usage?.input ?? 0;
      usage.inputCached += turn.usage?.inputCached ?? 0;
      usage.inputCacheWritten = (usage.inputCacheWritten ?? 0) + (turn.usage?.inputCacheWritten ?? 0);
      usage.output += turn.usage?.output ?? 0;
      usage.outputReasoning += turn.usage?.outputReasoning ?? 0;
      return turn;
    } catch (error) {
      if (this.#response.output.length === output && this.#shortens(error)) return this.#turn(isFirst);
      const isRefused = error instanceof ModelFailed && (error.status === 400 || error.status === 422);
      if (!isRefused || !this.#mustRunCode || !this.#canForce || this.#response.output.length > output) throw error;
      this.#canForce = false;
      this.#addNote(notes.runCodeFirst);
      return this.#turn(isFirst);
    }
  }

  /** Leaves out the older part of a conversation that is too long for the model, if the caller permits it. */
  #shortens(error: unknown): boolean {
    const isTooLong = error instanceof ModelFailed && error.code === "context_length_exceeded";
    if (!isTooLong || this.#response.echo.others.truncation !== "auto") return false;
    const shorter = shorterConversation(this.#messages);
    if (shorter === null) return false;
    this.#messages = shorter;
    return true;
  }

  #request(isFirst: boolean): ModelRequest {
    const { limits, packages } = this.#context;
    const { model, memoryMb, functions, functionChoice, tokensMax, passed } = this.#response.settings;
    const tool = () => codeTool(limits, memoryMb ?? limits.memoryMbMax, namesForModels(packages.latest), this.#response.settings);
    const tools: ChatTool[] = this.#takesCode ? [tool(), ...functions] : functions;
    let toolChoice: ModelRequest["toolChoice"] = "auto";
    if (this.#mustRunCode && this.#canForce) toolChoice = { type: "function", function: { name: TOOL_NAME } };
    else if (isFirst && functionChoice !== null)
      toolChoice = functionChoice === "required" ? "required" : { type: "function", function: { name: functionChoice.name } };
    return { model, messages: this.#messages, tools, toolChoice, tokensMax, passed };
  }

  /** The end of the response, or null for another turn. */
  async #afterTurn(turn: Turn): Promise<LoopEnd | null> {
    if (turn.finish !== "stop") {
      for (const { call } of turn.code) this.#code.skipCall(call, "incomplete", notes.badArguments);
      return { incomplete: turn.finish === "length" ? "max_output_tokens" : "content_filter" };
    }
    if (turn.code.length > 0) {
      await this.#runAll(turn);
      return turn.functions.length > 0 || this.#code.waits ? "completed" : null;
    }
    if (turn.functions.length > 0) return "completed";
    if (this.#mustRunCode) return this.#repeatTurn(notes.runCodeFirst, "code_not_run");
    if (turn.refused.length > 0) return this.#refuseTools(turn);
    if (turn.message === null) {
      const empty = this.#writer.beginMessage();
      this.#writer.messageDelta(empty, "text", "");
      this.#writer.endMessage(empty, "completed", () => []);
    }
    return "completed";
  }

  /** The model called tools that do not exist or are off. Nothing ran; the model gets a note. */
  #refuseTools(turn: Turn): LoopEnd | null {
    if (turn.text !== "") this.#messages.push({ role: "assistant", content: turn.text });
    const isCode = turn.refused.includes(TOOL_NAME);
    if (!isCode) return this.#repeatTurn(unknownTool(turn.refused[0] ?? ""), "model_broken_answer");
    if (this.#response.settings.mode === "off") return this.#repeatTurn(notes.toolIsOff, "code_not_allowed");
    if (this.#ignoredTurns >= this.#context.limits.codeForcedRetriesMax) return { incomplete: "max_tool_calls" };
    return this.#repeatTurn(notes.noMoreCalls, "code_not_run");
  }

  #repeatTurn(note: string, failure: "code_not_run" | "code_not_allowed" | "model_broken_answer"): null {
    this.#ignoredTurns += 1;
    if (this.#ignoredTurns > this.#context.limits.codeForcedRetriesMax) throw new ResponseFailed(failure, ignoredFailures[failure]);
    this.#addNote(note);
    return null;
  }

  async #runAll(turn: Turn): Promise<void> {
    for (const written of turn.code) await this.#code.run(written);
    if (this.#code.waits) return;
    const calls = turn.code.map(({ call }) => call);
    const { reasoning, text } = turn;
    this.#messages.push(...turnMessages({ reasoning, text: text === "" ? null : text, calls }, new Map(), true));
    const images = await this.#code.imagesOf(calls);
    if (images !== null) this.#messages.push(images);
    if (!this.#mustRunCode) this.#ignoredTurns = 0;
    else if (!this.#takesCode) throw new ResponseFailed("code_not_run", ignoredFailures.code_not_run);
    else this.#repeatTurn(notes.runCodeFirst, "code_not_run");
    if (!this.#takesCode) this.#addNote(notes.noMoreCalls);
  }

  #addNote(note: string): void {
    this.#messages.push({ role: "user", content: `[${note}]` });
  }
}

const ignoredFailures = {
  code_not_run: "The model did not run code before its answer, although it was instructed to. Use another model, or the mode auto.",
  code_not_allowed: "The model repeatedly called the code interpreter although it is off. Use another model, or the mode auto.",
  model_broken_answer: "The model repeatedly called a tool that does not exist.",
} as const;
