import type { Output } from "../../domain/outputs.ts";
import type { Cause } from "../../domain/status.ts";
import type { SentBack } from "../model/model.ts";

/** The items of a conversation as they are stored. Both dialects are pure functions of them (views.ts). */
export type Dialect = "own" | "openai";

export type InputPart =
  | { type: "text"; text: string }
  | { type: "image"; url: string; detail: string | null }
  | { type: "file"; fileId: string; name: string };

export interface InputMessage {
  type: "input_message";
  id: string;
  role: "user" | "system" | "developer";
  parts: InputPart[];
}

export interface Citation {
  containerId: string;
  fileId: string;
  name: string;
  start: number;
  end: number;
}

export type MessagePart = { type: "text"; text: string; citations: Citation[] } | { type: "refusal"; refusal: string };
export type ItemStatus = "in_progress" | "completed" | "incomplete";

/** What items of the model's turns have in common. */
interface OfTurn {
  /** Number of the turn within its response. Absent when the client wrote the item itself. */
  turn?: number;
}

/** The model's thinking, as its server sent it. */
export interface Reasoning extends OfTurn {
  type: "reasoning";
  id: string;
  status: ItemStatus;
  text: string;
  /** How the model's server needs it back with the calls of the turn; null when it does not. */
  sentBack: SentBack | null;
}

export interface Message extends OfTurn {
  type: "message";
  id: string;
  status: ItemStatus;
  parts: MessagePart[];
}

export interface CodeCall extends OfTurn {
  type: "code_call";
  id: string;
  /** The model's id of the call. */
  callId: string;
  status: ItemStatus | "interpreting" | "failed";
  code: string | null;
  containerId: string;
  executionId: string | null;
  cause: Cause | null;
  outputs: Output[];
  /**
   * Of a program that calls the caller's functions: it waits for answers, or it is the rest of a program that an earlier item began.
   * Both items have the same execution.
   */
  part?: "waits" | "continues";
  /** The result text that the model received. The name is part of stored responses. */
  told: string;
  /** Fields that the model's server needs back with the call. */
  extra?: Record<string, unknown>;
}

export interface FunctionCall extends OfTurn {
  type: "function_call";
  id: string;
  callId: string;
  name: string;
  arguments: string;
  status: ItemStatus;
  /** The execution whose code made the call. Absent when the model made it. */
  program?: string;
  /** Fields that the model's server needs back with the call. */
  extra?: Record<string, unknown>;
}

export interface FunctionOutput {
  type: "function_output";
  id: string;
  callId: string;
  text: string;
  /** Images and files beside the text. */
  parts?: InputPart[];
}

/** An item of a kind that this service does not have. It is kept, shown again, and given to the model as it is. */
export interface OtherItem {
  type: "other";
  id: string;
  item: { type: string; [member: string]: unknown };
}

export type OutputItem = Reasoning | Message | CodeCall | FunctionCall;
export type Item = InputMessage | OutputItem | FunctionOutput | OtherItem;
