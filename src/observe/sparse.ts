/** The first line of a kind is written at once. Further ones are counted, and one line a minute carries their number. */
const WINDOW_MS = 60_000;

interface Window {
  suppressed: number;
  /** Writes a line with this count. */
  write: (repeated: number) => void;
}

/** Thins out lines that one cause repeats, so that a long outage leaves a line a minute and not a full disk. */
export class SparseLines {
  readonly #windows = new Map<string, Window>();

  /** `write` gets the number of lines left out since the last one, and null for the first. */
  say(kind: string, write: (repeated: number | null) => void): void {
    const open = this.#windows.get(kind);
    if (open !== undefined) {
      open.suppressed += 1;
      open.write = write;
      return;
    }
    this.#windows.set(kind, { suppressed: 0, write });
    this.#endLater(kind);
    write(null);
  }

  #endLater(kind: string): void {
    setTimeout(() => {
      const window = this.#windows.get(kind);
      if (window === undefined || window.suppressed === 0) {
        this.#windows.delete(kind);
        return;
      }
      window.write(window.suppressed);
      window.suppressed = 0;
      this.#endLater(kind);
    }, WINDOW_MS).unref();
  }
}
