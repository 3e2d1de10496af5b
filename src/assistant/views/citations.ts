import type { Output } from "../../domain/outputs.ts";
import type { Citation } from "./items.ts";

const CITATIONS_MAX = 32;

/** Finds where a message mentions files that code produced, by their name in the working folder. */
export function citationsOf(text: string, files: ReadonlyMap<string, { containerId: string; fileId: string }>): Citation[] {
  const found: Citation[] = [];
  for (const [name, { containerId, fileId }] of files) {
    for (let start = text.indexOf(name); start !== -1; start = text.indexOf(name, start + name.length)) {
      const end = start + name.length;
      if (isPartOfName(text[start - 1]) || (isPartOfName(text[end]) && !endsSentence(text, end))) continue;
      found.push({ containerId, fileId, name, start, end });
    }
  }
  return found.sort((a, b) => a.start - b.start || b.end - a.end).slice(0, CITATIONS_MAX);
}

/** The files among outputs. */
export function filesAmong(outputs: readonly Output[]): Array<{ name: string; fileId: string }> {
  return outputs.flatMap((output) => (output.type === "file" ? [{ name: output.name, fileId: output.file_id }] : []));
}

/** `my_plot.png` and `plot.png.bak` do not mention `plot.png`; a folder before it is allowed. */
function isPartOfName(char: string | undefined): boolean {
  return char !== undefined && /[\p{L}\p{N}_.-]/u.test(char);
}

function endsSentence(text: string, at: number): boolean {
  return text[at] === "." && !isPartOfName(text[at + 1]);
}
