import type { RedisClient } from "../redis-address.ts";

/** Without a signal a waiter looks again after this time: a signal sent while the subscriber reconnected is lost. */
const LOOK_AGAIN_MS = 5_000;

/** A subscription to one channel, for one waiter. */
export interface Watch {
  /** Resolves at the next signal since the last call, after `timeoutMs`, or when `signal` aborts. Never rejects. */
  next(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** Message of the signal that an execution has ended; any other says only that something happened. */
const ENDED = "ended";

/** `end` sleeps through the outputs in between, of which there can be thousands. */
export type Interest = "anything" | "end";

interface Entry {
  interest: Interest;
  wake(): void;
}

interface Channel {
  subscribed: Promise<unknown>;
  watches: Set<Entry>;
}

/**
 * One subscriber connection per process and a map of who waits for what. Free of races when used as:
 * watch, look, then wait; a signal between looking and waiting is kept.
 */
export class Wakeups {
  readonly #subscriber: RedisClient;
  readonly #channels = new Map<string, Channel>();

  constructor(subscriber: RedisClient) {
    this.#subscriber = subscriber;
    subscriber.on("message", (name: string, message: string) => this.#wake(name, message));
    // What was published while the connection was away is not repeated, so everybody looks.
    subscriber.on("ready", () => {
      for (const name of this.#channels.keys()) this.#wake(name, ENDED);
    });
  }

  /** Resolves once the subscription to the channel stands; rejects when Redis is away. */
  async watch(name: string, interest: Interest): Promise<Watch> {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = { subscribed: this.#subscriber.subscribe(name), watches: new Set() };
      this.#channels.set(name, channel);
    }
    const { watch, entry } = makeWatch(interest, (own) => this.#leave(name, own));
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
    return this.#channels.size;
  }

  #wake(name: string, message: string): void {
    for (const entry of this.#channels.get(name)?.watches ?? []) {
      if (entry.interest === "anything" || message === ENDED) entry.wake();
    }
  }

  #leave(name: string, entry: Entry): void {
    const channel = this.#channels.get(name);
    if (channel === undefined || !channel.watches.delete(entry) || channel.watches.size > 0) return;
    this.#channels.delete(name);
    // Away: then the subscription is gone with the connection.
    this.#subscriber.unsubscribe(name).catch(() => undefined);
  }
}

function makeWatch(interest: Interest, leave: (entry: Entry) => void): { watch: Watch; entry: Entry } {
  let signalled = false;
  let resume: (() => void) | null = null;
  const entry: Entry = {
    interest,
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
