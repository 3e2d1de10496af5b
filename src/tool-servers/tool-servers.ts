import { isDeepStrictEqual } from "node:util";
import type { ToolServers as ToolServersPort } from "../app/ports.ts";
import { ServiceError } from "../domain/errors.ts";
import type { Limits } from "../domain/limits.ts";
import type { ServerTools, ToolAnswer } from "../domain/tools.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import { SparseLines } from "../observe/sparse.ts";
import { deadlineAfter } from "../util/deadline.ts";
import { answerOf, failed } from "./answer.ts";
import { ServerConnection, ServerTrouble } from "./connection.ts";
import { declaredTools, fittingTools } from "./declared-tools.ts";
import type { ServerSettings } from "./settings.ts";

/** Calls of this process that one server works on at the same time. */
const CALLS_AT_ONCE = 64;
/** After a failure, a server is asked again for its tools only when this time has passed. */
const RETRY_MS = 5_000;

export interface ServerCall {
  organization: string;
  label: string;
  /** As the server calls it. */
  tool: string;
  /** As the code calls it. */
  name: string;
  args: Record<string, unknown>;
}

export interface ToolServersDeps {
  limits: Limits;
  metrics: Metrics;
  log: Log;
}

/** A server, its connection, and the tools that it had when it was last asked. */
interface Server {
  settings: ServerSettings;
  connection: ServerConnection;
  tools: ServerTools["tools"];
  problem: string | undefined;
  /** When the list is asked for again. */
  staleAt: number;
  listing: Promise<void> | null;
  calls: number;
}

/** The MCP servers of the operator, for one process. */
export class ToolServers implements ToolServersPort {
  readonly #deps: ToolServersDeps;
  readonly #lines = new SparseLines();
  readonly #stop = new AbortController();
  #servers = new Map<string, Server>();

  constructor(deps: ToolServersDeps, settings: ReadonlyMap<string, ServerSettings>) {
    this.#deps = deps;
    this.replace(settings);
  }

