import { createHash } from "node:crypto";
import { CompactSign, importJWK } from "jose";
import { z } from "zod";
import { fileHash, runLimits, sandboxFacts } from "../domain/provenance.ts";
import type { ReceiptSource } from "../domain/receipt-source.ts";
import { usage } from "../domain/result.ts";
import { causes, outcomes, statuses } from "../domain/status.ts";
import { exactTime } from "../domain/time.ts";
import type { SigningKeys } from "./signing-keys.ts";

export const RECEIPT_TYPE = "code-interpreter-receipt+jws";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** The content of a receipt: code and input files, sandbox and limits, end and times, output files. */
export const receipt = z.object({
  v: z.literal(2),
  execution: z.string(),
  organization: z.string(),
  container_id: z.string().nullable().describe("the session it ran in, whose earlier cells it could see; null without a session"),
  status: z.enum(statuses),
  cause: z.enum(causes).nullable(),
  outcome: z.enum(outcomes).nullable(),
  attempt: z.number().int(),
  created_at: exactTime,
  started_at: exactTime.nullable(),
  completed_at: exactTime.nullable(),
  code_sha256: sha256.describe("of the code in UTF-8"),
  stdin_sha256: sha256,
  args_sha256: sha256.describe("of the arguments as a JSON array"),
  sandbox: sandboxFacts.nullable().describe("null when no sandbox was used, or when the worker's version had no receipts"),
  limits: runLimits.nullable(),
  inputs: z.array(fileHash).describe("files as they were sent into the sandbox"),
  outputs: z.array(fileHash).describe("stored files and images"),
  usage: usage.nullable(),
});
export type Receipt = z.infer<typeof receipt>;

export function receiptOf({ organization, execution, args, stdin, provenance }: ReceiptSource): Receipt {
  return {
    v: 2,
    execution: execution.id,
    organization,
    container_id: execution.container_id,
    status: execution.status,
    cause: execution.cause,
    outcome: execution.outcome,
    attempt: execution.attempt,
    created_at: execution.created_at,
    started_at: execution.started_at,
    completed_at: execution.completed_at,
    code_sha256: sha256Of(execution.code),
    stdin_sha256: sha256Of(stdin),
    args_sha256: sha256Of(JSON.stringify(args)),
    sandbox: provenance?.sandbox ?? null,
    limits: provenance?.limits ?? null,
    inputs: provenance?.inputs ?? [],
    outputs: provenance?.outputs ?? [],
    usage: execution.usage,
  };
}

/** A JWS in compact form. Ed25519 signatures are deterministic, so the receipt of an execution never changes. */
export async function signReceipt(content: Receipt, keys: SigningKeys): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(content)))
    .setProtectedHeader({ alg: "EdDSA", kid: keys.private.kid, typ: RECEIPT_TYPE })
    .sign(await importJWK(keys.private, "EdDSA"));
}

export function sha256Of(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
