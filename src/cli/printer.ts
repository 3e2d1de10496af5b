import { once } from "node:events";
import type { Writable } from "node:stream";
import type { Rendered } from "./render.ts";
import { sanitize } from "./terminal.ts";

export interface Sink extends Pick<Writable, "write" | "on" | "once" | "destroyed"> {
  isTTY?: boolean;
  columns?: number;
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

  /** Width of the terminal that shows standard output; undefined when it goes elsewhere. */
  get columns(): number | undefined {
    const { stdout } = this.#sinks;
    return stdout.isTTY === true ? stdout.columns : undefined;
  }

  /** Prints a piece of the program's text. Text for a reader that has gone (`| head`) is dropped. */
  async piece({ stream, text }: Rendered): Promise<void> {
    const sink = this.#sinks[stream];
    if (text === "" || sink.destroyed) return;
    this.#atLineStart[stream] = text.endsWith("\n");
    if (sink.write(sink.isTTY ? sanitize(text) : text)) return;
    await once(sink as Writable, "drain").catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
    });
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
