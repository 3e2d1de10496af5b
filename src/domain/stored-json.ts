import { json } from "node:stream/consumers";

/**
 * A large JSON value that is still where it is stored. It is sent on as text, piece by piece, because parsing and
 * writing it would block the event loop. Only readers that need the value itself take it with `value`.
 */
export class StoredJson<T = unknown> {
  /** Length of the text in UTF-8. */
  readonly bytes: number;
  readonly #parts: () => AsyncIterable<Uint8Array>;

  /** The parts together are the text. They may be read more than once, and reading rejects when they are gone. */
  constructor(bytes: number, parts: () => AsyncIterable<Uint8Array>) {
    this.bytes = bytes;
    this.#parts = parts;
  }

  parts(): AsyncIterable<Uint8Array> {
    return this.#parts();
  }

  async value(): Promise<T> {
    return (await json(this.#parts())) as T;
  }

  /** A writer of JSON that does not know stored values would leave this one out. */
  toJSON(): never {
    throw new TypeError("a stored JSON value is written piece by piece");
  }
}
