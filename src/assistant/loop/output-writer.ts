import { newId } from "../../domain/ids.ts";
import type { Output } from "../../domain/outputs.ts";
import type { Citation, CodeCall, FunctionCall, ItemStatus, Message, MessagePart, OutputItem, Reasoning } from "../views/items.ts";
import type { StoredResponse } from "../views/response.ts";
import {
  ownOutput,
  type ResponseEvent,
  type View,
  viewOfCitation,
  viewOfItem,
  viewOfPart,
  viewOfReasoningPart,
  viewOfResponse,
} from "../views/views.ts";

/**
 * Writes a response's output items and emits an event for each step, in the order and with the fields that strict clients check: an item is
 * added before its other events, a part before its text, and every index is the index in the current array.
 */
export class OutputWriter {
  readonly #response: StoredResponse;
  readonly #onEvent: (event: ResponseEvent) => void;
  #sequence = 0;
  /** Number of the model's turn that the next items belong to. */
  turn = 0;

  constructor(response: StoredResponse, onEvent: (event: ResponseEvent) => void) {
    this.#response = response;
    this.#onEvent = onEvent;
  }

  /** response.created, .queued, .in_progress, .completed, .failed, .incomplete */
  responseIs(state: "created" | "queued" | "in_progress" | "completed" | "failed" | "incomplete" | "cancelled"): void {
    this.#emit(`response.${state}`, { response: viewOfResponse(this.#response) });
  }

  beginReasoning(): Reasoning {
    const reasoning: Reasoning = {
      type: "reasoning",
      id: newId("reasoning"),
      status: "in_progress",
      text: "",
      sentBack: null,
      turn: this.turn,
    };
    this.#add(reasoning);
    this.#emit("response.content_part.added", { ...this.#at(reasoning), content_index: 0, part: viewOfReasoningPart(reasoning) });
    return reasoning;
  }

  reasoningDelta(reasoning: Reasoning, delta: string): void {
    reasoning.text += delta;
    this.#emit("response.reasoning_text.delta", { ...this.#at(reasoning), content_index: 0, delta });
  }

