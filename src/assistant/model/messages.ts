import type {
  CodeCall,
  FunctionCall,
  FunctionOutput,
  InputMessage,
  InputPart,
  Item,
  Message,
  OtherItem,
  Reasoning,
} from "../views/items.ts";
import type { Mode } from "../views/request.ts";
import type { AssistantMessage, ChatMessage, ChatPart, ChatToolCall } from "./model.ts";
import { filesNote, TOOL_NAME, toolInstructions } from "./prompt.ts";
import { shortened } from "./tool-text.ts";

/** A turn of the model: one message of the protocol, with all its calls. */
export interface AssistantTurn {
  reasoning: Reasoning | null;
  text: string | null;
  calls: Array<CodeCall | FunctionCall>;
}

/** A conversation as chat messages for the model. */
export function messagesOf(items: readonly Item[], settings: { instructions: string | null; mode: Mode }): ChatMessage[] {
  const { instructions, mode } = settings;
  const system = [instructions, mode === "off" ? null : toolInstructions(mode)].filter((text) => text !== null && text !== "").join("\n\n");
  const messages: ChatMessage[] = system === "" ? [] : [{ role: "system", content: system }];
  const outputs = new Map(items.flatMap((item) => (item.type === "function_output" ? [[item.callId, item] as const] : [])));
  for (const group of groupsOf(items)) {
    if (Array.isArray(group)) messages.push(...turnMessages(turnOf(group), outputs, mode !== "off"));
    else if (group.type === "input_message") messages.push(inputMessage(group, mode !== "off"));
    else if (group.type === "other") messages.push({ role: "user", content: otherText(group) });
  }
  return messages;
}

type TurnItem = Reasoning | Message | CodeCall | FunctionCall;

/** The items of each turn of the model together: servers want all calls of a turn, and its reasoning, in one message. */
function groupsOf(items: readonly Item[]): Array<TurnItem[] | Exclude<Item, TurnItem>> {
  const groups: Array<TurnItem[] | Exclude<Item, TurnItem>> = [];
  for (const item of items) {
    const last = groups.at(-1);
    if (item.type === "input_message" || item.type === "function_output" || item.type === "other") groups.push(item);
    else if (Array.isArray(last) && continues(last, item)) last.push(item);
    else groups.push([item]);
  }
  return groups;
}

/** Whether an item is of the same turn as those before it. Items that a client wrote have no turn; then their order decides. */
function continues(group: readonly TurnItem[], item: TurnItem): boolean {
  const last = group.at(-1) as TurnItem;
  if (last.turn !== undefined || item.turn !== undefined) return last.turn === item.turn;
  if (item.type === "reasoning") return false;
  if (last.type === "code_call") return false;
  return item.type !== "message" || last.type === "reasoning";
}

function turnOf(group: readonly TurnItem[]): AssistantTurn {
  const texts = group.flatMap((item) =>
    item.type === "message" ? item.parts.map((part) => (part.type === "text" ? part.text : part.refusal)) : [],
  );
  return {
    reasoning: group.find((item): item is Reasoning => item.type === "reasoning") ?? null,
    text: group.some((item) => item.type === "message") ? texts.join("") : null,
    calls: group.filter((item): item is CodeCall | FunctionCall => item.type === "code_call" || item.type === "function_call"),
  };
}

/** The message of a turn, and the results of its calls, which must follow directly, wherever they were among the items. */
export function turnMessages(turn: AssistantTurn, outputs: ReadonlyMap<string, FunctionOutput>, inFolder: boolean): ChatMessage[] {
  const { calls, text, reasoning } = turn;
  if (calls.length === 0) return text === null ? [] : [{ role: "assistant", content: text }];
  const results = calls.map((call): ChatMessage => {
    const content = call.type === "code_call" ? call.told : outputText(outputs.get(call.callId), inFolder);
    return { role: "tool", tool_call_id: call.callId, content };
  });
  const images = calls.flatMap((call) => (call.type === "function_call" ? imagesAmong(outputs.get(call.callId)?.parts ?? []) : []));
  const shown: ChatMessage[] =
    images.length === 0 ? [] : [{ role: "user", content: [{ type: "text", text: "[Images that the functions returned:]" }, ...images] }];
  return [{ role: "assistant", content: text, ...sentBack(reasoning), tool_calls: calls.map(toolCall) }, ...results, ...shown];
}

function toolCall(call: CodeCall | FunctionCall): ChatToolCall {
  const given =
    call.type === "code_call"
      ? { name: TOOL_NAME, arguments: JSON.stringify({ code: call.code ?? "" }) }
      : { name: call.name, arguments: call.arguments };
  return { id: call.callId, type: "function", function: given, ...(call.extra == null ? {} : { extra_content: call.extra }) };
}

/** The reasoning of a turn in the fields of the server that it came from. Only turns with calls need it. */
function sentBack(reasoning: Reasoning | null): Partial<AssistantMessage> {
  if (reasoning?.sentBack == null) return {};
  const { textField, fields } = reasoning.sentBack;
  return { ...fields, ...(textField === null ? {} : { [textField]: reasoning.text }) };
}

function outputText(output: FunctionOutput | undefined, inFolder: boolean): string {
  if (output === undefined) return "";
  const names = output.parts?.flatMap((part) => (part.type === "file" ? [part.name] : [])) ?? [];
  return [output.text, ...(names.length > 0 ? [filesNote(names, inFolder)] : [])].filter((text) => text !== "").join("\n");
}

const OTHER_CHARS_MAX = 8_192;

function otherText({ item }: OtherItem): string {
  return `[An item of the conversation, as JSON: ${shortened(JSON.stringify(item), OTHER_CHARS_MAX)}]`;
}

function imagesAmong(parts: readonly InputPart[]): ChatPart[] {
  return parts.flatMap((part): ChatPart[] =>
    part.type === "image"
      ? [{ type: "image_url", image_url: { url: part.url, ...(part.detail === null ? {} : { detail: part.detail }) } }]
      : [],
  );
}

function inputMessage({ role, parts }: InputMessage, inFolder: boolean): ChatMessage {
  const names = parts.flatMap((part) => (part.type === "file" ? [part.name] : []));
  const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  if (names.length > 0) texts.push(filesNote(names, inFolder));
  // Some servers do not know the role `developer`.
  if (role !== "user") return { role: "system", content: texts.join("\n") };
  const images = imagesAmong(parts);
  if (images.length === 0) return { role: "user", content: texts.join("\n") };
  return { role: "user", content: [...texts.map((text): ChatPart => ({ type: "text", text })), ...images] };
}
