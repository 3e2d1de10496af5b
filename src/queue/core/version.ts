/**
 * Version of the jobs and records that this code writes. It is raised only when readers of the previous version would
 * misread them: a new optional field needs no new version. Older and unversioned data is read. Newer data is left to
 * processes that know its version.
 */
export const VERSION = 2;

/** From this version on, a record may have its outputs apart (`outputs.ts`). Older readers expect them in the end. */
export const OUTPUTS_APART_SINCE = 2;

export function isNewer(payload: { v?: number }, readsUpTo: number): boolean {
  return (payload.v ?? 0) > readsUpTo;
}
