import { newId } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import type { RunInput } from "../../domain/run.ts";
import type { ToolAnswer, ToolCallRecord, ToolPort } from "../../domain/tools.ts";
import { schemaProblem } from "../../util/json-schema.ts";
import { countJsonValues } from "../../util/json-shape.ts";
import type { Sandbox } from "../sandbox.ts";
import { type OutFrame, WireError } from "../wire/frames.ts";
import { allTools } from "../wire/run-head.ts";

export interface ToolCallsDeps {
  tools: NonNullable<RunInput["tools"]>;
  port: ToolPort;
  sandbox: Sandbox;
  limits: Limits;
  /** The first open call, and the end of the last one: the worker's own time limit stands still in between. */
  onOpenChange(open: boolean): void;
}

/**
 * The calls of one run to its caller's tools. The runner bounds and numbers them, but nothing from a sandbox is trusted: a frame
 * that the runner would not send ends the run as malformed.
 */
export class ToolCalls {
  readonly records: ToolCallRecord[] = [];
  readonly #deps: ToolCallsDeps;
  readonly #schemas: ReadonlyMap<string, unknown>;
  readonly #open = new Map<number, AbortController>();
  readonly #startedAt = performance.now();
  #ended = false;
  #resume: Promise<void> | (() => Promise<void>) | null = null;

  constructor(deps: ToolCallsDeps) {
    this.#deps = deps;
    this.#schemas = new Map(allTools(deps.tools).map((tool) => [tool.name, tool.parameters]));
  }

  /** Takes a call and returns at once. Throws WireError for one that the runner would have refused. */
  take(frame: OutFrame): void {
    const { toolCallsOpenMax, toolCallsPerExecutionMax, toolValueBytesMax } = this.#deps.limits;
    const { call, name } = frame.head;
    if (typeof call !== "number" || !Number.isInteger(call) || typeof name !== "string" || !this.#schemas.has(name)) {
      throw new WireError("tool_call frame without a call");
    }
    if (this.#open.has(call) || this.#open.size >= toolCallsOpenMax || this.records.length >= toolCallsPerExecutionMax) {
      throw new WireError("tool_call frame beyond the limits");
    }
    if (frame.body.length > toolValueBytesMax) throw new WireError("tool_call frame with too many bytes");
    if (this.#open.size === 0) this.#deps.onOpenChange(true);
    const abort = new AbortController();
    this.#open.set(call, abort);
    // It rejects only on a bug of the service. A code process that waits for ever would hide it.
    this.#run(call, name, frame.body, abort).catch(() => this.#deps.sandbox.destroy());
  }

  /** The code only waits for answers. */
  waits(): void {
    if (this.#open.size > 0) this.#resume ??= this.#deps.port.pause();
  }

  /** The code has ended. Open calls are abandoned. */
  end(): void {
    this.#ended = true;
    for (const abort of this.#open.values()) abort.abort("ended");
    const resume = this.#resume;
    if (typeof resume === "function") void resume();
    this.#resume = null;
  }

  async #run(call: number, name: string, body: Buffer, abort: AbortController): Promise<void> {
    const { sandbox, tools, port } = this.#deps;
    const callId = newId("toolCall");
    const began = performance.now();
    const record: ToolCallRecord = {
      call_id: callId,
      name,
      started_ms: Math.round(began - this.#startedAt),
      duration_ms: 0,
      arguments_bytes: body.length,
      output_bytes: 0,
      outcome: "abandoned",
    };
    this.records.push(record);
    const argumentsJson = body.toString("utf8");
    const problem = this.#problemOf(name, body, argumentsJson);
    let answer: ToolAnswer;
    if (problem !== null) {
      answer = { outcome: "error", json: JSON.stringify(`${name}(): ${problem}`) };
    } else {
      const timer = setTimeout(() => abort.abort("timeout"), tools.answerMs);
      answer = await port.call({ callId, name, argumentsJson }, abort.signal);
      clearTimeout(timer);
    }
    record.duration_ms = Math.round(performance.now() - began);
    if (this.#ended) return;
    record.outcome = answer.outcome;
    const answerBody = Buffer.from(answer.json, "utf8");
    record.output_bytes = answerBody.length;
    await this.#takeBackProcessor();
    this.#open.delete(call);
    if (this.#open.size === 0) this.#deps.onOpenChange(false);
    const outcome = answer.outcome === "failed" ? "error" : answer.outcome;
    // The sandbox may have ended meanwhile, which the reader of its frames reports.
    await sandbox.send({ kind: "tool_answer", head: { call, outcome }, body: answerBody }).catch(() => undefined);
  }

  /** Answers that arrive together wait for one and the same processor. */
  async #takeBackProcessor(): Promise<void> {
    if (typeof this.#resume === "function") {
      const resuming = this.#resume().finally(() => {
        if (this.#resume === resuming) this.#resume = null;
      });
      this.#resume = resuming;
    }
    await this.#resume;
  }

  #problemOf(name: string, body: Buffer, text: string): string | null {
    const { toolValueValuesMax: valuesMax, requestBodyDepthMax: depthMax } = this.#deps.limits;
    if (countJsonValues(body, { valuesMax, depthMax }) === null) {
      return `the arguments must have at most ${valuesMax} JSON values and ${depthMax} levels`;
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return "the arguments are not JSON";
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) return "the arguments are not a JSON object";
    const problem = schemaProblem(this.#schemas.get(name), value);
    return problem === null ? null : `the arguments do not match the schema: ${problem}`;
  }
}
