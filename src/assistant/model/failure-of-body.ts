import { ModelFailed } from "./model.ts";

const contextCodes = new Set(["context_length_exceeded", "string_above_max_length", "exceed_context_size_error"]);
/** How servers without a code of their own say it: vLLM, llama.cpp, Anthropic, Gemini, Mistral. */
const contextTexts =
  /context (?:length|window|size)|maximum context|max(?:imum)? (?:input )?(?:tokens|length)|prompt is too long|input token count|too many (?:input )?tokens|too large for model/i;

/** What an error body of a model's server means, if that depends on its contents; else null. Nothing of the body is kept. */
export function failureOfBody(body: unknown, status?: number): ModelFailed | null {
  const error = isObject(body) && isObject(body.error) ? body.error : body;
  const { code, type, message } = isObject(error) ? error : { code: undefined, type: undefined, message: error };
  const details = status === undefined ? {} : { status };
  if (contextCodes.has(String(code)) || contextCodes.has(String(type)) || (typeof message === "string" && contextTexts.test(message)))
    return new ModelFailed("context_length_exceeded", details);
  if (code === "rate_limit_exceeded" || type === "rate_limit_error" || code === 429) return new ModelFailed("model_rate_limited", details);
  return null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