  /** Takes over new settings. A server whose settings are the same keeps its connection and its calls. */
  replace(settings: ReadonlyMap<string, ServerSettings>): void {
    const old = this.#servers;
    this.#servers = new Map();
    for (const [label, one] of settings) {
      const same = old.get(label);
      this.#servers.set(label, same !== undefined && isDeepStrictEqual(same.settings, one) ? same : this.#serverOf(one));
      for (const outcome of ["output", "failed"]) this.#deps.metrics.toolServerCalls.inc({ server: label, outcome }, 0);
    }
    for (const [label, server] of old) if (this.#servers.get(label) !== server) void server.connection.close();
  }

  labelsFor(organization: string): string[] {
    return this.#usedBy(organization).map(({ label }) => label);
  }

  labelsOfResponses(organization: string): string[] {
    return this.#usedBy(organization)
      .filter(({ inResponses }) => inResponses)
      .map(({ label }) => label);
  }

  #usedBy(organization: string): ServerSettings[] {
    return [...this.#servers.values()].map(({ settings }) => settings).filter((settings) => mayUse(settings, organization));
  }

  async serversOf(organization: string, labels: readonly string[], param = "mcp_servers"): Promise<ServerTools[]> {
    const servers = labels.map((label, at) => {
      const server = this.#servers.get(label);
      if (server !== undefined && mayUse(server.settings, organization)) return server;
      throw this.#unknownLabel(organization, label, `${param}.${at}`);
    });
    await Promise.all(servers.map((server) => this.#refresh(server)));
    let left = this.#deps.limits.serverToolsBytesMax;
    return servers.map(({ settings: { label }, tools, problem }) => {
      const fitting = fittingTools(tools, left);
      left -= fitting.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(fitting));
      if (fitting.length < tools.length) this.#say(label, "left_out", "the MCP server has too many tools; some are left out");
      return { label, tools: fitting, ...(problem === undefined ? {} : { problem }) };
    });
  }

  /** For each label, how many more calls this process takes on. */
  room(): Array<[label: string, calls: number]> {
    return [...this.#servers]
      .map(([label, { calls }]): [string, number] => [label, CALLS_AT_ONCE - calls])
      .filter(([, calls]) => calls > 0);
  }

  /** Calls a tool, if the settings still allow it. Never rejects. */
  async call({ organization, label, tool, name, args }: ServerCall, signal: AbortSignal): Promise<ToolAnswer> {
    const server = this.#servers.get(label);
    if (server === undefined || !mayUse(server.settings, organization)) return failed(name, "its server is not in use any more");
    server.calls += 1;
    const answer = await this.#answer(server, { tool, name, args }, signal);
    server.calls -= 1;
    this.#deps.metrics.toolServerCalls.inc({ server: label, outcome: answer.outcome });
    return answer;
  }

  async #answer(
    server: Server,
    { tool, name, args }: Pick<ServerCall, "tool" | "name" | "args">,
    signal: AbortSignal,
  ): Promise<ToolAnswer> {
    try {
      await this.#refresh(server);
      if (server.tools.every((known) => known.tool !== tool))
        return failed(name, server.problem ?? "its server does not offer it any more");
      return answerOf(name, await server.connection.call(tool, args, signal), this.#deps.limits);
    } catch (error) {
      return this.#failure(server, name, error);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#servers.values()].map(({ connection }) => connection.close()));
  }

  #serverOf(settings: ServerSettings): Server {
    const connection = new ServerConnection(settings, this.#deps.limits);
    return { settings, connection, tools: [], problem: undefined, staleAt: 0, listing: null, calls: 0 };
  }

  /** Asks the server for its tools when the list is old. Keeps the last list when it does not answer. Never rejects. */
  #refresh(server: Server): Promise<void> {
    if (performance.now() < server.staleAt) return Promise.resolve();
    server.listing ??= this.#list(server).finally(() => {
      server.listing = null;
    });
    return server.listing;
  }

  async #list(server: Server): Promise<void> {
    const { toolServerListMsMax, toolServerListAgeMsMax } = this.#deps.limits;
    const deadline = deadlineAfter(toolServerListMsMax, this.#stop.signal);
    try {
      server.tools = declaredTools(server.settings, await server.connection.list(deadline.signal));
      server.problem = undefined;
      server.staleAt = performance.now() + toolServerListAgeMsMax;
    } catch (error) {
      const { message } = this.#noted(server.settings.label, error);
      server.problem = server.tools.length === 0 ? message : undefined;
      server.staleAt = performance.now() + RETRY_MS;
    } finally {
      deadline.clear();
    }
  }

  #failure({ settings: { label } }: Server, name: string, error: unknown): ToolAnswer {
    const { trouble, message } = this.#noted(label, error);
    if (trouble === "slow") return { outcome: "timeout", json: "" };
    // The server's own words, as when it answers with an error.
    if (trouble === "refused") return { outcome: "error", json: JSON.stringify(`${name}(): ${message}`) };
    return failed(name, message.replace(/^the server/, "its server"));
  }

  #noted(label: string, error: unknown): ServerTrouble {
    const trouble = error instanceof ServerTrouble ? error : new ServerTrouble("broken", "the server's answer cannot be used");
    // What a server says may contain what the code sent.
    if (trouble.trouble !== "refused") this.#say(label, trouble.trouble, "the MCP server gave no usable answer");
    return trouble;
  }

  #say(label: string, reason: string, line: string): void {
    this.#lines.say(`${label} ${reason}`, (repeated) =>
      this.#deps.log.warn({ server: label, reason, ...(repeated === null ? {} : { repeated }) }, line),
    );
  }

  #unknownLabel(organization: string, label: string, param: string): ServiceError {
    const known = this.labelsFor(organization);
    const rule = known.length === 0 ? "must be a label of an MCP server, and there are none" : `must be one of ${known.join(", ")}`;
    return new ServiceError("invalid_field", { detail: `\`${param}\` ${rule}, not "${label}".`, param });
  }
}

function mayUse({ organizations }: ServerSettings, organization: string): boolean {
  return organizations === null || organizations.has(organization);
}
