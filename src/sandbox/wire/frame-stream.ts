import type { Duplex } from "node:stream";
import type { Limits } from "../../domain/limits.ts";
import { encodeFrame, type FrameBounds, FrameParser, type InFrame, type OutFrame, PREAMBLE, WireError } from "./frames.ts";

/** Memory of unread frames above which backpressure applies to the sandbox. */
const HELD_BYTES_MAX = 1024 * 1024;
/** Overhead per frame, because a hostile sandbox can send empty frames. */
const FRAME_COST_BYTES = 512;

/** Displays are bounded by the operator's limits, plus this overhead. The minimums keep room for other frames when those limits are low. */
const FRAME_SLACK_BYTES = 64 * 1024;
const HEAD_BYTES_MIN = 8 * 1024 * 1024;
const HEAD_VALUES_MIN = 32 * 1024;
/** One level (the head) above the runner's own bound, and far below what overflows the stack of a recursive JSON parser. */
const HEAD_DEPTH_MAX = 129;

/** Bounds of one frame from a sandbox. */
export function frameBounds({ displayBytesMax, displayValuesMax }: Limits): FrameBounds {
  const bodyBytesMax = displayBytesMax + FRAME_SLACK_BYTES;
  const valuesMax = Math.max(displayValuesMax, HEAD_VALUES_MIN);
  return { headBytesMax: Math.max(bodyBytesMax, HEAD_BYTES_MIN), bodyBytesMax, headJson: { valuesMax, depthMax: HEAD_DEPTH_MAX } };
}

/** Extracts the runner's bytes from the engine's stream. Throws on bytes that the engine cannot have sent. */
export type Unwrap = (data: Buffer) => Iterable<Buffer>;

/**
 * Frames over the stream of one sandbox. The stream is read eagerly, so that its end is noticed even without a reader,
 * and paused while too much is unread.
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
    socket.on("data", (data: Buffer) => this.#onData(data));
    socket.on("end", () => this.#onEnd());
    socket.on("close", () => this.#onEnd());
    // An error is treated as an end. The cause comes from the sandbox's own state.
    socket.on("error", () => this.#onEnd());
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

  /** Resolves once the kernel has the whole frame. Until then the body's memory must not be changed. */
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

  /** Writes the frame in one system call, without a copy of its body. */
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
   * Half-closes the stream, on which a healthy runner exits. Resolves once the runner's side has ended too, or after
   * `waitMs`. Later frames are dropped.
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

  /** Ends the stream. The runner sees the end of its stdin. */
  close(): void {
    this.#socket.destroy();
    this.#onEnd();
  }

  #onData(data: Buffer): void {
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
      this.#onEnd();
      return;
    }
    if (this.#heldBytes > HELD_BYTES_MAX) this.#socket.pause();
    this.#notifyReader();
  }

  #onEnd(): void {
    if (!this.#lost.signal.aborted) this.#lost.abort();
    this.#notifyReader();
  }

  #notifyReader(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

function costOf(frame: OutFrame): number {
  return frame.bytes + FRAME_COST_BYTES;
}
