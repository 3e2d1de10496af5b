import { ServiceError } from "../domain/errors.ts";
import { newId } from "../domain/ids.ts";
import type { Limits } from "../domain/limits.ts";
import type { RunPorts } from "../domain/run.ts";
import type { FileCatalog, FileFilter } from "./catalog.ts";
import { mimeTypeOf } from "./mime.ts";
import type { BlobStore, FileRecord, LentChunks, LinkHeaders } from "./store.ts";

export interface NewFile {
  name: string;
  /** From the name when absent. */
  mimeType?: string;
  purpose: string;
  /** At most `retentionMsMax`, which is also the default. */
  keptMs?: number;
  /** Execution that produced it; null for uploads. */
  executionId: string | null;
  /** What it goes with, when that is not the execution: a session. */
  owner?: string | undefined;
}

/** Bytes that are stored but belong to nobody yet: `keep` or `discard` them. */
export interface Received {
  id: string;
  bytes: number;
  sha256: string;
}

export interface FilesDeps {
  store: BlobStore;
  catalog: FileCatalog;
  limits: Limits;
  /** Base of the URLs in answers; relative ones when unset. */
  publicUrl: string | undefined;
}

/** Purpose of what executions produce; the name that clients of the public file API know. */
export const PRODUCED = "assistants_output";

/** Files of organizations: bytes in the store, records in the catalogue. Every call names the organization. */
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

  /** Stores a file whole or not at all. Rejects with BlobTooLarge, BlobStoreFailed, or what the source throws. */
  async save(organization: string, file: NewFile & { bytesMax: number }, source: AsyncIterable<Uint8Array>): Promise<FileRecord> {
    return this.keep(organization, file, await this.receive(source, file.bytesMax));
  }

  /** First half of `save`, for a source whose name and purpose are known only when it has ended. */
  async receive(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Received> {
    const id = newId("file");
    return { id, ...(await this.#store.put(id, source, bytesMax)) };
  }

  /** Second half of `save`; the bytes are gone when it rejects. */
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

  /** Files of several uploads at once may together pass the bound by as much as each may have. */
  async #ensureRoom(organization: string): Promise<void> {
    const { filesBytesPerOrganizationMax } = this.#limits;
    if ((await this.#catalog.keptBytes(organization)) < filesBytesPerOrganizationMax) return;
    throw new ServiceError("organization_storage_full", {
      detail: `Files of your organization have ${filesBytesPerOrganizationMax} bytes, which is the most; delete some, or come again when some have expired.`,
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

  /** A page; null when `after` names no file of the organization. */
  async list(organization: string, filter: FileFilter): Promise<{ data: FileRecord[]; hasMore: boolean } | null> {
    return this.#catalog.list(organization, filter);
  }

  /** The bytes of a record that `get` returned; null when they have been swept since. */
  async read(record: Pick<FileRecord, "id">, range?: { start: number; end: number }): Promise<LentChunks | null> {
    return this.#store.get(record.id, range);
  }

  /** Where the store itself gives out the bytes of a record; null when it is for us to do that. */
  async link(record: Pick<FileRecord, "id">, headers: LinkHeaders): Promise<string | null> {
    return (await this.#store.link?.(record.id, headers)) ?? null;
  }

  async delete(organization: string, id: string): Promise<boolean> {
    const record = await this.#catalog.remove(organization, id);
    if (record === null) return false;
    await this.#store.delete(id);
    return true;
  }

  /** Ties stored files to an execution, so that they go when it goes. */
  async own(organization: string, executionId: string, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#catalog.own(organization, executionId, ids);
  }

  /** Deletes all that goes with an execution or a session, or only the one named. */
  async deleteOwnedBy(organization: string, owner: string, fileId?: string): Promise<void> {
    for (const id of await this.#catalog.ownedBy(organization, owner)) {
      if (fileId === undefined || fileId === id) await this.delete(organization, id);
    }
  }

  /** What went with one session goes with another from now on. */
  async handOver(organization: string, from: string, to: string): Promise<void> {
    await this.own(organization, to, await this.#catalog.ownedBy(organization, from));
    await this.#catalog.disown(organization, from);
  }

  /** Deletes bytes whose records have expired; returns how many. */
  async sweep(): Promise<number> {
    return this.#store.sweep(this.#limits.retentionMsMax);
  }

  /** Where a caller fetches the bytes. */
  urlOf(id: string): string {
    return `${this.#publicUrl}/v1/files/${id}/content`;
  }

  /** What one run asks of the file world. */
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
        // The working folder's files stay a session's while executions are forgotten; what was displayed goes with them.
        const owner = file.mimeType === undefined ? run.session : undefined;
        const saved = await this.save(organization, { ...file, purpose: PRODUCED, executionId: run.id, owner }, bytes);
        return { file_id: saved.id, url: this.urlOf(saved.id), mime_type: saved.mimeType, bytes: saved.bytes, sha256: saved.sha256 };
      },
    };
  }
}
