import type { ToolServers } from "../../app/ports.ts";
import { ServiceError } from "../../domain/errors.ts";
import { newId } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Session } from "../../domain/session.ts";
import type { AssistantStore, ConversationStore, Files, Sessions } from "../ports.ts";
import type { StoredAssistant } from "../views/assistant.ts";
import { containerIn, ensureCallsPaired, fileIdsIn, inputItemsOf } from "../views/input.ts";
import type { Item } from "../views/items.ts";
import type { ResponseRequest } from "../views/request.ts";
import { type Echo, isEnded, type NamedServers, type Settings, type StoredResponse } from "../views/response.ts";
import { conversationIdOf, type ModelChoice, settingsOf } from "../views/settings.ts";
import { withFilesOnly } from "./running.ts";

export interface PreparationContext {
  models: ModelChoice;
  assistants: AssistantStore;
  conversations: ConversationStore;
  sessions: Sessions;
  files: Files;
  toolServers: ToolServers;
  limits: Limits;
  seesImages: boolean;
}

/** Combines a request with its assistant and the previous response, and validates all that can be validated before the model call. */
export async function prepareResponse(
  context: PreparationContext,
  responses: { get(id: string): Promise<StoredResponse | null>; findItems(ids: readonly string[]): Promise<ReadonlyMap<string, Item>> },
  organization: string,
  request: ResponseRequest,
): Promise<{ response: StoredResponse; fileIds: string[] }> {
  const { models, limits, sessions, files } = context;
  ensureOwn(organization, request);
  const assistant = await assistantOf(context.assistants, organization, request);
  const earlier = await earlierOf(context.conversations, responses, organization, request);
  const { settings, echo } = settingsOf(request, assistant, { models, limits });
  const servers = settings.mode === "off" ? null : await namedServers(context.toolServers, organization, { echo, settings });
  if (echo.background && !echo.store) throw invalid("background", "needs `store` to be true");
  const field = request.dialect === "own" ? "inputs" : "input";
  const history = compacted(earlier.items);
  const findItems = (ids: readonly string[]) => responses.findItems(ids);
  const input = (await inputItemsOf(request.input, { ...context, organization, field, findItems })).map(withoutShownOutputs);
  const containerId = settings.container ?? earlier.containerId ?? containerIn([...history, ...input]);
  const session = await sessionOf(sessions, organization, { id: containerId, isNamed: settings.container !== null });
  ensureCallsPaired([...history, ...input], field);
  ensureFits([...history, ...input], limits.responseBytesMax);
  await ensureFiles(context, organization, settings.fileIds, assistant);
  const earlierFiles = await existingFiles(files, organization, fileIdsIn(history));
  const createdAt = Date.now();
  const response: StoredResponse = {
    id: newId("response"),
    organization,
    dialect: request.dialect,
    status: echo.background ? "queued" : "in_progress",
    createdAt,
    completedAt: null,
    expiresAt: createdAt + limits.retentionMsMax,
    // A session that continues keeps its memory size.
    settings: { ...settings, memoryMb: session?.memoryMb ?? settings.memoryMb, ...(servers === null ? {} : { toolServers: servers }) },
    echo,
    history,
    input,
    output: [],
    containerId,
    placedFileIds: containerId === earlier.containerId ? earlier.placedFileIds : [],
    failure: null,
    incomplete: null,
    usage: { input: 0, inputCached: 0, inputCacheWritten: 0, output: 0, outputReasoning: 0 },
  };
  return { response, fileIds: [...new Set([...settings.fileIds, ...earlierFiles, ...fileIdsIn(input)])] };
}

/** The servers that the code may call: those of the request, or else the operator's for responses. Null when there are none. */
async function namedServers(
  toolServers: ToolServers,
  organization: string,
  { echo, settings }: { echo: Echo; settings: Settings },
): Promise<NamedServers | null> {
  const at = echo.tools.findIndex((tool) => tool.type === "code_interpreter");
  const tool = echo.tools[at];
  const named = tool?.type === "code_interpreter" ? tool.mcp_servers : undefined;
  const labels = named ?? toolServers.labelsOfResponses(organization);
  if (labels.length === 0) return null;
  const param = `tools.${at}.mcp_servers`;
  const names = new Set(settings.programFunctions?.map((one) => one.name));
  const taken = labels.findIndex((label) => names.has(label));
  if (taken >= 0) throw invalid(`${param}.${taken}`, "must not be the name of a function");
  const servers = await toolServers.serversOf(organization, labels, param);
  return {
    labels: [...labels],
    tools: servers.flatMap(({ tools }) =>
      tools.map(({ name, description, parameters }) => ({ type: "function", name, description, parameters })),
    ),
    problems: servers.flatMap(({ label, problem }) => (problem === undefined ? [] : [`${label}: ${problem}`])),
  };
}

