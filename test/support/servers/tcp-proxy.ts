import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Stands between a process of the service and what it talks to, and does to the connection what networks do. */
export interface TcpProxy {
  readonly port: number;
  /** Ends every connection; new ones work. */
  cut(): void;
  /** Existing connections stay open and carry nothing any more, as after a router that forgot them; new ones work. */
  silence(): void;
  /** Nothing passes on any connection, old or new, until `resume`. */
  pause(): void;
  resume(): void;
  /** Every piece is delayed by so many milliseconds. */
  delay(ms: number): void;
  /**
   * The next piece that holds all of the words is kept back, with all that follows it on its connection, until
   * `release`. `held` resolves when that has happened.
   */
  hold(...words: string[]): { held: Promise<void>; release(): void };
  close(): Promise<void>;
}

interface Hold {
  words: readonly string[];
  taken: boolean;
  onHeld(): void;
  released: Promise<void>;
}

/** `target` is the path of a socket. Listens on 127.0.0.1, on a port that the kernel chooses. */
export async function startProxy(target: string): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const silenced = new WeakSet<Socket>();
  const holds: Hold[] = [];
  let gate = Promise.resolve();
  let open = () => {};
  let delayMs = 0;

  const forward = async (from: Socket, to: Socket) => {
    for await (const piece of from as AsyncIterable<Buffer>) {
      await gate;
      if (delayMs > 0) await sleep(delayMs);
      const hold = holds.find(({ taken, words }) => !taken && words.every((word) => piece.includes(word)));
      if (hold !== undefined) {
        hold.taken = true;
        hold.onHeld();
        await hold.released;
      }
      // Never ends, as an end of this loop would end the connection.
      if (silenced.has(from)) await new Promise<never>(() => undefined);
      if (!to.write(piece)) await Promise.race([once(to, "drain"), once(to, "close")]);
    }
    to.end();
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ path: target, allowHalfOpen: true });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        // The end of one side is the end of the other, but not through a router that forgot them.
        if (!silenced.has(one)) other.destroy();
      });
      // A connection that is cut ends its loop with an error that its handler has seen.
      forward(one, other).catch(() => undefined);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    silence() {
      for (const socket of sockets) silenced.add(socket);
    },
    pause() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    resume: () => open(),
    delay(ms) {
      delayMs = ms;
    },
    hold(...words) {
      let onHeld = () => {};
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        onHeld = resolve;
      });
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      holds.push({ words, taken: false, onHeld, released });
      return { held, release };
    },
    async close() {
      open();
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
