import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { z } from "zod";

/** Requests of the keeper's language; `keeper/keeper.py` is its specification. */
const CREATE = 0x43;
const ATTACH = 0x41;
const ATTACH_PLAIN = 0x50;
const LINE_BYTES_MAX = 4_096;

const answer = z.union([
  z.object({ id: z.string().regex(/^[0-9a-f]{32}$/), own_kernel: z.boolean() }),
  z.object({ refused: z.enum(["memory", "full"]) }),
  z.object({ oom_killed: z.boolean(), exit_code: z.number().int().nullable() }),
]);
type Answer = z.infer<typeof answer>;

/** How a container ended by itself. */
export interface LeaseEnd {
  oomKilled: boolean;
  /** Of the process that ended it, or 128 and the signal's number; null where the kernel does not tell. */
  exitCode: number | null;
}

/**
 * A container that stands as long as its lease is held. The keeper removes it when the lease's connection ends, so
 * it never outlives the process that asked for it.
 */
export class Lease {
  readonly id: string;
  /** The container has a kernel of its own, and the runner in it already: attaching does not fork one, but meets it. */
  readonly ownKernel: boolean;
  readonly #path: string;
  readonly #socket: Socket;
  readonly #answers: Answers;
  readonly #lost = new AbortController();

  constructor(path: string, socket: Socket, made: { id: string; own_kernel: boolean }, answers: Answers) {
    this.id = made.id;
    this.ownKernel = made.own_kernel;
    this.#path = path;
    this.#socket = socket;
    this.#answers = answers;
    void answers.second.then(() => this.#lost.abort());
  }

  /** Aborted once the container has ended or the keeper has gone. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Facts of the end; null when the container was released, or the keeper went with it. */
  async ended(): Promise<LeaseEnd | null> {
    const answer = await this.#answers.second;
    return answer !== null && "oom_killed" in answer ? { oomKilled: answer.oom_killed, exitCode: answer.exit_code } : null;
  }

  /** The stream of the container's runner, which as a rule is forked into it now, with or without heavy modules. Once a lease. */
  attach(preloaded: boolean): Socket {
    const stream = connect(this.#path);
    stream.write(Buffer.concat([Buffer.of(preloaded ? ATTACH : ATTACH_PLAIN), Buffer.from(this.id, "latin1")]));
    return stream;
  }

  /** Resolves when nothing of the container is left, or the keeper itself is gone. */
  release(): Promise<void> {
    return closed(this.#socket);
  }
}

/**
 * Asks the keeper at `path` for a container. Rejects when it gives none, and with the signal's reason; `leaving` then
 * gets a promise that resolves once nothing is left of what was asked for.
 */
export async function takeLease(
  path: string,
  memoryMb: number,
  signal: AbortSignal,
  leaving: (gone: Promise<void>) => void,
): Promise<Lease> {
  signal.throwIfAborted();
  const socket = connect(path);
  const answers = readAnswers(socket);
  let giveUp = () => {};
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => reject(signal.reason as Error);
  });
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    const request = Buffer.alloc(5);
    request.writeUInt8(CREATE, 0);
    request.writeUInt32BE(memoryMb, 1);
    socket.write(request);
    const first = await Promise.race([answers.first, aborted]);
    if (first === null) throw new Error("the keeper made no container");
    if ("refused" in first) throw new Error(`the keeper refuses a container: ${first.refused}`);
    if (!("id" in first)) throw new Error("the keeper began with the end of a container");
    return new Lease(path, socket, first, answers);
  } catch (error) {
    leaving(closed(socket));
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Lets go of a connection; the keeper closes its side when what belonged to it is gone. */
async function closed(socket: Socket): Promise<void> {
  if (socket.closed) return;
  socket.end();
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
}

/** Rejects unless a keeper listens at `path`. */
export async function pingKeeper(path: string): Promise<void> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}

/** The keeper's two lines as they come; null for one that does not come any more. */
interface Answers {
  first: Promise<Answer | null>;
  second: Promise<Answer | null>;
}

function readAnswers(socket: Socket): Answers {
  const resolvers: Array<(answer: Answer | null) => void> = [];
  const [first, second] = [0, 1].map(() => new Promise<Answer | null>((resolve) => resolvers.push(resolve)));
  let held = "";
  socket.on("data", (data: Buffer) => {
    held += data.toString("utf8");
    for (let end = held.indexOf("\n"); end >= 0; end = held.indexOf("\n")) {
      resolvers.shift()?.(parseAnswer(held.slice(0, end)));
      held = held.slice(end + 1);
    }
    if (held.length > LINE_BYTES_MAX) socket.destroy();
  });
  // An error is an end like any other; what was awaited does not come.
  socket.on("error", () => {});
  socket.on("close", () => {
    for (const resolve of resolvers) resolve(null);
  });
  return { first: first as Promise<Answer | null>, second: second as Promise<Answer | null> };
}

function parseAnswer(line: string): Answer | null {
  try {
    return answer.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
