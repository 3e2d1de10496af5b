import { ServiceError } from "../../domain/errors.ts";
import { containerIdPattern, newId } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import { fileNameProblem } from "../../domain/request.ts";
import type { Files, StoredFile } from "../ports.ts";
import type { CodeCall, InputMessage, InputPart, Item, Message, MessagePart } from "./items.ts";
import { readCarried } from "./reasoning.ts";
import type { RequestItem } from "./request.ts";

export interface InputContext {
  organization: string;
  files: Files;
  limits: Limits;
  seesImages: boolean;
  /** Name of the field in the body, for error messages. */
  field: "inputs" | "input" | "items";
  /** Items of stored responses by id, for items that a client sends back or names. */
  findItems(ids: readonly string[]): Promise<ReadonlyMap<string, Item>>;
}

/** The items of a request as they are stored. Looks up files, and stores inline ones. */
export async function inputItemsOf(items: readonly RequestItem[], context: InputContext): Promise<Item[]> {
  const known = await knownFiles(items, context);
  const earlier = await context.findItems(items.flatMap((item) => ("id" in item && item.id != null ? [item.id] : [])));
  const stored: Item[] = [];
  for (const [index, item] of items.entries()) {
    stored.push(await itemOf(item, { ...context, known, earlier, param: `${context.field}.${index}` }));
  }
  return stored;
}

/** Throws unless every function call has its output and every output its call: models refuse other conversations. */
export function ensureCallsPaired(items: readonly Item[], field: string): void {
  const calls = new Set(items.flatMap((item) => (item.type === "function_call" ? [item.callId] : [])));
  const outputs = new Set(items.flatMap((item) => (item.type === "function_output" ? [item.callId] : [])));
  if ([...calls].some((id) => !outputs.has(id))) throw invalid(field, "must have a function_call_output for each function_call before it");
  if ([...outputs].some((id) => !calls.has(id)))
    throw invalid(field, "has a function_call_output whose function_call is not in the conversation");
}

/** Ids of all files in the messages. */
export function fileIdsIn(items: readonly Item[]): string[] {
  return items.flatMap((item) => {
    const parts = item.type === "input_message" || item.type === "function_output" ? (item.parts ?? []) : [];
    return parts.flatMap((part) => (part.type === "file" ? [part.fileId] : []));
  });
}

/** The container that the conversation's latest code ran in; null when there is none. */
export function containerIn(items: readonly Item[]): string | null {
  const call = items.findLast((item) => item.type === "code_call" && item.containerId !== "");
  return call?.type === "code_call" ? call.containerId : null;
}

type Place = InputContext & { known: Map<string, StoredFile>; earlier: ReadonlyMap<string, Item>; param: string };

async function itemOf(item: RequestItem, place: Place): Promise<Item> {
  const earlier = "id" in item && item.id != null ? place.earlier.get(item.id) : undefined;
  switch (item.type) {
    case "message":
      if (item.role !== "assistant") return userMessage(item.role, item.content, place);
      return { ...assistantMessage(item.content, place), ...turnOf(earlier, "message") };
    case "function_call":
      return {
        type: "function_call",
        id: newId("functionCall"),
        callId: item.call_id,
        name: item.name,
        arguments: item.arguments,
        status: "completed",
        ...(item.caller?.type === "program" ? { program: item.caller.caller_id } : {}),
        ...turnOf(earlier, "function_call"),
        ...(earlier?.type === "function_call" && earlier.extra !== undefined ? { extra: earlier.extra } : {}),
      };
    case "function_call_output":
      return functionOutput(item, place);
    case "code_interpreter_call":
      return earlier?.type === "code_call" ? earlier : codeCall(item);
    case "reasoning":
      return earlier?.type === "reasoning" ? earlier : reasoning(item);
    case "item_reference":
      if (earlier !== undefined) return earlier;
      throw invalid(`${place.param}.id`, "there is no such item; it was not stored, or has expired. Send the item itself");
    case "other":
      return { type: "other", id: newId("item"), item: item.item };
  }
}

/** An item that the client sends back is of the same turn as the stored one. */
function turnOf(earlier: Item | undefined, type: "message" | "function_call"): { turn?: number } {
  return earlier?.type === type && earlier.turn !== undefined ? { turn: earlier.turn } : {};
}

/** A call that is not stored, as the client has it. */
function codeCall(item: Extract<RequestItem, { type: "code_interpreter_call" }>): CodeCall {
  const { container_id: container } = item;
  return {
    type: "code_call",
    id: newId("execution"),
    callId: item.id,
    status: "completed",
    code: item.code ?? "",
    containerId: container != null && containerIdPattern.test(container) ? container : "",
    executionId: null,
    cause: null,
    outputs: [],
    told: logsOf(item.outputs ?? []),
    ...(item.status === "in_progress" ? { part: "waits" as const } : {}),
  };
}

function reasoning(item: Extract<RequestItem, { type: "reasoning" }>): Item {
  const carried = item.encrypted_content == null ? null : readCarried(item.encrypted_content);
  const text = (item.content ?? []).map((part) => part.text ?? "").join("\n");
  return { type: "reasoning", id: newId("reasoning"), status: "completed", ...(carried ?? { text, sentBack: null }) };
}

