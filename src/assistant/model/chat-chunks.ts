import { z } from "zod";
import { calledName } from "./called-name.ts";
import { failureOfBody } from "./failure-of-body.ts";
import { type Finish, type ModelEvent, ModelFailed, type SentBack, type TokenUsage } from "./model.ts";
import { TaggedText, type TextPart } from "./tagged-text.ts";
import { type CallDelta, ToolCalls } from "./tool-calls.ts";
import { writtenCall } from "./written-call.ts";

// A member that servers fill in differently, and that the answer does not depend on, is left out when it cannot be read.
const tokens = z.number().int().nonnegative().nullish();
const text = z.string().nullish().catch(null);
const fields = z.record(z.string(), z.unknown()).nullish().catch(null);
const called = z
  .object({
    name: text,
    arguments: z
      .union([z.string(), z.record(z.string(), z.unknown())])
      .nullish()
      .catch(null),
  })
  .nullish()
  .catch(null);
const toolCall = z.object({
  index: z.coerce.number().int().nonnegative().nullish().catch(null),
  id: z.coerce.string().nullish().catch(null),
  function: called,
  extra_content: fields,
});
const thinking = z.union([z.string(), z.array(z.object({ text: z.string().nullish() }))]).nullish();
/** Text, or parts. Parts other than text are reasoning, or unknown. */
const content = z.union([z.string(), z.array(z.object({ type: z.string(), text, thinking }))]);
const message = z.object({
  content: content.nullish(),
  refusal: text,
  reasoning_content: text,
  reasoning: text,
  reasoning_details: z.array(z.unknown()).nullish().catch(null),
  extra_content: fields,
  tool_calls: z.array(toolCall).nullish(),
  function_call: called,
});

/** A chunk of a stream (`delta`), or the whole answer of a server that does not stream (`message`). */
const chatChunk = z.object({
  choices: z.array(z.object({ delta: message.nullish(), message: message.nullish(), finish_reason: text })).nullish(),
  usage: z
    .object({
      prompt_tokens: tokens,
      completion_tokens: tokens,
      prompt_tokens_details: z
        .object({ cached_tokens: tokens, cache_write_tokens: tokens, cache_creation_tokens: tokens })
        .nullish()
        .catch(null),
      completion_tokens_details: z.object({ reasoning_tokens: tokens }).nullish().catch(null),
    })
    .nullish()
    .catch(null),
  error: z.unknown().optional(),
});
type MessageDelta = z.infer<typeof message>;

/** The index that stands for the only call of servers with the protocol's former field `function_call`. */
const LEGACY_INDEX = -1;

/**
 * Parses the chunks of one turn, and turns what servers and models do differently into one stream of events. Throws on malformed chunks.
 * `offered` has the names of the tools in the request.
 */
export class ChatChunks {
  readonly #offered: ReadonlySet<string>;
  readonly #text: TaggedText;
  readonly #calls = new ToolCalls();
  #finish: Finish | null = null;
  #usage: TokenUsage | null = null;
  #sentBack: SentBack = { textField: null, fields: null };

  constructor(offered: ReadonlySet<string> = new Set()) {
    this.#offered = offered;
    this.#text = new TaggedText({ takesCalls: offered.size > 0 });
  }

  push(chunkText: string): ModelEvent[] {
    const chunk = parse(chunkText);
    if (chunk.error !== undefined && chunk.error !== null) throw failureOfBody(chunk.error) ?? new ModelFailed("model_broken_answer");
    if (chunk.usage) this.#usage = usageOf(chunk.usage);
    const choice = chunk.choices?.[0];
    if (choice === undefined) return [];
    const delta = choice.delta ?? choice.message;
    const events = delta == null ? [] : this.#delta(delta);
    if (choice.finish_reason) this.#finish = finishOf(choice.finish_reason);
    return events;
  }

