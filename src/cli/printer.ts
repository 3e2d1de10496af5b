import { once } from "node:events";
import type { Rendered } from "./render.ts";
import { harmless } from "./terminal.ts";

export interface Sink extends NodeJS.WritableStream {
  isTTY?: boolean;
  writableNeedDrain?: boolean;
}

/**
 * Writes to stdout and stderr in order, waiting for a slow reader. On a terminal, what a sandbox wrote is made
 * harmless; a file or pipe gets it as it came.
 */
export class Printer {
  readonly #sinks: { stdout: Sink; stderr: Sink };
  readonly #atLineStart = { stdout: true, stderr: true };

  constructor(stdout: Sink, stderr: Sink) {
    this.#sinks = { stdout, stderr };
  }

  /** A piece of text as the program printed it. */
  async piece({ stream, text }: Rendered): Promise<void> {
    if (text === "") return;
    const sink = this.#sinks[stream];
    this.#atLineStart[stream] = text.endsWith("\n");
    if (!sink.write(sink.isTTY ? harmless(text) : text)) await once(sink, "drain");
  }

  /** A text on lines of its own. */
  async block({ stream, text }: Rendered): Promise<void> {
    const before = this.#atLineStart[stream] ? "" : "\n";
    await this.piece({ stream, text: `${before}${text}\n` });
  }

  /** A sentence of ours. */
  async note(text: string): Promise<void> {
    await this.block({ stream: "stderr", text });
  }
}
