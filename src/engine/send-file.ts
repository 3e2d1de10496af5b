import type { Sandbox } from "./sandbox.ts";

const FILE_CHUNK_BYTES = 256 * 1024;

/** An input that was there when it was accepted and is not any more. */
export class InputLost extends Error {
  override name = "InputLost";
}

/** Places a file in the working folder. Rejects with InputLost when its bytes can not be read. */
export async function sendFile(sandbox: Sandbox, name: string, source: Promise<AsyncIterable<Uint8Array>>): Promise<void> {
  const bytesOfFile = bytesOf(source);
  await sandbox.send({ kind: "file", head: { name } });
  try {
    for await (const bytes of bytesOfFile) {
      for (let offset = 0; offset < bytes.length; offset += FILE_CHUNK_BYTES) {
        await sandbox.send({ kind: "chunk", body: bytes.subarray(offset, offset + FILE_CHUNK_BYTES) });
      }
    }
  } catch (error) {
    // A session goes on, so its runner must not be left inside the file.
    if (error instanceof InputLost) await sandbox.send({ kind: "file_end", head: { complete: false } });
    throw error;
  }
  await sandbox.send({ kind: "file_end" });
}

async function* bytesOf(source: Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  try {
    yield* await source;
  } catch (error) {
    throw new InputLost("an input file can not be read", { cause: error });
  }
}
