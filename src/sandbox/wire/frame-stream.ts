import type { Duplex } from "node:stream";
import type { Limits } from "../../domain/limits.ts";
import { encodeFrame, type FrameBounds, FrameParser, type InFrame, type OutFrame, PREAMBLE, WireError } from "./frames.ts";

/** Memory of frames that wait for a reader, above which the sandbox is held back. */
const HELD_BYTES_MAX = 1024 * 1024;
/** What a frame takes beside its bytes: hostile ones have none. */
const FRAME_COST_BYTES = 512;

/** Displays are bounded like outputs, and what is around them is small; other frames must fit however little an operator allows of those. */
const FRAME_SLACK_BYTES = 64 * 1024;
const HEAD_BYTES_MIN = 8 * 1024 * 1024;
const HEAD_VALUES_MIN = 32 * 1024;
/** With the head's own level above what the runner lets through; far below what a recursive reader or writer of JSON survives. */
const HEAD_DEPTH_MAX = 129;

/** What a sandbox may send in one frame. */
export function frameBounds({ displayBytesMax, displayValuesMax }: Limits): FrameBounds {
  const bodyBytesMax = displayBytesMax + FRAME_SLACK_BYTES;
  const valuesMax = Math.max(displayValuesMax, HEAD_VALUES_MIN);
  return { headBytesMax: Math.max(bodyBytesMax, HEAD_BYTES_MIN), bodyBytesMax, headJson: { valuesMax, depthMax: HEAD_DEPTH_MAX } };
}

/** Finds the runner's own bytes in what the vendor's stream brings. Throws on bytes that the vendor can not have sent. */
export type Unwrap = (data: Buffer) => Iterable<Buffer>;

/**
 * Frames over the stream of one sandbox. The stream is read as it comes, so that its end is seen even
 * while nobody waits for a frame, and paused while too much waits.
 */
export class FrameStream {
  readonly #socket: Duplex;
  readonly #unwrap: Unwrap;
  readonly #parser: FrameParser;
  readonly #onBytes: (direction: "in" | "out", count: number) => void;
  readonly #lost = new AbortController();
  #frames: OutFrame[] = [];
  #heldBytes = 0;
  #failure: WireError | null = null;
  #finishing = false;
  #wake: (() => void) | null = null;

  constructor(
    socket: Duplex,
    bounds: FrameBounds,
    onBytes: (direction: "in" | "out", count: number) => void,
    unwrap: Unwrap = (data) => [data],
  ) {
    this.#unwrap = unwrap;
    this.#socket = socket;
    this.#parser = new FrameParser(bounds);
    this.#onBytes = onBytes;
    socket.on("data", (data: Buffer) => this.#take(data));
    socket.on("end", () => this.#end());
    socket.on("close", () => this.#end());
    // An error ends the stream like any other end; what it meant is learnt from the sandbox's own state.
    socket.on("error", () => this.#end());
    socket.write(PREAMBLE);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async receive(): Promise<OutFrame | null> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        this.#heldBytes -= costOf(frame);
        if (this.#socket.isPaused() && this.#heldBytes < HELD_BYTES_MAX / 2) this.#socket.resume();
        return frame;
      }
      if (this.#failure !== null) throw this.#failure;
      if (this.#lost.signal.aborted) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves once the kernel has all of the frame: until then the memory of its body must not be written to. */
  async send(frame: InFrame): Promise<void> {
    if (this.#lost.signal.aborted) throw new WireError("the sandbox's stream has ended");
    await new Promise<void>((resolve, reject) => {
      const onLost = () => reject(new WireError("the sandbox's stream ended while it was written to"));
      this.#lost.signal.addEventListener("abort", onLost, { once: true });
      this.#write(frame, (error) => {
        this.#lost.signal.removeEventListener("abort", onLost);
        if (error) onLost();
        else resolve();
      });
    });
  }

  /** One system call for the frame, and no copy of its body. */
  #write(frame: InFrame, onTaken: (error?: Error | null) => void): void {
    const parts = encodeFrame(frame);
    this.#socket.cork();
    for (const [index, part] of parts.entries()) {
      this.#onBytes("in", part.length);
      if (index < parts.length - 1) this.#socket.write(part);
      else this.#socket.write(part, onTaken);
    }
    this.#socket.uncork();
  }

  /**
   * Says that nothing more will be sent, which ends a runner that is well, and resolves once its side has ended too, or
   * after `waitMs`. What it still says is dropped.
   */
  async finish(waitMs: number): Promise<void> {
    if (this.#lost.signal.aborted) return;
    this.#finishing = true;
    this.#socket.resume();
    this.#socket.end();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      const ended = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#lost.signal.addEventListener("abort", ended, { once: true });
    });
  }

  /** Ends the stream; the connection's own close is what a runner sees as the end of its stdin. */
  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  #take(data: Buffer): void {
    if (this.#lost.signal.aborted || this.#finishing) return;
    this.#onBytes("out", data.length);
    try {
      for (const slice of this.#unwrap(data)) {
        for (const frame of this.#parser.push(slice)) {
          this.#frames.push(frame);
          this.#heldBytes += costOf(frame);
        }
      }
    } catch (error) {
      this.#failure = error instanceof WireError ? error : new WireError("the sandbox's stream is malformed", { cause: error });
      this.#socket.destroy();
      this.#end();
      return;
    }
    if (this.#heldBytes > HELD_BYTES_MAX) this.#socket.pause();
    this.#notify();
  }

  #end(): void {
    if (!this.#lost.signal.aborted) this.#lost.abort();
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

function costOf(frame: OutFrame): number {
  return frame.bytes + FRAME_COST_BYTES;
}
