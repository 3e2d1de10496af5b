import { once } from "node:events";
import type { Rendered } from "./render.ts";
import { sanitize } from "./terminal.ts";

export interface Sink extends NodeJS.WritableStream {
  isTTY?: boolean;
  writableNeedDrain?: boolean;
}

/**
 * Writes to stdout and stderr in order, with backpressure. On a terminal, text from a sandbox is made harmless; a file or pipe
 * gets it unchanged.
 */
export class Printer {
  readonly #sinks: { stdout: Sink; stderr: Sink };
  readonly #atLineStart = { stdout: true, stderr: true };

  constructor(stdout: Sink, stderr: Sink) {
    this.#sinks = { stdout, stderr };
  }

  /** Prints a piece of the program's text. */
  async piece({ stream, text }: Rendered): Promise<void> {
    if (text === "") return;
    const sink = this.#sinks[stream];
    this.#atLineStart[stream] = text.endsWith("\n");
    if (!sink.write(sink.isTTY ? sanitize(text) : text)) await once(sink, "drain");
  }

  /** Prints a text on its own lines. */
  async block({ stream, text }: Rendered): Promise<void> {
    const before = this.#atLineStart[stream] ? "" : "\n";
    await this.piece({ stream, text: `${before}${text}\n` });
  }

  /** Prints a message of the command line to stderr. */
  async note(text: string): Promise<void> {
    await this.block({ stream: "stderr", text });
  }
}
