/**
 * Version of the jobs and records that this code writes. Raised when a reader of the version before would take them
 * wrong, and only then: a new field that may be missing needs no new version. Older ones, and those from before there
 * were versions, are read; newer ones are left to processes that know them.
 */
export const VERSION = 1;

export function isNewer(payload: { v?: number }, readsUpTo: number): boolean {
  return (payload.v ?? 0) > readsUpTo;
}
