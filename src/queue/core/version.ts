/**
 * Version of the jobs and records that this code writes. It is raised only when readers of the previous version would
 * misread them: a new optional field needs no new version. Older and unversioned data is read. Newer data is left to
 * processes that know its version.
 */
export const VERSION = 1;

/**
 * Version of records. 2: with tools, which a worker that does not know them would leave out. 3: outputs may be stored
 * apart (`outputs.ts`), where older readers do not see them. 4: with MCP servers, which older workers would leave out.
 */
export const RECORD_VERSION = 3;
export const SERVERS_VERSION = 4;
export const OUTPUTS_APART_SINCE = 3;

/** The newest version that this code reads. */
export const READS_UP_TO = 4;

export function isNewer(payload: { v?: number }, readsUpTo: number): boolean {
  return (payload.v ?? 0) > readsUpTo;
}
