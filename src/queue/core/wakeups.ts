import type { RedisClient } from "../../redis/address.ts";

/** Longest wait without a signal. Signals are lost while the subscriber reconnects, so waiters also poll. */
const POLL_MS = 5_000;

/** The subscription of one waiter. */
export interface Watch {
  /** Resolves on a signal since the last call, after `timeoutMs`, or when `signal` aborts. Never rejects. */
  next(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** Recent ends are remembered for waiters that begin to watch a moment later. */
const LAST_ENDS_MAX = 1_000;

interface Entry {
  wake(): void;
}

interface Channel {
  subscribed: Promise<unknown>;
  watches: Set<Entry>;
}

/**
 * One subscriber connection per process, and its waiters. All ends arrive on one channel that every process subscribes
 * to, so waiting for an end costs Redis nothing. Other changes can be thousands per execution, so each execution has
 * its own channel for them. To avoid races: watch, then read the state, then wait. Signals that arrive in between are
 * kept.
 */
export class Wakeups {
  readonly #subscriber: RedisClient;
  readonly #endedChannel: string;
  readonly #channels = new Map<string, Channel>();
  readonly #ends = new Map<string, Set<Entry>>();
  readonly #lastEnds = new Set<string>();

  constructor(subscriber: RedisClient, endedChannel: string) {
    this.#subscriber = subscriber;
    this.#endedChannel = endedChannel;
    subscriber.on("message", (name: string, message: string) => {
      if (name === endedChannel) this.#ended(message);
      else wakeAll(this.#channels.get(name)?.watches);
    });
    subscriber.on("ready", () => this.#listen());
    if (subscriber.status === "ready") this.#listen();
  }

  /** Messages published while disconnected are lost, so every waiter wakes up and reads its state again. */
  #listen(): void {
    const wakeEveryone = () => {
      for (const { watches } of this.#channels.values()) wakeAll(watches);
      for (const watches of this.#ends.values()) wakeAll(watches);
    };
    // This fails only when the connection breaks. The next "ready" event calls this function again.
    this.#subscriber.subscribe(this.#endedChannel, ...this.#channels.keys()).then(wakeEveryone, () => undefined);
  }

  /** Wakes at the end of one execution or session, given by its `memberOf`, even if it ended a moment ago. */
  watchEnd(member: string): Watch {
    let watches = this.#ends.get(member);
    if (watches === undefined) {
      watches = new Set();
      this.#ends.set(member, watches);
    }
    const all = watches;
    const { watch, entry } = makeWatch((own) => {
      if (all.delete(own) && all.size === 0) this.#ends.delete(member);
    });
    all.add(entry);
    if (this.#lastEnds.has(member)) entry.wake();
    return watch;
  }

  #ended(member: string): void {
    this.#lastEnds.add(member);
    if (this.#lastEnds.size > LAST_ENDS_MAX) this.#lastEnds.delete(this.#lastEnds.values().next().value as string);
    wakeAll(this.#ends.get(member));
  }

  /** Resolves once subscribed to the channel. Rejects when Redis is unreachable. */
  async watch(name: string): Promise<Watch> {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = { subscribed: this.#subscriber.subscribe(name), watches: new Set() };
      this.#channels.set(name, channel);
    }
    const { watch, entry } = makeWatch((own) => this.#leave(name, own));
    channel.watches.add(entry);
    try {
      await channel.subscribed;
    } catch (error) {
      watch.close();
      throw error;
    }
    return watch;
  }

  get size(): number {
    return this.#channels.size + this.#ends.size;
  }

  #leave(name: string, entry: Entry): void {
    const channel = this.#channels.get(name);
    if (channel === undefined || !channel.watches.delete(entry) || channel.watches.size > 0) return;
    this.#channels.delete(name);
    // Fails only when the connection is lost, and the subscription with it.
    this.#subscriber.unsubscribe(name).catch(() => undefined);
  }
}

function wakeAll(watches: Iterable<Entry> = []): void {
  for (const entry of watches) entry.wake();
}

function makeWatch(leave: (entry: Entry) => void): { watch: Watch; entry: Entry } {
  let signalled = false;
  let resume: (() => void) | null = null;
  const entry: Entry = {
    wake() {
      signalled = true;
      resume?.();
    },
  };
  const watch: Watch = {
    async next(timeoutMs, signal) {
      if (!signalled && signal?.aborted !== true) {
        await new Promise<void>((resolve) => {
          const done = () => {
            clearTimeout(timer);
            signal?.removeEventListener("abort", done);
            resume = null;
            resolve();
          };
          const timer = setTimeout(done, Math.max(0, Math.min(timeoutMs, POLL_MS)));
          signal?.addEventListener("abort", done, { once: true });
          resume = done;
        });
      }
      signalled = false;
    },
    close: () => leave(entry),
  };
  return { watch, entry };
}