  /**
   * The end of the turn. `isDone`: the server has said that the stream is whole. Throws if neither that nor a finish reason came: then the
   * stream was cut off.
   */
  end(isDone = false): ModelEvent[] {
    if (this.#finish === null && !isDone) throw new ModelFailed("model_broken_answer");
    const { textField, fields: others } = this.#sentBack;
    const sentBack = textField === null && others === null ? null : this.#sentBack;
    return [
      ...this.#text.end().flatMap((part) => this.#part(part)),
      ...this.#named(this.#calls.end()),
      { type: "end", finish: this.#finish ?? "stop", usage: this.#usage, sentBack },
    ];
  }

  #delta(delta: MessageDelta): ModelEvent[] {
    const events: ModelEvent[] = this.#reasoning(delta);
    for (const part of partsOf(delta.content)) {
      if (part.type === "reasoning") events.push({ type: "reasoning", delta: part.text });
      else events.push(...this.#text.push(part.text).flatMap((piece) => this.#part(piece)));
    }
    if (delta.refusal) events.push({ type: "refusal", delta: delta.refusal });
    for (const call of delta.tool_calls ?? []) events.push(...this.#named(this.#calls.push(deltaOf(call.index ?? null, call))));
    if (delta.function_call) events.push(...this.#named(this.#calls.push(deltaOf(LEGACY_INDEX, { function: delta.function_call }))));
    return events;
  }

  #reasoning(delta: MessageDelta): ModelEvent[] {
    const { reasoning_details: details, extra_content: extra } = delta;
    const sentBack = this.#sentBack;
    if (details != null) {
      const known = (sentBack.fields?.reasoning_details ?? []) as unknown[];
      sentBack.fields = { ...sentBack.fields, reasoning_details: [...known, ...details] };
    }
    if (extra != null) sentBack.fields = { ...sentBack.fields, extra_content: extra };
    // Some servers send both fields with the same text.
    const field = delta.reasoning_content ? "reasoning_content" : delta.reasoning ? "reasoning" : null;
    if (field === null) return [];
    sentBack.textField = field;
    return [{ type: "reasoning", delta: delta[field] as string }];
  }

  #part(part: TextPart): ModelEvent[] {
    if (part.type === "reasoning") return [{ type: "reasoning", delta: part.text }];
    if (part.type === "text") return [{ type: "text", delta: part.text }];
    const call = writtenCall(part.text);
    const name = call === null ? null : calledName(call.name, this.#offered);
    if (call === null || name === null) return [{ type: "text", delta: `<tool_call>${part.text}</tool_call>` }];
    return this.#calls.push({ index: null, id: "", name, arguments: call.arguments, extra: null });
  }

  /** Calls under the names of the offered tools, as far as the model means one. */
  #named(events: ModelEvent[]): ModelEvent[] {
    return events.map((event) => (event.type === "call" ? { ...event, name: calledName(event.name, this.#offered) ?? event.name } : event));
  }
}

type ContentPart = { type: "text" | "reasoning"; text: string };

function partsOf(value: MessageDelta["content"]): ContentPart[] {
  if (value == null || value === "") return [];
  if (typeof value === "string") return [{ type: "text", text: value }];
  return value.flatMap((part): ContentPart[] => {
    if (part.type === "text") return part.text ? [{ type: "text", text: part.text }] : [];
    const thought = typeof part.thinking === "string" ? part.thinking : (part.thinking ?? []).map((one) => one.text ?? "").join("");
    const reasoning = thought || (part.type === "reasoning" || part.type === "thinking" ? part.text : "");
    return reasoning ? [{ type: "reasoning", text: reasoning }] : [];
  });
}

function deltaOf(index: number | null, call: Partial<z.infer<typeof toolCall>>): CallDelta {
  const given = call.function?.arguments;
  return {
    index,
    id: call.id ?? "",
    name: call.function?.name ?? "",
    arguments: typeof given === "string" ? given : given == null ? "" : JSON.stringify(given),
    extra: call.extra_content ?? null,
  };
}

function parse(chunkText: string): z.infer<typeof chatChunk> {
  try {
    return chatChunk.parse(JSON.parse(chunkText));
  } catch {
    // The original error would quote the text.
    throw new ModelFailed("model_broken_answer");
  }
}

function finishOf(reason: string): Finish {
  return reason === "length" || reason === "content_filter" ? reason : "stop";
}

function usageOf(usage: NonNullable<z.infer<typeof chatChunk>["usage"]>): TokenUsage {
  const details = usage.prompt_tokens_details;
  return {
    input: usage.prompt_tokens ?? 0,
    inputCached: details?.cached_tokens ?? 0,
    inputCacheWritten: details?.cache_write_tokens ?? details?.cache_creation_tokens ?? 0,
    output: usage.completion_tokens ?? 0,
    outputReasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}
