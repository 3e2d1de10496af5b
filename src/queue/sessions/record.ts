import type { Session, SessionFile, SessionStatus } from "../../domain/session.ts";

/** One entry of the file index, whose key is the file's name. Size and type are in the file store. */
export interface IndexEntry {
  id: string;
  source: SessionFile["source"];
  /** Unix milliseconds. */
  at: number;
}

/** Decodes a HGETALL reply. Null for an empty one. */
export function decodeSession(organization: string, reply: unknown): (Session & { workerId: string | null }) | null {
  if (!Array.isArray(reply) || reply.length === 0) return null;
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < reply.length; at += 2) fields.set(String(reply[at]), String(reply[at + 1]));
  const text = (name: string) => fields.get(name) ?? "";
  return {
    id: text("id"),
    organization,
    name: text("name"),
    status: text("status") as SessionStatus,
    memoryMb: Number(text("memory_mb")),
    expiresAfterMinutes: Number(text("minutes")),
    createdAt: Number(text("created_at")),
    lastActiveAt: Number(text("last_active_at")),
    restoredFrom: text("restored_from") || null,
    givesWay: text("gives_way") === "1",
    restoresCells: text("restores_cells") !== "0",
    workerId: text("worker") || null,
  };
}

export function decodeIndex(fields: Record<string, string>): Map<string, IndexEntry> {
  return new Map(Object.entries(fields).map(([name, entry]) => [name, JSON.parse(entry) as IndexEntry]));
}

/** Alternating names and entries, the format of the scripts. */
export function encodeIndex(entries: Iterable<readonly [string, IndexEntry]>): string[] {
  return [...entries].flatMap(([name, entry]) => [name, JSON.stringify(entry)]);
}
