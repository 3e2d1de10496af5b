import { createHash } from "node:crypto";
import type { FileHash } from "../../domain/provenance.ts";
import type { Sandbox } from "../sandbox.ts";
import { WireError } from "./frames.ts";

const FILE_CHUNK_BYTES = 512 * 1024;

/** An input that was there when it was accepted and is not any more. */
export class InputLost extends Error {
  override name = "InputLost";
}

/**
 * Places a file in the working folder; it is opened once its turn has come. Rejects with InputLost when its bytes can
 * not be read, or have not all come when it is `late`; with WireError when the sandbox is lost meanwhile, even if the bytes never come.
 * Returns what was sent.
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
    for await (const bytes of inTime(bytesOf(open), sandbox.lost, late)) {
      sent += bytes.length;
      for (let offset = 0; offset < bytes.length; offset += FILE_CHUNK_BYTES) {
        const chunk = bytes.subarray(offset, offset + FILE_CHUNK_BYTES);
        const taken = sandbox.send({ kind: "chunk", body: chunk });
        // While the engine takes it.
        hash.update(chunk);
        await taken;
      }
    }
  } catch (error) {
    // A session goes on, so its runner must not be left inside the file.
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
    throw new InputLost("an input file can not be read", { cause: error });
  }
}

async function* inTime(source: AsyncGenerator<Uint8Array>, lost: AbortSignal, late: AbortSignal): AsyncGenerator<Uint8Array> {
  // A session's sandbox outlives many files.
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
      if (next === "late") throw new InputLost("an input file did not come in time");
      if (next === "lost") throw new WireError("the sandbox's stream ended while its input was read");
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    listening.abort();
    // Not waited for: a source that never gives a byte never closes either.
    source.return(undefined).catch(() => undefined);
  }
}
