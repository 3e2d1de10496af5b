import type { CallToolResult } from "@modelcontextprotocol/client";
import type { Limits } from "../domain/limits.ts";
import type { ToolAnswer } from "../domain/tools.ts";
import { countJsonValues } from "../util/json-shape.ts";

const ERROR_CHARS_MAX = 4_096;

/** The result of a server's tool as the code gets it: structured content, else text. */
export function answerOf(name: string, result: CallToolResult, limits: Limits): ToolAnswer {
  if (result.isError === true) {
    return {
      outcome: "error",
      json: JSON.stringify(textOf(result).slice(0, ERROR_CHARS_MAX) || `${name}(): its server answered with an error`),
    };
  }
  const json = JSON.stringify(result.structuredContent ?? (result.content.length === 0 ? null : textOf(result)));
  const { toolValueBytesMax: bytesMax, toolValueValuesMax: valuesMax, requestBodyDepthMax: depthMax } = limits;
  const body = Buffer.from(json, "utf8");
  if (body.length > bytesMax) return failed(name, `its answer has ${body.length} bytes; at most ${bytesMax}`);
  if (countJsonValues(body, { valuesMax, depthMax }) === null) {
    return failed(name, `its answer has more than ${valuesMax} JSON values or ${depthMax} levels`);
  }
  return { outcome: "output", json };
}

export function failed(name: string, why: string): ToolAnswer {
  return { outcome: "failed", json: JSON.stringify(`${name}(): ${why}`) };
}

/** Text as it is. Anything else is named by its type and size. */
function textOf({ content }: CallToolResult): string {
  return content
    .map((part) => {
      if (part.type === "text") return part.text;
      if (part.type === "image" || part.type === "audio") return `[${part.type}: ${part.mimeType}, ${bytesOfBase64(part.data)} bytes]`;
      if (part.type === "resource_link") return `[resource: ${part.name}]`;
      if ("text" in part.resource) return part.resource.text;
      return `[resource: ${part.resource.mimeType ?? "unknown type"}, ${bytesOfBase64(part.resource.blob)} bytes]`;
    })
    .join("\n");
}

function bytesOfBase64(text: string): number {
  return Buffer.byteLength(text, "base64");
}
