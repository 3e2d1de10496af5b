import type { RedisClient } from "../../redis/address.ts";

/** Without a signal a waiter looks again after this time: a signal sent while the subscriber reconnected is lost. */
const LOOK_AGAIN_MS = 5_000;

/** What one waiter waits for. */
export interface Watch {
  /** Resolves at the next signal since the last call, after `timeoutMs`, or when `signal` aborts. Never rejects. */
  next(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** Ends that are remembered, for whoever begins to watch a moment after. */
const LAST_ENDS_MAX = 1_000;

interface Entry {
  wake(): void;
}

interface Channel {
  subscribed: Promise<unknown>;
  watches: Set<Entry>;
}

/**
 * One subscriber connection per process and maps of who waits for what. Ends are told on one channel that every process
 * listens on, so that waiting for one costs Redis nothing; what happens in between, of which there can be thousands,
 * each execution tells on a channel of its own. Free of races when used as: watch, look, then wait; a signal between
 * looking and waiting is kept.
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

  /** What was published while the connection was away is not repeated, so everybody looks. */
  #listen(): void {
    const look = () => {
      for (const { watches } of this.#channels.values()) wakeAll(watches);
      for (const watches of this.#ends.values()) wakeAll(watches);
    };
    // It fails only with the connection, whose return brings us here again.
    this.#subscriber.subscribe(this.#endedChannel, ...this.#channels.keys()).then(look, () => undefined);
  }

  /** Wakes at the end of one execution or session, by its `memberOf`, also when that came a moment ago. */
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

  /** Resolves once the subscription to the channel stands; rejects when Redis is away. */
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
    // Away: then the subscription is gone with the connection.
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
          const timer = setTimeout(done, Math.max(0, Math.min(timeoutMs, LOOK_AGAIN_MS)));
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
