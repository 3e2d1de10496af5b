/**
 * Host user ids of sandboxes. The kernel counts descriptors in transit, pipe memory, timers, watches and message queues per
 * user id, so sandboxes that shared one could use up each other's. The image names these ids in /etc/passwd. They stay
 * below 65,536, so that an engine with remapped user ids knows them too.
 */
export const FIRST_UID = 40_000;
export const UIDS = 4096;

/** Allocates user ids at random, so that several workers on one engine rarely choose the same. */
export class UidPool {
  readonly #used = new Set<number>();

  take(): number {
    if (this.#used.size >= UIDS) throw new Error(`all ${UIDS} user ids of sandboxes are in use`);
    let uid = FIRST_UID + Math.floor(Math.random() * UIDS);
    while (this.#used.has(uid)) uid = FIRST_UID + ((uid - FIRST_UID + 1) % UIDS);
    this.#used.add(uid);
    return uid;
  }

  giveBack(uid: number): void {
    this.#used.delete(uid);
  }
}
