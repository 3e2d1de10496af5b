import type { ChatMessage } from "./model.ts";

/**
 * The conversation without its older half, for models whose context it exceeds. Instructions and the last message of the user stay, and a
 * call stays with its results. Null when nothing can be left out.
 */
export function shorterConversation(messages: readonly ChatMessage[]): ChatMessage[] | null {
  const first = messages.findIndex((message) => message.role !== "system");
  if (first === -1) return null;
  const blocks = blocksOf(messages.slice(first));
  const lastAsked = blocks.findLastIndex((block) => block[0]?.role === "user");
  // Before the last question, the oldest go first; then the oldest of the calls that answered it.
  const removable = lastAsked > 0 ? blocks.slice(0, lastAsked) : blocks.slice(lastAsked + 1, -1);
  if (removable.length === 0) return null;
  const removed = new Set(removable.slice(0, Math.ceil(removable.length / 2)));
  return [...messages.slice(0, first), ...blocks.filter((block) => !removed.has(block)).flat()];
}

/** A message of the assistant with the results of its calls, or one other message. */
function blocksOf(messages: readonly ChatMessage[]): ChatMessage[][] {
  const blocks: ChatMessage[][] = [];
  for (const message of messages) {
    if (message.role === "tool" && blocks.length > 0) blocks.at(-1)?.push(message);
    else blocks.push([message]);
  }
  return blocks;
}
