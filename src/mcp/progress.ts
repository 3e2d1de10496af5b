import type { Notification, ProgressToken } from "@modelcontextprotocol/server";
import type { ExecutionEvent } from "../domain/result.ts";
import { shownOnTerminal } from "../readable/terminal-text.ts";

const INTERVAL_MS = 100;
const MESSAGE_CHARS_MAX = 2_000;

/**
 * Sends what an execution prints to a client that asked for progress, at most ten times a second: the text since the last
 * notification, or only its end when that is long. The result contains all of it.
 */
export class Progress {
  readonly #token: ProgressToken;
  readonly #notify: (notification: Notification) => Promise<void>;
  #count = 0;
  #waiting = "";
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(token: ProgressToken, notify: (notification: Notification) => Promise<void>) {
    this.#token = token;
    this.#notify = notify;
  }

  take(event: ExecutionEvent): void {
    const text = textOf(event);
    if (text === null || this.#closed) return;
    this.#waiting = `${this.#waiting}${text}`.slice(-MESSAGE_CHARS_MAX).toWellFormed();
    if (this.#timer !== null) return;
    this.#send();
    this.#timer = setTimeout(() => this.#next(), INTERVAL_MS);
  }

  /** Sends nothing from now on: a notification must not follow the result. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #next(): void {
    this.#timer = null;
    if (this.#waiting === "") return;
    this.#send();
    this.#timer = setTimeout(() => this.#next(), INTERVAL_MS);
  }

  #send(): void {
    this.#count += 1;
    const params = { progressToken: this.#token, progress: this.#count, message: shownOnTerminal(this.#waiting) };
    this.#waiting = "";
    // A closed connection is handled through the request's signal.
    this.#notify({ method: "notifications/progress", params }).catch(() => {});
  }
}

function textOf(event: ExecutionEvent): string | null {
  if (event.type === "execution.started") return event.attempt > 1 ? "Restarted on another worker.\n" : "Started.\n";
  if (event.type !== "execution.output") return null;
  const { output } = event;
  if (output.type === "text") return output.text;
  return output.type === "file" ? `[file ${output.name}]\n` : `[${output.type}]\n`;
}
