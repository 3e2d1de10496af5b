import { type Output, withoutFinalNewline } from "../domain/outputs.ts";
import { nameDataUris } from "./embedded-data.ts";
import { htmlText } from "./html-text.ts";
import { jsonText } from "./json-text.ts";
import { shownOnTerminal } from "./terminal-text.ts";

export type TextualOutput = Extract<Output, { type: "text" | "result" | "markdown" | "latex" | "html" | "json" }>;

/**
 * The text of an output for readers that cannot draw, such as language models: printed text as a terminal shows it in the
 * end, HTML as text, binary data by type and size. The stored output keeps every byte.
 */
export function readableText(output: TextualOutput, htmlRowsMax: number): string {
  switch (output.type) {
    case "text":
      return withoutFinalNewline(shownOnTerminal(output.text));
    case "result":
    case "markdown":
    case "latex":
      return nameDataUris(output.text);
    case "html": {
      const plain = output.data?.["text/plain"] ?? "";
      return isOnlyAName(plain) ? htmlText(output.text, htmlRowsMax) : nameDataUris(plain);
    }
    case "json":
      return jsonText(output.data, output.mime_type);
  }
}

/** Whether a text form only names an object, as `<IPython.core.display.HTML object>` does. */
function isOnlyAName(plain: string): boolean {
  const text = plain.trim();
  return text === "" || (text.startsWith("<") && text.endsWith(">") && !text.includes("\n"));
}
