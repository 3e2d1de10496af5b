import { randomBytes } from "node:crypto";

/** Crockford's alphabet in lower case: no letter that reads like a digit. */
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
} as const;

/** Returns a new unguessable id (120 random bits) with the prefix of its kind. */
export function newId(kind: keyof typeof prefixes): string {
  let text = "";
  for (const byte of randomBytes(24)) text += ALPHABET[byte & 31];
  return prefixes[kind] + text;
}

export const executionIdPattern = /^ci_[0-9a-z]{24}$/;
export const responseIdPattern = /^resp_[0-9a-z]{24}$/;
export const assistantIdPattern = /^asst_[0-9a-z]{24}$/;
export const fileIdPattern = /^file_[0-9a-z]{24}$/;
export const containerIdPattern = /^cntr_[0-9a-z]{24}$/;
