import { randomBytes } from "node:crypto";

/** Crockford's Base32 alphabet in lower case: it omits letters that look like digits. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const prefixes = {
  execution: "ci_",
  file: "file_",
  webhook: "whd_",
  key: "key_",
  response: "resp_",
  message: "msg_",
  functionCall: "fc_",
  assistant: "asst_",
  container: "cntr_",
  reasoning: "rs_",
  item: "item_",
  conversation: "conv_",
  toolCall: "call_",
} as const;

/** Returns an unguessable id: the prefix of its kind and 120 random bits. */
export function newId(kind: keyof typeof prefixes): string {
  let text = "";
  for (const byte of randomBytes(24)) text += ALPHABET[byte & 31];
  return prefixes[kind] + text;
}

export const executionIdPattern = /^ci_[0-9a-z]{24}$/;
export const responseIdPattern = /^resp_[0-9a-z]{24}$/;
export const assistantIdPattern = /^asst_[0-9a-z]{24}$/;
export const fileIdPattern = /^file_[0-9a-z]{24}$/;
export const conversationIdPattern = /^conv_[0-9a-z]{24}$/;
export const toolCallIdPattern = /^call_[0-9a-z]{24}$/;
export const containerIdPattern = /^cntr_[0-9a-z]{24}$/;
export const organizationPattern = /^org_[a-z0-9]{1,32}$/;
