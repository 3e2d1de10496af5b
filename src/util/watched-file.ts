import { readFileSync, statSync } from "node:fs";

/** How a file was when it was last read. `broken`: it is there and cannot be read or parsed. */
export type FileState = "read" | "missing" | "broken";

/**
 * A parsed file that is read again when it has changed. A file that breaks keeps its last value, because a partly written file
 * must not stop the service.
 */
export class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #onBroken: (error: unknown) => void;
  #version: string | null = null;
  #state: FileState = "missing";
  #value: T;

  /** `initial` is the value until the file has been read. */
  constructor(path: string, initial: T, parse: (text: string) => T, onBroken: (error: unknown) => void) {
    this.#path = path;
    this.#parse = parse;
    this.#onBroken = onBroken;
    this.#value = initial;
  }

  /** One stat, a few microseconds, and a read when the file has changed. */
  get value(): T {
    const version = this.#versionNow();
    if (version !== this.#version) this.#read(version);
    return this.#value;
  }

  get state(): FileState {
    void this.value;
    return this.#state;
  }

  /** The next use reads the file, even if it looks unchanged. */
  forget(): void {
    this.#version = null;
  }

  /** Empty for a missing file. */
  #versionNow(): string {
    try {
      const found = statSync(this.#path, { throwIfNoEntry: false });
      return found === undefined ? "" : `${found.ino}:${found.mtimeMs}:${found.size}`;
    } catch (error) {
      return `unreadable ${(error as NodeJS.ErrnoException).code}`;
    }
  }

  #read(version: string): void {
    this.#version = version;
    if (version === "") {
      this.#state = "missing";
      return;
    }
    try {
      this.#value = this.#parse(readFileSync(this.#path, "utf8"));
      this.#state = "read";
    } catch (error) {
      this.#state = "broken";
      this.#onBroken(error);
    }
  }
}
