import type { SentBack } from "../model/model.ts";
import type { Reasoning } from "./items.ts";

/**
 * Reasoning as clients carry it from one request to the next when responses are not stored. To them it is opaque. It is not secret: it
 * holds only what the model's server sent.
 */
export function carriedReasoning({ text, sentBack }: Pick<Reasoning, "text" | "sentBack">): string {
  return Buffer.from(JSON.stringify({ text, sentBack })).toString("base64");
}

/** Reads what `carriedReasoning` wrote; null when a client sends anything else. */
export function readCarried(carried: string): Pick<Reasoning, "text" | "sentBack"> | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(carried, "base64").toString("utf8"));
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || !("text" in value) || typeof value.text !== "string") return null;
  const sentBack = "sentBack" in value ? readSentBack(value.sentBack) : null;
  return { text: value.text, sentBack };
}

/** A client may have changed it, so only known fields go on to the model. */
function readSentBack(value: unknown): SentBack | null {
  if (typeof value !== "object" || value === null) return null;
  const { textField, fields } = value as Record<string, unknown>;
  const known = typeof fields === "object" && fields !== null ? (fields as Record<string, unknown>) : {};
  const { reasoning_details, extra_content } = known;
  const kept = {
    ...(reasoning_details === undefined ? {} : { reasoning_details }),
    ...(extra_content === undefined ? {} : { extra_content }),
  };
  return {
    textField: textField === "reasoning_content" || textField === "reasoning" ? textField : null,
    fields: Object.keys(kept).length === 0 ? null : kept,
  };
}
