import { randomBytes } from "node:crypto";
import { z } from "zod";
import { type Finish, type ModelEvent, ModelFailed, type TokenUsage } from "./model.ts";

const tokens = z.number().int().nonnegative().nullish();
const toolCall = z.object({
  index: z.number().int().nonnegative().nullish(),
  id: z.string().nullish(),
  function: z
    .object({ name: z.string().nullish(), arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish() })
    .nullish(),
});
/** Text, or parts. Only text parts are kept: some models put their reasoning into others. */
const content = z.union([
  z.string(),
  z
    .array(z.object({ type: z.string(), text: z.string().nullish() }))
    .transform((parts) => parts.map((part) => (part.type === "text" ? (part.text ?? "") : "")).join("")),
]);
const messageDelta = z.object({ content: content.nullish(), refusal: z.string().nullish(), tool_calls: z.array(toolCall).nullish() });

/** A chunk of a stream (`delta`), or the whole answer of a server that does not stream (`message`). */
const chatChunk = z.object({
  choices: z
    .array(z.object({ delta: messageDelta.nullish(), message: messageDelta.nullish(), finish_reason: z.string().nullish() }))
    .nullish(),
  usage: z
    .object({
      prompt_tokens: tokens,
      completion_tokens: tokens,
      prompt_tokens_details: z.object({ cached_tokens: tokens }).nullish(),
      completion_tokens_details: z.object({ reasoning_tokens: tokens }).nullish(),
    })
    .nullish(),
  error: z.unknown().optional(),
});

/** Parses the chunks of one turn. Fills in what a server may omit (index, id), and throws on malformed chunks. */
export class ChatChunks {
  #callCount = 0;
  /** Our index of a call and its id, by the server's index. */
  readonly #calls = new Map<number, { index: number; id: string }>();
  #finish: Finish | null = null;
  #usage: TokenUsage | null = null;

  push(text: string): ModelEvent[] {
    const chunk = parse(text);
    if (chunk.error !== undefined && chunk.error !== null) throw new ModelFailed("model_broken_answer");
    if (chunk.usage) this.#usage = usageOf(chunk.usage);
    const choice = chunk.choices?.[0];
    if (choice === undefined) return [];
    const delta = choice.delta ?? choice.message;
    const events: ModelEvent[] = [];
    if (delta?.content) events.push({ type: "text", delta: delta.content });
    if (delta?.refusal) events.push({ type: "refusal", delta: delta.refusal });
    for (const call of delta?.tool_calls ?? []) events.push(...this.#call(call));
    if (choice.finish_reason) this.#finish = finishOf(choice.finish_reason);
    return events;
  }

  /** The end of the turn. Throws without a finish reason: then the stream was cut off. */
  end(): ModelEvent {
    if (this.#finish === null) throw new ModelFailed("model_broken_answer");
    return { type: "end", finish: this.#finish, usage: this.#usage };
  }

  #call(call: z.infer<typeof toolCall>): ModelEvent[] {
    const events: ModelEvent[] = [];
    const { name, arguments: fragment } = call.function ?? {};
    const known = call.index == null ? undefined : this.#calls.get(call.index);
    // Servers that send no index, or the same for every call, send each call whole. Then a name begins a new call.
    const isAnother = Boolean(name) && (known === undefined || (Boolean(call.id) && call.id !== known.id));
    const begins = isAnother || (call.index != null && known === undefined);
    const index = begins ? this.#callCount++ : (known?.index ?? this.#callCount - 1);
    if (index < 0) throw new ModelFailed("model_broken_answer");
    if (begins) {
      const id = call.id || `call_${randomBytes(12).toString("hex")}`;
      if (call.index != null) this.#calls.set(call.index, { index, id });
      events.push({ type: "call", index, id, name: name ?? "" });
    }
    const delta = typeof fragment === "string" ? fragment : fragment == null ? "" : JSON.stringify(fragment);
    if (delta !== "") events.push({ type: "arguments", index, delta });
    return events;
  }
}

function parse(text: string): z.infer<typeof chatChunk> {
  try {
    return chatChunk.parse(JSON.parse(text));
  } catch {
    // The original error would quote the text.
    throw new ModelFailed("model_broken_answer");
  }
}

function finishOf(reason: string): Finish {
  return reason === "length" || reason === "content_filter" ? reason : "stop";
}

function usageOf(usage: NonNullable<z.infer<typeof chatChunk>["usage"]>): TokenUsage {
  return {
    input: usage.prompt_tokens ?? 0,
    inputCached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    output: usage.completion_tokens ?? 0,
    outputReasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}