/** Text, images and files that a function returned. Images that the model cannot see are named to it. */
async function functionOutput(item: Extract<RequestItem, { type: "function_call_output" }>, place: Place): Promise<Item> {
  const texts: string[] = [];
  const parts: InputPart[] = [];
  for (const [index, part] of item.output.entries()) {
    const param = `${place.param}.output.${index}`;
    if ("text" in part) texts.push(part.text);
    else if (part.type === "input_image" && part.file_id == null && !place.seesImages)
      texts.push("[The function returned an image, which this model cannot see.]");
    else parts.push(...(await inputParts(part, { ...place, param })));
  }
  const text = texts.join("\n");
  return { type: "function_output", id: newId("functionCall"), callId: item.call_id, text, ...(parts.length === 0 ? {} : { parts }) };
}

type Content = Extract<RequestItem, { type: "message" }>["content"];

function assistantMessage(content: Content, { param }: Place): Message {
  const parts = content.map((part, index): MessagePart => {
    if (part.type === "refusal") return { type: "refusal", refusal: part.refusal };
    if ("text" in part) return { type: "text", text: part.text, citations: [] };
    throw invalid(`${param}.content.${index}`, "must be text in a message of the assistant");
  });
  return { type: "message", id: newId("message"), status: "completed", parts };
}

async function userMessage(role: InputMessage["role"], content: Content, place: Place): Promise<Item> {
  const parts: InputPart[] = [];
  for (const [index, part] of content.entries()) {
    parts.push(...(await inputParts(part, { ...place, param: `${place.param}.content.${index}` })));
  }
  return { type: "input_message", id: newId("message"), role, parts };
}

async function inputParts(part: Content[number], place: Place): Promise<InputPart[]> {
  switch (part.type) {
    case "text":
    case "input_text":
    case "output_text":
      return [{ type: "text", text: part.text }];
    case "refusal":
      throw invalid(place.param, "cannot be a refusal in a message to the assistant");
    case "file":
      return [filePart(part.file_id, place)];
    case "input_file":
      if (part.file_id != null) return [filePart(part.file_id, place)];
      if (part.file_url != null)
        throw invalid(
          `${place.param}.file_url`,
          "cannot be fetched, as this service fetches nothing; upload the file to /v1/files and send its file_id",
        );
      if (part.file_data != null) return [await inlineFile(part.file_data, part.filename ?? "file", place)];
      throw invalid(place.param, "must have file_id or file_data");
    case "input_image":
      return imageParts(part, place);
  }
}

function filePart(id: string, { known, param }: Place): InputPart {
  const file = known.get(id);
  if (file === undefined) throw invalid(`${param}.file_id`, "there is no such file");
  return { type: "file", fileId: id, name: file.name };
}

async function inlineFile(data: string, name: string, { files, organization, param }: Place): Promise<InputPart> {
  const problem = fileNameProblem(name);
  if (problem !== null) throw invalid(`${param}.filename`, problem);
  const base64 = data.replace(/^data:[^,]{0,200};base64,/, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw invalid(`${param}.file_data`, "must be base64 or a data URL in base64");
  const saved = await files.save(organization, name, Buffer.from(base64, "base64"));
  return { type: "file", fileId: saved.id, name: saved.name };
}

async function imageParts(part: Extract<Content[number], { type: "input_image" }>, place: Place): Promise<InputPart[]> {
  const { seesImages, param } = place;
  const detail = part.detail ?? null;
  if (part.file_id != null) {
    const file = filePart(part.file_id, place);
    const url = seesImages ? await dataUrlOf(place.known.get(part.file_id) as StoredFile, place) : null;
    return url === null ? [file] : [file, { type: "image", url, detail }];
  }
  if (part.image_url == null) throw invalid(param, "must have image_url or file_id");
  if (!seesImages) throw invalid(param, "the model does not accept images; send the image as a file");
  if (!/^(https:\/\/|data:image\/)/.test(part.image_url)) throw invalid(`${param}.image_url`, "must be an https or data URL");
  return [{ type: "image", url: part.image_url, detail }];
}

/** An image file as a data URL for the model; null when it is not an image or too large. */
export async function dataUrlOf(
  file: StoredFile,
  context: Pick<InputContext, "files" | "organization" | "limits">,
): Promise<string | null> {
  if (!/^image\/(png|jpeg|webp|gif)$/.test(file.mimeType) || file.bytes > context.limits.toolImageBytesMax) return null;
  const content = await context.files.read(context.organization, file.id);
  if (content === null) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(Buffer.from(chunk));
  return `data:${file.mimeType};base64,${Buffer.concat(chunks).toString("base64")}`;
}

async function knownFiles(items: readonly RequestItem[], { organization, files }: InputContext): Promise<Map<string, StoredFile>> {
  const ids = new Set<string>();
  for (const item of items) {
    const parts = item.type === "message" ? item.content : item.type === "function_call_output" ? item.output : [];
    for (const part of parts) if ("file_id" in part && part.file_id != null) ids.add(part.file_id);
  }
  const found = await files.getMany(organization, [...ids]);
  return new Map(found.flatMap((file) => (file === null ? [] : [[file.id, file]])));
}

/** The printed text of a code call that a client sends back. */
function logsOf(outputs: readonly unknown[]): string {
  const texts = outputs.flatMap((output) => {
    const { logs, text } = (typeof output === "object" && output !== null ? output : {}) as { logs?: unknown; text?: unknown };
    return [logs, text].filter((value) => typeof value === "string");
  });
  return texts.length === 0 ? "[The outputs of this call are no longer available.]" : texts.join("\n");
}

function invalid(param: string, rule: string): ServiceError {
  return new ServiceError("invalid_field", { detail: `\`${param}\`: ${rule}.`, param });
}
