import type { Executions, ToolServers } from "../app/ports.ts";
import { answerExecutionWith, runExecutionWith } from "../app/run-execution.ts";
import { Assistants } from "../assistant/assistants.ts";
import { Conversations } from "../assistant/conversations.ts";
import { ModelClient } from "../assistant/model/client.ts";
import type { Files as FilesPort, Sessions } from "../assistant/ports.ts";
import { Responses } from "../assistant/responses.ts";
import { RedisAssistantStore } from "../assistant/store/assistant-store.ts";
import { RedisConversationStore } from "../assistant/store/conversation-store.ts";
import { RedisResponseStore } from "../assistant/store/response-store.ts";
import type { ModelChoice } from "../assistant/views/settings.ts";
import type { LimitsOf } from "../domain/organization-limits.ts";
import type { PackageList } from "../domain/packages.ts";
import type { Files } from "../files/files.ts";
import type { AssistantPart } from "../http/responses/assistant-port.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { RedisClient } from "../redis/address.ts";
import type { Config } from "./config.ts";

export interface AssistantOptions {
  config: Pick<
    Config,
    | "REDIS_PREFIX"
    | "MODEL_BASE_URL"
    | "MODEL_API_KEY"
    | "MODEL_DEFAULT"
    | "MODEL_ALLOWED"
    | "MODEL_SEES_IMAGES"
    | "MODEL_TOKENS_FIELD"
    | "limits"
  >;
  limitsOf: LimitsOf;
  redis: RedisClient;
  executions: Executions;
  sessions: Sessions;
  files: Files;
  toolServers: ToolServers;
  packages: Pick<PackageList, "latest">;
  log: Log;
  metrics: Metrics;
}

/** The assistant of an api process. Without a model it serves assistants and earlier responses, and refuses new responses. */
export function makeAssistant(options: AssistantOptions): AssistantPart {
  const { config, limitsOf, redis, executions, sessions, toolServers, packages, log, metrics } = options;
  const { limits, REDIS_PREFIX: prefix } = config;
  const choice = modelChoiceOf(config);
  const files = filesFor(options.files);
  const assistantStore = new RedisAssistantStore({ redis, prefix });
  const responseStore = new RedisResponseStore({ redis, prefix, limits, limitsOf });
  const conversationStore = new RedisConversationStore({ redis, prefix, limits, limitsOf });
  const responses = new Responses({
    model: choice === null ? null : { choice, client: modelClient(config, metrics) },
    runExecution: runExecutionWith({ executions, files: options.files, toolServers, limits }),
    answerExecution: answerExecutionWith({ executions }),
    sessions,
    files,
    toolServers,
    limits,
    packages,
    seesImages: config.MODEL_SEES_IMAGES,
    store: responseStore,
    assistants: assistantStore,
    conversations: conversationStore,
    log,
    metrics,
  });
  const assistants = new Assistants({ store: assistantStore, files, limits, models: choice?.allowed ?? null });
  const seesImages = config.MODEL_SEES_IMAGES;
  const conversations = new Conversations({ store: conversationStore, responses: responseStore, files, limits, seesImages });
  return { responses, assistants, conversations, models: choice?.allowed ?? [] };
}

function modelChoiceOf({ MODEL_BASE_URL, MODEL_DEFAULT, MODEL_ALLOWED = [] }: AssistantOptions["config"]): ModelChoice | null {
  const fallback = MODEL_DEFAULT ?? MODEL_ALLOWED[0];
  if (MODEL_BASE_URL === undefined || fallback === undefined) return null;
  return { fallback, allowed: [...new Set([fallback, ...MODEL_ALLOWED])] };
}

function modelClient(config: AssistantOptions["config"], metrics: Metrics): ModelClient {
  return new ModelClient({
    baseUrl: config.MODEL_BASE_URL ?? "",
    apiKey: config.MODEL_API_KEY,
    tokensField: config.MODEL_TOKENS_FIELD,
    limits: config.limits,
    metrics,
  });
}

function filesFor(files: Files): FilesPort {
  return {
    getMany: files.getMany.bind(files),
    save: (organization, name, bytes) =>
      files.save(organization, { name, purpose: "user_data", executionId: null, bytesMax: bytes.byteLength }, once(bytes)),
    read: async (organization, id) => {
      const record = await files.get(organization, id);
      return record === null ? null : files.read(record);
    },
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