async function assistantOf(
  assistants: AssistantStore,
  organization: string,
  { assistant_id: id }: ResponseRequest,
): Promise<StoredAssistant | null> {
  if (id == null) return null;
  const found = await assistants.get(organization, id);
  if (found === null) throw new ServiceError("assistant_not_found", { param: "assistant_id" });
  return found;
}

interface Earlier {
  items: readonly Item[];
  containerId: string | null;
  placedFileIds: string[];
}

/** What the request continues: a conversation, or the previous response. */
async function earlierOf(
  conversations: ConversationStore,
  responses: { get(id: string): Promise<StoredResponse | null> },
  organization: string,
  request: ResponseRequest,
): Promise<Earlier> {
  const id = conversationIdOf(request);
  if (id === null) {
    const previous = await previousOf(responses, request);
    if (previous === null) return { items: [], containerId: null, placedFileIds: [] };
    const { history, input, output, containerId, placedFileIds } = previous;
    return { items: [...history, ...input, ...output], containerId, placedFileIds };
  }
  if (request.previous_response_id != null) throw invalid("conversation", "cannot be combined with previous_response_id");
  const conversation = await conversations.get(organization, id);
  if (conversation === null) throw new ServiceError("conversation_not_found", { param: "conversation" });
  return { ...conversation, items: await conversations.items(organization, id) };
}

async function previousOf(
  responses: { get(id: string): Promise<StoredResponse | null> },
  { previous_response_id: id }: ResponseRequest,
): Promise<StoredResponse | null> {
  if (id == null) return null;
  const found = await responses.get(id);
  const param = "previous_response_id";
  if (found === null) throw new ServiceError("response_not_found", { param, detail: "`previous_response_id`: there is no such response." });
  if (!isEnded(found))
    throw new ServiceError("response_running", { param, detail: "`previous_response_id`: that response has not ended." });
  return found;
}

/** The session to continue in, if it is active. Rejects when the request names a session that is not. */
async function sessionOf(
  sessions: Sessions,
  organization: string,
  { id, isNamed }: { id: string | null; isNamed: boolean },
): Promise<Session | null> {
  const session = id === null ? null : await sessions.get(organization, id);
  if (session?.status === "active") return session;
  if (!isNamed) return null;
  const param = "tools";
  if (session?.status === "expired") throw new ServiceError("container_expired", { param });
  if (session?.status === "lost") throw new ServiceError("container_lost", { param });
  throw new ServiceError("container_not_found", { param });
}

async function ensureFiles(
  { files, limits }: PreparationContext,
  organization: string,
  ids: readonly string[],
  assistant: StoredAssistant | null,
): Promise<void> {
  const found = await files.getMany(organization, ids);
  const missing = ids[found.indexOf(null)];
  if (missing === undefined) return;
  if (assistant?.fileIds.includes(missing)) {
    const hours = limits.retentionMsMax / 3_600_000;
    throw invalid("assistant_id", `the assistant's file ${missing} is gone; files are kept for ${hours} hours, so give it another`);
  }
  throw invalid("file_ids", `there is no file ${missing}`);
}

/** Files of an earlier message may have been deleted since; the conversation continues without them. */
async function existingFiles(files: Files, organization: string, ids: readonly string[]): Promise<string[]> {
  const found = await files.getMany(organization, ids);
  return ids.filter((_, index) => found[index] !== null);
}

/** The model has already seen the outputs of earlier code; only its files are still needed. */
function compacted(items: readonly Item[]): Item[] {
  return items.map(withoutShownOutputs);
}

function withoutShownOutputs(item: Item): Item {
  return item.type === "code_call" ? withFilesOnly(item) : item;
}

function ensureFits(items: readonly Item[], bytesMax: number): void {
  if (Buffer.byteLength(JSON.stringify(items)) <= bytesMax) return;
  throw invalid("previous_response_id", `the conversation must have at most ${bytesMax} bytes`);
}

function ensureOwn(organization: string, { organization_id: wanted }: ResponseRequest): void {
  if (wanted == null || wanted === organization) return;
  throw new ServiceError("foreign_organization", {
    detail: "`organization_id` must be the organization of the API key.",
    param: "organization_id",
  });
}

function invalid(param: string, rule: string): ServiceError {
  return new ServiceError("invalid_field", { detail: `\`${param}\`: ${rule}.`, param });
}
