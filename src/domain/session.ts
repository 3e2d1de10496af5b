/** A session: a sandbox kept alive, so that variables and files persist between executions. Over HTTP a `container`. */

/** starting → active → expired or lost, which are final. A deleted session has no record. */
export const sessionStatuses = ["starting", "active", "expired", "lost"] as const;
export type SessionStatus = (typeof sessionStatuses)[number];

export interface Session {
  id: string;
  organization: string;
  name: string;
  status: SessionStatus;
  /** MiB. */
  memoryMb: number;
  /** Idle minutes after which it expires. Every cell and every file change restarts the idle time. */
  expiresAfterMinutes: number;
  /** Unix milliseconds. */
  createdAt: number;
  lastActiveAt: number;
  /** The session whose files were copied into this one at its start. */
  restoredFrom: string | null;
  /**
   * The service created it for itself. It may be evicted when it has been idle for a while and its slots are needed.
   */
  givesWay: boolean;
  /** A cell that kills the session's process costs only the cell: the state before it is restored. */
  restoresCells: boolean;
}

export interface NewSession {
  name?: string | undefined;
  /** Stored files that are placed in the working folder under their own names. */
  fileIds?: readonly string[] | undefined;
  /** MiB. By default, the memory of an execution. */
  memoryMb?: number | undefined;
  expiresAfterMinutes?: number | undefined;
  /** An expired or lost session of the same organization, whose files the new session starts with. */
  restoreFrom?: string | undefined;
  givesWay?: boolean | undefined;
  /** True by default. */
  restoresCells?: boolean | undefined;
}

/** An entry of a session's file index. The bytes are in the file store under `id`. */
export interface SessionFile {
  id: string;
  sessionId: string;
  /** Relative to the working folder. */
  name: string;
  bytes: number;
  /** `user` for files that were added, `assistant` for files that code wrote. */
  source: "user" | "assistant";
  /** Unix milliseconds. */
  createdAt: number;
}
