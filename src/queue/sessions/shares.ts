/** What decides which of a worker's sessions is given up. */
export interface HeldSession {
  organization: string;
  /** Slots that it occupies. */
  slots: number;
  givesWay: boolean;
  usedAt: number;
  /** Cells that run or wait. */
  waiting: number;
  /** A cell runs now. */
  running: boolean;
}

/**
 * The session that is given up for `asking`, if another organization holds more. One organization may hold all room that no other
 * wants. When another asks, the one with the most gives up the session that it used least recently, until both hold the same.
 *
 * A session that runs a cell is spared. One whose cells wait is not, or an organization could keep all its sessions by queueing
 * cells.
 */
export function sessionToGiveUp<S extends HeldSession>(live: readonly S[], asking: string): S | undefined {
  const held = new Map<string, number>();
  for (const { organization, slots } of live) held.set(organization, (held.get(organization) ?? 0) + slots);
  const [largest, most] = [...held].reduce((a, b) => (b[1] > a[1] ? b : a), ["", 0]);
  if (largest === asking || most <= (held.get(asking) ?? 0) + 1) return undefined;
  const order = (session: S) => 2 * Number(session.waiting > 0) + Number(!session.givesWay);
  return live
    .filter((session) => session.organization === largest && !session.running)
    .sort((a, b) => order(a) - order(b) || a.usedAt - b.usedAt)[0];
}
