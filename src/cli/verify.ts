import { readFile } from "node:fs/promises";
import { unixMsOf } from "../domain/time.ts";
import { type Receipt, sha256Of } from "../receipts/receipt.ts";
import { NotGenuine, verifyReceipt } from "../receipts/verify.ts";
import type { Printer } from "./printer.ts";
import { CliError, EXIT_USAGE } from "./settings.ts";
import { sanitizeLine } from "./terminal.ts";

export interface VerifyOptions {
  key: string;
  code?: string;
}

/** Prints a receipt and whether it is genuine. Resolves with 0 when it is, and is for the given code, if any. Works offline. */
export async function verify(path: string, options: VerifyOptions, printer: Printer): Promise<number> {
  const jws = (await read(path)).toString("utf8");
  const keys = parseKeys((await read(options.key)).toString("utf8"), options.key);
  let receipt: Receipt;
  try {
    receipt = await verifyReceipt(jws, keys);
  } catch (error) {
    if (!(error instanceof NotGenuine)) throw error;
    await printer.note(`NOT genuine: ${error.message}.`);
    return 1;
  }
  await printer.block({ stream: "stdout", text: describeReceipt(receipt) });
  await printer.note("The signature is genuine.");
  if (options.code === undefined) return 0;
  const same = sha256Of(await read(options.code)) === receipt.code_sha256;
  await printer.note(same ? `The code is ${options.code}.` : `The code is NOT ${options.code}: its SHA-256 differs.`);
  return same ? 0 : 1;
}

function describeReceipt(receipt: Receipt): string {
  const at = (time: number | null) => (time === null ? "-" : new Date(unixMsOf(time)).toISOString());
  const { sandbox } = receipt;
  return [
    `execution  ${receipt.execution} of ${receipt.organization}${receipt.container_id === null ? "" : `, in ${receipt.container_id}`}`,
    `ended      ${receipt.status}${receipt.cause === null ? "" : ` (${receipt.cause})`}, ${at(receipt.completed_at)}`,
    `started    ${at(receipt.started_at)}`,
    `code       sha256 ${receipt.code_sha256}`,
    ...receipt.inputs.map((file) => `file in    sha256 ${file.sha256}  ${file.bytes} bytes  ${sanitizeLine(file.name)}`),
    ...receipt.outputs.map((file) => `file out   sha256 ${file.sha256}  ${file.bytes} bytes  ${sanitizeLine(file.name)}`),
    ...(sandbox === null
      ? ["sandbox    none"]
      : [
          `sandbox    ${sandbox.engine}, image ${sandbox.image_digest ?? "unknown"}`,
          `runner     sha256 ${sandbox.runner_sha256 ?? "unknown"}`,
          `seccomp    ${sandbox.seccomp_sha256 === null ? "the runtime's own kernel" : `sha256 ${sandbox.seccomp_sha256}`}`,
        ]),
    ...(receipt.limits === null ? [] : [`limits     ${JSON.stringify(receipt.limits)}`]),
    ...(receipt.usage === null ? [] : [`usage      ${JSON.stringify(receipt.usage)}`]),
  ].join("\n");
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CliError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"}).`, EXIT_USAGE);
  }
}

function parseKeys(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(`${path} must be JSON, as returned by /v1/receipt-keys.`, EXIT_USAGE);
  }
}
