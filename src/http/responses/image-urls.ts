import type { Request } from "express";
import type { Dialect } from "../../assistant/views/items.ts";
import type { ResponseEvent, View } from "../../assistant/views/views.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Files } from "../../files/files.ts";

interface ImageContext {
  files: Files;
  limits: Limits;
  publicUrl: string | undefined;
}

type Call = View & { type: "code_interpreter_call"; outputs: Array<{ type: string; url?: string }> };

/**
 * Gives images in OpenAI's dialect a URL that its clients can use: a data URL, which needs no key, or for large images an absolute
 * one. Images that follow each other in one answer share a bound.
 */
export class ImageUrls {
  readonly #context: ImageContext;
  readonly #organization: string;
  readonly #base: string;
  readonly #known = new Map<string, string>();
  #bytes = 0;

  constructor(context: ImageContext, organization: string, request: Request) {
    this.#context = context;
    this.#organization = organization;
    this.#base = context.publicUrl?.replace(/\/+$/, "") ?? baseOf(request);
  }

  async inView<V extends View>(view: V, dialect: Dialect): Promise<V> {
    const output = view.output;
    if (dialect === "own" || !Array.isArray(output) || !output.some(hasImages)) return view;
    return { ...view, output: await Promise.all(output.map((item: View) => this.inItem(item))) };
  }

  async *inEvents(events: AsyncIterable<ResponseEvent>, dialect: Dialect): AsyncGenerator<ResponseEvent> {
    for await (const event of events) {
      if (dialect === "own") yield event;
      else if (isView(event.response)) yield { ...event, response: await this.inView(event.response, dialect) };
      else if (isView(event.item)) yield { ...event, item: await this.inItem(event.item) };
      else yield event;
    }
  }

  async inItem(item: View): Promise<View> {
    if (!hasImages(item)) return item;
    const outputs: unknown[] = [];
    for (const output of item.outputs) outputs.push(output.url === undefined ? output : { ...output, url: await this.#urlOf(output.url) });
    return { ...item, outputs };
  }

  async #urlOf(url: string): Promise<string> {
    const id = /\/v1\/files\/(file_[0-9a-z]+)\/content$/.exec(url)?.[1];
    if (id === undefined) return url;
    const known = this.#known.get(id) ?? (await this.#dataUrlOf(id)) ?? (url.startsWith("/") ? this.#base + url : url);
    this.#known.set(id, known);
    return known;
  }

  async #dataUrlOf(id: string): Promise<string | null> {
    const { files, limits } = this.#context;
    const record = await files.get(this.#organization, id);
    if (record === null || record.bytes > limits.responseImageBytesMax) return null;
    if (this.#bytes + record.bytes > limits.responseImagesBytesMax) return null;
    this.#bytes += record.bytes;
    const content = await files.read(record);
    if (content === null) return null;
    const chunks: Buffer[] = [];
    // Chunks are borrowed: valid only until the next read.
    for await (const chunk of content) chunks.push(Buffer.from(chunk));
    return `data:${record.mimeType};base64,${Buffer.concat(chunks).toString("base64")}`;
  }
}

function hasImages(item: View): item is Call {
  return (
    item.type === "code_interpreter_call" &&
    Array.isArray(item.outputs) &&
    item.outputs.some((output: { type: string }) => output.type === "image")
  );
}

function isView(value: unknown): value is View {
  return typeof value === "object" && value !== null;
}

/** The address that the client used, also through a proxy. It is returned only to the client that sent it. */
function baseOf(request: Request): string {
  const forwarded = (name: string) => request.get(name)?.split(",")[0]?.trim();
  const host = forwarded("x-forwarded-host") ?? request.get("host") ?? "";
  const scheme = forwarded("x-forwarded-proto") === "https" || request.protocol === "https" ? "https" : "http";
  return /^[A-Za-z0-9.:[\]-]{1,255}$/.test(host) ? `${scheme}://${host}` : "";
}
