import type { Output } from "../../domain/outputs.ts";
import type { Cause } from "../../domain/status.ts";

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

export interface Message {
  type: "message";
  id: string;
  status: ItemStatus;
  parts: MessagePart[];
}

export interface CodeCall {
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
  /** The result text that the model received. The name is part of stored responses. */
  told: string;
}

export interface FunctionCall {
  type: "function_call";
  id: string;
  callId: string;
  name: string;
  arguments: string;
  status: ItemStatus;
}

export interface FunctionOutput {
  type: "function_output";
  id: string;
  callId: string;
  text: string;
}

export type OutputItem = Message | CodeCall | FunctionCall;
export type Item = InputMessage | OutputItem | FunctionOutput;
