/**
 * Version of the jobs and records that this code writes. It is raised only when readers of the previous version would
 * misread them: a new optional field needs no new version. Older and unversioned data is read. Newer data is left to
 * processes that know its version.
 */
export const VERSION = 1;
/** Of a record with tools: a worker that does not know them would run the code without. */
export const VERSION_WITH_TOOLS = 2;
/** The newest version that this code reads. */
export const READS_UP_TO = 2;

export function isNewer(payload: { v?: number }, readsUpTo: number): boolean {
  return (payload.v ?? 0) > readsUpTo;
}
