import type { Sessions } from "../../../src/assistant/ports.ts";
import { ServiceError } from "../../../src/domain/errors.ts";
import { newId } from "../../../src/domain/ids.ts";
import type { NewSession, Session } from "../../../src/domain/session.ts";

interface Kept {
  session: Session;
  fileIds: string[];
}

/** The assistant's sessions in memory. A test ends them itself. */
export class FakeSessions implements Sessions {
  readonly kept = new Map<string, Kept>();
  /** Arguments of `create`. */
  readonly created: NewSession[] = [];
  readonly released: string[] = [];
  /** Thrown by the next create, once. */
  failNext: Error | null = null;
  /** Called when a session is read, to change it meanwhile. */
  beforeList: (id: string) => void = () => {};

  async create(organization: string, wanted: NewSession): Promise<Session> {
    const failure = this.failNext;
    this.failNext = null;
    if (failure !== null) throw failure;
    this.created.push(wanted);
    const now = Date.now();
    const session: Session = {
      id: newId("container"),
      organization,
      name: "",
      status: "active",
      memoryMb: wanted.memoryMb ?? 512,
      expiresAfterMinutes: 20,
      createdAt: now,
      lastActiveAt: now,
      restoredFrom: wanted.restoreFrom ?? null,
      restoresCells: true,
      givesWay: wanted.givesWay ?? false,
    };
    const restored = wanted.restoreFrom === undefined ? [] : (this.kept.get(wanted.restoreFrom)?.fileIds ?? []);
    this.kept.set(session.id, { session, fileIds: [...restored, ...(wanted.fileIds ?? [])] });
    return session;
  }

  async get(organization: string, id: string): Promise<Session | null> {
    const found = this.kept.get(id)?.session;
    return found?.organization === organization ? found : null;
  }

  async addFile(_organization: string, id: string, file: { fileId: string }): Promise<void> {
    if (this.#found(id).session.status !== "active") throw new ServiceError("container_expired");
    this.#found(id).fileIds.push(file.fileId);
  }

  async release(_organization: string, id: string): Promise<void> {
    this.released.push(id);
  }

  async listFiles(_organization: string, id: string) {
    this.beforeList(id);
    return this.#found(id).fileIds.map((fileId) => ({ id: fileId, name: fileId }));
  }

  end(id: string, status: Session["status"]): void {
    const found = this.#found(id);
    found.session = { ...found.session, status };
  }

  #found(id: string): Kept {
    const found = this.kept.get(id);
    if (found === undefined) throw new Error(`no session ${id}`);
    return found;
  }
}