  endReasoning(reasoning: Reasoning, status: ItemStatus): void {
    reasoning.status = status;
    const at = { ...this.#at(reasoning), content_index: 0 };
    this.#emit("response.reasoning_text.done", { ...at, text: reasoning.text });
    this.#emit("response.content_part.done", { ...at, part: viewOfReasoningPart(reasoning) });
    this.#emit("response.output_item.done", { output_index: this.#indexOf(reasoning), item: this.#view(reasoning) });
  }

  beginMessage(): Message {
    const message: Message = { type: "message", id: newId("message"), status: "in_progress", parts: [], turn: this.turn };
    this.#add(message);
    return message;
  }

  messageDelta(message: Message, kind: "text" | "refusal", delta: string): void {
    const part = this.#partOf(message, kind);
    const at = { ...this.#at(message), content_index: message.parts.indexOf(part) };
    if (part.type === "text") {
      part.text += delta;
      this.#emit("response.output_text.delta", { ...at, delta, logprobs: [] });
    } else {
      part.refusal += delta;
      this.#emit("response.refusal.delta", { ...at, delta });
    }
  }

  endMessage(message: Message, status: ItemStatus, citationsOf: (text: string) => Citation[]): void {
    this.#endPart(message, citationsOf);
    message.status = status;
    this.#emit("response.output_item.done", { output_index: this.#indexOf(message), item: this.#view(message) });
  }

  beginCode(callId: string, containerId: string): CodeCall {
    const call: CodeCall = {
      type: "code_call",
      id: newId("execution"),
      callId,
      status: "in_progress",
      code: "",
      containerId,
      executionId: null,
      cause: null,
      outputs: [],
      told: "",
      turn: this.turn,
    };
    this.#add(call);
    this.#emit("response.code_interpreter_call.in_progress", this.#at(call));
    return call;
  }

  codeDelta(call: CodeCall, delta: string): void {
    call.code += delta;
    this.#emit("response.code_interpreter_call_code.delta", { ...this.#at(call), delta });
  }

  endCode(call: CodeCall, code: string): void {
    call.code = code;
    this.#emit("response.code_interpreter_call_code.done", { ...this.#at(call), code });
  }

  interpreting(call: CodeCall): void {
    call.status = "interpreting";
    this.#emit("response.code_interpreter_call.interpreting", this.#at(call));
  }

  /** Emits an output while the code runs; only in our dialect. */
  codeOutput(call: CodeCall, output: Output): void {
    if (this.#response.dialect === "own")
      this.#emit("response.code_interpreter_call.output", { ...this.#at(call), output: ownOutput(output) });
  }

  /** The protocol has no event for a failed call; the item's status shows it. */
  endCall(call: CodeCall, status: "completed" | "incomplete" | "failed"): void {
    call.status = status;
    if (status === "completed") this.#emit("response.code_interpreter_call.completed", this.#at(call));
    this.#emit("response.output_item.done", { output_index: this.#indexOf(call), item: this.#view(call) });
  }

  /** The code waits for its caller's functions. Its item stays in progress, and another item of a later response goes on with it. */
  pauseCall(call: CodeCall): void {
    call.status = "in_progress";
    call.part = "waits";
    this.#emit("response.output_item.done", { output_index: this.#indexOf(call), item: this.#view(call) });
  }

  /** A call that code makes, whole. */
  programCall({ callId, name, argumentsJson }: { callId: string; name: string; argumentsJson: string }, program: string): void {
    const call = this.beginFunction(callId, name, program);
    this.functionDelta(call, argumentsJson);
    this.endFunction(call, "completed");
  }

  beginFunction(callId: string, name: string, program?: string): FunctionCall {
    const call: FunctionCall = {
      type: "function_call",
      id: newId("functionCall"),
      callId,
      name,
      arguments: "",
      status: "in_progress",
      ...(program === undefined ? {} : { program }),
      turn: this.turn,
    };
    this.#add(call);
    return call;
  }

  functionDelta(call: FunctionCall, delta: string): void {
    call.arguments += delta;
    this.#emit("response.function_call_arguments.delta", { ...this.#at(call), delta });
  }

  endFunction(call: FunctionCall, status: ItemStatus): void {
    call.status = status;
    this.#emit("response.function_call_arguments.done", { ...this.#at(call), name: call.name, arguments: call.arguments });
    this.#emit("response.output_item.done", { output_index: this.#indexOf(call), item: this.#view(call) });
  }

  /** Ends open items, so that the items of an interrupted response are incomplete too. */
  endOpenItems(): void {
    for (const item of this.#response.output) {
      if (item.type === "reasoning" && item.status === "in_progress") this.endReasoning(item, "incomplete");
      if (item.type === "message" && item.status === "in_progress") this.endMessage(item, "incomplete", () => []);
      if (item.type === "code_call" && item.part !== "waits" && (item.status === "in_progress" || item.status === "interpreting"))
        this.endCall(item, "incomplete");
      if (item.type === "function_call" && item.status === "in_progress") this.endFunction(item, "incomplete");
    }
  }

  #partOf(message: Message, kind: "text" | "refusal"): MessagePart {
    const last = message.parts.at(-1);
    if (last?.type === kind) return last;
    if (last !== undefined) this.#endPart(message, () => []);
    const part: MessagePart = kind === "text" ? { type: "text", text: "", citations: [] } : { type: "refusal", refusal: "" };
    message.parts.push(part);
    this.#emit("response.content_part.added", { ...this.#at(message), content_index: message.parts.length - 1, part: viewOfPart(part) });
    return part;
  }

  #endPart(message: Message, citationsOf: (text: string) => Citation[]): void {
    const part = message.parts.at(-1);
    if (part === undefined) return;
    const at = { ...this.#at(message), content_index: message.parts.length - 1 };
    if (part.type === "refusal") {
      this.#emit("response.refusal.done", { ...at, refusal: part.refusal });
    } else {
      for (const [index, citation] of citationsOf(part.text).entries()) {
        part.citations.push(citation);
        this.#emit("response.output_text.annotation.added", { ...at, annotation_index: index, annotation: viewOfCitation(citation) });
      }
      this.#emit("response.output_text.done", { ...at, text: part.text, logprobs: [] });
    }
    this.#emit("response.content_part.done", { ...at, part: viewOfPart(part) });
  }

  #add(item: OutputItem): void {
    this.#response.output.push(item);
    this.#emit("response.output_item.added", { output_index: this.#indexOf(item), item: this.#view(item) });
  }

  #at(item: OutputItem): View {
    return { output_index: this.#indexOf(item), item_id: item.id };
  }

  #indexOf(item: OutputItem): number {
    return this.#response.output.indexOf(item);
  }

  #view(item: OutputItem): View {
    return viewOfItem(item, this.#response.dialect, this.#response.echo);
  }

  #emit(type: string, members: View): void {
    this.#onEvent({ type, sequence_number: this.#sequence, ...members });
    this.#sequence += 1;
  }
}
