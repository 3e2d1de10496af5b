import { createHash } from "node:crypto";
import type { FileHash } from "../../domain/provenance.ts";
import type { Sandbox } from "../sandbox.ts";
import { WireError } from "./frames.ts";

const FILE_CHUNK_BYTES = 512 * 1024;

/** An input file that existed when the execution was accepted and can no longer be read. */
export class InputLost extends Error {
  override name = "InputLost";
}

/**
 * Writes a file to the working folder. Rejects with InputLost when its bytes cannot be read, or have not all arrived when
 * `late` aborts; with WireError when the sandbox is lost, even while the source is silent. Resolves with what was sent.
 */
export async function sendFile(
  sandbox: Sandbox,
  name: string,
  open: () => Promise<AsyncIterable<Uint8Array>>,
  late: AbortSignal = new AbortController().signal,
): Promise<FileHash> {
  const hash = createHash("sha256");
  let sent = 0;
  await sandbox.send({ kind: "file", head: { name } });
  try {
    for await (const bytes of untilLostOrLate(bytesOf(open), sandbox.lost, late)) {
      sent += bytes.length;
      for (let offset = 0; offset < bytes.length; offset += FILE_CHUNK_BYTES) {
        const chunk = bytes.subarray(offset, offset + FILE_CHUNK_BYTES);
        const taken = sandbox.send({ kind: "chunk", body: chunk });
        // Hash while the kernel takes the chunk.
        hash.update(chunk);
        await taken;
      }
    }
  } catch (error) {
    // A session continues, so its runner must not be left inside the file.
    if (error instanceof InputLost) await sandbox.send({ kind: "file_end", head: { complete: false } });
    throw error;
  }
  await sandbox.send({ kind: "file_end" });
  return { name, bytes: sent, sha256: hash.digest("hex") };
}

async function* bytesOf(open: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  try {
    yield* await open();
  } catch (error) {
    throw new InputLost("an input file cannot be read", { cause: error });
  }
}

async function* untilLostOrLate(source: AsyncGenerator<Uint8Array>, lost: AbortSignal, late: AbortSignal): AsyncGenerator<Uint8Array> {
  // A session's sandbox outlives many files, so the listeners must be removed.
  const listening = new AbortController();
  const over = new Promise<"lost" | "late">((resolve) => {
    for (const [signal, end] of [[lost, "lost"] as const, [late, "late"] as const]) {
      if (signal.aborted) resolve(end);
      else signal.addEventListener("abort", () => resolve(end), { signal: listening.signal });
    }
  });
  try {
    for (;;) {
      const next = await Promise.race([source.next(), over]);
      if (next === "late") throw new InputLost("an input file did not arrive in time");
      if (next === "lost") throw new WireError("the sandbox's stream ended while its input was read");
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    listening.abort();
    // Not awaited: a source that never yields a byte never closes either.
    source.return(undefined).catch(() => undefined);
  }
}
