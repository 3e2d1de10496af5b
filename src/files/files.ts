import { ServiceError } from "../domain/errors.ts";
import { newId } from "../domain/ids.ts";
import type { Limits } from "../domain/limits.ts";
import type { RunPorts } from "../domain/run.ts";
import type { FileCatalog, FileFilter } from "./catalog.ts";
import { mimeTypeOf } from "./mime.ts";
import type { BlobStore, BorrowedChunks, FileRecord, LinkHeaders } from "./store.ts";

export interface NewFile {
  name: string;
  /** Derived from the name when absent. */
  mimeType?: string;
  purpose: string;
  /** At most `retentionMsMax`, which is also the default. */
  keptMs?: number;
  /** Execution that produced it; null for uploads. */
  executionId: string | null;
  /** A session, when the file is deleted with that instead of with the execution. */
  owner?: string | undefined;
}

/** Stored bytes without a record. Call `keep` or `discard`. */
export interface Received {
  id: string;
  bytes: number;
  sha256: string;
}

export interface FilesDeps {
  store: BlobStore;
  catalog: FileCatalog;
  limits: Limits;
  /** Base of the URLs in results; unset gives relative URLs. */
  publicUrl: string | undefined;
}

/** Purpose of files that executions produce; clients of OpenAI's file API know this name. */
export const PRODUCED = "assistants_output";

/** Files of organizations: bytes in the store, records in the catalog. */
export class Files {
  readonly #store: BlobStore;
  readonly #catalog: FileCatalog;
  readonly #limits: Limits;
  readonly #publicUrl: string;

  constructor(deps: FilesDeps) {
    this.#store = deps.store;
    this.#catalog = deps.catalog;
    this.#limits = deps.limits;
    this.#publicUrl = (deps.publicUrl ?? "").replace(/\/+$/, "");
  }

  /** Stores a file completely or not at all. Rejects with BlobTooLarge, BlobStoreFailed, or the source's error. */
  async save(organization: string, file: NewFile & { bytesMax: number }, source: AsyncIterable<Uint8Array>): Promise<FileRecord> {
    return this.keep(organization, file, await this.receive(source, file.bytesMax));
  }

  /** First half of `save`, for an upload whose name and purpose are known only at its end. */
  async receive(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Received> {
    const id = newId("file");
    return { id, ...(await this.#store.put(id, source, bytesMax)) };
  }

  /** Second half of `save`. Deletes the bytes when it rejects. */
  async keep(organization: string, file: NewFile, received: Received): Promise<FileRecord> {
    const { retentionMsMax } = this.#limits;
    const createdAt = Date.now();
    const record: FileRecord = {
      ...received,
      organization,
      name: file.name,
      mimeType: file.mimeType ?? mimeTypeOf(file.name),
      purpose: file.purpose,
      executionId: file.executionId,
      createdAt,
      expiresAt: createdAt + Math.min(file.keptMs ?? retentionMsMax, retentionMsMax),
    };
    try {
      await this.#ensureRoom(organization);
      await this.#catalog.add(record, file.owner);
    } catch (error) {
      await this.discard(received);
      throw error;
    }
    return record;
  }

  /** See `FileCatalog.setBytesMax`. */
  setBytesMax(bounds: ReadonlyMap<string, number>): Promise<void> {
    return this.#catalog.setBytesMax(bounds);
  }

  /** Concurrent uploads may together exceed the bound by the size of each. */
  async #ensureRoom(organization: string): Promise<void> {
    const [kept, own] = await Promise.all([this.#catalog.keptBytes(organization), this.#catalog.bytesMax(organization)]);
    const bytesMax = own ?? this.#limits.filesBytesPerOrganizationMax;
    if (kept < bytesMax) return;
    throw new ServiceError("organization_storage_full", {
      detail: `Files of your organization use ${bytesMax} bytes, which is the maximum; delete some, or retry when some have expired.`,
    });
  }

  async discard(received: Received): Promise<void> {
    await this.#store.delete(received.id);
  }

  async get(organization: string, id: string): Promise<FileRecord | null> {
    return this.#catalog.get(organization, id);
  }

  async getMany(organization: string, ids: readonly string[]): Promise<Array<FileRecord | null>> {
    return this.#catalog.getMany(organization, ids);
  }

  /** A page; null when `after` is unknown. */
  async list(organization: string, filter: FileFilter): Promise<{ data: FileRecord[]; hasMore: boolean } | null> {
    return this.#catalog.list(organization, filter);
  }

  /** The bytes of a record; null when they have been swept. */
  async read(record: Pick<FileRecord, "id">, range?: { start: number; end: number }): Promise<BorrowedChunks | null> {
    return this.#store.get(record.id, range);
  }

  /** A link to download the bytes from the store; null when the service must send them itself. */
  async link(record: Pick<FileRecord, "id">, headers: LinkHeaders): Promise<string | null> {
    return (await this.#store.link?.(record.id, headers)) ?? null;
  }

  async delete(organization: string, id: string): Promise<boolean> {
    const record = await this.#catalog.remove(organization, id);
    if (record === null) return false;
    await this.#store.delete(id);
    return true;
  }

  /** Ties stored files to an execution, so that they are deleted with it. */
  async own(organization: string, executionId: string, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#catalog.own(organization, executionId, ids);
  }

  /** Deletes the files of an execution or a session, or only the one with `fileId`. */
  async deleteOwnedBy(organization: string, owner: string, fileId?: string): Promise<void> {
    for (const id of await this.#catalog.ownedBy(organization, owner)) {
      if (fileId === undefined || fileId === id) await this.delete(organization, id);
    }
  }

  /** Moves the files of one session to another. */
  async handOver(organization: string, from: string, to: string): Promise<void> {
    await this.own(organization, to, await this.#catalog.ownedBy(organization, from));
    await this.#catalog.disown(organization, from);
  }

  /** Deletes blobs whose records have expired; resolves with their number. */
  async sweep(): Promise<number> {
    return this.#store.sweep(this.#limits.retentionMsMax);
  }

  /** URL of the bytes for callers. */
  urlOf(id: string): string {
    return `${this.#publicUrl}/v1/files/${id}/content`;
  }

  /** File access for one run. */
  portsOf(run: { organization: string; id: string; session?: string | undefined }): Pick<RunPorts, "openFile" | "saveFile"> {
    const { organization } = run;
    return {
      openFile: async (fileId) => {
        const record = await this.#catalog.get(organization, fileId);
        const bytes = record === null ? null : await this.read(record);
        if (bytes === null) throw new Error("the input file is gone");
        return bytes;
      },
      saveFile: async (file, bytes) => {
        // Files of the working folder belong to the session. Displayed images belong to the execution.
        const owner = file.mimeType === undefined ? run.session : undefined;
        const saved = await this.save(organization, { ...file, purpose: PRODUCED, executionId: run.id, owner }, bytes);
        return { file_id: saved.id, url: this.urlOf(saved.id), mime_type: saved.mimeType, bytes: saved.bytes, sha256: saved.sha256 };
      },
    };
  }
}
