import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { ExecutionRequest } from "../../domain/request.ts";
import type { Files } from "../../files/files.ts";

export interface InputFiles {
  /** In the order of the request. */
  files: Array<{ name: string; file_id: string }>;
  /** Those stored just now, which belong to this execution alone. */
  storedIds: string[];
}

interface Context {
  organization: string;
  files: Files;
  limits: Limits;
}

/** Turns the files of a request into references: checks those that are, stores those that came inline. */
export async function storeInputFiles(request: ExecutionRequest, context: Context): Promise<InputFiles> {
  const sources = request.files.map((file) => ({ name: file.name, fileId: file.file_id, bytes: inlineBytes(file) }));
  await ensureReferencesUsable(sources, context);
  const storedIds: string[] = [];
  const files: InputFiles["files"] = [];
  try {
    for (const { name, fileId, bytes } of sources) {
      if (fileId !== undefined) {
        files.push({ name, file_id: fileId });
        continue;
      }
      const saved = await context.files.save(
        context.organization,
        { name, purpose: "user_data", executionId: null, bytesMax: bytes.length },
        chunksOf(bytes),
      );
      storedIds.push(saved.id);
      files.push({ name, file_id: saved.id });
    }
  } catch (error) {
    await dropFiles(storedIds, context);
    throw error;
  }
  return { files, storedIds };
}

/** Removes files that no execution came to use. */
export async function dropFiles(ids: readonly string[], context: Pick<Context, "organization" | "files">): Promise<void> {
  for (const id of ids) await context.files.delete(context.organization, id);
}

type Source = { name: string; fileId: string | undefined; bytes: Buffer };

/** A file of another organization is reported exactly as one that never was. */
async function ensureReferencesUsable(sources: readonly Source[], context: Context): Promise<void> {
  const ids = sources.flatMap((source) => source.fileId ?? []);
  const records = new Map((await context.files.getMany(context.organization, ids)).map((record, index) => [ids[index], record]));
  let bytes = 0;
  for (const [index, source] of sources.entries()) {
    const record = source.fileId === undefined ? undefined : records.get(source.fileId);
    if (record === null) {
      const param = `files.${index}.file_id`;
      throw new ServiceError("invalid_field", { detail: `\`${param}\`: there is no such file.`, param });
    }
    bytes += record?.bytes ?? source.bytes.length;
  }
  const { filesInBytesMax } = context.limits;
  if (bytes > filesInBytesMax) {
    throw new ServiceError("invalid_field", { detail: `\`files\`: must have at most ${filesInBytesMax} bytes together.`, param: "files" });
  }
}

function inlineBytes(file: ExecutionRequest["files"][number]): Buffer {
  if (file.text !== undefined) return Buffer.from(file.text, "utf8");
  if (file.base64 !== undefined) return Buffer.from(file.base64, "base64");
  return Buffer.alloc(0);
}

export async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
