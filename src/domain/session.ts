/** A session: a sandbox kept alive, so that variables and files persist between executions. Over HTTP a `container`. */

/** starting → active → one of the last two, which are final. One that is deleted leaves no record. */
export const sessionStatuses = ["starting", "active", "expired", "lost"] as const;
export type SessionStatus = (typeof sessionStatuses)[number];

export interface Session {
  id: string;
  organization: string;
  name: string;
  status: SessionStatus;
  /** MiB. */
  memoryMb: number;
  /** Idle minutes after which it expires; every cell and every change of its files starts them anew. */
  expiresAfterMinutes: number;
  /** Unix milliseconds. */
  createdAt: number;
  lastActiveAt: number;
  /** The session whose files it began with. */
  restoredFrom: string | null;
  /** Made by the service for itself: once it is idle for a while it expires early where its room is needed. */
  givesWay: boolean;
}

export interface NewSession {
  name?: string | undefined;
  /** Files placed in the working folder under their own names. */
  fileIds?: readonly string[] | undefined;
  /** MiB; what an execution may have by default. */
  memoryMb?: number | undefined;
  expiresAfterMinutes?: number | undefined;
  /** An expired or lost session of the same organization whose files it begins with. */
  restoreFrom?: string | undefined;
  givesWay?: boolean | undefined;
}

/** One file of a session as its index tells it; the bytes are in the file store under `id`. */
export interface SessionFile {
  id: string;
  sessionId: string;
  /** Relative to the working folder. */
  name: string;
  bytes: number;
  /** `user` for what was put in, `assistant` for what code wrote. */
  source: "user" | "assistant";
  /** Unix milliseconds. */
  createdAt: number;
}
