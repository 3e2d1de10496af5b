import type { CodeCall, InputMessage, Item } from "../views/items.ts";
import type { Mode } from "../views/request.ts";
import type { ChatMessage, ChatPart } from "./model.ts";
import { filesNote, TOOL_NAME, toolInstructions } from "./prompt.ts";

/** A conversation as chat messages for the model. */
export function messagesOf(items: readonly Item[], settings: { instructions: string | null; mode: Mode }): ChatMessage[] {
  const { instructions, mode } = settings;
  const system = [instructions, mode === "off" ? null : toolInstructions(mode)].filter((text) => text !== null && text !== "").join("\n\n");
  const messages: ChatMessage[] = system === "" ? [] : [{ role: "system", content: system }];
  const functionOutputs = new Map(items.flatMap((item) => (item.type === "function_output" ? [[item.callId, item.text]] : [])));
  for (const item of items) messages.push(...messagesOfItem(item, functionOutputs, mode !== "off"));
  return messages;
}

/** A function's output directly follows its call, as the protocol requires, wherever it was among the items. */
function messagesOfItem(item: Item, functionOutputs: ReadonlyMap<string, string>, inFolder: boolean): ChatMessage[] {
  switch (item.type) {
    case "input_message":
      return [inputMessage(item, inFolder)];
    case "message":
      return [{ role: "assistant", content: item.parts.map((part) => (part.type === "text" ? part.text : part.refusal)).join("") }];
    case "code_call":
      return codeCallMessages([item], null);
    case "function_call":
      return [
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: item.callId, type: "function", function: { name: item.name, arguments: item.arguments } }],
        },
        { role: "tool", tool_call_id: item.callId, content: functionOutputs.get(item.callId) ?? "" },
      ];
    case "function_output":
      return [];
  }
}

/** A turn of the model that called code, and the results. */
export function codeCallMessages(calls: readonly CodeCall[], text: string | null): ChatMessage[] {
  return [
    {
      role: "assistant",
      content: text,
      tool_calls: calls.map((call) => ({
        id: call.callId,
        type: "function",
        function: { name: TOOL_NAME, arguments: JSON.stringify({ code: call.code ?? "" }) },
      })),
    },
    ...calls.map((call): ChatMessage => ({ role: "tool", tool_call_id: call.callId, content: call.told })),
  ];
}

function inputMessage({ role, parts }: InputMessage, inFolder: boolean): ChatMessage {
  const names = parts.flatMap((part) => (part.type === "file" ? [part.name] : []));
  const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  if (names.length > 0) texts.push(filesNote(names, inFolder));
  // Some servers do not know the role `developer`.
  if (role !== "user") return { role: "system", content: texts.join("\n") };
  const images = parts.flatMap((part): ChatPart[] =>
    part.type === "image"
      ? [{ type: "image_url", image_url: { url: part.url, ...(part.detail === null ? {} : { detail: part.detail }) } }]
      : [],
  );
  if (images.length === 0) return { role: "user", content: texts.join("\n") };
  return { role: "user", content: [...texts.map((text): ChatPart => ({ type: "text", text })), ...images] };
}
