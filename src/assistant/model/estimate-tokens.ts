import type { ChatMessage, ChatTool } from "./model.ts";

/** Most tokenizers make one token of about four bytes. */
const BYTES_PER_TOKEN = 4;
/** The name of the role, and the marks around a message. */
const TOKENS_PER_MESSAGE = 4;
/** What models of OpenAI count for an image of medium size. */
const TOKENS_PER_IMAGE = 765;

/** About how many tokens a model would count. Only the model's server knows the number, and it tells it after a call. */
export function estimateTokens(messages: readonly ChatMessage[], tools: readonly ChatTool[]): number {
  let bytes = tools.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(tools));
  let tokens = 0;
  for (const message of messages) {
    tokens += TOKENS_PER_MESSAGE;
    const { content } = message;
    for (const part of Array.isArray(content) ? content : [{ type: "text" as const, text: content ?? "" }]) {
      if (part.type === "text") bytes += Buffer.byteLength(part.text);
      else tokens += TOKENS_PER_IMAGE;
    }
    if (message.role === "assistant" && message.tool_calls !== undefined) bytes += Buffer.byteLength(JSON.stringify(message.tool_calls));
  }
  return tokens + Math.ceil(bytes / BYTES_PER_TOKEN);
}
