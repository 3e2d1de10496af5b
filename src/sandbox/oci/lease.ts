import { connect, type Socket } from "node:net";
import { z } from "zod";
import { orAborted, within } from "../../util/race.ts";

/** Requests of the keeper's protocol, which `keeper/keeper.py` specifies. */
const CREATE = 0x43;
const ATTACH = 0x41;
const ATTACH_PLAIN = 0x50;
const PING = 0x48;
const PING_TIMEOUT_MS = 2_000;
/** A keeper that hangs removes the container once it continues, or the next keeper does. */
const REMOVAL_TIMEOUT_MS = 15_000;
const LINE_BYTES_MAX = 4_096;

const answer = z.union([
  z.object({ id: z.string().regex(/^[0-9a-f]{32}$/), own_kernel: z.boolean() }),
  z.object({ refused: z.enum(["memory", "full"]) }),
  z.object({ alive: z.literal(true) }),
  z.object({ oom_killed: z.boolean(), exit_code: z.number().int().nullable() }),
]);
type Answer = z.infer<typeof answer>;

/** How a container ended without being released. */
export interface LeaseEnd {
  oomKilled: boolean;
  /** Exit code of the first process, or 128 plus the signal's number; null where the kernel does not report it. */
  exitCode: number | null;
}

/** A container bound to a connection. The keeper removes it when the connection ends, so it never outlives this process. */
export class Lease {
  readonly id: string;
  /** The container has its own kernel and already contains a runner. Attaching connects to that runner and forks none. */
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

  /** Aborted once the container or the keeper has ended. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** How the container ended; null when it was released, or when the keeper ended. */
  async ended(): Promise<LeaseEnd | null> {
    const answer = await this.#answers.second;
    return answer !== null && "oom_killed" in answer ? { oomKilled: answer.oom_killed, exitCode: answer.exit_code } : null;
  }

  /** The runner's stream. Forks the runner, with or without preloaded modules, except where `ownKernel`. Call once per lease. */
  attach(preloaded: boolean): Socket {
    const stream = connect(this.#path);
    stream.write(Buffer.concat([Buffer.of(preloaded ? ATTACH : ATTACH_PLAIN), Buffer.from(this.id, "latin1")]));
    return stream;
  }

  /** Resolves when nothing of the container is left, or when the keeper has ended. False when the keeper hangs. */
  release(): Promise<boolean> {
    return closed(this.#socket);
  }
}

/**
 * Requests a container from the keeper at `path`. Rejects when the keeper makes none, and with the signal's reason.
 * `onRemoval` then gets a promise that resolves once nothing of the request is left, or when the keeper hangs.
 */
export async function takeLease(
  path: string,
  memoryMb: number,
  signal: AbortSignal,
  onRemoval: (removal: Promise<unknown>) => void,
): Promise<Lease> {
  signal.throwIfAborted();
  const socket = connect(path);
  const answers = readAnswers(socket);
  try {
    const request = Buffer.alloc(5);
    request.writeUInt8(CREATE, 0);
    request.writeUInt32BE(memoryMb, 1);
    socket.write(request);
    const first = await orAborted(answers.first, signal);
    if (first === null) throw new Error("the keeper made no container");
    if ("refused" in first) throw new Error(`the keeper refuses a container: ${first.refused}`);
    if (!("id" in first)) throw new Error("the keeper began with the end of a container");
    return new Lease(path, socket, first, answers);
  } catch (error) {
    onRemoval(closed(socket));
    throw error;
  }
}

/** Ends a connection. The keeper closes its side once the container is removed. False when it does not in time. */
async function closed(socket: Socket): Promise<boolean> {
  if (socket.closed) return true;
  socket.end();
  const removed = new Promise<true>((resolve) => socket.once("close", () => resolve(true)));
  return (await within(removed, REMOVAL_TIMEOUT_MS)) ?? false;
}

/** Rejects unless the keeper at `path` and its zygotes answer within two seconds. The kernel alone accepts a connection for them. */
export async function pingKeeper(path: string): Promise<void> {
  const socket = connect(path);
  try {
    const { first } = readAnswers(socket);
    socket.write(Buffer.of(PING));
    const answer = await within(first, PING_TIMEOUT_MS);
    if (answer === undefined || answer === null || !("alive" in answer)) throw new Error("the keeper did not answer");
  } finally {
    socket.destroy();
  }
}

/** The keeper's two lines; null for a line that was not sent before the connection closed. */
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
  // "close" follows and resolves what is still awaited.
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
