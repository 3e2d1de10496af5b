import { readFileSync } from "node:fs";
import { ServerCalls } from "../queue/tools/server-calls.ts";
import type { RedisClient } from "../redis/address.ts";
import { parseServers, type ServerSettings } from "../tool-servers/settings.ts";
import { ToolServers } from "../tool-servers/tool-servers.ts";
import type { ProcessContext } from "./process.ts";

/** Running calls have this long at the end of the process. */
const GRACE_MS = 5_000;

export interface ToolServersPart {
  servers: ToolServers;
  stop(): Promise<void>;
}

/** The operator's MCP servers. Throws when their file is wrong; a reload with a wrong file leaves everything as it is. */
export function openToolServers({ config, environment, log, metrics, reloads }: ProcessContext, redis: RedisClient): ToolServersPart {
  const { limits, MCP_SERVERS: path, REDIS_PREFIX: prefix } = config;
  const servers = new ToolServers({ limits, metrics, log }, path === undefined ? new Map() : read(path, environment));
  if (path === undefined) return { servers, stop: () => servers.close() };
  const calls = new ServerCalls({ redis, prefix, log, servers, answerMsMax: limits.toolAnswerMsMax });
  reloads.add(() => {
    try {
      servers.replace(read(path, environment));
    } catch (error) {
      log.error({ err: error }, "the file of MCP servers is wrong and was not reloaded");
    }
  });
  return {
    servers,
    stop: async () => {
      await calls.stop(GRACE_MS);
      await servers.close();
    },
  };
}

function read(path: string, environment: ProcessContext["environment"]): Map<string, ServerSettings> {
  try {
    return parseServers(readFileSync(path, "utf8"), environment);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Error("MCP_SERVERS: the file is not JSON", { cause: error });
    throw error;
  }
}
